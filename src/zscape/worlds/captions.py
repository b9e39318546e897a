"""What a person would say of sprites, in varied words: shape, size and place; the turn is not said.

Words are used where they are clear: a shape near the border of two places is given neither name.
"""

from string import Formatter

import numpy as np

SHAPES = (("square", "box"), ("ellipse", "oval"), ("heart",))
SIZES = (("small", "little", "tiny"), ("medium", "average"), ("large", "big"))
ROWS = (("top", "upper"), ("middle", "centre"), ("bottom", "lower"))
COLUMNS = (("left",), ("centre", "middle"), ("right",))
# Values in between have no clear name: scales from 0.5 to 1, positions from 0 to 1.
SIZE_RANGES = ((0.0, 0.62), (0.68, 0.82), (0.88, 1.01))
PLACE_RANGES = ((-0.01, 0.28), (0.38, 0.62), (0.72, 1.01))
FORMS = (
    "{shape}",
    "a {shape}",
    "there is one {shape}",
    "{size} {shape}",
    "a {size} {shape}",
    "a {shape} that is {size}",
    "{shape}, {place}",
    "a {shape} in the {place}",
    "{place}: a {shape}",
    "at the {place} there is a {shape}",
    "{size} {shape}, {place}",
    "a {size} {shape} in the {place}",
    "there is a {size} {shape} at the {place}",
    "{place}: a {size} {shape}",
    "in the {place} a {shape}, {size}",
    "{shape}, {size}, {place}",
    "at the {place} there is a {shape} that is {size}",
    "{place}, {size}, {shape}",
)
UNSAID = 0.15  # share of captions that leave out the size, and as many the place


def name_factors(values: np.ndarray) -> np.ndarray:
    """Shape, size, row and column of sprites as numbers of their names, `[N, 4]`; -1: no clear one.

    Args:
        values: of the factors as a `World` of sprites has them, `[N, 5]`.
    """
    shape, scale, _, x, y = values.T
    named = [shape.round() - 1, _within(scale, SIZE_RANGES)]
    named += [_within(y, PLACE_RANGES), _within(x, PLACE_RANGES)]
    return np.stack(named, 1).astype(np.int64)


def describe(values: np.ndarray, *, seed: int = 0, forms: tuple[str, ...] = FORMS) -> list[str]:
    """A caption of each sprite, such as "small heart, top left", some leaving out size or place.

    Args:
        values: of the factors as a `World` of sprites has them, `[N, 5]`.
        seed: of the wording.
        forms: that captions may have.
    """
    rng = np.random.default_rng(seed)
    return [_leaving_out(row, rng, forms) for row in name_factors(values).tolist()]


def word(named: list[int], rng: np.random.Generator, forms: tuple[str, ...] = FORMS) -> str:
    """A caption of what is named, in words and a form drawn at random.

    Args:
        named: numbers of the names of shape, size, row and column; -1 leaves one out.
        rng: what to draw from.
        forms: that it may have; at least one with the same parts.
    """
    shape, size, row, column = named
    said = {"shape": _one(SHAPES[shape], rng)}
    if size >= 0:
        said["size"] = _one(SIZES[size], rng)
    if row >= 0 or column >= 0:
        said["place"] = _place(row, column, rng)
    fitting = [form for form in forms if _parts(form) == said.keys()]
    return _one(tuple(fitting), rng).format(**said)


def _leaving_out(named: list[int], rng: np.random.Generator, forms: tuple[str, ...]) -> str:
    shape, size, row, column = named
    if rng.random() < UNSAID:
        size = -1
    if rng.random() < UNSAID:
        row = column = -1
    return word([shape, size, row, column], rng, forms)


def _place(row: int, column: int, rng: np.random.Generator) -> str:
    if row == column == 1:
        return _one(("centre", "middle"), rng)
    # Alone, "middle" would not say of what, and "upper" is no place.
    if column < 0:
        return "vertical middle" if row == 1 else ROWS[row][0]
    if row < 0:
        return "horizontal middle" if column == 1 else COLUMNS[column][0]
    return f"{_one(ROWS[row], rng)} {_one(COLUMNS[column], rng)}"


def _within(values: np.ndarray, ranges: tuple[tuple[float, float], ...]) -> np.ndarray:
    named = np.full(len(values), -1)
    for number, (low, high) in enumerate(ranges):
        named[(low <= values) & (values <= high)] = number
    return named


def _parts(form: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(form) if name}


def _one(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]
