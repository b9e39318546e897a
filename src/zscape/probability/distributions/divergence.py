"""What is asked of any distribution: its divergence and its centre."""

from torch import Tensor
from torch.distributions import Distribution, register_kl
from zuko.distributions import NormalizingFlow

from zscape.probability.distributions.gaussians import DiagonalGaussian
from zscape.probability.distributions.shapes import sum_event


def kl_per_unit(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p) of each unit in nats, `[..., D]`, exact; None where no closed form is known.

    Source: Kingma and Welling 2013, appendix B, arXiv:1312.6114.
    """
    if isinstance(q, DiagonalGaussian) and isinstance(p, DiagonalGaussian):
        return _gaussian_kl(q, p)
    return None


def center(distribution: Distribution) -> Tensor:
    """The deterministic representative `[..., *event]` used for encoding and decoding.

    It is the mean where there is one; for a zuko flow it is the mean of the base pushed through
    the transform, which is a median-like point and not the mean.
    """
    if isinstance(distribution, NormalizingFlow):
        base: Tensor = distribution.transform.inv(distribution.base.mean)
        return base
    return distribution.mean


def _gaussian_kl(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    log_ratio = q.log_scale - p.log_scale
    distance = (q.loc - p.loc) / p.scale
    return 0.5 * ((2 * log_ratio).exp() + distance.square() - 1) - log_ratio


def _gaussian_kl_total(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    return sum_event(_gaussian_kl(q, p), len(q.event_shape))


# What makes torch.distributions.kl_divergence know the pair.
register_kl(DiagonalGaussian, DiagonalGaussian)(_gaussian_kl_total)
