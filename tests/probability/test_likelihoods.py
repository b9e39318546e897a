import math

import pytest
import torch

from zscape.errors import SpecError
from zscape.probability import likelihoods

WORDS = {
    "bernoulli": (3, 4, 4),
    "continuous_bernoulli": (3, 4, 4),
    "gaussian": (3, 4, 4),
    "gaussian_learned": (3, 4, 4),
    "gaussian_optimal": (3, 4, 4),
    "discretized_logistic": (6, 4, 4),
    "discretized_logistic_mixture": (50, 4, 4),
    "spiked_logistic": (24, 4, 4),
    "categorical": (6, 4, 4),
    "poisson": (3, 4, 4),
    "negative_binomial": (3, 4, 4),
    "zero_inflated_negative_binomial": (6, 4, 4),
    "multinomial": (3, 4, 4),
}


@pytest.mark.parametrize("word", WORDS)
def test_every_word_makes_pictures(word: str):
    likelihood = likelihoods.likelihood(word, (3, 4, 4))
    assert likelihood.features == WORDS[word]
    distribution = likelihood(torch.randn(2, 5, *likelihood.features))
    assert distribution.event_shape == (3, 4, 4)
    assert distribution.log_prob(distribution.sample()).shape == (2, 5)
    assert distribution.log_prob(distribution.sample()[0]).shape == (2, 5)


def test_columns_are_resolved_with_their_kinds():
    likelihood = likelihoods.likelihood("columns", (2,), (("gaussian", 1), ("categorical", 4)))
    assert likelihood.features == (5,)
    assert likelihoods.likelihood("categorical", (2,), (("categorical", 7),)).features == (14,)


def test_a_misspelt_word_is_refused_with_the_near_ones():
    with pytest.raises(SpecError, match=r"likelihood 'bernouli'.*'bernoulli'"):
        likelihoods.likelihood("bernouli", (2,))


@pytest.mark.parametrize("word", [word for word in WORDS if word != "gaussian_optimal"])
def test_an_answer_does_not_depend_on_its_batch(word: str):
    torch.manual_seed(0)
    likelihood = likelihoods.likelihood(word, (3, 4, 4))
    context = torch.randn(6, *likelihood.features)
    x = likelihood(context).sample()
    alone = likelihood(context[2:3]).log_prob(x[2:3])
    torch.testing.assert_close(alone, likelihood(context).log_prob(x)[2:3], rtol=1e-5, atol=1e-5)


def test_optimal_sigma_follows_the_batch_in_training_and_stays_in_evaluation():
    torch.manual_seed(0)
    likelihood = likelihoods.GaussianOptimal((50,))
    context = torch.zeros(40, 50)
    for _ in range(30):
        likelihood(context).log_prob(0.2 * torch.randn(40, 50))
    assert math.isclose(likelihood.variance.sqrt().item(), 0.2, rel_tol=0.02)
    likelihood.eval()
    before = likelihood.variance.clone()
    x = 5 * torch.randn(40, 50)
    batch, alone = likelihood(context).log_prob(x), likelihood(context[:1]).log_prob(x[:1])
    torch.testing.assert_close(batch[:1], alone)
    assert torch.equal(before, likelihood.variance)
    assert math.isclose(likelihood(context).stddev[0, 0].item(), 0.2, rel_tol=0.02)


def test_optimal_sigma_is_stored_with_the_weights():
    likelihood = likelihoods.GaussianOptimal((5,))
    likelihood(torch.zeros(4, 5)).log_prob(torch.full((4, 5), 0.5))
    copy = likelihoods.GaussianOptimal((5,))
    copy.load_state_dict(likelihood.state_dict())
    assert copy.variance.item() == pytest.approx(0.25)


def test_fixed_sigma_weighs_the_squared_error():
    x, context = torch.randn(4, 5), torch.randn(4, 5)
    likelihood = likelihoods.Gaussian((5,), 0.5)
    squares = (x - context).square().sum(-1)
    expected = -squares / (2 * 0.25) - 5 * math.log(0.5 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(likelihood(context).log_prob(x), expected)


def test_learned_sigma_has_a_floor():
    likelihood = likelihoods.GaussianLearned((2,), floor=0.1)
    likelihood.log_scale.data.fill_(-50)
    torch.testing.assert_close(likelihood(torch.zeros(1, 2)).stddev, torch.full((1, 2), 0.1))


def test_half_precision_contexts_are_summed_in_float32():
    likelihood = likelihoods.Bernoulli((784,))
    log_prob = likelihood(torch.randn(2, 784).bfloat16()).log_prob(torch.rand(2, 784))
    assert log_prob.dtype == torch.float32
