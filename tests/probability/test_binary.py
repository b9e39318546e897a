import torch
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import ContinuousBernoulli as TorchContinuousBernoulli

from zscape.probability.distributions import Bernoulli, ContinuousBernoulli


def test_bernoulli_agrees_with_torch_and_broadcasts_draws():
    torch.manual_seed(0)
    logits = 3 * torch.randn(5, 3, 4)
    x = torch.rand(3, 4).round()
    theirs = TorchBernoulli(logits=logits).log_prob(x.expand(5, 3, 4)).sum(-1)
    torch.testing.assert_close(Bernoulli(logits).log_prob(x), theirs)


def test_bernoulli_of_grey_values_is_the_cross_entropy():
    x, logits = torch.rand(3, 4), torch.randn(3, 4)
    p = logits.sigmoid()
    cross_entropy = -(x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
    torch.testing.assert_close(Bernoulli(logits).log_prob(x), -cross_entropy)


def test_continuous_bernoulli_agrees_with_torch_away_from_one_half():
    logits = torch.cat([torch.linspace(-8, -0.6, 50), torch.linspace(0.6, 8, 50)]).double()[:, None]
    theirs = TorchContinuousBernoulli(logits=logits)
    x = torch.rand(100, 1, dtype=torch.float64)
    ours = ContinuousBernoulli(logits)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x).sum(-1), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.mean, theirs.mean, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(ours.mean, logits.sigmoid(), atol=1e-2)


def test_continuous_bernoulli_is_smooth_through_one_half():
    # Float32 against a double-precision integral of exp(l x), on both sides of the series' edge.
    logits = torch.tensor([-0.501, -0.499, -1e-3, -1e-8, 0.0, 1e-8, 1e-3, 0.499, 0.501])[:, None]
    grid = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    unnormalised = (logits.double() * grid).exp()
    normaliser = unnormalised.mean(-1)
    ours = ContinuousBernoulli(logits)
    log_prob = ours.log_prob(torch.zeros(9, 1)).double()
    torch.testing.assert_close(log_prob, -normaliser.log(), atol=2e-7, rtol=0)
    mean = (grid * unnormalised).mean(-1) / normaliser
    torch.testing.assert_close(ours.mean[:, 0].double(), mean, atol=1e-6, rtol=0)


def test_continuous_bernoulli_gradient_is_value_minus_mean():
    logits = torch.tensor([-20.0, -1.0, -1e-6, 0.0, 1e-6, 0.3, 30.0], requires_grad=True)
    x = torch.full((7,), 0.25)
    ContinuousBernoulli(logits).log_prob(x).backward()
    mean = ContinuousBernoulli(logits.detach()).mean
    torch.testing.assert_close(logits.grad, x - mean, atol=1e-6, rtol=1e-5)
