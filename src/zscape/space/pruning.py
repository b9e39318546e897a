"""Pruning: the same space with fewer units, in a smaller network, and what that cost.

Nothing is masked: the layers that make and read the code lose the rows and columns of the units
that go, and what these units said on average stays in the bias.
"""

import math
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from zscape.errors import SpecError
from zscape.model.bound import distortion, rate_per_unit
from zscape.model.codes import Codes
from zscape.model.level import Flat, Level
from zscape.model.model import Decoder, Model
from zscape.probability import posteriors, priors
from zscape.space.space import CHUNK, Space, seeded
from zscape.space.units import measuring_items, unit_rates

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
        change: ELBO of the smaller model less `before`, over the same items and draws.
        error: standard error of `change`.
        weights: how many numbers the model held before and holds now.
    """

    space: Space
    units: tuple[int, ...]
    share: float
    before: float
    change: float
    error: float
    weights: tuple[int, int]


def prune(space: Space, keep: float = 0.99, *, seed: int = 0) -> Pruned:
    """The space with the fewest units that carry a share of the rate, and the ELBO it lost.

    Units go in the order of their rate, least first. A unit that goes takes its whole rate with
    it, and what it told the decoder is replaced by its mean over the data.

    Args:
        space: of a model of one flat level with a rate per unit.
        keep: the share of the rate, above 0 up to 1.
        seed: of the draws that the change is measured with.

    Raises:
        SpecError: a share that cannot be, or a model whose units cannot be told apart.

    Source: Dai and Wipf 2019, section 3 (units beyond the manifold turn to noise),
    arXiv:1903.05789.
    """
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
    smaller = _without(space, units)
    before, change, error = _difference(space, smaller, units, seed)
    codes = Codes({name: z[:, units] for name, z in space.codes.tensors.items()})
    return Pruned(
        space=replace(space, model=smaller, codes=codes),
        units=tuple(units.tolist()),
        share=float(rates[units].sum() / rates.sum()),
        before=before,
        change=change,
        error=error,
        weights=(_size(space.model), _size(smaller)),
    )


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
def _difference(
    space: Space, smaller: Model, units: Tensor, seed: int
) -> tuple[float, float, float]:
    """ELBO before, the change, and its standard error, from the same items and draws."""
    items, _ = measuring_items(space)
    before, change = [], []
    name = space.model.levels[0].name
    with seeded(STREAM + seed):
        for stored in items.split(CHUNK // DRAWS):
            x = space.modality.prepare(stored)
            trace = space.model(x, draws=DRAWS)
            latent = trace[str(name)]
            rates = rate_per_unit(latent)
            assert rates is not None
            kept = smaller(x, draws=DRAWS, given={str(name): latent.z[..., units]})
            spent = distortion(trace)
            before.append(-(spent.mean(0) + rates.sum(-1).expand(len(x))))
            gone = rates.sum(-1) - rates[..., units].sum(-1)
            change.append((spent - distortion(kept)).mean(0) + gone)
    old, moved = torch.cat(before).double(), torch.cat(change).double()
    error = float(moved.std()) / math.sqrt(len(moved)) if len(moved) > 1 else 0.0
    return float(old.mean()), float(moved.mean()), error


def _size(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
