"""Opponents: what they estimate has a closed form, and neither side trains the other."""

import math
from dataclasses import replace

import pytest
import torch
from tests.contracts.recipe import DATA
from torch import nn

from zscape.errors import SpecError
from zscape.model.trace import Latent, Trace
from zscape.objective.critic import FactorCritic, GroupCritic, PriorCritic
from zscape.probability.distributions import StandardGaussian
from zscape.recipes import aae, ae, factor_vae, vae_gan

BITS, draw = DATA["bits"]
REALS = DATA["reals"][0]


def trace_of(codes):
    p = StandardGaussian(torch.zeros_like(codes))
    return Trace((Latent("z", codes[None], None, p, False),), likelihood=None, x=None)


def learnt(critic, source, *, steps):
    optimizer = torch.optim.Adam(critic.network.parameters(), lr=2e-3)
    for step in range(steps):
        optimizer.zero_grad()
        critic.critic_loss(trace_of(source(512)), step).backward()
        optimizer.step()
    with torch.no_grad():
        return critic(trace_of(source(20_000)), 0)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_the_total_correlation_of_a_gaussian_is_found(correlation):
    torch.manual_seed(0)
    covariance = torch.tensor([[1.0, correlation, 0.0], [correlation, 1.0, 0.0], [0.0, 0.0, 1.0]])
    root = torch.linalg.cholesky(covariance)
    critic = FactorCritic(3.0, latent=3, widths=(64, 64))
    part = learnt(critic, lambda n: torch.randn(n, 3) @ root.T, steps=500)
    truth = -0.5 * math.log(1 - correlation**2)
    assert part.value.item() == pytest.approx(truth, abs=0.05)
    assert part.cost.item() == pytest.approx(3 * part.value.item())


def test_the_distance_of_codes_from_the_prior_is_found():
    torch.manual_seed(0)
    shift, scale = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.5])
    critic = PriorCritic(2.0, latent=2, widths=(64, 64))
    part = learnt(critic, lambda n: shift + scale * torch.randn(n, 2), steps=500)
    truth = 0.5 * (scale**2 + shift**2 - 1).sum() - scale.log().sum()
    assert part.value.item() == pytest.approx(truth.item(), abs=0.08)


def test_what_a_code_tells_of_the_group_is_found_where_no_mean_differs():
    torch.manual_seed(0)
    groups = torch.arange(4).repeat(500)
    # The product of two signs says which half of the groups it is; no unit has a mean of any.
    signs = torch.where(torch.randn(2000, 2) > 0, 1.0, -1.0)
    signs[:, 1] = torch.where(groups < 2, 1.0, -1.0) * signs[:, 0]
    z = torch.cat([signs, torch.randn(2000, 1)], 1)
    trace = replace(trace_of(z), context=groups[:, None].float())
    critic = GroupCritic("z", 2.0, latent=3, groups=4, widths=(64, 64))
    optimizer = torch.optim.Adam(critic.network.parameters(), lr=2e-3)
    for step in range(150):
        optimizer.zero_grad()
        critic.critic_loss(trace, step).backward()
        optimizer.step()
    part = critic(trace, 0)
    assert part.value.item() == pytest.approx(math.log(2), abs=0.05)
    assert part.cost.item() == pytest.approx(2 * part.value.item())
    assert critic.critic_loss(trace, 0).item() == pytest.approx(math.log(2), abs=0.05)


def test_groups_that_are_not_known_teach_the_opponent_nothing():
    critic = GroupCritic("z", 1.0, latent=2, groups=3, widths=(8,))
    some = torch.tensor([0.0, math.nan, 2.0, math.nan])[:, None]
    z = torch.randn(4, 2)
    lost = critic.critic_loss(replace(trace_of(z), context=some), 0)
    others = replace(trace_of(z[[0, 3, 2, 1]]), context=some)  # of which is known what was
    torch.testing.assert_close(lost, critic.critic_loss(others, 0))
    nothing = torch.full_like(some, math.nan)
    assert critic.critic_loss(replace(trace_of(z), context=nothing), 0) == 0


def test_no_code_hides_its_group_by_being_small():
    critic = GroupCritic("z", 1.0, latent=2, groups=3, widths=(8,))
    z, group = torch.randn(30, 2), torch.arange(30)[:, None] % 3.0
    told = [critic(replace(trace_of(s * z), context=group), 0).value for s in (1.0, 1e-2)]
    torch.testing.assert_close(told[0], told[1])


def test_permuted_codes_keep_what_each_unit_says():
    critic = FactorCritic(1.0, latent=2, widths=(8,))
    seen = []
    critic.network.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    z = torch.randn(50, 2)
    critic.critic_loss(trace_of(z), 0)
    codes, permuted = seen
    assert torch.equal(codes, z) and not torch.equal(permuted, z)
    assert torch.equal(permuted.sort(0).values, z.sort(0).values)


@pytest.mark.parametrize(
    ("recipe", "options"),
    [(factor_vae, {}), (aae, {}), (aae, {"posterior": "gaussian"}), (vae_gan, {})],
)
def test_neither_side_trains_the_other(recipe, options):
    model, objective = recipe(BITS, latent=3, **options)
    (critic,) = objective.critics
    before = {name: t.clone() for name, t in critic.network.state_dict().items()}
    trace = model(draw())
    objective(trace, 0).total.backward()
    assert all(p.grad is None for p in critic.network.parameters())
    assert all(torch.equal(t, before[n]) for n, t in critic.network.state_dict().items())
    assert critic.network.training and all(p.requires_grad for p in critic.network.parameters())
    for parameter in model.parameters():
        parameter.grad = None
    critic.critic_loss(trace, 0).backward()
    assert all(p.grad is None for p in model.parameters())
    assert all(p.grad is not None for p in critic.network.parameters())
    assert any(p.grad.abs().sum() > 0 for p in critic.network.parameters())


def test_an_opponent_in_pictures_is_no_steeper_than_its_layers():
    torch.manual_seed(0)
    _, objective = vae_gan(DATA["colour"][0], latent=3)
    (critic,) = objective.critics
    layers = [m for m in critic.network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [torch.linalg.matrix_norm(m.weight.flatten(1), 2).item() for m in layers]
    assert len(norms) > 4 and norms == pytest.approx([1.0] * len(norms), abs=0.05)


def moments(recipe, **options):
    torch.manual_seed(0)
    model, objective = recipe(REALS, latent=2, network="mlp:64", **options)
    critics = [critic.network for critic in objective.critics]
    ours = torch.optim.Adam(model.parameters(), lr=2e-3)
    theirs = [torch.optim.Adam(c.parameters(), lr=2e-3, betas=(0.5, 0.999)) for c in critics]
    mixing = torch.randn(2, 5)
    for step in range(400):
        trace = model(torch.rand(256, 2) @ mixing)
        for optimizer in (ours, *theirs):
            optimizer.zero_grad()
        objective(trace, step).total.backward()
        for critic in objective.critics:
            critic.critic_loss(trace, step).backward()
        for optimizer in (ours, *theirs):
            optimizer.step()
    z = model(torch.rand(2000, 2) @ mixing).latents[0].z[0].detach()
    return z.mean(0), z.T.cov()


@pytest.mark.slow
def test_points_of_an_adversarial_autoencoder_have_the_moments_of_its_prior():
    mean, covariance = moments(aae, posterior="point")
    assert mean.abs().max() < 0.25
    assert (covariance - torch.eye(2)).abs().max() < 0.3
    mean, covariance = moments(ae)
    assert (covariance - torch.eye(2)).abs().max() > 0.6


def test_options_that_cannot_be_are_refused_by_name():
    for recipe, name in ((factor_vae, "gamma"), (aae, "weight"), (vae_gan, "similarity")):
        with pytest.raises(SpecError, match=f"{name} must be at least 0, got -1"):
            recipe(BITS, **{name: -1})
    for name in ("weight", "pixels", "beta"):
        with pytest.raises(SpecError, match=f"{name} must be at least 0, got -1"):
            vae_gan(BITS, **{name: -1})
    for recipe in (factor_vae, aae):
        with pytest.raises(SpecError, match=r"opponent must be at least 1, got 0\. 256 is"):
            recipe(BITS, opponent=0)
    with pytest.raises(SpecError, match=r"Unknown posterior 'gausian'\. Did you mean 'gaussian'"):
        aae(BITS, posterior="gausian")
    with pytest.raises(SpecError, match=r"vae_gan must have pictures, got examples of shape \(5,"):
        vae_gan(REALS)
