import math

import pytest
import torch
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Independent, MixtureSameFamily, Normal, kl_divergence

from zscape.errors import SpecError
from zscape.probability.distributions import (
    Delta,
    DiagonalGaussian,
    GaussianMixture,
    OptimalGaussian,
    StandardGaussian,
    kl_per_unit,
)


def gaussian(*shape: int, ndims: int = 1) -> DiagonalGaussian:
    return DiagonalGaussian(torch.randn(shape), 0.5 * torch.randn(shape), ndims)


def test_agrees_with_torch():
    torch.manual_seed(0)
    ours = gaussian(3, 2, 4, ndims=2)
    theirs = Independent(Normal(ours.loc, ours.scale), 2)
    x = torch.randn(5, 3, 2, 4)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.log_prob_per_unit(x).sum((-2, -1)), theirs.log_prob(x))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    torch.testing.assert_close(ours.variance, theirs.variance)


def test_shared_log_scale_counts_once_per_unit():
    loc, x = torch.randn(3, 2, 4), torch.randn(5, 3, 2, 4)
    shared = DiagonalGaussian(loc, torch.tensor(-0.7), 2)
    full = DiagonalGaussian(loc, torch.full_like(loc, -0.7), 2)
    torch.testing.assert_close(shared.log_prob(x), full.log_prob(x))
    torch.testing.assert_close(shared.entropy(), full.entropy())
    torch.testing.assert_close(shared.expand((2, 3)).log_prob(x[:2]), full.log_prob(x[:2]))
    assert shared.stddev.shape == loc.shape


def test_kl_agrees_with_torch_and_with_monte_carlo():
    torch.manual_seed(0)
    q, p = gaussian(3, 4), gaussian(3, 4)
    exact = kl_divergence(q, p)
    theirs = kl_divergence(Normal(q.loc, q.scale), Normal(p.loc, p.scale))
    torch.testing.assert_close(kl_per_unit(q, p), theirs)
    torch.testing.assert_close(exact, theirs.sum(-1))
    z = q.rsample((20_000,))
    ratios = q.log_prob(z) - p.log_prob(z)
    error = ratios.std(0) / math.sqrt(len(z))
    assert ((ratios.mean(0) - exact).abs() <= 4 * error).all()


def test_standard_is_the_diagonal_one_with_zeros():
    zeros, x = torch.zeros(3, 4), torch.randn(5, 3, 4)
    ours, theirs = StandardGaussian(zeros), DiagonalGaussian(zeros, zeros)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.log_prob_per_unit(x), theirs.log_prob_per_unit(x))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.variance, theirs.variance) and torch.equal(ours.stddev, theirs.stddev)
    q = gaussian(3, 4)
    torch.testing.assert_close(kl_per_unit(q, ours), kl_per_unit(q, theirs))
    torch.testing.assert_close(kl_divergence(q, ours), kl_divergence(q, theirs))


def test_kl_of_itself_is_zero_and_never_negative():
    q = gaussian(1000, 4)
    assert (kl_divergence(q, q).abs() <= 1e-6).all()
    assert (kl_per_unit(q, gaussian(1000, 4)) >= -1e-6).all()


def test_draws_carry_gradients():
    q = DiagonalGaussian(torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True))
    q.rsample((10,)).square().sum().backward()
    assert q.loc.grad.abs().min() > 0 and q.log_scale.grad.abs().min() > 0


def test_mixture_agrees_with_torch():
    torch.manual_seed(0)
    ours = GaussianMixture(torch.randn(3, 5), torch.randn(3, 5, 2), 0.3 * torch.randn(3, 5, 2))
    theirs = MixtureSameFamily(
        TorchCategorical(logits=ours.logits),
        Independent(Normal(ours.loc, ours.log_scale.exp()), 1),
    )
    x = torch.randn(7, 3, 2)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)


def test_optimal_sigma_is_the_most_likely_one():
    torch.manual_seed(0)
    loc, x = torch.randn(8, 5), torch.randn(8, 5)
    reported = []
    stored = DiagonalGaussian(loc, torch.zeros(()))
    best = OptimalGaussian(stored, 1e-3, reported.append).log_prob(x).sum()
    sigma = (x - loc).square().mean().sqrt()
    torch.testing.assert_close(reported[0], sigma.square())
    for factor in (0.9, 1.0, 1.1):
        other = DiagonalGaussian(loc, (factor * sigma).log()).log_prob(x).sum()
        assert (best >= other - 1e-4) and (factor == 1.0) == math.isclose(best, other, rel_tol=1e-5)


def test_optimal_sigma_has_a_floor():
    loc = torch.zeros(8, 5)
    exact = OptimalGaussian(DiagonalGaussian(loc, torch.zeros(())), 1e-3, lambda _: None)
    floor = DiagonalGaussian(loc, torch.tensor(1e-3).log()).log_prob(loc)
    torch.testing.assert_close(exact.log_prob(loc), floor)


def test_point_says_that_its_rate_is_undefined():
    point = Delta(torch.randn(3, 2))
    assert torch.equal(point.rsample((4,)), point.loc.expand(4, 3, 2))
    with pytest.raises(SpecError, match=r"rate of a point code is undefined.*Gaussian posterior"):
        point.log_prob(point.loc)


def test_a_shared_mixture_is_the_mixture_of_its_copies():
    torch.manual_seed(0)
    logits, loc = torch.randn(7), 3 * torch.randn(7, 5)
    log_scale = torch.linspace(-12, 2, 35).reshape(7, 5).requires_grad_()  # some very narrow
    value = torch.cat([loc + 1e-4 * torch.randn(7, 5), torch.randn(3, 5)])
    shared = GaussianMixture(logits, loc, log_scale).expand((10,))
    copies = GaussianMixture(logits.expand(10, 7), loc.expand(10, 7, 5), log_scale.expand(10, 7, 5))
    assert shared.loc.ndim == 2
    found, expected = shared.log_prob(value), copies.log_prob(value)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
    gradients = [torch.autograd.grad(t[7:].sum(), log_scale)[0] for t in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(shared.mean, copies.mean)
    torch.testing.assert_close(shared.variance, copies.variance)
    assert shared.sample((4,)).shape == (4, 10, 5)
