"""Likelihood figures against closed forms: a linear-Gaussian model whose log p(x) is known."""

import math

import pytest
import torch
from tests.contracts.space import digits_space, table_space
from torch import nn

from zscape.errors import SpecError
from zscape.measures.figure import BINARISED, DENSITY, NATS, Figure
from zscape.measures.likelihood import (
    active_units,
    bits_per_dimension,
    elbo,
    importance_nll,
    importance_weighted,
    kl_per_dimension,
    rate_per_level,
)
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.probability import distributions
from zscape.probability.conditional import Conditional
from zscape.probability.posteriors import Gaussian, Point
from zscape.probability.priors import Standard


class Wide(Conditional):
    """N(context, 1) over two numbers."""

    def forward(self, context):
        return distributions.DiagonalGaussian(context, torch.zeros_like(context))


class Coins(Conditional):
    """Independent coins from logits."""

    def forward(self, context):
        return distributions.Bernoulli(context)


def model_of(likelihood, posterior):
    """z in two dimensions, decoded by itself, so that p(x) is N(0, 2) in each for `Wide`."""
    level = Flat("z", prior=Standard(2), posterior=posterior)
    return Model(nn.Identity(), [level], Decoder(nn.Identity(), likelihood)).eval()


def exact_posterior():
    """q(z | x) = N(x / 2, 1 / 2), which is the true posterior of `Wide`."""
    posterior = Gaussian(2, 2)
    nn.init.zeros_(posterior.linear.weight)
    nn.init.zeros_(posterior.linear.bias)
    with torch.no_grad():
        posterior.linear.weight[:2] = torch.eye(2) / 2
        posterior.linear.bias[2:] = math.log(0.5)
    return posterior


def prior_posterior():
    posterior = Gaussian(2, 2)
    nn.init.zeros_(posterior.linear.weight)
    nn.init.zeros_(posterior.linear.bias)
    return posterior


@pytest.fixture
def x():
    return torch.randn(300, 2) * 2**0.5


def true_nll(x):
    return (0.25 * x.square() + 0.5 * math.log(4 * math.pi)).sum(1)


def test_the_bound_is_tight_at_the_true_posterior(x):
    nll = true_nll(x).mean().item()
    model = model_of(Wide(), exact_posterior())
    # log p(x, z) - log q(z | x) is log p(x) whatever z, so one draw is exact.
    figure = importance_nll(model, x, draws=1)
    assert figure.value == pytest.approx(nll, abs=1e-4)
    assert figure.error == pytest.approx((true_nll(x).std() / 300**0.5).item(), rel=1e-3)
    bound, rate, distortion = elbo(model, x)
    assert bound.value == pytest.approx(-rate.value - distortion.value, abs=1e-6)
    assert bound.value == pytest.approx(-nll, abs=0.15)


def test_more_draws_come_nearer_and_stay_above(x):
    nll = true_nll(x).mean().item()
    model = model_of(Wide(), prior_posterior())
    values = [importance_nll(model, x, draws=k).value for k in (1, 10, 200)]
    assert values[0] > values[1] > values[2] > nll - 0.01
    assert values[2] == pytest.approx(nll, abs=0.05)


@pytest.mark.parametrize("batch", [7, 64, 300])
@pytest.mark.parametrize("at_once", [64, 10_000])
def test_every_draw_counts_whatever_the_batch(x, monkeypatch, batch, at_once):
    monkeypatch.setattr("zscape.measures.likelihood.AT_ONCE", at_once)
    model, seen = model_of(Wide(), prior_posterior()), []
    plain = model.forward
    monkeypatch.setattr(
        model, "forward", lambda x, draws=1: (seen.append(draws * len(x)), plain(x, draws=draws))[1]
    )
    figure = importance_nll(model, x, draws=45, batch=batch)
    # One further draw per example tells whether there is a rate.
    assert sum(seen) == 300 * 45 + 300
    assert figure.name == "importance-weighted NLL (45 draws)"


def test_the_effective_sample_size_is_all_draws_at_the_true_posterior(x):
    _, size = importance_weighted(model_of(Wide(), exact_posterior()), x, draws=50)
    assert size.value == pytest.approx(50, rel=1e-3) and size.unit == "draws"
    _, size = importance_weighted(model_of(Wide(), prior_posterior()), x, draws=50)
    assert 1 <= size.value < 45


def test_the_effective_sample_size_is_that_of_its_weights(x, monkeypatch):
    weights = iter([torch.tensor([[w]]) for w in (0.0, 2.0, 3.0)])
    monkeypatch.setattr("zscape.measures.likelihood.AT_ONCE", 1)
    monkeypatch.setattr("zscape.measures.likelihood.log_weights", lambda trace: next(weights))
    nll, size = importance_weighted(model_of(Wide(), prior_posterior()), x[:1], draws=3)
    w = torch.tensor([0.0, 2.0, 3.0]).double().exp()
    assert nll.value == pytest.approx(-w.mean().log().item(), rel=1e-6)
    assert size.value == pytest.approx((w.sum() ** 2 / w.square().sum()).item(), rel=1e-5)


def test_rates_of_levels_add_up_and_name_the_level(x):
    model = model_of(Wide(), exact_posterior())
    (level,) = rate_per_level(model, x)
    assert (level.name, level.kind) == ("rate of level z", "exact")
    assert level.value == pytest.approx(elbo(model, x)[1].value, rel=1e-6)
    assert rate_per_level(model_of(Wide(), Point(2, 2)), x) == []


def test_draws_must_be_some(x):
    with pytest.raises(SpecError, match="draws must be at least 1, got 0"):
        importance_nll(model_of(Wide(), prior_posterior()), x, draws=0)


def test_kinds_of_a_density(x):
    bound, rate, distortion = elbo(model_of(Wide(), exact_posterior()), x)
    assert (bound.kind, rate.kind, distortion.kind) == ("bound", "exact", "estimate")
    assert (bound.unit, rate.unit, distortion.unit) == (DENSITY, NATS, DENSITY)
    assert bits_per_dimension(bound, 2).kind == "undefined"
    assert elbo(table_space().model, table_space().items)[0].unit == DENSITY


def test_kinds_of_coins(x):
    model = model_of(Coins(), exact_posterior())
    bound, _, distortion = elbo(model, (x > 0).float())
    assert (bound.kind, bound.unit, distortion.kind) == ("bound", NATS, "estimate")
    nll = importance_nll(model, (x > 0).float(), draws=3)
    assert (nll.kind, nll.unit) == ("bound", NATS)
    bits = bits_per_dimension(nll, 2)
    assert bits.value == pytest.approx(nll.value / math.log(4)) and bits.kind == "bound"
    assert bits_per_dimension(bound, 2).value == pytest.approx(-bound.value / math.log(4))


def test_grey_values_under_coins_bound_the_picture_binarised():
    model = model_of(Coins(), exact_posterior())
    # Only the first example is grey, far from the last batch.
    x = torch.cat([torch.full((1, 2), 0.5), torch.ones(400, 2)])
    bound, rate, distortion = elbo(model, x)
    assert (bound.unit, rate.unit, distortion.unit) == (BINARISED, NATS, BINARISED)
    assert importance_nll(model, x, draws=2).unit == BINARISED
    assert bits_per_dimension(bound, 2).value is None


def test_a_point_has_no_rate(x):
    model = model_of(Wide(), Point(2, 2))
    bound, rate, distortion = elbo(model, x)
    assert bound.value is None and rate.value is None
    assert (bound.kind, rate.kind, distortion.kind) == ("undefined", "undefined", "exact")
    assert importance_nll(model, x, draws=2).kind == "undefined"
    assert kl_per_dimension(model, x) == []
    by_rate, by_variance = active_units(model, x)
    assert by_rate.kind == "undefined" and by_variance.value == 2


def test_rates_per_unit_add_up(x):
    model = model_of(Wide(), exact_posterior())
    units = kl_per_dimension(model, x)
    assert [unit.kind for unit in units] == ["exact", "exact"]
    assert sum(unit.value for unit in units) == pytest.approx(elbo(model, x)[1].value, rel=1e-5)
    expected = 0.5 * (0.5 + (x[:, 0] / 2).square() - 1 + math.log(2))
    assert units[0].value == pytest.approx(expected.mean().item(), rel=1e-4)


def test_unused_units_are_not_active(x):
    posterior = exact_posterior()
    with torch.no_grad():
        posterior.linear.weight[1] = 0
        posterior.linear.bias[3] = 0
    by_rate, by_variance = active_units(model_of(Wide(), posterior), x)
    assert by_rate.value == 1 and by_variance.value == 1
    with torch.no_grad():
        posterior.linear.bias[1] = 3.0  # costs nats, and is the same for every example
    by_rate, by_variance = active_units(model_of(Wide(), posterior), x)
    assert by_rate.value == 1 and by_variance.value == 1


def test_figures_repeat_and_leave_randomness_alone():
    space = digits_space()
    x = space.modality.prepare(space.items)
    before = torch.get_rng_state()
    first = elbo(space.model, x), importance_nll(space.model, x[:20], draws=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == (elbo(space.model, x), importance_nll(space.model, x[:20], draws=5))


def test_one_example_has_no_error(x):
    figure = elbo(model_of(Wide(), exact_posterior()), x[:1])[0]
    assert isinstance(figure, Figure) and figure.error is None


def test_the_cross_entropy_of_grey_is_the_mean_over_binarised_pictures():
    coins, grey = distributions.Bernoulli(torch.randn(2)), torch.tensor([0.3, 0.9])
    spent = -coins.log_prob((torch.rand(100_000, 2) < grey).float())
    assert -coins.log_prob(grey).item() == pytest.approx(spent.mean().item(), abs=0.02)
