"""How likely a model finds data: ELBO, rate, distortion, importance-weighted NLL, active units.

Every figure says its unit and its kind. Functions take a model and prepared examples `[N, *shape]`,
draw under a seed of their own, and leave the caller's randomness as it was.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.errors import SpecError
from zscape.measures.figure import BINARISED, DENSITY, NATS, Figure, mean, undefined
from zscape.model.bound import (
    bound_kind,
    distortion,
    has_exact_rate,
    has_rate,
    log_weights,
    rate,
    sum_rates,
)
from zscape.model.model import Model
from zscape.model.trace import Trace
from zscape.probability.distributions import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    OptimalGaussian,
    Row,
)
from zscape.space.units import are_active, rates_of

BATCH = 256
MOST_DRAWS, ENOUGH = 64, 2048  # draws of an example, and of all together, for an ELBO
AT_ONCE = 2048  # codes in one walk, draws times batch: their decoded pictures stay in the cache

# Draws must not repeat the noise that data was made of under the same small seed.
STREAM = 0x5EED0B5E

_DENSITIES = (ContinuousBernoulli, DiagonalGaussian, OptimalGaussian)


@torch.inference_mode()
def elbo(model: Model, x: Tensor, *, seed: int = 0) -> tuple[Figure, Figure, Figure]:
    """The ELBO, the rate and the distortion, where ELBO = -(rate + distortion); nats per example.

    One draw per example, and more where examples are few, so that the noise of the draws does not
    count. The rate is the closed form where there is one. Where the code is a point, rate and ELBO
    are undefined.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`.
        seed: of the draws.

    Source: Kingma and Welling 2014, eq. 3, arXiv:1312.6114.
    """
    spent, rates, trace = bound_of_examples(model, x, seed=seed)
    unit, (rate_kind, kind) = _unit(trace.likelihood, x), _kinds(trace)
    source = "Kingma and Welling 2014, eq. 3"
    kept = mean("distortion", spent, unit, kind, source)
    if rates is None:
        return undefined("ELBO", unit, source), undefined("rate", NATS, source), kept
    return (
        mean("ELBO", -spent - rates, unit, bound_kind(trace), source),
        mean("rate", rates, NATS, rate_kind, source),
        kept,
    )


@torch.inference_mode()
def bound_of_examples(
    model: Model, x: Tensor, *, seed: int = 0
) -> tuple[Tensor, Tensor | None, Trace]:
    """Distortion and rate of each example `[N]` in nats, and the walk of the last of them.

    The rate is None where the code is a point. Arguments and draws are those of `elbo`.
    """
    spent, rates, draws = [], [], draws_for(len(x))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        for part in _batches(x, BATCH):
            trace = model(part, draws=draws)
            spent.append(distortion(trace).mean(0))
            if has_rate(trace):
                rates.append(sum_rates(trace).expand(draws, len(part)).mean(0))
    return torch.cat(spent), torch.cat(rates) if rates else None, trace


def draws_for(count: int) -> int:
    """How many draws an example gets where `count` of them are measured: 1 to 64."""
    return max(1, min(MOST_DRAWS, ENOUGH // max(count, 1)))


@torch.inference_mode()
def kl_per_dimension(model: Model, x: Tensor) -> list[Figure]:
    """Mean KL(q(z_d | x) || p(z_d)) of each unit in nats, in the order of the flat code.

    Empty where the code is a point, or prior or posterior do not factorise.
    Source: Kingma and Welling 2014, appendix B, arXiv:1312.6114.
    """
    _, rates = _encoded(model, x)
    if rates is None:
        return []
    source = "Kingma and Welling 2014, appendix B"
    return [
        mean(f"KL of unit {d}", unit, NATS, "exact", source)
        for d, unit in enumerate(rates.unbind(1))
    ]


@torch.inference_mode()
def rate_per_level(model: Model, x: Tensor, *, seed: int = 0) -> list[Figure]:
    """The mean rate of each level in nats, coarsest first; levels near zero are dead.

    Exact where prior and posterior have a closed form, else an estimate from one draw per example.
    Empty where a code is a point.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`.
        seed: of the draws.

    Source: Sonderby et al. 2016, section 3.2 (KL of each layer), arXiv:1602.02282.
    """
    rates: dict[str, list[Tensor]] = {}
    closed = True
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        for part in _batches(x, BATCH):
            trace = model(part)
            if not has_rate(trace):
                return []
            for latent in trace.latents:
                closed &= has_exact_rate(latent)
                spent = rate(latent).expand(1, len(part))[0]
                rates.setdefault(latent.name, []).append(spent)
    kind, source = "exact" if closed else "estimate", "Sonderby et al. 2016, section 3.2"
    return [
        mean(f"rate of level {name}", torch.cat(parts), NATS, kind, source)
        for name, parts in rates.items()
    ]


def importance_nll(
    model: Model, x: Tensor, *, draws: int = 200, batch: int = BATCH, seed: int = 0
) -> Figure:
    """-log (1/K sum_k p(x, z_k) / q(z_k | x)), the mean over examples, in nats: a bound on the NLL.

    The first of `importance_weighted`, which also says how many of the draws counted.

    Raises:
        SpecError: fewer than one draw.

    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """
    return importance_weighted(model, x, draws=draws, batch=batch, seed=seed)[0]


@torch.inference_mode()
def importance_weighted(
    model: Model, x: Tensor, *, draws: int = 200, batch: int = BATCH, seed: int = 0
) -> tuple[Figure, Figure]:
    """The importance-weighted NLL in nats, and the effective sample size in draws.

    The NLL lies above the true one and falls towards it as `draws` grows; each example costs
    `draws` decodes. The effective sample size (sum w)^2 / sum w^2, the mean over examples, is
    between 1 and K: near 1 a single draw decides, and the bound is loose. Both are undefined where
    the code is a point.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`.
        draws: K, used in full for every example whatever the batch.
        batch: examples at a time at most; fewer, and the draws split, so that memory stays bounded.
        seed: of the draws.

    Raises:
        SpecError: fewer than one draw.

    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519; Kong 1992 (effective sample size).
    """
    if draws < 1:
        raise SpecError(f"draws must be at least 1, got {draws}. 200 is a usual number.")
    name, source = f"importance-weighted NLL ({draws} draws)", "Burda et al. 2016, eq. 8"
    size, sizes_source = f"effective sample size (of {draws})", "Kong 1992"
    bounds, sizes = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        for part in _batches(x, min(batch, max(AT_ONCE // draws, 1))):
            trace = model(part)
            if not has_rate(trace):
                unit = _unit(trace.likelihood, x)
                return undefined(name, unit, source), undefined(size, "draws", sizes_source)
            total, squares = _log_sums(model, part, draws)
            bounds.append(math.log(draws) - total)
            sizes.append((2 * total - squares).exp())
    return (
        mean(name, torch.cat(bounds), _unit(trace.likelihood, x), bound_kind(trace), source),
        mean(size, torch.cat(sizes), "draws", "estimate", sizes_source),
    )


def bits_per_dimension(figure: Figure, dimensions: int) -> Figure:
    """The same bound as a cost in bits per dimension: nats / (log 2 * dimensions).

    Undefined for densities, whose value depends on the scale of the data, and for grey pictures
    measured as binarised ones.

    Args:
        figure: an ELBO or an NLL in nats per example.
        dimensions: how many numbers an example has, such as C * H * W.
    """
    name = f"{figure.name} in bits"
    if figure.value is None or figure.unit != NATS:
        return undefined(name, "bits per dimension", figure.source)
    bits = math.log(2) * dimensions
    error = None if figure.error is None else figure.error / bits
    unit = "bits per dimension"
    return Figure(name, abs(figure.value) / bits, unit, figure.kind, error, figure.source)


@torch.inference_mode()
def active_units(model: Model, x: Tensor) -> tuple[Figure, Figure]:
    """How many units are used: by rate and variance, and by variance of posterior means alone.

    Above 0.01 (nats). The first is undefined where there is no rate per unit.
    Source: Burda et al. 2016, section 2 (Var_x E[z | x] > 0.01), arXiv:1509.00519.
    """
    codes, rates = _encoded(model, x)
    variances = codes.var(0, correction=0)
    by_rate = undefined("active units by rate", "units", "")
    if rates is not None:
        count = float(are_active(variances, rates.mean(0)).sum())
        by_rate = Figure("active units by rate", count, "units", "estimate")
    used = float(are_active(variances).sum())
    source = "Burda et al. 2016, section 2"
    return by_rate, Figure("active units by variance", used, "units", "estimate", source=source)


def _log_sums(model: Model, x: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """Log sum_k w_k and log sum_k w_k^2 of each example, `[B]`; draws are split over walks."""
    total = squares = x.new_full((len(x),), -math.inf)
    left, most = draws, max(AT_ONCE // len(x), 1)
    while left:
        now = min(left, most)
        weights = log_weights(model(x, draws=now))
        total = torch.logaddexp(total, weights.logsumexp(0))
        squares = torch.logaddexp(squares, (2 * weights).logsumexp(0))
        left -= now
    return total, squares


def _encoded(model: Model, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Posterior centres and rates of all units, both `[N, D]`; None where rates are undefined."""
    centres, rates = [], []
    for part in _batches(x, BATCH):
        latents = model.latents(part)
        centres.append(torch.cat([latent.z.flatten(1) for latent in latents], dim=1))
        rates.append(rates_of(latents))
    known = [part for part in rates if part is not None]
    return torch.cat(centres), torch.cat(known) if len(known) == len(rates) else None


def _batches(x: Tensor, size: int) -> Iterator[Tensor]:
    return (x[start : start + size] for start in range(0, len(x), size))


def _kinds(trace: Trace) -> tuple[str, str]:
    """The kinds of the rate and of the distortion."""
    closed = all(has_exact_rate(latent) for latent in trace.latents)
    return "exact" if closed else "estimate", "estimate" if has_rate(trace) else "exact"


def _unit(likelihood: Distribution, x: Tensor) -> str:
    if isinstance(likelihood, Row):
        groups: tuple[Distribution, ...] = likelihood.groups
    else:
        groups = (likelihood,)
    if any(isinstance(group, _DENSITIES) for group in groups):
        return DENSITY
    # The cross entropy of grey values is the mean over pictures binarised with these chances, so
    # the ELBO bounds the likelihood of those (and by convexity so do importance weights).
    is_grey = isinstance(likelihood, Bernoulli) and not bool(((x == 0) | (x == 1)).all())
    return BINARISED if is_grey else NATS
