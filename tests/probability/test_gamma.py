import pytest
import torch

from zscape.probability.distributions.gamma import digamma, log_gamma


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 10.0, 1e4, 1e8])
def test_digamma_is_pytorchs_to_a_hundred_millionth(size):
    x = size * torch.linspace(0.3, 3.0, 500, dtype=torch.float64)
    torch.testing.assert_close(digamma(x), torch.digamma(x), rtol=1e-8, atol=1e-8)
    single = x.float()
    torch.testing.assert_close(digamma(single), torch.digamma(single), rtol=2e-6, atol=2e-6)


def test_log_gamma_has_the_values_and_the_gradients_of_pytorchs():
    x = torch.linspace(0.01, 40.0, 300, dtype=torch.float64, requires_grad=True)
    assert torch.equal(log_gamma(x), torch.lgamma(x))
    (ours,) = torch.autograd.grad(log_gamma(x).sum(), x)
    (theirs,) = torch.autograd.grad(torch.lgamma(x).sum(), x)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)
    assert torch.autograd.gradgradcheck(log_gamma, (x[50:60].detach().requires_grad_(),))
