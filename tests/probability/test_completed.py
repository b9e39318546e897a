"""Something known in part: its known cells cost nothing and come back to the bit."""

import pytest
import torch

from zscape.probability.distributions import Bernoulli, Completed, DiagonalGaussian

NAN = torch.nan


def test_only_cells_that_are_not_known_are_measured():
    base = Bernoulli(torch.randn(5, 1, 3, 4), 3)
    x = (torch.rand(5, 1, 3, 4) < 0.5).float()
    seen = x.masked_fill(torch.rand(5, 1, 3, 4) < 0.5, NAN)
    wanted = base.log_prob_per_unit(x)[seen.isnan()].sum()
    torch.testing.assert_close(Completed(base, seen).log_prob(x).sum(), wanted)
    nothing, everything = torch.full_like(x, NAN), x
    torch.testing.assert_close(Completed(base, nothing).log_prob(x), base.log_prob(x))
    assert (Completed(base, everything).log_prob(x) == 0).all()


def test_known_cells_come_back_to_the_bit():
    base = DiagonalGaussian(torch.randn(2, 6), torch.zeros(6))
    seen = torch.tensor([0.1, NAN, -3.7, NAN, NAN, 1e-9]).expand(2, -1)
    both = Completed(base, seen)
    known = ~seen[0].isnan()
    for value in (both.mean, both.sample(), both.sample((7,)), both.expand((3, 2)).mean):
        assert value[..., known].equal(seen[:, known].expand_as(value[..., known]))
        assert value.isfinite().all()
    torch.testing.assert_close(both.mean[:, ~known], base.mean[:, ~known])


def test_no_gradient_comes_from_known_cells():
    loc = torch.zeros(1, 3, requires_grad=True)
    seen = torch.tensor([[NAN, 2.0, NAN]])
    Completed(DiagonalGaussian(loc, torch.zeros(3)), seen).log_prob(
        torch.ones(1, 3)
    ).sum().backward()
    assert loc.grad[0].tolist() == pytest.approx([1.0, 0.0, 1.0])
