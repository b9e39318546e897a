"""Pruning: the same space with fewer units, in a smaller network, and what that cost.

Nothing is masked: the layers that make and read the code lose the rows and columns of the units
that go, and what these units said on average stays in the bias. The smaller network may then be
trained further, to make up for what they said beyond it.
"""

import math
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from zscape.errors import SpecError
from zscape.model.bound import distortion, elbo, rate_per_unit
from zscape.model.codes import Codes
from zscape.model.level import Flat, Level
from zscape.model.model import Decoder, Model
from zscape.probability import posteriors, priors
from zscape.space.space import CHUNK, Space, seeded
from zscape.space.stages import Stage, Stages, outcome
from zscape.space.tuning import measured_places, tuning
from zscape.space.units import measuring_places, unit_rates

STREAM = 0x7A1E
DRAWS = 32  # of every example that the change is measured on


@dataclass(frozen=True, slots=True, repr=False)
class Pruned:
    """A space with fewer units.

    Attributes:
        space: of the smaller model, with the codes of the same data.
        units: which units of the flat code stayed, rising.
        share: of the rate that they carry.
        before: ELBO of the model as it was, in nats per example, over items held out of training
            (all kept ones where none was): a bound.
        change: ELBO of the smaller model less `before`, over the same items; and with the same
            draws, unless it was trained further.
        error: standard error of `change`.
        weights: how many numbers the model held before and holds now.
        updates: steps that the smaller model was trained further.
    """

    space: Space
    units: tuple[int, ...]
    share: float
    before: float
    change: float
    error: float
    weights: tuple[int, int]
    updates: int = 0


def prune(space: Space, keep: float = 0.99, *, updates: int = 0, seed: int = 0) -> Pruned:
    """The space with the fewest units that carry a share of the rate, and the ELBO it lost.

    Units go in the order of their rate, least first. A unit that goes takes its whole rate with
    it, and what it told the decoder is replaced by its mean over the data. With updates the
    smaller network is then trained further, on the ELBO whatever it was trained on before, and
    the change is measured on the half of the held-out examples that this did not look at.

    Args:
        space: of a model of one flat level with a rate per unit.
        keep: the share of the rate, above 0 up to 1.
        updates: gradient steps of further training, of 128 examples each; 0: none.
        seed: of the draws that the change is measured with, and of further training.

    Raises:
        SpecError: a share that cannot be, a model whose units cannot be told apart, or updates of
            a space that does not hold all its examples.

    Source: Dai and Wipf 2019, section 3 (units beyond the manifold turn to noise),
    arXiv:1903.05789.
    """
    return outcome(pruning(space, keep, updates=updates, seed=seed))


def pruning(space: Space, keep: float = 0.99, *, updates: int = 0, seed: int = 0) -> Stages[Pruned]:
    """Prunes as `prune` does, and yields how far it is; the last one has the outcome."""
    if not 0 < keep <= 1:
        raise SpecError(f"keep must be above 0 and at most 1, got {keep}. 0.99 is a usual share.")
    _require_flat(space.model)
    rates = unit_rates(space)
    if rates is None:
        raise SpecError(
            "A space that is pruned must have a rate for each unit, and the rate of this one has "
            "none (its code is a point, or its prior is no product). Prune before refitting."
        )
    units = _kept(rates, keep)
    codes = Codes({name: z[:, units] for name, z in space.codes.tensors.items()})
    smaller = replace(space, model=_without(space, units), codes=codes)
    if updates:
        for step in tuning(smaller, updates=updates, seed=seed):
            yield Stage(step.words, step.share)
        assert step.outcome is not None
        smaller, change = step.outcome, _change(space, step.outcome, seed)
    else:
        change = _loss(space, smaller.model, units, seed)
    before, moved = (side.double() for side in change)
    error = float(moved.std()) / math.sqrt(len(moved)) if len(moved) > 1 else 0.0
    share = float(rates[units].sum() / rates.sum())
    sizes = _size(space.model), _size(smaller.model)
    kept, old, new = tuple(units.tolist()), float(before.mean()), float(moved.mean())
    yield Stage("done", 1.0, Pruned(smaller, kept, share, old, new, error, sizes, updates))


def _require_flat(model: Model) -> None:
    level = model.levels[0]
    told = model.start.known.fields
    if len(model.levels) > 1 or not isinstance(level, Flat) or told:
        raise SpecError(
            "A space that is pruned must be of a model of one flat level that is told nothing, "
            "and this one is of another. Redrawing its levels says which of them matter."
        )
    kinds = (posteriors.Gaussian, posteriors.NormalisedGaussian)
    if not isinstance(level.posterior, kinds) or not isinstance(level.prior, priors.Standard):
        raise SpecError(
            "A space that is pruned must have a Gaussian posterior and the standard prior, and "
            "this one has others. Prune before refitting the prior."
        )


def _kept(rates: Tensor, keep: float) -> Tensor:
    """The fewest units that carry the share, rising; one at least."""
    order = rates.argsort(descending=True, stable=True)
    carried = rates[order].double().cumsum(0) / rates.double().sum().clamp(min=1e-12)
    count = int((carried < keep - 1e-9).sum()) + 1
    return order[:count].sort().values


@torch.no_grad()
def _without(space: Space, units: Tensor) -> Model:
    """A copy of the model that has only these units."""
    model = deepcopy(space.model)
    level, decoder = model.levels[0], model.decoder
    assert isinstance(level, Level) and isinstance(decoder, Decoder)
    latent = space.codes.flat.shape[1]
    _shrink_posterior(level.posterior, units, latent)
    level.prior = priors.Standard(len(units))
    reader = _reader(decoder.network, latent)
    mean = space.codes.flat.mean(0)
    mean[units] = 0
    reader.bias.add_(reader.weight @ mean)
    _take(reader, columns=units)
    return model.eval()


def _shrink_posterior(posterior: nn.Module, units: Tensor, latent: int) -> None:
    assert isinstance(posterior, posteriors.Gaussian | posteriors.NormalisedGaussian)
    _take(posterior.linear, rows=torch.cat([units, units + latent]))
    if isinstance(posterior, posteriors.NormalisedGaussian):
        norm = nn.BatchNorm1d(len(units), affine=False)
        for name in ("running_mean", "running_var"):
            getattr(norm, name).copy_(getattr(posterior.norm, name)[units])
        posterior.norm = norm
        posterior.shift = nn.Parameter(posterior.shift[units])


def _take(layer: nn.Linear, *, rows: Tensor | None = None, columns: Tensor | None = None) -> None:
    """Leaves a linear layer with some of its outputs, or of its inputs."""
    if rows is not None:
        layer.weight = nn.Parameter(layer.weight[rows].clone())
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias[rows].clone())
        layer.out_features = len(rows)
    if columns is not None:
        layer.weight = nn.Parameter(layer.weight[:, columns].clone())
        layer.in_features = len(columns)


def _reader(network: nn.Module, latent: int) -> nn.Linear:
    """The layer of a decoder that reads the code, which is the first that is called."""
    called: list[nn.Linear] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        called.append(module)  # type: ignore[arg-type]

    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_hook(note) for module in linear]
    try:
        network(torch.zeros(1, latent))
    finally:
        for hook in hooks:
            hook.remove()
    if not called or called[0].in_features != latent or called[0].bias is None:
        raise SpecError(
            "A space that is pruned must have a decoder that reads the code by one linear layer, "
            "and this one reads it otherwise. Use a network of ours."
        )
    return called[0]


@torch.inference_mode()
def _loss(space: Space, smaller: Model, units: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """ELBO before and its change, of each example, where both networks see the same draws."""
    before, change = [], []
    name = str(space.model.levels[0].name)
    with seeded(STREAM + seed):
        for stored in space.items[measuring_places(space)].split(CHUNK // DRAWS):
            x = space.modality.prepare(stored)
            trace = space.model(x, draws=DRAWS)
            latent = trace[name]
            rates = rate_per_unit(latent)
            assert rates is not None
            kept = smaller(x, draws=DRAWS, given={name: latent.z[..., units]})
            spent = distortion(trace)
            before.append(-(spent.mean(0) + rates.sum(-1).expand(len(x))))
            gone = rates.sum(-1) - rates[..., units].sum(-1)
            change.append((spent - distortion(kept)).mean(0) + gone)
    return torch.cat(before), torch.cat(change)


@torch.inference_mode()
def _change(space: Space, tuned: Space, seed: int) -> tuple[Tensor, Tensor]:
    """ELBO before and its change, of each example that further training did not look at."""
    items, sides = space.items[measured_places(space)], []
    for model in (space.model, tuned.model):
        with seeded(STREAM + seed):
            parts = items.split(CHUNK // DRAWS)
            nats = [elbo(model(space.modality.prepare(x), draws=DRAWS)).mean(0) for x in parts]
        sides.append(torch.cat(nats))
    return sides[0], sides[1] - sides[0]


def _size(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
