import os

import pytest

from zscape.modalities.found import counted, listed, number_words, percent, place, printable


def test_words():
    assert counted(1, "row") == "1 row"
    assert counted(5000, "picture") == "5,000 pictures"
    assert counted(2, "missing", "missing") == "2 missing"
    assert percent(81, 100) == "81 %"
    assert percent(1, 1000) == "under 1 %"
    assert percent(999, 1000) == "over 99 %"
    assert percent(0, 0) == "0 %"
    assert place(999) == "row 1,000 (index 999)"
    assert listed(list("abcdefg"), most=3) == "a, b, c and 4 more"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (45049.7, "45,050"),
        (-1234567, "-1,234,567"),
        (9999.5, "10,000"),
        (1998.0, "1998"),
        (0.012345, "0.01235"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_are_told_as_people_read_them(value, words):
    assert number_words(value) == words


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"a\nb", "\u202egpj.exe".encode(), b"\x1b[31m"])
def test_printable_goes_through_any_terminal(name):
    text = printable(os.fsdecode(name))
    assert text.isprintable()
    text.encode("utf-8")


def test_printable_leaves_letters_of_all_scripts():
    for text in ("été", "日本語", "שלום", "🙂", "e\u0301"):
        assert printable(text) == text
