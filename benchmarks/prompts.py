"""Is what was asked for what comes? Prompts and classes; and what is missing, filled in.

Sprites by prompt: 1,000 sentences that training never saw, half of them about combinations of
shape, size and place of which it saw no picture, half in forms that no caption had.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import zscape as zs
from benchmarks.figures import Figure, Settings, machine
from benchmarks.sprite_reader import Templates, read, templates
from zscape.modalities.words import split_words
from zscape.study.intake.sources import NUM_SPRITES
from zscape.worlds import sprites
from zscape.worlds.captions import FORMS, describe, name_factors, word

SIZE, PROMPTS, EXAMPLES = 32, 1000, 20_000
JUDGED = 10_000  # seed of the real pictures that the judge is tried on
FACTORS = {"shape": [0], "size": [1], "place": [2, 3]}
HELD_FORMS = ("there is a {size} {shape} at the {place}", "{place}, {size}, {shape}")
KEPT_FORMS = tuple(form for form in FORMS if form not in HELD_FORMS)
OPTIONS = {
    "latent": 10,
    "network": "conv",
    "prior": "flow",
    "beta": 0.3,
    "warmup": 4000,
    "learning_rate": 2e-3,
    "patience": 0,
}
EPOCHS = 40
PRIOR = {"steps": 16, "guidance": 4.0}


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


def by_prompt(settings: Settings) -> Iterator[Figure]:
    """Pictures by prompt, and beside them what the judge says of real ones, and the floors."""
    count, epochs, number = (1_000, 1, 60) if settings.quick else (EXAMPLES, EPOCHS, PROMPTS)
    data, asked = trained_on(count, seed=settings.seed), test_prompts(number)
    known = templates(SIZE)
    assert not set(asked.prompts) & set(data.captions), "a prompt was a caption"
    start = time.process_time()
    options = OPTIONS | {"epochs": epochs, "seed": settings.seed}
    first = zs.fit(data.pictures, captions=data.captions, recipe="conditional_vae", **options)
    seconds = time.process_time() - start
    space = zs.refit_prior(first, "diffusion", updates=10 * settings.quick, **PRIOR)
    refit = time.process_time() - start - seconds
    said = (
        f"{count} rendered sprites of {SIZE}x{SIZE} and one caption each, without nine of 81 "
        f"combinations of shape, size and place and without two of {len(FORMS)} forms; "
        f"conditional_vae {options}, {seconds:.0f} CPU s; its prior refitted by a "
        f"diffusion {PRIOR}, {refit:.0f} CPU s; {number} prompts that no caption was, "
        "half of the combinations, half of the forms held out, one picture each; judge: templates, "
        f"mass and centre of ink, no network; settings chosen on other prompts; {machine()}"
    )
    found, half = read(drawn(space, asked, seed=settings.seed), known), number // 2
    yield _share("prompt_all_factors_right", found, asked.named, said)
    yield _share("prompt_new_combinations", found[:half], asked.named[:half], said)
    yield _share("prompt_new_forms", found[half:], asked.named[half:], said)
    for name, factor in FACTORS.items():
        yield _share(f"prompt_{name}", found[:, factor], asked.named[:, factor], said)
    found = read(drawn(first, asked, seed=settings.seed), known)
    words = "by the spline flow that was trained with the model, before the diffusion; "
    yield _share("prompt_before_refitting", found, asked.named, words + said)
    like = tuning_prompts(number // 2)
    found = read(drawn(space, like, seed=settings.seed), known)
    words = (
        "prompts of combinations and forms that were in training, by which settings are chosen; "
    )
    yield _share("prompt_as_in_training", found, like.named, words + said)
    yield from _floors(space, data, asked, known, said)


PARTS = {"prompts": by_prompt}


def _floors(
    space: zs.Space, data: Captioned, asked: Asked, known: Templates, said: str
) -> Iterator[Figure]:
    """What is reached by looking captions up, by asking for nothing, and by real pictures."""
    nearest = data.pictures[_nearest(asked.prompts, data.captions)] / 255
    words = "the training picture whose caption shares most of the words; "
    yield _share("floor_nearest_words", read(nearest, known), asked.named, words + said)
    unasked = space.sample_tensor(len(asked.prompts), seed=0)[:, 0].numpy()
    words = "samples of the same model without a prompt; "
    yield _share("floor_unconditional", read(unasked, known), asked.named, words + said)
    world = _rendered(2 * len(asked.prompts), seed=JUDGED)
    clear = (world.named >= 0).all(1)
    found = read(world.pictures[clear] / 255, known)
    words = f"{clear.sum()} rendered pictures, all of whose names are clear; "
    yield _share("judge_on_real_pictures", found, world.named[clear], words + machine())


def _nearest(prompts: list[str], captions: list[str]) -> np.ndarray:
    """The caption that shares most words with each prompt, by the Jaccard index; the first such."""
    bags = [Counter(split_words(text)).keys() for text in captions]
    best = []
    for prompt in prompts:
        asked = Counter(split_words(prompt)).keys()
        best.append(int(np.argmax([len(asked & bag) / len(asked | bag) for bag in bags])))
    return np.array(best)


def _share(name: str, found: np.ndarray, named: np.ndarray, said: str) -> Figure:
    right = (found == named).reshape(len(named), -1).all(1)
    share = float(right.mean())
    error = (share * (1 - share) / len(right)) ** 0.5
    return Figure(name, share, "share", "estimate", said, error)


def trained_on(count: int, *, seed: int = 0) -> Captioned:
    """Pictures drawn at random from the whole grid, none of a combination that is held out."""
    return _rendered(count, seed=seed, without=True)


def _rendered(count: int, *, seed: int, without: bool = False) -> Captioned:
    rng = np.random.default_rng(seed)
    world = sprites(SIZE, indices=rng.choice(NUM_SPRITES, count * 5 // 4, replace=False))
    named = name_factors(world.values)
    kept = np.flatnonzero(~(_held(named) & without))[:count]
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
