import pytest
import torch

from zscape.errors import SpecError
from zscape.probability.columns import Columns

KINDS = (
    ("categorical", 3),
    ("gaussian", 1),
    ("poisson", 1),
    ("bernoulli", 1),
    ("categorical", 5),
    ("negative_binomial", 1),
    ("gaussian", 1),
)


def rows(n: int) -> torch.Tensor:
    return torch.stack(
        [
            torch.randint(0, 3, (n,)).float(),
            torch.randn(n),
            torch.randint(0, 9, (n,)).float(),
            torch.randint(0, 2, (n,)).float(),
            torch.randint(0, 5, (n,)).float(),
            torch.randint(0, 9, (n,)).float(),
            torch.randn(n),
        ],
        -1,
    )


def columns() -> Columns:
    torch.manual_seed(0)
    module = Columns(KINDS)
    for parameter in module.parameters():
        parameter.data.normal_()
    return module


def test_features_are_one_per_number_and_one_per_class():
    assert columns().features == (5 + 3 + 5,)


def test_each_column_has_the_likelihood_of_its_word():
    module, x = columns(), rows(4)
    context = torch.randn(4, 13)
    per_column = module(context).log_prob_per_unit(x)
    # The context holds gaussian means, then coins, log-rates, log-means, then classes in order.
    first = context[:, 5:8].log_softmax(-1).gather(-1, x[:, :1].long())[:, 0]
    second = context[:, 8:13].log_softmax(-1).gather(-1, x[:, 4:5].long())[:, 0]
    sigma = (module.log_scale.exp().square() + 1e-4).sqrt()
    normal = torch.distributions.Normal(context[:, :2], sigma).log_prob(x[:, [1, 6]])
    coin = torch.distributions.Bernoulli(logits=context[:, 2]).log_prob(x[:, 3])
    poisson = torch.distributions.Poisson(context[:, 3].exp()).log_prob(x[:, 2])
    torch.testing.assert_close(per_column[:, 0], first)
    torch.testing.assert_close(per_column[:, 4], second)
    torch.testing.assert_close(per_column[:, [1, 6]], normal)
    torch.testing.assert_close(per_column[:, 3], coin)
    torch.testing.assert_close(per_column[:, 2], poisson)
    torch.testing.assert_close(per_column.sum(-1), module(context).log_prob(x))


def test_missing_cells_cost_nothing_and_the_rest_is_unchanged():
    module, x = columns(), rows(64)
    missing = torch.rand(x.shape) < 0.4
    context = torch.randn(64, 13, requires_grad=True)
    full = module(context).log_prob_per_unit(x)
    holed = module(context).log_prob(x.masked_fill(missing, torch.nan))
    torch.testing.assert_close(holed, (full * ~missing).sum(-1))
    holed.sum().backward()
    assert context.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_a_row_of_missing_cells_is_exactly_zero():
    context = torch.randn(3, 13, requires_grad=True)
    log_prob = columns()(context).log_prob(torch.full((3, 7), torch.nan))
    log_prob.sum().backward()
    assert torch.equal(log_prob, torch.zeros(3)) and torch.equal(context.grad, torch.zeros(3, 13))


def test_draws_of_codes_broadcast_against_rows():
    module, x, context = columns(), rows(4), torch.randn(5, 4, 13)
    log_prob = module(context).log_prob(x)
    expected = torch.stack([module(one).log_prob(x) for one in context])
    torch.testing.assert_close(log_prob, expected)


def test_the_central_row_is_made_of_values_that_columns_have():
    torch.manual_seed(0)
    context = torch.randn(50, 13)
    center = columns()(context).mean
    assert torch.equal(center[:, 0], context[:, 5:8].argmax(-1).float())
    assert torch.equal(center[:, 4], context[:, 8:13].argmax(-1).float())
    assert torch.equal(center[:, 3], (context[:, 2] > 0).float())
    assert torch.equal(center[:, [1, 6]], context[:, :2])


def test_draws_never_fall_into_classes_that_a_column_lacks():
    drawn = columns()(10 * torch.randn(2000, 13)).sample()
    assert drawn[:, 0].max() == 2 and drawn[:, 4].max() == 4
    assert set(drawn[:, 3].tolist()) == {0.0, 1.0}


def test_a_constant_column_has_a_bounded_density():
    module = Columns((("gaussian", 1),), floor=1e-2)
    module.log_scale.data.fill_(-100)
    density = module(torch.zeros(1, 1)).log_prob(torch.zeros(1, 1))
    torch.testing.assert_close(density, torch.distributions.Normal(0.0, 1e-2).log_prob(density * 0))


def test_unknown_words_are_refused_with_the_near_ones():
    with pytest.raises(SpecError, match=r"column likelihood 'gausian'.*'gaussian'"):
        Columns((("gausian", 1),))
