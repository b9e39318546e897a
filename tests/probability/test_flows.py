"""Flows: densities by autograd's Jacobian, starts as the Gaussian, own draws and foreign codes."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from zuko.transforms import MonotonicRQSTransform

from zscape.model.bound import log_weights, rate
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.probability import flows, likelihoods, posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import Bent, DiagonalGaussian
from zscape.recipes import flow_vae

Build = Callable[[int], Conditional]


def bent(build: flows.Build, transforms: int = 2) -> Build:
    push = partial(build, transforms=transforms)
    return lambda latent: posteriors.BentGaussian(3, latent, push=push)


POSTERIORS: dict[str, Build] = {
    "coupling": lambda latent: posteriors.Flow(3, latent),
    "planar": bent(flows.planar, 10),
    "iaf": bent(flows.autoregressive),
    "spline": bent(flows.spline),
}
PRIORS: dict[str, Build] = {
    "spline_prior": lambda latent: priors.Flow(latent),
    "spline_prior_full": lambda latent: priors.Flow(latent, passes=max(latent, 2)),
    "coupling_prior": lambda latent: priors.Flow(latent, kind="coupling"),
    "spline_prior_with_state": lambda latent: priors.Flow(latent, features=3),
    "coupling_prior_with_state": lambda latent: priors.Flow(latent, features=3, kind="coupling"),
}
ALL = POSTERIORS | PRIORS


def made(name: str, latent: int, *, noise: float = 0.2, dtype: torch.dtype = torch.float64):
    """The conditional of that name, away from its start where `noise` is not 0."""
    torch.manual_seed(0)
    conditional = ALL[name](latent)
    for parameter in conditional.parameters():
        parameter.data.add_(noise * torch.randn_like(parameter))
    return conditional.to(dtype)


def told(*lead: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*lead, 3, dtype=dtype)


@pytest.mark.parametrize("latent", [1, 2, 5])
@pytest.mark.parametrize("name", ALL)
def test_the_density_is_that_of_autograds_jacobian(name: str, latent: int):
    flow: Bent = made(name, latent)(told())
    noise = torch.randn(latent, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(flow.bend, noise)
    expected = flow.base.log_prob(noise) - torch.linalg.slogdet(jacobian)[1]
    code = flow.bend(noise)
    torch.testing.assert_close(flow.log_prob(code), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(flow.push.call_and_ladj(noise)[1], torch.linalg.slogdet(jacobian)[1])
    torch.testing.assert_close(flow.push.inv(code), noise, rtol=1e-6, atol=1e-6)
    mixed = (jacobian - torch.diag(jacobian.diag())).abs().max() > 0
    assert mixed or latent == 1


@pytest.mark.parametrize("name", ALL)
def test_a_flow_begins_as_the_gaussian(name: str):
    flow = made(name, 4, noise=0)(told(5))
    noise = torch.randn(7, 5, 4, dtype=torch.float64)
    place = flow.base if isinstance(flow.base, DiagonalGaussian) else None
    if name in POSTERIORS and place is None:
        gaussian = made(name, 4, noise=0).base(told(5))  # another context: only the form is of use
        assert isinstance(gaussian, DiagonalGaussian)
        code, stretch = flow.push.transforms[0].call_and_ladj(noise)
        torch.testing.assert_close(code, noise)
        torch.testing.assert_close(stretch, torch.zeros_like(stretch), atol=1e-12, rtol=0)
        return
    torch.testing.assert_close(flow.log_prob(noise), flow.base.log_prob(noise))
    torch.testing.assert_close(flow.bend(noise), noise)


@pytest.mark.parametrize("name", ALL)
def test_own_draws_are_measured_as_foreign_codes_are_with_the_same_gradients(name: str):
    conditional, context = made(name, 4, noise=0.1), told(6)
    torch.manual_seed(1)
    q = conditional(context)
    drawn = q.rsample((2,))
    foreign = conditional(context)  # has drawn nothing, so it goes back from the codes
    ways = [q.log_prob(drawn), foreign.log_prob(drawn)]
    torch.testing.assert_close(ways[0], ways[1], rtol=1e-6, atol=1e-6)
    for own, other in zip(*(_gradients(way, conditional) for way in ways), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def _gradients(way: Tensor, conditional: Conditional) -> tuple[Tensor, ...]:
    return torch.autograd.grad(way.sum(), list(conditional.parameters()), retain_graph=True)


def test_only_the_last_draw_itself_is_remembered_and_only_with_its_gradients():
    conditional, context = made("iaf", 4), told(6)
    q = conditional(context)
    first, second = q.rsample(), q.rsample()
    torch.testing.assert_close(q.log_prob(first), conditional(context).log_prob(first))
    torch.testing.assert_close(q.log_prob(second.clone()), q.log_prob(second))
    with torch.no_grad():
        drawn = q.rsample()
    assert q.log_prob(drawn).requires_grad
    assert q.log_prob(q.sample()).requires_grad


def test_an_inverse_autoregressive_draw_costs_one_pass_of_each_network():
    conditional, calls = made("iaf", 8), []
    for layer in conditional.push.transforms:
        layer.hyper.register_forward_hook(lambda *_: calls.append(1))
    q = conditional(told(6))
    q.log_prob(q.rsample((3,)))
    assert len(calls) == 2
    q.log_prob(told(6).new_zeros(6, 8))
    assert len(calls) == 2 + 2 * (8 + 1)  # back unit by unit, and once more for the slopes


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_codes_a_hundred_deviations_away_are_finite(name: str, dtype: torch.dtype):
    conditional = made(name, 4, noise=0.1, dtype=torch.float32)
    context = (100 * told(16)).to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        flow = conditional(context)
        drawn = flow.rsample((3,))
        far = drawn.detach() + 100 * torch.randn(3, 16, 4).sign()
        parts = [drawn, flow.log_prob(drawn), flow.log_prob(far.requires_grad_())]
    sum(part.sum() for part in parts).backward()
    assert all(part.dtype == torch.float32 and part.isfinite().all() for part in parts)
    assert far.grad.isfinite().all()
    for parameter in conditional.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_measures_the_same_in_mixed_precision(name: str):
    prior = made(name, 4, dtype=torch.float32)
    state, z = told(64, dtype=torch.float32), torch.randn(64, 4)
    exact = prior(state).log_prob(z)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = prior(state).log_prob(z)
    torch.testing.assert_close(mixed, exact)


@pytest.mark.parametrize("name", ["spline_prior_with_state", "coupling_prior_with_state"])
def test_a_prior_with_a_state_depends_on_it(name: str):
    prior = made(name, 4)
    z = torch.randn(4, dtype=torch.float64).expand(5, 4)
    assert prior(told(5)).log_prob(z).std() > 1e-3


def test_the_spline_is_zukos():
    torch.manual_seed(0)
    phi = [3 * torch.randn(50, 6, k, dtype=torch.float64) for k in (8, 8, 7)]
    ours, theirs = flows.Spline(*phi), MonotonicRQSTransform(*phi)
    x = 4 * torch.randn(50, 6, dtype=torch.float64)
    for own, other in zip(ours.call_and_ladj(x), theirs.call_and_ladj(x), strict=True):
        torch.testing.assert_close(own, other)
    torch.testing.assert_close(ours.inv(x), theirs.inv(x))


@pytest.mark.parametrize("gain", [-0.949, -0.5, 0.0, 3.0, 800.0])
def test_a_planar_layer_is_inverted_in_single_precision(gain: float):
    torch.manual_seed(0)
    direction = torch.tensor([[3.0, 4.0]])
    # u along w, so that the layer's gain is what is asked; -1 + 0.05 is the least there is.
    along = torch.tensor(gain)
    a = torch.linspace(-30, 30, 2001)
    found = flows._solve(a + along * a.tanh(), along.expand_as(a))
    slope = 1 + along * (1 - a.tanh().square())
    assert ((found - a).abs() * slope.clamp(min=0.05)).max() < 2e-4 * max(1, gain)
    layer = flows.PlanarTransform(torch.full((1, 2), gain), direction, torch.zeros(1))
    assert layer.gains[0] >= -0.95


@pytest.mark.parametrize("posterior", ["coupling", "planar", "iaf", "spline", "flow", "gaussian"])
@pytest.mark.parametrize("prior", ["coupling", "spline", "vamp", "mixture", "standard", "flow"])
def test_every_pair_has_rates_and_weights_that_agree(posterior: str, prior: str):
    from tests.contracts.recipe import DATA

    data, draw = DATA["bits"]
    torch.manual_seed(0)
    model, _ = flow_vae(data, latent=3, posterior=posterior, prior=prior, components=4)
    for parameter in model.levels.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    trace = model(draw(), draws=400)
    (latent,) = trace.latents
    rates = rate(latent).expand(400, 6)
    weights = log_weights(trace) - trace.likelihood.log_prob(trace.x)
    error = 5 * (weights + rates).std(0) / 20 + 1e-3
    assert ((weights + rates).mean(0).abs() < error).all()
    again = model(trace.x, given={"z": latent.z}, draws=400)
    torch.testing.assert_close(rate(again.latents[0]), -latent.p.log_prob(latent.z))


@pytest.mark.parametrize("kind", ["spline", "coupling"])
def test_prior_and_posterior_see_what_a_walk_starts_from(kind: str):
    torch.manual_seed(0)
    push = partial(flows.autoregressive, transforms=2)
    posterior = posteriors.BentGaussian(8, 2, push=push)
    prior = priors.Flow(2, features=3, kind=kind)
    for parameter in [*prior.parameters(), *posterior.parameters()]:
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    decoder = Decoder(nn.Linear(5, 4), likelihoods.Bernoulli((4,)))
    model = Model(nn.Linear(4, 5), [Flat("z", prior=prior, posterior=posterior)], decoder)
    x, context = (torch.rand(6, 4) < 0.5).float(), torch.randn(6, 3)
    torch.manual_seed(1)
    trace = model(x, context, draws=7)
    assert log_weights(trace).shape == (7, 6)
    torch.manual_seed(1)
    other = model(x, context + 1, draws=7)
    z = trace["z"].z
    for one, two in ((trace["z"].p, other["z"].p), (trace["z"].q, other["z"].q)):
        assert (one.log_prob(z) - two.log_prob(z)).abs().mean() > 1e-2
    assert model.generate(6, context).latents[0].z.shape == (6, 2)
