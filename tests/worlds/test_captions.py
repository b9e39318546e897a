"""Captions of sprites: true, varied, and silent where no word is clear."""

import numpy as np
import pytest

from zscape.modalities.words import split_words
from zscape.worlds import sprites
from zscape.worlds.captions import COLUMNS, FORMS, ROWS, SHAPES, SIZES, describe, name_factors, word

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def values():
    return sprites(8, indices=RNG.choice(737_280, 3000)).values


def test_names_agree_with_the_factors(values):
    shape, size, row, column = name_factors(values).T
    assert np.array_equal(shape + 1, values[:, 0])
    for named, factor, low in ((size, 1, 0.5), (row, 4, 0.0), (column, 3, 0.0)):
        given = values[:, factor]
        assert given[named == 0].max() < given[named == 1].min()
        assert given[named == 1].max() < given[named == 2].min()
        assert given.min() == low and named[given == low].max() == 0
    assert (size >= 0).all() and 0.1 < (row < 0).mean() < 0.3


def test_captions_say_what_is_so_and_never_what_is_not(values):
    words = {}
    for axis, names in enumerate((SHAPES, SIZES, ROWS, COLUMNS)):
        for number, alike in enumerate(names):
            for name in alike:
                words.setdefault(name, set()).add((axis, number))
    for caption, named in zip(describe(values), name_factors(values), strict=True):
        for name in split_words(caption):
            said = words.get(name)
            assert said is None or any(named[axis] == number for axis, number in said), caption


def test_wording_varies_and_repeats_by_its_seed(values):
    first = describe(values, seed=1)
    assert first == describe(values, seed=1) != describe(values, seed=2)
    assert len({word for caption in first for word in split_words(caption)}) > 25
    assert len(set(first)) > 600
    unsaid = np.mean([not any(w in c for s in SIZES for w in s) for c in first])
    assert unsaid == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_says_what_is_asked(form):
    parts = [0 if "{size}" in form else -1, *([2, 0] if "{place}" in form else [-1, -1])]
    caption = word([2, *parts], RNG, (form,))
    assert "heart" in caption and "{" not in caption
    if "{place}" in form:
        assert "left" in caption and ("bottom" in caption or "lower" in caption)
