"""Texts as numbers of known words, and what becomes of words that are not known."""

import numpy as np
import pytest
import torch

from zscape.errors import SpecError
from zscape.modalities.conditions import Conditions, Field, find_conditions
from zscape.modalities.words import LONGEST, MOST_WORDS, encode_texts, read_text, vocabulary

TEXTS = ("Small heart, top-left", "", "a BIG heart")


def test_a_vocabulary_is_the_words_in_order_and_the_longest_text():
    words, width = vocabulary(TEXTS)
    assert words == ("a", "big", "heart", "left", "small", "top") and width == 4
    assert vocabulary(["", ""]) == ((), 0)
    many, longest = vocabulary([" ".join(f"w{i}" for i in range(MOST_WORDS + 5)), "w3 w3"])
    assert len(many) == MOST_WORDS and "w3" in many and longest == LONGEST


def test_texts_are_the_places_of_their_words():
    words, width = vocabulary(TEXTS)
    rows = encode_texts((*TEXTS, "a green heart"), words, width)
    nan = np.nan
    wanted = [[4, 2, 5, 3], [nan] * 4, [0, 1, 2, nan], [0, 2, nan, nan]]
    np.testing.assert_array_equal(rows, wanted)


def test_words_like_a_known_one_are_read_as_it_and_others_passed_over():
    read = read_text("smal haert, purple", vocabulary(TEXTS)[0])
    assert read.known == ("small", "heart")
    assert read.taken == (("smal", "small"), ("haert", "heart")) and read.unseen == ("purple",)


def test_texts_stand_behind_the_other_fields():
    known, context = find_conditions(
        np.array([1, 0, 1]), ("x", "y"), {"age": np.array([1.0, 2, 9])}, {"caption": TEXTS}
    )
    assert [field.name for field in known.fields] == ["label", "age", "caption"]
    assert context.shape == (3, known.width) == (3, 6)
    assert known.columns(["caption", "label"]) == [2, 3, 4, 5, 0]
    asked = known.context(2, {"caption": "small heart top left", "label": "y"})
    torch.testing.assert_close(asked[:, 2:], context[:1, 2:].expand(2, -1))
    chosen = known.chosen(["caption", "age"])
    assert chosen.column("age") == 4 and chosen.width == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("purple", "caption must hold a word that training saw, got 'purple'"),
        (3, "caption must be a text, got 3"),
        ("heart heart heart", "caption must hold at most 2 words"),
    ],
)
def test_texts_that_cannot_be_asked(text, said):
    known = Conditions((Field("caption", words=("heart", "top"), width=2),))
    with pytest.raises(SpecError, match=said):
        known.context(1, {"caption": text})
