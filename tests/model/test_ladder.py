import math

import pytest
import torch
from tests.contracts.recipe import DATA
from torch import nn

from zscape.errors import SpecError
from zscape.model.bound import elbo, log_weights, rate, rate_per_unit, sum_rates
from zscape.model.ladder import Informed, Placed, Rung, moved
from zscape.model.model import Decoder, Model
from zscape.networks.ladder import Meeting, Place
from zscape.objective.rate import Rate
from zscape.probability.distributions import DiagonalGaussian
from zscape.probability.likelihoods import Bernoulli
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.priors import Standard
from zscape.recipes import ladder_vae
from zscape.recipes.ladder import SIZES, Size, built

NOISE = 0.5  # standard deviation of x around the last state
SLOPE, SPREAD = 0.8, 0.6  # z2 = SLOPE z1 + SPREAD noise


class Told(nn.Module):
    """Means and log-variances `[..., 2]` that are linear in the one number of a context."""

    def __init__(self, slope: float, shift: float, scale: float) -> None:
        super().__init__()
        self.slope, self.shift, self.log_variance = slope, shift, 2 * math.log(scale)

    def forward(self, context):
        loc = self.slope * context + self.shift
        return torch.cat([loc, torch.full_like(loc, self.log_variance)], -1)


class Replace(nn.Module):
    def forward(self, state, z):
        return z


class Evidence(nn.Module):
    def forward(self, x):
        return {0: x, 1: x}


class Both(nn.Module):
    """The mean of the exact posterior p(z2 | z1, x), from the state z1 and the evidence x."""

    def forward(self, state, evidence):
        gain = SPREAD**2 / (SPREAD**2 + NOISE**2)
        # In units of the prior's scale, as a residual is.
        return gain * (evidence - SLOPE * state) / SPREAD


class Alone(nn.Module):
    def forward(self, state, evidence):
        return evidence


def unbent(scale):
    """The scale that `Placed` bends into `scale`: its tanh undone."""
    return math.exp(5 * math.atanh(math.log(scale) / 5))


def linear_ladder() -> Model:
    """z1 ~ N(0, 1), z2 | z1, x | z2 all linear, with the exact posteriors as residuals."""
    variance = SPREAD**2 + NOISE**2
    gain = SLOPE / (SLOPE**2 + variance)
    width = math.sqrt(1 - gain * SLOPE)
    first = Informed(Alone(), Told(gain, 0.0, unbent(width)), ndims=1)
    stretch = math.sqrt(NOISE**2 / variance)
    second = Informed(Both(), Told(1.0, 0.0, unbent(stretch)), ndims=1)
    below = Placed(Told(SLOPE, 0.0, unbent(SPREAD)), ndims=1)
    rungs = [
        Rung("z1", prior=Standard(1), posterior=first, place=1, intake=Replace()),
        Rung("z2", prior=below, posterior=second, place=0, intake=Replace()),
    ]
    decoder = Decoder(nn.Identity(), GaussianLikelihood((1,), scale=NOISE))
    model = Model(Evidence(), rungs, decoder)
    model.register_parameter("one", nn.Parameter(torch.ones(1)))  # says the device
    return model


def test_with_exact_posteriors_every_draw_weighs_the_log_likelihood():
    torch.manual_seed(0)
    model, x = linear_ladder(), torch.randn(50, 1) * 2
    truth = torch.distributions.Normal(0.0, math.sqrt(SLOPE**2 + SPREAD**2 + NOISE**2))
    exact = truth.log_prob(x)[:, 0]
    weights = log_weights(model(x, draws=3))
    assert torch.allclose(weights, exact.expand(3, -1), atol=1e-4)


def test_the_elbo_of_a_ladder_is_the_log_likelihood_at_the_optimum_and_below_it_elsewhere():
    torch.manual_seed(0)
    model, x = linear_ladder(), torch.randn(400, 1) * 1.2
    truth = torch.distributions.Normal(0.0, math.sqrt(SLOPE**2 + SPREAD**2 + NOISE**2))
    exact = truth.log_prob(x)[:, 0].mean()
    assert elbo(model(x, draws=200)).mean().item() == pytest.approx(exact.item(), abs=0.01)
    model.levels[1].posterior.residual.network.slope = 0.3
    assert elbo(model(x, draws=200)).mean() < exact - 0.05


def test_a_residual_of_zero_is_the_prior_and_costs_nothing():
    p = DiagonalGaussian(torch.randn(4, 3), torch.randn(4, 3))
    nothing = DiagonalGaussian(torch.zeros(4, 3), torch.zeros(4, 3))
    q = moved(p, nothing)
    assert torch.equal(q.loc, p.loc)
    assert torch.equal(q.log_scale, p.log_scale)
    torch.manual_seed(0)
    model, _ = ladder_vae(DATA["bits"][0], latent=3, network="large")
    trace = model((torch.rand(5, 1, 8, 8) < 0.4).float())  # heads start at zero
    assert len(trace.latents) == 16
    assert all(rate(latent).abs().max() < 1e-5 for latent in trace.latents[1:])


def test_the_rate_of_a_residual_does_not_depend_on_the_prior():
    shift, stretch = torch.randn(6, 3), 0.3 * torch.randn(6, 3)
    expected = 0.5 * (shift**2 + (2 * stretch).exp() - 1) - stretch
    for scale in (-5.0, 0.0, 5.0):
        p = DiagonalGaussian(torch.randn(6, 3), torch.full((6, 3), scale))
        q = moved(p, DiagonalGaussian(shift, stretch))
        found = torch.distributions.kl_divergence(q, p)
        assert torch.allclose(found, expected.sum(1), rtol=1e-3, atol=1e-4)


def test_numbers_stay_finite_whatever_the_networks_say():
    for told in (1e4, -1e4):
        network = nn.Linear(3, 6)
        nn.init.zeros_(network.weight)
        nn.init.constant_(network.bias, told)
        rung = Rung(
            "z",
            prior=Placed(network, ndims=1),
            posterior=Informed(Meeting(Place(3)), network, ndims=1),
            place=0,
            intake=nn.Identity(),
        )
        state = torch.randn(2, 3)
        p = rung.prior(state)
        q = rung.infer(state, {0: torch.randn(2, 3)}, p)
        spent = torch.distributions.kl_divergence(q, p)
        assert spent.isfinite().all()
        spent.sum().backward()
        assert network.bias.grad.isfinite().all()


def medium(size="medium"):
    torch.manual_seed(0)
    model = built((1, 12, 9), 5, SIZES[size], Standard(5), Bernoulli((1, 12, 9)))
    with torch.no_grad():  # heads start at zero; a trained ladder's do not
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def test_levels_of_unlike_shapes_have_a_rate_per_unit_and_codes_a_flat_view():
    model, x = medium(), (torch.rand(4, 1, 12, 9) < 0.4).float()
    trace = model(x, draws=2)
    shapes = {latent.name: latent.z.shape[2:] for latent in trace.latents}
    assert shapes == {"z1": (5,), "z2": (16,), "z3": (2, 6, 5), "z4": (2, 6, 5), "z5": (2, 6, 5)}
    for latent in trace.latents:
        per_unit = rate_per_unit(latent)
        assert per_unit.shape[-1] == latent.z.shape[2:].numel()
        assert torch.allclose(per_unit.sum(-1), rate(latent), rtol=1e-4)
    assert sum_rates(trace).shape == (2, 4)


def test_given_codes_are_kept_and_the_finer_ones_follow():
    model = medium()
    with torch.no_grad():
        first = model.generate(4)
        given = {name: first[name].z for name in ("z1", "z2", "z3")}
        second = model.generate(4, given=given)
    assert all(torch.equal(second[name].z, first[name].z) for name in given)
    assert torch.allclose(second["z4"].p.mean, first["z4"].p.mean, atol=1e-5)
    assert not torch.allclose(second["z4"].z, first["z4"].z)


def test_levels_that_are_not_drawn_stand_at_the_centres_of_their_priors():
    model = medium()
    with torch.no_grad():
        trace = model.generate(3, levels=2)
    for name in ("z3", "z4", "z5"):
        assert torch.equal(trace[name].z, trace[name].p.mean)
    assert not torch.allclose(trace["z2"].z, trace["z2"].p.mean)


def test_free_bits_are_granted_to_each_level():
    model, x = medium("tiny"), (torch.rand(4, 1, 12, 9) < 0.4).float()
    trace = model(x)
    means = torch.stack([rate(latent).mean() for latent in trace.latents]).detach()
    floor = float(means.mean())
    part = Rate(floor=floor, per="level")(trace, 0)
    assert part.value.item() == pytest.approx(means.sum().item(), rel=1e-5)
    assert part.cost.item() == pytest.approx(means.clamp(min=floor).sum().item(), rel=1e-5)


def test_free_bits_end_when_they_were_to():
    model, objective = ladder_vae(DATA["bits"][0], latent=3, free_bits=9.0, free_steps=10)
    trace = model((torch.rand(4, 1, 8, 8) < 0.4).float())
    free, full = (objective(trace, step) for step in (9, 10))
    spent = free.parts["distortion"].item()
    assert free.total.item() == pytest.approx(spent + 27, rel=1e-5)  # three levels, all under 9
    assert full.total.item() == pytest.approx(spent + full.parts["rate"].item(), rel=1e-5)
    assert not objective.steady


@pytest.mark.parametrize("shape", [(3, 5, 5), (1, 28, 28), (3, 30, 17), (2, 64, 48)])
@pytest.mark.parametrize("size", SIZES)
def test_any_picture_size_is_walked(shape, size):
    model = built(shape, 4, SIZES[size], Standard(4), Bernoulli(shape))
    x = torch.rand(2, *shape)
    with torch.no_grad():
        assert model.encode(x).likelihood.mean.shape == x.shape
        assert model.generate(3).likelihood.mean.shape == (3, *shape)


def test_rows_and_unknown_words_are_refused():
    with pytest.raises(SpecError, match="ladder_vae must have pictures"):
        ladder_vae(DATA["rows"][0])
    with pytest.raises(SpecError, match="Unknown prior 'vmap'"):
        ladder_vae(DATA["bits"][0], prior="vmap")
    assert isinstance(SIZES["tiny"], Size)
