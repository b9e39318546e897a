"""What is filled in: known cells stay to the bit, others follow from them, and masks by words."""

import numpy as np
import pandas as pd
import pytest
import torch
from tests.contracts.space import digits_space

from zscape.errors import DataError, ShapeError, SpecError
from zscape.space.filling import fill, fill_rows, hole
from zscape.space.refitting import refit_prior
from zscape.study.data import look
from zscape.study.run import fit

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def pictures():
    """Bars across: what is right of the middle follows from what is left of it."""
    x = np.zeros((400, 8, 8), np.uint8)
    x[np.arange(400), RNG.integers(0, 8, 400)] = 255
    settings = {"latent": 3, "network": "mlp:64", "epochs": 60, "learning_rate": 3e-3}
    return fit(x, recipe="fill_vae", **settings)


@pytest.fixture(scope="module")
def rows():
    a = RNG.normal(10, 2, 600)
    kind = np.where(a + RNG.normal(0, 0.1, 600) > 10, "high", "low")
    frame = pd.DataFrame({"a": a, "b": 3 * a + RNG.normal(0, 0.3, 600), "kind": kind, "note": 7})
    settings = {"latent": 2, "network": "mlp:64", "epochs": 80, "learning_rate": 3e-3}
    return fit(look(frame), recipe="fill_vae", **settings), frame


def test_a_hidden_half_follows_from_the_other(pictures):
    x = np.zeros((8, 8), np.uint8)
    x[5] = 255
    made = fill(pictures, x, "right", n=5, seed=0)
    assert made.shape == (5, 8, 8)
    assert (made[:, :, :4] == x[:, :4]).all()  # to the bit
    bar, others = made[:, 5, 4:], np.delete(made[:, :, 4:], 5, axis=1)
    assert bar.mean() > 170 and others.mean(axis=(0, 2)).max() < 60


def test_completions_are_drawn_anew_where_nothing_says_which(pictures):
    x = np.zeros((8, 8), np.uint8)
    made = fill(pictures, x, np.ones((8, 8), bool), n=30, seed=0)
    assert len({int(picture.sum(1).argmax()) for picture in made}) >= 4
    assert np.array_equal(made, fill(pictures, x, "box:0,0,8,8", n=30, seed=0))


def test_an_index_names_a_thing_too(pictures):
    made = fill(pictures, np.int64(3), "top", n=2, seed=1)
    assert (made[:, 4:] == pictures.items[3, 0, 4:].numpy()).all()


def test_empty_cells_are_filled_and_all_others_kept_exactly(rows):
    space, frame = rows
    empty = frame.copy()
    empty.loc[::3, "a"] = np.nan
    empty.loc[1::3, "b"] = np.nan
    empty.loc[::4, "kind"] = None
    filled = fill_rows(space, empty)
    for name in frame.columns:
        there = empty[name].notna()
        assert (filled[name][there] == frame[name][there]).all() and filled[name].notna().all()
    assert np.abs(filled["a"] - frame["a"])[::3].mean() < 0.5  # spread 2
    assert np.abs(filled["b"] - frame["b"])[1::3].mean() < 1.5  # spread 6
    assert (filled["kind"] == frame["kind"])[::4].mean() > 0.9


def test_rows_need_no_order_of_their_index(rows):
    space, frame = rows
    part = frame.iloc[[5, 2]].copy()
    part.iloc[0, 0] = np.nan
    filled = fill_rows(space, part)
    assert filled.index.tolist() == [5, 2] and filled.iloc[1].equals(part.iloc[1])
    assert abs(filled.iloc[0]["a"] - frame.iloc[5]["a"]) < 2


def test_rows_may_be_dictionaries_and_must_be_some(rows):
    space, frame = rows
    told = [{"a": 12.0, "b": None, "kind": "high"}, {"a": None, "b": 24.0, "kind": None}]
    filled = fill_rows(space, told)
    assert filled["a"][0] == 12 and abs(filled["b"][0] - 36) < 3 and abs(filled["a"][1] - 8) < 1
    assert filled["kind"].tolist() == ["high", "low"]
    with pytest.raises(DataError, match="must be at least one, got none"):
        fill_rows(space, frame[:0])


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("right", (slice(None), slice(3, 6))),
        ("left", (slice(None), slice(0, 3))),
        ("top", (slice(0, 4), slice(None))),
        ("bottom", (slice(4, 8), slice(None))),
        ("box: 1,2,3,6", (slice(1, 3), slice(2, 6))),
    ],
)
def test_masks_by_words(words, where):
    wanted = torch.zeros(3, 8, 6, dtype=torch.bool)
    wanted[:, where[0], where[1]] = True
    assert hole(words, (3, 8, 6)).equal(wanted)


@pytest.mark.parametrize("words", ["up", "box", "box:1,2,3", "box:a,b,c,d", "box:-1,0,2,2"])
def test_words_that_say_no_mask(words):
    with pytest.raises(SpecError, match="A mask must be right, left, top, bottom, or box"):
        hole(words, (1, 8, 8))


def test_what_cannot_be_filled(pictures):
    with pytest.raises(SpecError, match="A box must lie in the picture of 8 rows and 8 columns"):
        fill(pictures, 0, "box:0,0,9,9")
    with pytest.raises(ShapeError, match="A mask must have the size of the thing"):
        fill(pictures, 0, np.ones((3, 3)))
    with pytest.raises(SpecError, match="must have been trained with holes"):
        fill(digits_space(), 0, "right")
    with pytest.raises(SpecError, match="must have been told of conditions"):
        pictures.sample(2, where={"label": 1})
    with pytest.raises(SpecError, match="Rows can be filled by a study of a table"):
        fill_rows(pictures, pd.DataFrame({"a": [1.0]}))


def test_its_prior_is_not_replaced_by_one_that_sees_nothing(pictures):
    with pytest.raises(SpecError, match="sees what is there of a thing, as it fills"):
        refit_prior(pictures, components=2)
