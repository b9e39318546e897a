import copy

import torch
from torch import nn

from zscape.probability import posteriors, priors
from zscape.probability.distributions import (
    Categorical,
    Delta,
    DiagonalGaussian,
    GaussianMixture,
    center,
    kl_per_unit,
)


class Owner(nn.Module):
    """A model that owns an encoder and a posterior, and lends both to its prior."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.posterior = posteriors.Gaussian(4, 2)
        self.prior = priors.Vamp(self.encoder, self.posterior, shape=(6,), components=3)


def test_vamp_stores_only_its_pseudo_inputs():
    assert list(Owner().prior.state_dict()) == ["pseudo_inputs"]
    assert len(list(Owner().parameters())) == 5


def test_vamp_is_the_posterior_averaged_over_pseudo_inputs():
    torch.manual_seed(0)
    owner, z = Owner(), torch.randn(5, 2)
    parts = owner.posterior(owner.encoder(owner.prior.pseudo_inputs)).log_prob(z[:, None])
    expected = parts.logsumexp(-1) - torch.tensor(3.0).log()
    torch.testing.assert_close(owner.prior(torch.zeros(5, 0)).log_prob(z), expected)


def test_vamp_trains_the_networks_that_it_borrows():
    owner = Owner()
    owner.prior(torch.zeros(5, 0)).log_prob(torch.randn(5, 2)).sum().backward()
    assert owner.encoder.weight.grad.abs().sum() > 0
    assert owner.posterior.linear.weight.grad.abs().sum() > 0


def test_a_copy_of_a_model_with_vamp_borrows_from_the_copy():
    twin = copy.deepcopy(Owner())
    twin.encoder.weight.data.fill_(7)
    assert twin.prior.borrowed[0] is twin.encoder
    assert twin.prior.borrowed[1] is twin.posterior


def test_center_is_the_mean_or_the_base_mean_pushed_through():
    gaussian = DiagonalGaussian(torch.randn(3, 2), torch.randn(3, 2))
    mixture = GaussianMixture(torch.zeros(3, 2), torch.randn(3, 2, 4), torch.zeros(3, 2, 4))
    assert torch.equal(center(gaussian), gaussian.loc)
    assert torch.equal(center(Delta(gaussian.loc)), gaussian.loc)
    torch.testing.assert_close(center(mixture), mixture.loc.mean(1))
    classes = Categorical(torch.randn(3, 5, 2))
    assert torch.equal(center(classes), classes.logits.argmax(1).float())
    for flow in (posteriors.Flow(3, 2)(torch.randn(5, 3)), priors.Flow(2)(torch.zeros(5, 0))):
        middle = center(flow)
        assert middle.shape == (5, 2)
        back = flow.push.inv(middle)
        torch.testing.assert_close(back, flow.base.mean, atol=1e-4, rtol=1e-4)


def test_only_gaussian_pairs_have_a_closed_form():
    state = torch.zeros(5, 0)
    q, p = posteriors.Gaussian(3, 2)(torch.randn(5, 3)), priors.Standard(2)(state)
    assert kl_per_unit(q, p).shape == (5, 2)
    assert kl_per_unit(q, priors.Mixture(2)(state)) is None
    assert kl_per_unit(q, priors.Flow(2)(state)) is None
