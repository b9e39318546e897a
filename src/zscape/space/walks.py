"""What a model makes of many things at once: codes, reconstructions, and nats of each thing.

Every thing is walked along the centres of its posteriors, so that nothing is drawn and a thing's
numbers do not depend on what goes through beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.model.bound import distortion, has_exact_rate, has_rate, log_weights, sum_rates
from zscape.model.trace import Trace
from zscape.probability.distributions import DiagonalGaussian, StandardGaussian
from zscape.probability.distributions.grids import Chosen
from zscape.space.likeness import Likeness
from zscape.space.space import Space, seeded

STREAM = 0x5C0E  # its draws are not those of anybody else's small seed
WALKED = 256  # things at a time
AT_ONCE = 2048  # codes in one walk, draws times things: their decoded pictures stay in the cache


@dataclass(frozen=True, slots=True)
class Walked:
    """What a model says of N things.

    Attributes:
        left: what is left when the centre of the likelihood is taken away, `[N, F]`.
        error: of pictures, squared and summed, as `Likeness.errors`, `[N]`; of rows nan.
        codes: the centres of the posteriors, `[N, D]`.
        spreads: standard deviations of the posteriors, `[N, D]`; nan where codes have none.
        distortion: -log p(x | z) at the centre, in nats, `[N]`.
        rate: KL(q || p) in nats, `[N]`; nan where a code is a point.
        cost: -log p(z) of the centre by the model's own prior, in nats, `[N]`.
    """

    left: Tensor
    error: Tensor
    codes: Tensor
    spreads: Tensor
    distortion: Tensor
    rate: Tensor
    cost: Tensor

    def __getitem__(self, rows: Tensor) -> "Walked":
        return Walked(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True, slots=True)
class Manner:
    """What holds of every walk of a model.

    Attributes:
        has_rate: false where a code is a point.
        exact_rate: whether the rate has a closed form.
        learned_prior: whether every level has a prior that follows the codes.
    """

    has_rate: bool
    exact_rate: bool
    learned_prior: bool


@torch.inference_mode()
def manner(space: Space) -> Manner:
    """What holds of every walk of a space's model."""
    trace = space.model.encode(space.modality.prepare(space.items[:1]))
    exact = all(has_exact_rate(latent) for latent in trace.latents)
    fixed = any(isinstance(latent.p, StandardGaussian) for latent in trace.latents)
    chosen = any(isinstance(latent.q, Chosen) for latent in trace.latents)
    return Manner(has_rate(trace), exact, not fixed and not chosen)


def walk_all(space: Space, stored: Tensor, alike: Likeness) -> Iterator[Walked]:
    """The walks of stored things `[N, *shape]`, a part at a time.

    Args:
        space: a space.
        stored: things.
        alike: how things of the space become points.
    """
    for part in stored.split(WALKED):
        yield _walked(space, space.modality.prepare(part), alike)


def joined(parts: list[Walked]) -> Walked:
    """The walks of all parts, one after the other."""
    names = [each.name for each in fields(Walked)]
    return Walked(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def likelihoods(space: Space, stored: Tensor, *, draws: int, seed: int = 0) -> Iterator[Tensor]:
    """-log (1/K sum_k p(x, z_k) / q(z_k | x)) of stored things in nats, a part `[B]` at a time.

    Args:
        space: whose codes are no points.
        stored: `[N, *shape]`.
        draws: K.
        seed: of the draws.

    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """
    for number, part in enumerate(stored.split(max(AT_ONCE // draws, 1))):
        with torch.inference_mode(), seeded(STREAM + seed + number):
            weights = log_weights(space.model(space.modality.prepare(part), draws=draws))
            found: Tensor = torch.tensor(draws).log() - weights.double().logsumexp(0)
        yield found


@torch.inference_mode()
def _walked(space: Space, x: Tensor, alike: Likeness) -> Walked:
    trace = space.model.encode(x)
    nothing = x.new_full((len(x),), torch.nan)
    prices = [latent.p.log_prob(latent.z) for latent in trace.latents]
    made = trace.likelihood.mean.float()
    return Walked(
        left=alike.residuals(x, made),
        error=nothing.double() if alike.wide else alike.errors(x, made).double(),
        codes=torch.cat([latent.z.flatten(1) for latent in trace.latents], dim=1),
        spreads=torch.cat([_spread(latent.q, latent.z) for latent in trace.latents], dim=1),
        distortion=distortion(trace).double(),
        rate=_rates(trace) if has_rate(trace) else nothing.double(),
        cost=-sum(prices, start=torch.zeros_like(nothing)).double(),
    )


def _rates(trace: Trace) -> Tensor:
    return sum_rates(trace).double()


def _spread(q: Distribution | None, z: Tensor) -> Tensor:
    if isinstance(q, DiagonalGaussian):
        return q.stddev.expand_as(z).flatten(1)
    return torch.full_like(z.flatten(1), torch.nan)
