"""Terms on the aggregate posterior q(z): the codes of a batch taken together."""

import math

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.model.trace import Latent, Trace
from zscape.objective.objective import Part, Term
from zscape.probability.distributions import Delta


class TotalCorrelation(Term):
    """weight * KL(q(z) || prod_d q(z_d)) by minibatch-weighted sampling, in nats.

    A fine gradient and a false number: biased upward by tens of nats on an untrained model
    (`surrogate`).
    Source: Chen et al. 2018, eq. 2 and appendix C, arXiv:1802.04942.

    Args:
        weight: beta - 1 of the paper when added to a plain rate.
        num_examples: N, the size of the training set.
    """

    def __init__(self, weight: float, *, num_examples: int) -> None:
        self.weight = weight
        self.num_examples = num_examples

    def __call__(self, trace: Trace, step: int) -> Part:
        """The estimate from one draw of every example in the batch."""
        value = total_correlation(trace.latents[0], self.num_examples)
        return Part("total_correlation", value, self.weight * value)


class Matching(Term):
    """weight * MMD(q(z), p(z)): a kernel distance between a batch of codes and of prior draws.

    Unit: none (kernel values); `surrogate`. Inverse multiquadratic kernels at seven scales.
    Source: Tolstikhin et al. 2018, algorithm 2, arXiv:1711.01558.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, trace: Trace, step: int) -> Part:
        """The unbiased estimate from one draw of every example in the batch."""
        latent = trace.latents[0]
        z = latent.z[0].flatten(1)
        prior = latent.p.sample().flatten(1)
        value = maximum_mean_discrepancy(z, prior)
        return Part("mmd", value, self.weight * value)


class Decorrelation(Term):
    """Pushes the covariance of codes to the identity; a sum of squares, unit none (`surrogate`).

    Source: Kumar et al. 2018, eqs. 6 and 7 (DIP-VAE-I and -II), arXiv:1711.00848.

    Args:
        diagonal: weight of (variance - 1)^2.
        off_diagonal: weight of squared covariances.
        means_only: covariance of posterior means (I) rather than of codes (II).
    """

    def __init__(self, *, diagonal: float, off_diagonal: float, means_only: bool) -> None:
        self.diagonal = diagonal
        self.off_diagonal = off_diagonal
        self.means_only = means_only

    def __call__(self, trace: Trace, step: int) -> Part:
        """The penalty of the batch's covariance matrix."""
        q = trace.latents[0].q
        assert q is not None
        covariance = _covariance(q.mean)
        if not self.means_only:
            covariance = covariance + q.variance.mean(0).diag()
        variances = covariance.diagonal()
        on = (variances - 1).square().sum()
        off = covariance.square().sum() - variances.square().sum()
        return Part("decorrelation", on + off, self.diagonal * on + self.off_diagonal * off)


def total_correlation(latent: Latent, num_examples: int) -> Tensor:
    """KL(q(z) || prod_d q(z_d)) of a batch, in nats. Minibatch estimate, biased upward.

    Source: Chen et al. 2018, eq. 2 and appendix C, arXiv:1802.04942.
    """
    assert latent.q is not None
    z = latent.z[0]
    mean, scale = latent.q.mean, latent.q.stddev
    offset = math.log(len(z)) + math.log(num_examples)
    distances = (z[:, None] - mean[None]) / scale[None]
    per_unit = -0.5 * distances.square() - scale.log()[None] - 0.5 * math.log(2 * math.pi)
    joint = per_unit.sum(-1).logsumexp(1) - offset
    product = (per_unit.logsumexp(1) - offset).sum(-1)
    return (joint - product).mean()


def mutual_information(latent: Latent) -> Tensor:
    """I(x; z) under q of a batch, in nats: mean log q(z | x) - log mean_x' q(z | x').

    Minibatch estimate from one draw per example; never above log B.
    Source: Hoffman and Johnson 2016, eq. 5; Dieng et al. 2019, section 2.1, arXiv:1807.04863.

    Raises:
        SpecError: the code is a point, which says all.
    """
    if isinstance(latent.q, Delta) or latent.q is None:
        raise SpecError(
            "The mutual information must be of codes that are drawn, got a point. "
            "Use a recipe with a Gaussian posterior, or --encoder-steps 0."
        )
    z = latent.z[0]
    # Expanded by hand: flows do not broadcast a code over their contexts.
    each = latent.q.log_prob(z[:, None].expand(len(z), *z.shape))
    return (each.diagonal() - each.logsumexp(1)).mean() + math.log(len(z))


def maximum_mean_discrepancy(left: Tensor, right: Tensor) -> Tensor:
    """Squared MMD between two equal-sized samples `[B, D]`, unbiased, unit none.

    Source: Gretton et al. 2012, eq. 3; kernels of Tolstikhin et al. 2018, section 4.
    """
    num = len(left)
    own = _kernel(left, left) + _kernel(right, right)
    own = (own.sum() - own.diagonal().sum()) / (num * max(num - 1, 1))
    return own - 2 * _kernel(left, right).mean()


def _kernel(left: Tensor, right: Tensor) -> Tensor:
    distances = (left[:, None] - right[None]).square().sum(-1)
    base = 2.0 * left.shape[1]
    scales = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
    kernels = [base * scale / (base * scale + distances) for scale in scales]
    return torch.stack(kernels).mean(0)


def _covariance(codes: Tensor) -> Tensor:
    centred = codes - codes.mean(0)
    return centred.T @ centred / max(len(codes) - 1, 1)
