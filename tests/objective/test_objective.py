import math

import pytest
import torch
from torch import nn

from zscape.errors import SpecError
from zscape.model.bound import distortion, elbo, rate_per_unit, sum_rates
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.objective.aggregate import (
    Decorrelation,
    Matching,
    TotalCorrelation,
    maximum_mean_discrepancy,
    total_correlation,
)
from zscape.objective.objective import ImportanceWeighted, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.objective.schedules import at, cosine, cyclical, linear, stepped
from zscape.probability.distributions import DiagonalGaussian
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Mixture, Standard


def trace(prior=None, batch=64, draws=1):
    level = Flat("z", prior=prior or Standard(3), posterior=Gaussian(5, 3))
    decoder = Decoder(nn.Linear(3, 4), GaussianLikelihood((4,)))
    return Model(nn.Linear(4, 5), [level], decoder)(torch.randn(batch, 4), draws=draws)


def test_the_sum_is_the_negative_elbo():
    walked = trace()
    loss = Sum(Reconstruction(), Rate())(walked, 0)
    assert loss.total.item() == pytest.approx(-elbo(walked).mean().item(), rel=1e-6)
    assert loss.parts["rate"].item() == pytest.approx(sum_rates(walked).mean().item(), rel=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_beta_really_multiplies_the_rate(beta):
    walked = trace()
    total = Sum(Reconstruction(), Rate(beta))(walked, 0).total
    expected = distortion(walked).mean() + beta * sum_rates(walked).mean()
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_rate_follows_its_schedule():
    walked = trace()
    rate = sum_rates(walked).mean().item()
    warmed = Rate(linear(0.0, 2.0, steps=100))
    assert warmed(walked, 0).cost.item() == 0
    assert warmed(walked, 50).cost.item() == pytest.approx(rate, rel=1e-6)
    assert warmed(walked, 500).cost.item() == pytest.approx(2 * rate, rel=1e-6)
    assert warmed(walked, 0).value.item() == pytest.approx(rate, rel=1e-6)


def test_capacity_costs_the_distance_to_the_target():
    walked = trace()
    rate = sum_rates(walked).mean().item()
    part = Rate(10.0, capacity=rate + 3)(walked, 0)
    assert part.cost.item() == pytest.approx(30, rel=1e-4)
    assert part.value.item() == pytest.approx(rate, rel=1e-6)


def test_free_bits_cost_at_least_the_floor_and_pass_no_gradient_below_it():
    walked = trace()
    per_unit = rate_per_unit(walked.latents[0]).mean(0)
    part = Rate(floor=1000.0)(walked, 0)
    assert part.cost.item() == pytest.approx(3000)
    assert part.value.item() == pytest.approx(per_unit.sum().item(), rel=1e-5)
    assert Rate(floor=1e-9)(walked, 0).cost.item() == pytest.approx(per_unit.sum().item())


def test_free_bits_refuse_a_prior_without_units():
    with pytest.raises(SpecError, match="factorise"):
        Rate(floor=0.1)(trace(Mixture(3, components=4)), 0)


def test_importance_weighting_is_the_elbo_at_one_draw():
    walked = trace(batch=4096)
    loss = ImportanceWeighted(1)(walked, 0)
    assert loss.total.item() == pytest.approx(-elbo(walked).mean().item(), rel=0.02)
    total = loss.parts["rate"] + loss.parts["distortion"]
    assert total.item() == pytest.approx(loss.total.item(), rel=1e-5)


def test_total_correlation_is_zero_for_independent_and_large_for_copied_units():
    torch.manual_seed(0)
    n = 2000
    free = torch.randn(n, 2)
    copied = free[:, :1].repeat(1, 2)
    spread = torch.full((n, 2), math.log(0.1))

    def measured(mean):
        from zscape.model.trace import Latent

        q = DiagonalGaussian(mean, spread)
        p = Standard(2)(torch.zeros(n, 0))
        figure = total_correlation(Latent("z", q.rsample()[None], q, p, False), n).item()
        return figure - math.log(n)  # its bias when the batch is all the data and D = 2

    assert abs(measured(free)) < 0.5
    assert measured(copied) > 1.5


def test_mmd_is_near_zero_for_equal_and_positive_for_shifted_clouds():
    left, right = torch.randn(500, 4), torch.randn(500, 4)
    assert abs(maximum_mean_discrepancy(left, right).item()) < 0.01
    assert maximum_mean_discrepancy(left, right + 2).item() > 0.1


def test_decorrelation_is_zero_at_an_identity_covariance():
    q_mean = torch.linalg.qr(torch.randn(400, 3) - 0)[0]
    q_mean = (q_mean - q_mean.mean(0)) * 400**0.5
    from zscape.model.trace import Latent, Trace

    def part(mean):
        q = DiagonalGaussian(mean, torch.full_like(mean, -10.0))
        latent = Latent("z", mean[None], q, q, False)
        term = Decorrelation(diagonal=1.0, off_diagonal=1.0, means_only=False)
        return term(Trace((latent,), q, None), 0).cost.item()

    assert part(q_mean) < 0.05
    assert part(q_mean[:, :1].repeat(1, 3)) > 3


def test_aggregate_terms_have_gradients():
    walked = trace()
    terms = Sum(Reconstruction(), TotalCorrelation(5.0, num_examples=1000), Matching(10.0))
    terms(walked, 0).total.backward()


def test_schedules():
    assert at(0.3, 10) == 0.3
    assert [linear(1, 0, steps=4)(s) for s in (0, 2, 9)] == [1, 0.5, 0]
    cycle = cyclical(1.0, period=100, ramp=0.5)
    assert [cycle(s) for s in (0, 25, 50, 99, 100, 125)] == [0, 0.5, 1, 1, 0, 0.5]
    steps = stepped(1.0, milestones=(10, 20), factor=0.1)
    assert [steps(s) for s in (9, 10, 25)] == pytest.approx([1, 0.1, 0.01])
    falls = cosine(2.0, steps=110, rise=10 / 110)
    assert [falls(s) for s in (0, 9, 10, 60, 110, 500)] == pytest.approx([0.2, 2, 2, 1, 0, 0])
