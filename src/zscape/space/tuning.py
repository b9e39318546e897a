"""Training a space's model further, on the examples that the space holds."""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.model.bound import elbo
from zscape.probability.fitting import minimise
from zscape.space.space import Space, encode_stored, own_draws
from zscape.space.stages import Stage, Stages
from zscape.space.units import measuring_places

STREAM = 0x7B21
BATCH = 128


def tuning(space: Space, *, updates: int, seed: int = 0) -> Stages[Space]:
    """Trains a copy of the model further on its ELBO, and yields how far it is; the last is done.

    The weights are averaged, and those are kept that have the best ELBO on half of the held-out
    examples, which may be those of the start; the other half, `measured_places`, is left to
    measure on.

    Args:
        space: of a model that is told nothing, which holds all its examples.
        updates: gradient steps, of 128 examples each.
        seed: of the batches and draws.

    Raises:
        SpecError: no steps, examples that it does not hold, or none that were held out.
    """
    _require_examples(space, updates)
    assert space.held_out is not None
    model = deepcopy(space.model).eval()

    def loss(stored: Tensor, known: Tensor) -> Tensor:
        return -elbo(model(space.modality.prepare(stored)))

    picking = measuring_places(space)[1::2]
    train, held = space.items[~space.held_out], space.items[picking]
    records = minimise(
        model,
        loss,
        (train, torch.empty(len(train), 0)),
        held=(held, torch.empty(len(held), 0)),
        steps=updates,
        batch=BATCH,
        seed=seed,
    )
    for step, nats in own_draws(records, STREAM + seed):
        yield Stage(f"ELBO {-nats:.2f} nats", step / updates)
    codes = encode_stored(model, space.modality, space.items)
    yield Stage("done", 1.0, replace(space, model=model, codes=codes))


def measured_places(space: Space) -> Tensor:
    """Where the held-out examples stand that further training did not pick by, `[M]`, rising."""
    return measuring_places(space)[::2]


def _require_examples(space: Space, updates: int) -> None:
    if updates < 1:
        raise SpecError(f"updates must be at least 1, got {updates}. 2000 is usual.")
    if len(space.items) < len(space.codes):
        raise SpecError(
            "A space that is trained further must hold all its examples, and this one holds "
            f"{len(space.items):,} of {len(space.codes):,}. Leave out the updates."
        )
    if space.held_out is None or int(space.held_out.sum()) < 2 or bool(space.held_out.all()):
        raise SpecError(
            "A space that is trained further must have held out 2 examples of training at least, "
            "and this one has not. Train it with validation, or leave out the updates."
        )
