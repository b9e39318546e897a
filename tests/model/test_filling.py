"""Holes, what is left of a thing, and that a model sees nothing else."""

import pytest
import torch

from zscape.modalities.image import Image
from zscape.model.filling import Holes, measured_context
from zscape.recipes import fill_vae

DATA = Image(1, 8, 8, two_valued=True)
CPU = torch.device("cpu")


def test_boxes_are_boxes_of_all_sizes():
    hidden = Holes((1, 8, 6), kind="boxes")(4000, CPU)[:, 0]
    down, across = hidden.any(2), hidden.any(1)
    assert torch.equal(hidden, down[:, :, None] & across[:, None, :])
    for side in (down, across):  # one run of cells, none or more
        assert int(side.int().diff(dim=1).abs().sum(1).max()) <= 2
        sizes = side.sum(1).bincount()
        assert (sizes > 0).all() and len(sizes) == side.shape[1] + 1


def test_quadrants_are_hidden_in_all_their_fifteen_choices():
    hidden = Holes((3, 8, 6), kind="quadrants")(6000, CPU)
    assert torch.equal(hidden[:, 0], hidden[:, 2])  # a pixel in all its channels
    corners = hidden[:, 0, [0, 0, 7, 7], [0, 5, 0, 5]]
    whole = corners.reshape(-1, 2, 2).repeat_interleave(4, 1).repeat_interleave(3, 2)
    assert torch.equal(hidden[:, 0], whole)
    numbers = (corners.long() * torch.tensor([1, 2, 4, 8])).sum(1).bincount(minlength=16)
    assert numbers[0] == 0 and numbers[1:].min() > 250 and numbers[15] > 800


def test_rows_lose_any_share_of_their_cells():
    hidden = Holes((20,))(4000, CPU).double().mean(1)
    assert float(hidden.mean()) == pytest.approx(0.55, abs=0.02)  # a tenth loses all
    counts = (hidden * 4).round().long().bincount()
    assert (counts > 300).all()


def test_in_evaluation_a_model_sees_only_its_context():
    model, _ = fill_vae(DATA, latent=2, network="mlp:16")
    model.eval()
    x = (torch.rand(4, 1, 8, 8) < 0.4).float()
    hidden = torch.zeros(8, 8, dtype=torch.bool)
    hidden[:, 4:] = True
    context = x.masked_fill(hidden, torch.nan).flatten(1)
    other = x.where(~hidden, 1 - x)
    p = model(x, context).latents[0].p
    assert p.mean.equal(model(other, context).latents[0].p.mean)
    nothing = model(x).latents[0].p.mean
    assert nothing.equal(nothing[:1].expand_as(nothing)) and not nothing.equal(p.mean)


def test_training_scores_what_is_hidden_alone():
    model, _ = fill_vae(DATA, latent=2, network="mlp:16")
    x = (torch.rand(500, 1, 8, 8) < 0.4).float()
    trace = model.train()(x)
    seen = ~trace.likelihood.known[0].isnan()
    assert 0.2 < seen.double().mean() < 0.7
    assert trace.likelihood.mean[0][seen].equal(x[seen])


def test_what_measures_hides_too_and_the_same_at_every_call():
    model, _ = fill_vae(DATA, latent=2, network="mlp:16")
    x = torch.rand(50, 1, 8, 8)
    torch.manual_seed(0)
    first = measured_context(model.eval().start, x, None)
    torch.manual_seed(0)
    again = measured_context(model.start, x, None)
    torch.testing.assert_close(first, again, equal_nan=True, rtol=0, atol=0)
    assert 0.2 < first.isnan().double().mean() < 0.8
