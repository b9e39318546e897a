import pytest
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from zscape.probability import posteriors, priors
from zscape.probability.distributions import DiagonalGaussian
from zscape.probability.distributions.shapes import at_least_float32, soft_clamp, soft_log_scale


def from_numbers(loc: Tensor, log_variance: Tensor) -> DiagonalGaussian:
    """What a Gaussian posterior makes of a mean and a log-variance."""
    gaussian = posteriors.Gaussian(1, 1)
    gaussian.linear = torch.nn.Identity()
    return gaussian(torch.stack([loc, log_variance], -1))


def extremes(n: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    loc = (2e6 * torch.rand(n) - 1e6).to(dtype).requires_grad_()
    log_variance = (2e4 * torch.rand(n) - 1e4).to(dtype).requires_grad_()
    return loc, log_variance


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_means_and_log_variances_stay_finite(dtype: torch.dtype):
    torch.manual_seed(0)
    inputs = [*extremes(100_000, dtype), *extremes(100_000, dtype)]
    q, p = from_numbers(*inputs[:2]), from_numbers(*inputs[2:])
    standard = priors.Standard(1)(torch.zeros(100_000, 0))
    z = q.rsample()
    parts = [
        kl_divergence(q, p),
        kl_divergence(q, standard),
        q.log_prob(z),
        p.log_prob(z),
        standard.log_prob(z),
    ]
    for part in parts:
        assert part.isfinite().all()
    assert (parts[0] >= -1e-6).all() and (parts[1] >= -1e-6).all()
    gradients = torch.autograd.grad(sum(part.sum() for part in parts), inputs)
    for gradient in gradients:
        assert gradient.isfinite().all()


def test_the_clamp_leaves_useful_log_variances_alone():
    x = torch.linspace(-7, 7, 1001, dtype=torch.float64, requires_grad=True)
    y = 2 * soft_log_scale(x)
    assert (y - x).abs().max() < 0.02 * 7
    slope = torch.autograd.grad(y.sum(), x)[0]
    assert (slope - 1).abs().max() < 0.06
    assert soft_log_scale(torch.tensor([-1e4, 1e4])).tolist() == [-15.0, 15.0]


def test_the_soft_clamp_is_the_identity_well_inside():
    x = torch.linspace(-10, 10, 1001, dtype=torch.float64)
    assert (soft_clamp(x, -20, 20) - x).abs().max() < 1e-4
    assert soft_clamp(torch.tensor([-1e4, 1e4]), -20, 20).tolist() == [-20.0, 20.0]


def test_float64_is_kept():
    assert at_least_float32(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
    assert at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
