"""Numbers read off a trace: distortion, rate and the evidence lower bound, in nats per example."""

from torch import Tensor
from torch.distributions import kl_divergence

from zscape.model.trace import Latent, Trace
from zscape.probability.diffusion import Carried
from zscape.probability.distributions import Delta, Moved, kl_per_unit
from zscape.probability.distributions.grids import Chosen


def distortion(trace: Trace) -> Tensor:
    """-log p(x | z), in nats, `[S, B]`."""
    assert trace.x is not None, "a generated trace has observed nothing"
    return -trace.likelihood.log_prob(trace.x)


def rate(latent: Latent) -> Tensor:
    """KL(q(z | x) || p(z)) of one level, in nats, `[S, B]` or `[B]`.

    Exact where the pair has a closed form, else the draw's log q(z | x) - log p(z), which is an
    unbiased estimate. A given code costs -log p(z).

    Raises:
        SpecError: the code is a point, whose rate is undefined.
    """
    if latent.q is None or latent.given:
        return -latent.p.log_prob(latent.z)
    try:
        return kl_divergence(latent.q, latent.p)
    except NotImplementedError:
        return latent.q.log_prob(latent.z) - latent.p.log_prob(latent.z)


def rate_per_unit(latent: Latent) -> Tensor | None:
    """KL of each unit, in nats, `[..., D]`; None where prior or posterior do not factorise."""
    return None if latent.q is None else kl_per_unit(latent.q, latent.p)


def has_exact_rate(latent: Latent) -> bool:
    """Whether the rate needs no draw: it has a closed form, or codes are chosen without chance."""
    return isinstance(latent.q, Chosen) or rate_per_unit(latent) is not None


def has_rate(trace: Trace) -> bool:
    """Whether the rate is defined: false when a code is a point."""
    return not any(isinstance(latent.q, Delta) for latent in trace.latents)


def bound_kind(trace: Trace) -> str:
    """What an ELBO or an importance-weighted likelihood of this walk is.

    "bound"; "estimate" where a prior's own density is one, as that of a diffusion.
    """
    priors = [p.base if isinstance(p, Moved) else p for p in (latent.p for latent in trace.latents)]
    return "estimate" if any(isinstance(p, Carried) for p in priors) else "bound"


def elbo(trace: Trace) -> Tensor:
    """The evidence lower bound, -(distortion + rates), in nats, `[S, B]`."""
    return -distortion(trace) - sum_rates(trace)


def sum_rates(trace: Trace) -> Tensor:
    """The rate summed over levels, in nats, `[S, B]` or `[B]`."""
    first, *others = trace.latents
    return sum((rate(latent) for latent in others), start=rate(first))


def log_weights(trace: Trace) -> Tensor:
    """Log p(x, z) - log q(z | x) of each draw, in nats, `[S, B]`.

    The mean over draws is the ELBO; log-mean-exp is the importance-weighted bound.
    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """
    total = -distortion(trace)
    for latent in trace.latents:
        if isinstance(latent.q, Chosen) and not latent.given:
            total = total - rate(latent)  # by the indices themselves, which z must be read for
            continue
        total = total + latent.p.log_prob(latent.z)
        if latent.q is not None and not latent.given:
            total = total - latent.q.log_prob(latent.z)
    return total
