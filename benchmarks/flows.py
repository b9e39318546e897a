"""What do flows gain? Four posteriors times three priors on static binarized MNIST, in nats.

Encoder, decoder, data, steps and seed are the same throughout. Every pair is a part of its own, so
that `--only planar:vamp` runs one, in processes side by side if wanted; `gains` reads what they
left (in the folder that ZSCAPE_CELLS names, or under `results/`) and compares them on the same test
pictures. Which flow stands for all is chosen on the validation part.
"""

import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.data import binarized_digits
from benchmarks.figures import RESULTS, Figure, NotRunError, Settings, machine
from benchmarks.likelihood import (
    bernoulli_mixture,
    importance_weighted_nll,
    independent_pixels_nll,
    standard_error,
)
from zscape.model.bound import log_weights
from zscape.model.model import Model
from zscape.recipes import flow_vae
from zscape.study.data import look
from zscape.study.training.batches import Batches, InOrder
from zscape.study.training.fitting import fit

POSTERIORS: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "planar": {"transforms": 10},
    "iaf": {"transforms": 2},
    "spline": {"transforms": 2},
}
PRIORS: dict[str, dict[str, Any]] = {
    "standard": {},
    "vamp": {"components": 100},
    "spline": {"prior_transforms": 2},
    "coupling": {"prior_transforms": 4},
}
# Four by three, and the cheapest flow prior beside them.
PAIRS = (*product(POSTERIORS, ("standard", "vamp", "spline")), ("gaussian", "coupling"))
NETWORK, LATENT = "mlp", 32
BATCH, EPOCHS, RATE, RISE, WARM = 128, 16, 2e-3, 200, 2_000
DRAWS, CHOOSING = 500, 2_000  # draws of the NLL, and the validation pictures it is chosen on
CELLS = Path(os.environ.get("ZSCAPE_CELLS", RESULTS / "cells"))
SETTING = (
    f"static binarized MNIST, 50k/10k/10k as stored, {NETWORK} (512-512, SiLU), {LATENT} units, "
    f"Adam {RATE:g} falling to 0 as a cosine, batch {BATCH}, {EPOCHS} epochs, rate's weight 0 to 1 "
    f"in {WARM} steps, weights averaged (0.999), best epoch by validation ELBO; "
    f"importance-weighted NLL with {DRAWS} draws"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One pair: NLL of validation and test pictures `[N]`, its size, CPU seconds of an epoch."""

    posterior: str
    prior: str
    validation: Tensor
    test: Tensor
    parameters: int
    seconds: float
    best: int

    @property
    def name(self) -> str:
        """As in `--only`."""
        return f"{self.posterior}:{self.prior}"


def pair(posterior: str, prior: str, settings: Settings) -> Iterator[Figure]:
    """One posterior with one prior: trained, measured, and left for `gains`."""
    cell = _run(posterior, prior, settings)
    if not settings.quick:
        _leave(cell)
    yield _line(cell, settings)


def gains(settings: Settings) -> Iterator[Figure]:
    """What the pairs left: their table, and the best flow beside none on the same pictures."""
    cells = {pair: cell for pair in PAIRS if (cell := _left(*pair))}
    if ("gaussian", "standard") not in cells:
        raise NotRunError("the pair gaussian:standard must have been run before, and was not")
    missing = ", ".join(f"{q}:{p}" for q, p in PAIRS if (q, p) not in cells) or "none"
    yield from (_line(cell, settings) for cell in cells.values())
    plain = cells["gaussian", "standard"]
    others = [cell for cell in cells.values() if cell is not plain]
    priors = [cell for cell in others if cell.posterior == "gaussian"]
    posteriors = [cell for cell in others if cell.prior == "standard"]
    for figure, rivals in (
        ("prior_gain", priors),
        ("posterior_gain", posteriors),
        ("best_pair_gain", others),
    ):
        if rivals:
            yield _gain(figure, plain, rivals, missing)
    for cell in others:
        yield _gain(f"gain_{cell.posterior}_{cell.prior}", plain, [cell], missing)
        said = f"CPU seconds of an epoch of {cell.name} over {plain.name}; {SETTING}; {machine()}"
        ratio = cell.seconds / plain.seconds
        yield Figure(f"time_{cell.posterior}_{cell.prior}", ratio, "ratio", "measured", said)


def floors(settings: Settings) -> Iterator[Figure]:
    """What needs no network: independent pixels, and a mixture of Bernoullis."""
    data = _digits(settings)
    train, validation, test = (data[part].flatten(1) for part in ("train", "valid", "test"))
    nll = independent_pixels_nll(train, test)
    said = f"training means of single pixels, {len(nll)} test pictures; {machine()}"
    mean, error = nll.mean().item(), standard_error(nll)
    yield Figure("floor_independent_pixels", mean, "nats", "exact", said, error)
    rounds = 2 if settings.quick else 40
    mixtures = bernoulli_mixture(train, components=300, seed=settings.seed, rounds=rounds)
    *_, mixture = mixtures
    nll = mixture(test)
    chosen = mixture(validation).mean().item()
    said = f"300 Bernoullis by EM, {rounds} rounds (validation part {chosen:.2f}); {machine()}"
    mean, error = nll.mean().item(), standard_error(nll)
    yield Figure("floor_bernoulli_mixture", mean, "nats", "exact", said, error)


PARTS = {
    **{f"{q}:{p}": partial(pair, q, p) for q, p in PAIRS},
    "floors": floors,
    "gains": gains,
}


def _run(posterior: str, prior: str, settings: Settings) -> Cell:
    data = _digits(settings)
    found = look(data["train"].numpy() * 255)
    torch.manual_seed(settings.seed)
    model, objective = flow_vae(
        found.modality,
        latent=LATENT,
        network=NETWORK,
        warmup=0 if settings.quick else WARM,
        posterior=posterior,
        prior=prior,
        **POSTERIORS[posterior],
        **PRIORS[prior],
    )
    batches = Batches(data["train"], size=BATCH, seed=settings.seed)
    epochs = 1 if settings.quick else EPOCHS
    start, best, lowest = time.process_time(), 0, math.inf
    for progress in fit(
        model,
        objective,
        batches,
        epochs=epochs,
        learning_rate=partial(_rate, steps=epochs * len(batches)),
        validation=InOrder(data["valid"]),
        patience=0,
    ):
        loss = progress.parts.get("validation_loss", math.inf)
        if loss < lowest:
            best, lowest = progress.epoch, loss
            print(f"{posterior}:{prior} epoch {best}: {loss:.3f}", file=sys.stderr, flush=True)
    seconds = (time.process_time() - start) / epochs
    count = sum(parameter.numel() for parameter in model.parameters())
    validation = _nll(model, data["valid"][:CHOOSING], settings)
    test = _nll(model, data["test"], settings)
    return Cell(posterior, prior, validation, test, count, seconds, best)


def _rate(step: int, *, steps: int) -> float:
    falling = 0.5 + 0.5 * math.cos(math.pi * min(step / steps, 1.0))
    return RATE * falling * min((step + 1) / RISE, 1.0)


def _nll(model: Model, x: Tensor, settings: Settings) -> Tensor:
    torch.manual_seed(settings.seed + 1)
    draws = 10 if settings.quick else DRAWS
    model.eval()
    return importance_weighted_nll(
        lambda part, count: log_weights(model(part, draws=count)), x, draws=draws, images=8
    )


def _digits(settings: Settings) -> dict[str, Tensor]:
    """The parts of static binarized MNIST, uint8 0 or 1, `[N, 1, 28, 28]`."""
    rows = 1_000 if settings.quick else None
    parts = binarized_digits().items()
    return {name: torch.from_numpy(part[:rows]).view(-1, 1, 28, 28) for name, part in parts}


def _line(cell: Cell, settings: Settings) -> Figure:
    said = (
        f"posterior {cell.posterior} {POSTERIORS[cell.posterior]}, prior {cell.prior} "
        f"{PRIORS[cell.prior]}: {cell.parameters} parameters, {cell.seconds:.2f} CPU seconds an "
        f"epoch, best epoch {cell.best}, validation {cell.validation.mean():.3f} on "
        f"{len(cell.validation)} pictures; {SETTING} on {len(cell.test)} test pictures, seed "
        f"{settings.seed}; {machine()}"
    )
    mean, error = cell.test.mean().item(), standard_error(cell.test)
    return Figure(f"nll_{cell.posterior}_{cell.prior}", mean, "nats", "bound", said, error)


def _gain(figure: str, plain: Cell, rivals: list[Cell], missing: str) -> Figure:
    best = min(rivals, key=lambda cell: cell.validation.mean().item())
    gap = plain.test - best.test
    among = ", ".join(f"{c.name} {c.validation.mean():.2f}" for c in (plain, *rivals))
    said = (
        f"test NLL of {plain.name} less that of {best.name}, paired by picture, one run each; "
        f"validation: {among}; not run: {missing}; {SETTING}; {machine()}"
    )
    return Figure(figure, gap.mean().item(), "nats", "estimate", said, standard_error(gap))


def _leave(cell: Cell) -> None:
    CELLS.mkdir(parents=True, exist_ok=True)
    np.savez(
        _file(cell.posterior, cell.prior),
        validation=cell.validation.numpy(),
        test=cell.test.numpy(),
        facts=np.array([cell.parameters, cell.seconds, cell.best]),
    )


def _left(posterior: str, prior: str) -> Cell | None:
    path = _file(posterior, prior)
    if not path.exists():
        return None
    kept = np.load(path)
    nll = (torch.from_numpy(kept[part]) for part in ("validation", "test"))
    parameters, seconds, best = kept["facts"].tolist()
    return Cell(posterior, prior, *nll, int(parameters), seconds, int(best))


def _file(posterior: str, prior: str) -> Path:
    return CELLS / f"{posterior}-{prior}.npz"
