"""Short texts as numbers: the words that are known, and which of them a text holds, in order."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from zscape.errors import SpecError

MOST_WORDS = 2000  # of a vocabulary, the most frequent
LONGEST = 24  # words of a text that are read
_WORD = re.compile(r"\w+")
_LIKE = 0.75  # similarity from which an unknown word is read as a known one


def split_words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return _WORD.findall(text.lower())


def vocabulary(texts: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """The words of texts in their order by letters, and how many of a text are read."""
    split = [split_words(text) for text in texts]
    counted = Counter(word for words in split for word in words)
    most = sorted(counted, key=lambda word: (-counted[word], word))[:MOST_WORDS]
    return tuple(sorted(most)), min(max(map(len, split), default=0), LONGEST)


def encode_texts(texts: Sequence[str], words: Sequence[str], width: int) -> np.ndarray:
    """The places of each text's words among those that are known, `[N, width]`, nan behind them.

    Unknown words are passed over.
    """
    places = {word: float(place) for place, word in enumerate(words)}
    rows = np.full((len(texts), width), np.nan)
    for row, text in zip(rows, texts, strict=True):
        known = [places[word] for word in split_words(text) if word in places][:width]
        row[: len(known)] = known
    return rows


@dataclass(frozen=True, slots=True)
class Read:
    """How a text is read: its `known` words in order, and what became of others.

    Attributes:
        known: words of the vocabulary.
        taken: `(as written, as read)` of words that are like a known one.
        unseen: words that are passed over.
    """

    known: tuple[str, ...]
    taken: tuple[tuple[str, str], ...] = ()
    unseen: tuple[str, ...] = ()


def read_text(text: str, words: Sequence[str]) -> Read:
    """How a text is read by a model that knows these words."""
    vocabulary_, known = set(words), list[str]()
    taken, unseen = list[tuple[str, str]](), list[str]()
    for word in split_words(text):
        near = [word] if word in vocabulary_ else get_close_matches(word, words, 1, _LIKE)
        if not near:
            unseen.append(word)
            continue
        known += near
        if near[0] != word:
            taken.append((word, near[0]))
    return Read(tuple(known), tuple(taken), tuple(unseen))


def encode_text(name: str, text: Any, words: Sequence[str], width: int) -> list[float]:
    """One asked text as `encode_texts` has it; a word like a known one is read as that.

    Raises:
        SpecError: it has no word that is known, or more than are read.
    """
    if not isinstance(text, str):
        raise SpecError(f"{name} must be a text, got {text!r}. Put it in quotes.")
    read = read_text(text, words)
    if not read.known:
        near = sorted(words, key=len)[:12]
        raise SpecError(
            f"{name} must hold a word that training saw, got {text!r}. "
            f"Some of the {len(words)}: {', '.join(near)}."
        )
    if len(read.known) > width:
        raise SpecError(
            f"{name} must hold at most {width} words, as in training, got {len(read.known)}. "
            "Shorten it."
        )
    row: list[float] = encode_texts([" ".join(read.known)], words, width)[0].tolist()
    return row
