"""Collapse measures against closed forms of a linear-Gaussian model and codes worked by hand."""

import math

import pytest
import torch
from tests.contracts.space import digits_space
from torch import nn

from zscape.measures.aggregate import (
    Draws,
    draw_codes,
    moments_gap,
    mutual_information,
    two_sample_test,
)
from zscape.measures.collapse import (
    code_gain,
    code_usage,
    dead_levels,
    duplicate_units,
)
from zscape.measures.likelihood import elbo, rate_per_level
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.posteriors import Gaussian, Point
from zscape.probability.priors import Standard

SIZE, LATENT, SIGMA = 6, 2, 0.5
WEIGHT = torch.tensor([[1.0, 0.5, 0, 0, 0.3, 0], [0, 0, 0.8, -0.4, 0, 0.2]]).T  # [SIZE, LATENT]


def linear_model(*, shift=0.0) -> Model:
    """A model whose posterior is the true one of x = W z + sigma noise, moved by `shift`."""
    posterior = Gaussian(SIZE, LATENT)
    precision = torch.eye(LATENT) + WEIGHT.T @ WEIGHT / SIGMA**2
    # The columns of W are orthogonal, so the true posterior is diagonal.
    assert torch.allclose(precision, precision.diag().diag())
    log_variance = -precision.diag().log()
    gain = WEIGHT.T / SIGMA**2 / precision.diag()[:, None]
    with torch.no_grad():
        posterior.linear.weight.copy_(torch.cat([gain, torch.zeros_like(gain)]))
        posterior.linear.bias.copy_(torch.cat([torch.full((LATENT,), shift), log_variance]))
    decoder = nn.Linear(LATENT, SIZE, bias=False)
    with torch.no_grad():
        decoder.weight.copy_(WEIGHT)
    level = Flat("z", prior=Standard(LATENT), posterior=posterior)
    likelihood = GaussianLikelihood((SIZE,), scale=SIGMA)
    return Model(nn.Identity(), [level], Decoder(decoder, likelihood)).eval()


def linear_data(n=4096):
    return torch.randn(n, LATENT) @ WEIGHT.T + SIGMA * torch.randn(n, SIZE)


def true_information():
    return 0.5 * torch.logdet(torch.eye(LATENT) + WEIGHT.T @ WEIGHT / SIGMA**2).item()


def constant_model(rate_shift=0.0) -> Model:
    """A model whose posterior ignores x."""
    model = linear_model()
    with torch.no_grad():
        model.levels[0].posterior.linear.weight.zero_()
        model.levels[0].posterior.linear.bias.zero_()
        model.levels[0].posterior.linear.bias[:LATENT] = rate_shift
    return model


def test_mutual_information_of_a_linear_model():
    model, x = linear_model(), linear_data()
    information, gap = mutual_information(model, x, most=4096)
    # Soft clamps of the log-variance move the posterior by a little.
    assert information.value == pytest.approx(true_information(), abs=4 * information.error + 0.02)
    assert gap.value == pytest.approx(0, abs=4 * gap.error + 0.02)
    assert (information.kind, gap.kind, gap.unit) == ("bound", "bound", "nats")


def test_the_gap_counts_what_the_rate_wastes():
    shift = 1.5
    information, gap = mutual_information(linear_model(shift=shift), linear_data(), most=4096)
    assert information.value == pytest.approx(true_information(), abs=4 * information.error + 0.02)
    assert gap.value == pytest.approx(LATENT * shift**2 / 2, abs=0.15)
    _, rate, _ = elbo(linear_model(shift=shift), linear_data())
    assert information.value + gap.value == pytest.approx(rate.value, abs=0.15)


def test_mutual_information_keeps_to_its_bound():
    x = linear_data(16)
    information, _ = mutual_information(linear_model(), x)
    assert information.value <= math.log(16)
    assert f"{math.log(16):.1f}" in information.name
    alone = mutual_information(linear_model(), linear_data(1))[0]
    assert alone.value == pytest.approx(0, abs=1e-6)


def test_mutual_information_against_a_literal_loop():
    model, x = linear_model(), linear_data(40)
    draws = draw_codes(model, x, seed=3)
    with torch.no_grad():
        q = model(x).latents[0].q
    values = []
    for i, z in enumerate(draws.codes):
        each = [
            torch.distributions.Normal(q.loc[j], q.scale[j]).log_prob(z).sum() for j in range(40)
        ]
        values.append(each[i] - torch.stack(each).logsumexp(0) + math.log(40))
    # Draws of both come from one stream, the codes first.
    found, _ = mutual_information(model, x, seed=3)
    assert found.value == pytest.approx(torch.stack(values).mean().item(), abs=1e-5)


def test_a_code_that_ignores_data_has_no_information():
    model, x = constant_model(), linear_data(500)
    assert mutual_information(model, x)[0].value == pytest.approx(0, abs=1e-5)
    gain = code_gain(model, x)
    assert abs(gain.value) < 4 * gain.error
    deaf = linear_model()
    with torch.no_grad():
        deaf.decoder.network.weight.zero_()
    assert code_gain(deaf, x).value == pytest.approx(0, abs=1e-5)


def test_the_gain_of_the_code_in_closed_form():
    model, x = linear_model(), linear_data(20_000)
    gain = code_gain(model, x)
    # E|x - W z'|^2 - E|x - W z|^2 = 2 tr Cov(x, W z), and Cov(x, z) = W when z is from p(z | x).
    expected = WEIGHT.square().sum().item() / SIGMA**2
    assert gain.value == pytest.approx(expected, abs=4 * gain.error + 0.05)


def test_moments_of_codes_and_prior():
    model, x = linear_model(shift=0.7), linear_data()
    means, variances = moments_gap(draw_codes(model, x))
    for figure in means:
        assert figure.value == pytest.approx(0.7, abs=0.1)
    for figure in variances:
        assert figure.value == pytest.approx(0.0, abs=0.12)
    wide = Draws(3 * torch.randn(4000, 2), torch.randn(4000, 2))
    assert moments_gap(wide)[1][0].value == pytest.approx(8, abs=0.8)


def test_two_samples_of_one_kind_are_not_told_apart():
    for seed in range(3):
        same = two_sample_test(torch.randn(1000, 5), torch.randn(1000, 5), seed=seed)
        assert abs(same.value - 0.5) < 4 * same.error
    apart = two_sample_test(torch.randn(500, 5) + 4, torch.randn(500, 5))
    assert apart.value > 0.99
    ring = torch.randn(1000, 2)
    ring = ring / ring.norm(dim=1, keepdim=True)
    assert two_sample_test(ring, torch.randn(1000, 2)).value > 0.8


def test_the_optimum_has_the_prior_as_its_aggregate():
    draws = draw_codes(linear_model(), linear_data(2000))
    told = two_sample_test(draws.codes, draws.prior)
    assert abs(told.value - 0.5) < 4 * told.error


def test_measures_leave_randomness_alone():
    model, x = linear_model(), torch.zeros(20, SIZE)
    before = torch.get_rng_state()
    draws = draw_codes(model, x)
    two_sample_test(draws.codes, draws.prior)
    code_gain(model, x)
    mutual_information(model, x)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(draws.codes, draw_codes(model, x).codes)
    assert not torch.equal(draws.codes, draw_codes(model, x, seed=1).codes)


def test_duplicates_by_hand():
    a, b = torch.randn(400), torch.randn(400)
    codes = torch.stack([a, b, -a + 0.05 * b, torch.zeros(400)], dim=1)
    ((left, right, figure),) = duplicate_units(codes)
    assert (left, right) == (0, 2)
    assert figure.value == pytest.approx(-1, abs=0.02)
    assert not duplicate_units(torch.stack([a, b], dim=1))


def test_code_usage_by_hand():
    usage = code_usage(torch.tensor([[0, 0], [1, 1]]), 4)
    assert usage.perplexity.value == pytest.approx(2)
    assert usage.used.value == 0.5
    assert code_usage(torch.zeros(5, 3), 8).perplexity.value == pytest.approx(1)
    assert code_usage(torch.arange(8), 8).used.value == 1
    assert usage.dead.value == 2
    assert (usage.size, usage.seen) == (4, 4)


def test_levels_that_died():
    x = linear_data(300)
    (alive,) = rate_per_level(linear_model(), x)
    (dead,) = rate_per_level(constant_model(), x)
    assert alive.value > 0.5 and dead.value == pytest.approx(0, abs=1e-6)
    assert dead_levels([alive, dead]).value == 1


def test_point_codes_are_undefined():
    model = linear_model()
    model.levels[0].posterior = Point(SIZE, LATENT)
    x = linear_data(50)
    assert [figure.kind for figure in mutual_information(model, x)] == ["undefined"] * 2
    assert rate_per_level(model, x) == []
    assert code_gain(model, x).value is not None


@pytest.mark.parametrize("recipe", ["vae", "ae", "flow_vae", "vamp_vae"])
def test_measures_of_recipes(recipe):
    space = digits_space(recipe)
    x = space.modality.prepare(space.items)
    information, gap = mutual_information(space.model, x[:64])
    if recipe == "ae":
        assert information.value is None and gap.value is None
    else:
        assert -0.2 < information.value <= math.log(64) + 1e-4  # a space hardly trained
    assert code_gain(space.model, x).error > 0
    draws = draw_codes(space.model, x)
    assert draws.codes.shape == draws.prior.shape == (len(x), 6)
    assert 0.3 < two_sample_test(draws.codes, draws.prior).value <= 1
