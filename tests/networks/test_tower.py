"""A tower: what is absent is not seen, whatever stands in its place."""

import pytest
import torch

from zscape.networks.tower import Tower

FIELDS = (("class", 3, 1), ("number", 1, 1), ("text", 9, 4))
NAN = torch.nan


@pytest.fixture
def tower():
    return Tower(FIELDS)


def test_features_of_any_leading_dimensions(tower):
    row = torch.tensor([2, -0.5, 3, 8, NAN, NAN])
    together = tower(row.expand(2, 5, -1))
    assert together.shape == (2, 5, tower.features)
    torch.testing.assert_close(together[1, 4], tower(row[None])[0])


def test_each_field_says_something(tower):
    known = torch.tensor([[1.0, 0.3, 2, 5, 7, NAN]])
    for column, other in ((0, 2.0), (1, 0.4), (2, 3.0), (4, 6.0), (5, 1.0)):
        changed = known.clone()
        changed[0, column] = other
        assert not torch.allclose(tower(changed), tower(known)), column


def test_the_order_of_neighbouring_words_counts(tower):
    rows = torch.tensor([[NAN, NAN, 2, 5, 7, 1], [NAN, NAN, 5, 2, 7, 1]])
    one, other = tower(rows)
    assert not torch.allclose(one, other)


def test_a_short_text_is_the_same_beside_longer_ones(tower):
    short = torch.tensor([[NAN, NAN, 2, 5, NAN, NAN]])
    longer = torch.tensor([[NAN, NAN, 2, 5, 7, 1]])
    torch.testing.assert_close(tower(torch.cat([short, longer]))[0], tower(short)[0])
    assert not torch.allclose(tower(short), tower(longer))


@pytest.mark.parametrize("field", range(3))
def test_no_gradient_reaches_what_would_have_said_an_absent_field(tower, field):
    context = torch.tensor([[1.0, 0.3, 2, 5, 7, NAN]]).repeat(4, 1)
    context[:, [[0], [1], [2, 3, 4, 5]][field]] = NAN
    tower(context).square().sum().backward()
    for number, part in enumerate(tower.parts):
        moved = [float(p.grad.abs().sum()) for p in part.parameters()]
        assert all(g == 0 for g in moved) if number == field else all(g > 0 for g in moved)
        assert (tower.absent.grad[number].abs().sum() > 0) == (number == field)
    assert all(p.grad.isfinite().all() for p in tower.parameters())
