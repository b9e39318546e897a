"""What is withheld in training is seen again afterwards, and nothing is withheld then."""

import pytest
import torch
from torch import nn

from zscape.modalities.conditions import Conditions, Field
from zscape.model.start import Plain, Told

TEXT = Field("caption", words=("a", "b", "c"), width=3)
KNOWN = Conditions((Field("label", ("x", "y")), Field("age", mean=40.0, scale=10.0), TEXT))
LIKE = torch.zeros(20_000)


def started(drop):
    """A start that shows its context as it is."""
    return Told(KNOWN, nn.Identity(), drop=drop)


def context():
    return KNOWN.context(len(LIKE), {"label": "y", "age": 50, "caption": "c a b"})


def test_in_evaluation_nothing_is_withheld():
    shown = started(0.3).eval()(context(), LIKE)
    torch.testing.assert_close(shown[0], torch.tensor([1.0, 1, 2, 0, 1]))
    assert torch.equal(shown, context())


def test_training_withholds_each_field_alone_and_all_of_them_as_often_as_said():
    gone = started(0.2).train()(context(), LIKE).isnan()
    words = gone[:, 2:]
    assert torch.equal(words.any(1), words.all(1))  # a text goes as a whole
    fields = gone[:, :3].double()
    alone = 1 - 0.8**2  # the field itself, or all
    torch.testing.assert_close(fields.mean(0), torch.full((3,), alone).double(), atol=0.01, rtol=0)
    everything = 0.2 + 0.8 * 0.2**3
    assert float(fields.prod(1).mean()) == pytest.approx(everything, abs=0.01)


def test_one_field_at_least_stays_where_not_all_may_go():
    start = started(0.2)
    gone = start.withheld(context(), whole=False).isnan()[:, :3].double()
    assert not gone.prod(1).any()
    alone = 0.2 - 0.2**3  # a row of which all would be gone keeps all
    torch.testing.assert_close(gone.mean(0), torch.full((3,), alone).double(), atol=0.01, rtol=0)


def test_what_is_not_withheld_is_as_it_was():
    shown = started(0.5).train()(context(), LIKE)
    there = ~shown.isnan()
    assert 0 < there.double().mean() < 1 and torch.equal(shown[there], context()[there])


def test_without_a_share_training_sees_all():
    assert torch.equal(started(0.0).train()(context(), LIKE), context())


def test_no_context_is_all_absent():
    assert started(0.1).eval()(None, LIKE[:4]).isnan().all()
    assert Plain()(None, LIKE[:4]).shape == (4, 0)
