import numpy as np
import torch
from scipy import stats

from zscape.probability.distributions import (
    LogLogistic,
    Multinomial,
    NegativeBinomial,
    Poisson,
    ZeroInflatedNegativeBinomial,
)

COUNTS = torch.arange(200.0).double()[:, None]


def test_poisson_agrees_with_scipy():
    log_rate = torch.tensor([-3.0, 0.0, 4.0]).double()
    theirs = stats.poisson.logpmf(COUNTS.numpy(), log_rate.exp().numpy())
    ours = Poisson(log_rate).log_prob_per_unit(COUNTS.expand(-1, 3))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10, atol=1e-10)


def negative_binomial() -> tuple[NegativeBinomial, np.ndarray]:
    mean = torch.tensor([0.1, 3.0, 40.0]).double()
    dispersion = torch.tensor([0.3, 2.0, 50.0]).double()
    p = (dispersion / (dispersion + mean)).numpy()
    theirs = stats.nbinom.logpmf(COUNTS.numpy(), dispersion.numpy(), p)
    return NegativeBinomial(mean.log(), dispersion.log()), theirs


def test_negative_binomial_agrees_with_scipy():
    ours, theirs = negative_binomial()
    log_prob = ours.log_prob_per_unit(COUNTS.expand(-1, 3))
    np.testing.assert_allclose(log_prob.numpy(), theirs, rtol=1e-9, atol=1e-9)


def test_zero_inflated_agrees_with_scipy():
    counts, plain = negative_binomial()
    zero_logits = torch.tensor([-4.0, 0.0, 3.0]).double()
    silent = zero_logits.sigmoid().numpy()
    theirs = np.log((COUNTS.numpy() == 0) * silent + (1 - silent) * np.exp(plain))
    ours = ZeroInflatedNegativeBinomial(counts, zero_logits)
    log_prob = ours.log_prob_per_unit(COUNTS.expand(-1, 3))
    np.testing.assert_allclose(log_prob.numpy(), theirs, rtol=1e-8, atol=1e-8)


def test_variances_are_those_of_the_draws():
    torch.manual_seed(0)
    counts = NegativeBinomial(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0]))
    inflated = ZeroInflatedNegativeBinomial(counts, torch.tensor([-1.0, 1.0]))
    for distribution in (counts, inflated, Poisson(torch.tensor([1.0, 2.0]))):
        drawn = distribution.sample((50_000,))
        torch.testing.assert_close(drawn.var(0), distribution.variance, rtol=0.06, atol=0.0)


def test_large_dispersion_is_poisson():
    log_mean, x = torch.tensor([1.0]), torch.arange(10.0)[:, None]
    ours = NegativeBinomial(log_mean, torch.tensor([7.0]))
    torch.testing.assert_close(ours.log_prob(x), Poisson(log_mean).log_prob(x), atol=0.03, rtol=0)


def test_multinomial_agrees_with_scipy():
    torch.manual_seed(0)
    logits = torch.randn(4).double()
    x = torch.tensor([[0.0, 1, 2, 3], [6, 0, 0, 0]]).double()
    theirs = stats.multinomial.logpmf(x.numpy(), 6, logits.softmax(-1).numpy())
    np.testing.assert_allclose(Multinomial(logits, 6).log_prob(x).numpy(), theirs, rtol=1e-9)
    assert (Multinomial(logits, 6).sample((50,)).sum(-1) == 6).all()


def test_multinomial_rows_are_independent():
    logits, x = torch.randn(2, 3, 4), torch.randint(0, 5, (2, 3, 4)).float()
    rows = Multinomial(logits, 6, ndims=2).log_prob(x)
    torch.testing.assert_close(rows, Multinomial(logits, 6).log_prob(x).sum(-1))


def test_log_logistic_is_a_logistic_of_logarithms_cut_between_whole_numbers():
    loc = torch.tensor([0.0, 1.386, 3.0]).double()
    log_scale = torch.tensor([0.5, -3.0, -1.0]).double()
    cuts = torch.cat([torch.zeros(1), torch.arange(200.0) + 1.5]).double()[:, None].log()
    below = stats.logistic.cdf(cuts.numpy(), loc.numpy(), log_scale.exp().numpy())
    ours = LogLogistic(loc, log_scale).log_prob_per_unit(COUNTS.expand(-1, 3)).exp()
    np.testing.assert_allclose(ours.numpy(), np.diff(below, axis=0), rtol=1e-7, atol=1e-12)


def test_log_logistic_draws_come_as_often_as_it_says():
    torch.manual_seed(0)
    counts = LogLogistic(torch.tensor([0.7, 1.4]), torch.tensor([-0.5, -3.0]))
    drawn = counts.sample((50_000,))
    for count in range(5):
        share = (drawn == count).float().mean(0)
        wanted = counts.log_prob_per_unit(torch.full((2,), float(count))).exp()
        torch.testing.assert_close(share, wanted, atol=0.01, rtol=0.0)


def test_log_logistic_is_nearly_certain_and_never_without_hope():
    counts = LogLogistic(torch.tensor([4.0]).log(), torch.tensor([-4.0]))
    log_prob = counts.log_prob_per_unit(torch.tensor([[3.0], [2.0], [4.0], [1e6]]))
    assert log_prob[0] > -0.01
    assert (log_prob[1:3] < -5).all()
    assert log_prob.isfinite().all()
