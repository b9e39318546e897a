import math

import pytest
import torch

from zscape.networks.denoiser import denoiser
from zscape.probability.diffusion import Diffusion
from zscape.probability.expectation import fit_mixture
from zscape.probability.fitting import minimise
from zscape.probability.priors import FullMixture

NOTHING = torch.zeros(1, 0)


def diffusion(points, components, *, classes=0, steps=8):
    """A diffusion whose source was fitted to points and whose network is fresh."""
    size = points.shape[1]
    *_, mixture = fit_mixture(points, components)
    source = FullMixture(size, components, classes=classes)
    source.take(mixture)
    source.requires_grad_(False)
    network = denoiser(
        (size,), known=components + (classes + 1 if classes else 0), width=64, depth=2
    )
    return Diffusion(source, network, shape=(size,), features=classes, steps=steps)


def eight(number):
    """Eight Gaussians on a circle of variance 1 a unit, and their density."""
    angles = torch.arange(8) * math.pi / 4
    centers = 1.4 * torch.stack([angles.cos(), angles.sin()], 1)
    parts = torch.distributions.Independent(torch.distributions.Normal(centers, 0.15), 1)
    truth = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(8)), parts
    )
    return truth.sample((number,)), truth


def test_it_begins_as_its_mixture():
    torch.manual_seed(1)
    prior = diffusion(torch.randn(500, 2) @ torch.tensor([[1.0, 0.6], [0.0, 0.5]]), 2, steps=32)
    mixture = prior.source(NOTHING)
    z = mixture.sample((500,))[:, 0]
    with torch.no_grad():
        off = prior(NOTHING).log_prob(z) - mixture.log_prob(z)
    assert off.abs().mean() < 0.02
    drawn = prior(torch.zeros(20_000, 0)).sample()
    torch.testing.assert_close(drawn.mean(0), mixture.mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0), mixture.variance[0], atol=0.02, rtol=0.03)


def test_it_learns_what_its_mixture_cannot_say():
    points, truth = eight(4000)
    prior = diffusion(points, 1)
    fresh = truth.sample((1000,))
    begun = prior.source(NOTHING).log_prob(fresh).mean().item()
    known = torch.cat([points, torch.zeros_like(points)], 1)  # points: posteriors of no width
    held, fitted = (known[:500], known[:500, :0]), (known[500:], known[500:, :0])
    losses = [
        loss
        for _, loss in minimise(
            prior.network, prior.matcher(), fitted, held=held, steps=700, batch=256,
            learning_rate=5e-3,
        )
    ]  # fmt: skip
    assert losses[-1] < losses[0]
    prior.steps = 16
    with torch.no_grad():
        found = prior(NOTHING).log_prob(fresh)
        drawn = prior(torch.zeros(4000, 0)).sample()
    best = truth.log_prob(fresh).mean().item()
    assert found.mean().item() > begun + 0.5 * (best - begun)
    assert found.mean().item() < best + 0.1  # a density cannot beat the truth
    assert truth.log_prob(drawn).mean().item() > best - 3.0  # 3 sd away cost 4.5 nats each
    torch.testing.assert_close(drawn.var(0), points.var(0), atol=0.1, rtol=0)
    owners = (drawn[:, None] - truth.component_distribution.mean).square().sum(-1).argmin(1)
    assert (owners.bincount(minlength=8) > 300).all()


def test_wide_posteriors_are_matched_as_their_draws_are():
    """The expectation in the loss moves it by a constant: its gradients agree."""
    prior = diffusion(torch.randn(500, 2), 2)
    prior.network.last.weight.data.normal_(std=0.1)
    mean, spread = torch.randn(1, 2).expand(60_000, 2), torch.tensor([0.5, 1.5]).expand(60_000, 2)
    drawn = mean + spread * torch.randn(60_000, 2)
    gradients = []
    for posterior in (torch.cat([mean, spread], 1), torch.cat([drawn, torch.zeros(60_000, 2)], 1)):
        prior.network.zero_grad()
        prior.matcher()(posterior, posterior[:, :0]).mean().backward()
        gradients.append(prior.network.last.bias.grad.clone())
    torch.testing.assert_close(*gradients, atol=0.02, rtol=0.05)


def test_guidance_zero_is_unconditional():
    prior = diffusion(torch.randn(300, 2), 2, classes=3)
    prior.network.last.weight.data.normal_()
    known = torch.eye(3)[torch.arange(6) % 3]
    draws = []
    for guidance, context in ((0.0, known), (0.0, known.flip(0)), (1.0, torch.zeros(6, 3))):
        prior.guidance = guidance
        torch.manual_seed(3)
        draws.append(prior(context).sample())
    assert torch.equal(draws[0], draws[1])
    torch.testing.assert_close(draws[0], draws[2])
    prior.guidance = 1.0
    torch.manual_seed(3)
    assert not torch.allclose(prior(known).sample(), draws[0])


def test_guidance_goes_along_the_line_through_two_whole_denoisers():
    """Ho and Salimans 2022, eq. 6, of the mixture and of the network."""
    prior = diffusion(torch.randn(300, 2), 2, classes=3)
    prior.source.logits.data.normal_()
    prior.network.last.weight.data.normal_()
    known, z = torch.eye(3)[torch.arange(6) % 3], torch.randn(6, 2)

    def velocity(guidance):
        prior.guidance = guidance
        with torch.no_grad():
            return prior(known)._field(z.shape[:1])(z, 0.5)

    free, led = velocity(0.0), velocity(1.0)
    for guidance in (0.01, 0.5, 3.0):
        torch.testing.assert_close(velocity(guidance), free + guidance * (led - free))


def test_a_little_guidance_leads_a_little():
    prior = diffusion(torch.randn(300, 1), 2, classes=2, steps=16)
    prior.source.loc.data.copy_(torch.tensor([[-1.0], [1.0]]))
    prior.source.scale_tril.data.fill_(0.1)
    prior.source.logits.data.copy_(torch.tensor([[0.0, -1e4], [-1e4, 0.0]]))
    shares = []
    for prior.guidance in (0.0, 0.01, 0.5, 0.99, 1.0):
        drawn = prior(torch.tensor([[1.0, 0.0]]).expand(4000, 2)).sample()
        shares.append((drawn < 0).float().mean().item())
    assert abs(shares[0] - 0.5) < 0.03 and abs(shares[1] - shares[0]) < 0.05
    assert 0.6 < shares[2] <= shares[3] + 0.01 and shares[3] > 0.97 and shares[4] > 0.99


@pytest.mark.parametrize("steps", [4, 64])
def test_steps_are_a_setting(steps):
    prior = diffusion(torch.randn(300, 3), 1, steps=steps)
    assert prior(torch.zeros(5, 0)).sample().shape == (5, 3)


def test_maps_are_carried_flat():
    source, network = FullMixture(12, 1), denoiser((3, 2, 2), known=1, width=8, depth=1)
    prior = Diffusion(source, network, shape=(3, 2, 2), steps=4)
    drawn = prior(torch.zeros(5, 0)).sample()
    assert drawn.shape == (5, 12)
    assert prior(torch.zeros(5, 0)).log_prob(drawn).shape == (5,)
    assert prior.matcher()(drawn.repeat(1, 2).abs(), drawn[:, :0]).shape == (5,)


def test_the_usual_network_has_the_size_that_is_told():
    count = sum(p.numel() for p in denoiser((32,)).parameters())
    assert 200_000 < count < 550_000
