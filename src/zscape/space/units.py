"""The units of a space: how many nats each carries, and which say the most."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zscape.model.bound import rate_per_unit
from zscape.model.trace import Latent
from zscape.space.space import CHUNK, Space

ACTIVE = 0.01  # nats of rate, and variance of the posterior means, above which a unit is used
AUDIBLE = 0.25  # nats of rate below which a code says next to nothing of any one example
MOST_MEASURED = 2048  # kept items that a mean rate is taken over


@torch.inference_mode()
def unit_rates(space: Space) -> Tensor | None:
    """Mean KL(q(z_d | x) || p(z_d)) of each unit over the items to measure on, in nats, `[D]`.

    Units stand in the order of the flat code. None where the rate is undefined (the code is a
    point) or has no closed form per unit (flows, mixtures).
    Source: Kingma and Welling 2014, appendix B, arXiv:1312.6114.
    """
    sums, items = [], measuring_items(space)[0]
    for start in range(0, len(items), CHUNK):
        x = space.modality.prepare(items[start : start + CHUNK])
        rates = rates_of(space.model.latents(x))
        if rates is None:
            return None
        sums.append(rates.sum(0))
    return torch.stack(sums).sum(0) / len(items)


def measuring_items(space: Space, most: int = MOST_MEASURED) -> tuple[Tensor, bool]:
    """Stored examples `[M, *shape]` to measure on, and whether they were held out of training.

    The held-out ones that were kept, or all kept ones where none was held out.

    Args:
        space: a space.
        most: how many at most.
    """
    places = measuring_places(space, most)
    return space.items[places], _has_held_out(space)


def measuring_places(space: Space, most: int = MOST_MEASURED) -> Tensor:
    """Where `measuring_items` stand among the kept items, `[M]`, rising.

    `space.kept[places]` are their indices into the codes and labels.
    """
    if space.held_out is not None and _has_held_out(space):
        return space.held_out.nonzero().flatten()[:most]
    return _spread_places(len(space.items), most)


def some_items(space: Space, most: int) -> Tensor:
    """Stored examples, at most so many of the kept ones, evenly spread, `[M, *shape]`."""
    return space.items[_spread_places(len(space.items), most)]


def spread(space: Space) -> Tensor:
    """Standard deviation of each unit over the codes of the data, `[D]`."""
    return space.codes.flat.std(0, correction=0)


@torch.inference_mode()
def drawn_spread(space: Space) -> Tensor:
    """Standard deviation of each unit over codes as training drew them, `[D]`: what decoders know.

    That of the centres, and of draws around them besides, which are nearly all of it where a unit
    carries next to nothing. An estimate from 512 items; that of the centres alone where a
    posterior has no deviation to tell.
    """
    x = space.modality.prepare(some_items(space, CHUNK))
    around = scales_of(space.model.latents(x))
    centres = spread(space)
    if around is None:
        return centres
    return (centres.square() + around.square().mean(0)).sqrt()


def scales_of(latents: Sequence[Latent]) -> Tensor | None:
    """Standard deviations of the posteriors, `[B, D]`; None where one has none to tell."""
    try:
        scales = [latent.q.stddev for latent in latents]  # type: ignore[union-attr]
    except (NotImplementedError, AttributeError):
        return None
    flat = torch.cat([scale.flatten(1) for scale in scales], dim=1)
    size = sum(latent.z[0].numel() for latent in latents)
    return flat if flat.shape[1] == size else None


def active_units(space: Space, rates: Tensor | None) -> Tensor:
    """Which units are used, bool `[D]`, over the items to measure on, of their `unit_rates`."""
    codes = space.codes.flat[space.kept[measuring_places(space)]]
    return are_active(codes.var(0, correction=0), rates)


def are_active(variances: Tensor, rates: Tensor | None = None) -> Tensor:
    """Which units are used, bool `[D]`: they tell examples apart, and carry something.

    A unit that costs much but is the same for every example tells nothing of any: so are all after
    a few steps of training.

    Args:
        variances: of the posterior means over examples, `[D]`.
        rates: mean KL of each unit in nats, `[D]`; None: undefined, and variances alone decide.

    Source: Burda et al. 2016, section 2 (Var_x E[z | x] > 0.01), arXiv:1509.00519.
    """
    varies = variances > ACTIVE
    return varies if rates is None else varies & (rates > ACTIVE)


def informative_units(space: Space, most: int | None = None) -> list[int]:
    """The units that say the most, first the one with the largest mean rate.

    Where the rate per unit is undefined the variance of the codes stands in for it.

    Args:
        space: a space.
        most: how many at most; none: all of them.
    """
    rates = unit_rates(space)
    measure = spread(space) if rates is None else rates
    order: list[int] = measure.argsort(descending=True, stable=True).tolist()
    return order[:most]


def rates_of(latents: Sequence[Latent]) -> Tensor | None:
    """KL of each unit of the flat code in nats, `[B, D]`, of latents with leading dimensions `[B]`.

    None where a level has no closed form per unit.
    """
    per_level = [rate_per_unit(latent) for latent in latents]
    known = [rates.flatten(1) for rates in per_level if rates is not None]
    return torch.cat(known, dim=1) if len(known) == len(per_level) else None


def _has_held_out(space: Space) -> bool:
    return space.held_out is not None and bool(space.held_out.any())


def _spread_places(count: int, most: int) -> Tensor:
    if count <= most:
        return torch.arange(count)
    return torch.linspace(0, count - 1, most, dtype=torch.float64).round().long()
