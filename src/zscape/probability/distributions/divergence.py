"""What is asked of any distribution: its divergence and its centre."""

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from zscape.probability.distributions.bent import Bent
from zscape.probability.distributions.gaussians import DiagonalGaussian, StandardGaussian
from zscape.probability.distributions.shapes import sum_event


def kl_per_unit(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p) of each unit in nats, `[..., D]`, exact; None where no closed form is known.

    The units of maps lie flat, in the order of their codes' flat view.
    Source: Kingma and Welling 2013, appendix B, arXiv:1312.6114.
    """
    if isinstance(q, DiagonalGaussian) and isinstance(p, StandardGaussian):
        return 0.5 * (_twice_plus_one_to_standard(q) - 1)
    if isinstance(q, DiagonalGaussian) and isinstance(p, DiagonalGaussian):
        return 0.5 * (_twice_plus_one(q, p).flatten(-len(q.event_shape)) - 1)
    return None


def center(distribution: Distribution) -> Tensor:
    """The deterministic representative `[..., *event]` used for encoding and decoding.

    It is the mean where there is one; for a flow it is the mean of its noise, bent, which is a
    median-like point and not the mean.
    """
    return distribution.middle if isinstance(distribution, Bent) else distribution.mean


# In each unit 2 KL + 1, so that the constants are taken once per example and not per unit.


def _twice_plus_one(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    distance, ratio = (q.loc - p.loc) / p.scale, q.scale / p.scale
    squares = torch.addcmul(ratio * ratio, distance, distance)
    return squares.sub(q.log_scale - p.log_scale, alpha=2)


def _twice_plus_one_to_standard(q: DiagonalGaussian) -> Tensor:
    squares = torch.addcmul(q.scale * q.scale, q.loc, q.loc)
    return squares.sub(q.log_scale, alpha=2)


def _kl(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    twice = sum_event(_twice_plus_one(q, p), len(q.event_shape))
    return 0.5 * (twice - q.event_shape.numel())


def _kl_to_standard(q: DiagonalGaussian, p: StandardGaussian) -> Tensor:
    twice = _twice_plus_one_to_standard(q).sum(-1)
    return 0.5 * (twice - q.event_shape.numel())


# What makes torch.distributions.kl_divergence know the pairs.
register_kl(DiagonalGaussian, DiagonalGaussian)(_kl)
register_kl(DiagonalGaussian, StandardGaussian)(_kl_to_standard)
