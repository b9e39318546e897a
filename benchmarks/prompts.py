"""Is what was asked for what comes? Prompts and classes; and what is missing, filled in.

Sprites by prompt: 1,000 sentences that training never saw, half of them about combinations of
shape, size and place of which it saw no picture, half in forms that no caption had.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import zscape as zs
from benchmarks.figures import Figure, Settings, machine
from benchmarks.sprite_reader import read, templates
from zscape.modalities.words import split_words
from zscape.study.intake.sources import NUM_SPRITES
from zscape.worlds import sprites
from zscape.worlds.captions import FORMS, describe, name_factors, word

SIZE, PROMPTS = 32, 1000
HELD_FORMS = ("there is a {size} {shape} at the {place}", "{place}, {size}, {shape}")
KEPT_FORMS = tuple(form for form in FORMS if form not in HELD_FORMS)
OPTIONS = {"latent": 8, "network": "conv", "prior": "standard", "learning_rate": 2e-3}
EPOCHS = 40


@dataclass(frozen=True)
class Captioned:
    """Rendered pictures, uint8 `[N, H, W]`, with what is said of each and what is so, `[N, 4]`."""

    pictures: np.ndarray
    captions: list[str]
    named: np.ndarray


@dataclass(frozen=True)
class Asked:
    """Prompts and what they name: shape, size, row and column, `[N, 4]`."""

    prompts: list[str]
    named: np.ndarray


def trained_on(count: int, *, seed: int = 0) -> Captioned:
    """Pictures drawn at random from the whole grid, none of a combination that is held out."""
    rng = np.random.default_rng(seed)
    world = sprites(SIZE, indices=rng.choice(NUM_SPRITES, count * 5 // 4, replace=False))
    named = name_factors(world.values)
    kept = np.flatnonzero(~_held(named))[:count]
    pictures = np.unpackbits(world.pictures[kept], axis=-1, count=SIZE) * np.uint8(255)
    captions = describe(world.values[kept], seed=seed, forms=KEPT_FORMS)
    return Captioned(pictures, captions, named[kept])


def tuning_prompts(count: int) -> Asked:
    """Prompts to choose settings by: combinations and forms of training."""
    return _prompts(count, held=False, forms=KEPT_FORMS, seed=1)


def test_prompts(count: int) -> Asked:
    """Half about combinations held out, half in forms held out."""
    new = _prompts(count // 2, held=True, forms=KEPT_FORMS, seed=2)
    worded = _prompts(count - count // 2, held=False, forms=HELD_FORMS, seed=3)
    return Asked(new.prompts + worded.prompts, np.concatenate([new.named, worded.named]))


def drawn(space: zs.Space, asked: Asked, *, seed: int = 0) -> np.ndarray:
    """One picture for each prompt, `[N, H, W]` in [0, 1]."""
    where = {"caption": asked.prompts}
    return space.sample_tensor(len(asked.prompts), where=where, seed=seed)[:, 0].numpy()


def share_right(found: np.ndarray, asked: Asked) -> tuple[float, float]:
    """The share of pictures with all that was named right, and its standard error."""
    right = (found == asked.named).all(1)
    share = float(right.mean())
    return share, float(np.sqrt(share * (1 - share) / len(right)))


def _prompts(count: int, *, held: bool, forms: tuple[str, ...], seed: int) -> Asked:
    rng = np.random.default_rng(seed)
    every = np.stack(np.unravel_index(np.arange(81), (3, 3, 3, 3)), 1)
    named = every[_held(every) == held]
    named = named[rng.integers(len(named), size=count)]
    return Asked([word(row, rng, forms) for row in named.tolist()], named)


def _held(named: np.ndarray) -> np.ndarray:
    """Nine of the 81 combinations: one place for each shape and size, all nine places once."""
    shape, size, row, column = named.T
    return (named >= 0).all(1) & ((3 * shape + size) == (3 * row + column + 4) % 9)
