"""Filling in what is missing in spaces of `fill_vae`: holes of pictures, empty cells of rows."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError, SpecError
from zscape.modalities.image import Image
from zscape.modalities.table import Table, as_frame
from zscape.model.filling import Filling
from zscape.space.space import Space, in_chunks, seeded

SIDES = ("right", "left", "top", "bottom")


def fill(
    space: Space, thing: Any, mask: str | np.ndarray, *, n: int = 4, seed: int | None = None
) -> Any:
    """Completions of a thing with a hole: each draw another, what is seen as it is.

    Args:
        space: of a study that `fill_vae` trained.
        thing: of the person's own kind, or an index into the space's data.
        mask: what is hidden: True where it is, `[H, W]` or of the thing's shape, or words, see
            `hole`.
        n: how many completions.
        seed: repeats the same ones.

    Returns:
        `n` things.

    Raises:
        SpecError: the space cannot fill, or a mask that cannot be or hides nothing.
        ShapeError: a mask of another size, or more than one thing.
    """
    is_index = isinstance(thing, int | np.integer)
    stored = space.item(int(thing)) if is_index else space.modality.encode(thing)
    if len(stored) != 1:
        raise ShapeError(f"One thing is needed here, got {len(stored)}. Pass them one by one.")
    hidden = hole(mask, space.modality.shape) if isinstance(mask, str) else _mask(mask, space)
    return space.modality.decode(fill_tensor(space, stored, hidden, n=n, seed=seed))


@torch.inference_mode()
def fill_tensor(
    space: Space, stored: Tensor, hidden: Tensor, *, n: int = 4, seed: int | None = None
) -> Tensor:
    """Completions as the tensor that a model sees, `[n, *shape]`.

    Args:
        space: of a study that `fill_vae` trained.
        stored: a stored example, `[1, *shape]`.
        hidden: which cells are hidden, bool `[*shape]`.
        n: how many.
        seed: repeats the same ones.

    Raises:
        SpecError: the space cannot fill, or a mask that hides nothing.
    """
    require_filling(space)
    if not hidden.any():
        raise SpecError(
            "A mask must hide something, got one that hides nothing. Make it True, or paint it "
            "white, where something is to be filled."
        )
    if n < 1:
        raise SpecError(f"n must be at least 1, got {n}. 4 is usual.")
    context = space.modality.prepare(stored).masked_fill(hidden, torch.nan).flatten(1)
    with seeded(seed):
        likelihood = space.model.generate(n, context.expand(n, -1)).likelihood
        made: Tensor = likelihood.sample() if len(space.modality.shape) == 1 else likelihood.mean
    return made


def fill_rows(space: Space, rows: Any) -> Any:
    """Rows whose empty cells are filled with what is likely there, all others as they are.

    The centre of the code that follows from what is known of a row, and the likelihood's centre:
    means of numbers, rounded to the decimals of their column in training; the most likely of
    classes.

    Args:
        space: of a table's study that `fill_vae` trained.
        rows: a DataFrame, or dictionaries; columns that training did not model stay as they are.

    Returns:
        A DataFrame.

    Raises:
        DataError: no rows, or none of these.
        SpecError: the space cannot fill, or is not of a table.
    """
    require_filling(space)
    if not isinstance(space.modality, Table):
        raise SpecError(
            f"Rows can be filled by a study of a table, got one of {space.modality}. Give a mask."
        )
    frame = as_frame(rows).copy()
    if not len(frame):
        raise DataError("Rows to be filled must be at least one, got none. Pass some.")
    filled = space.modality.decode(_most_likely(space, space.modality.encode(frame)))
    for column in space.modality.modelled:
        empty = frame[column.name].isna()
        if empty.any():
            values = filled[column.name].set_axis(frame.index)
            frame[column.name] = frame[column.name].where(~empty, values)
    return frame


def hole(words: str, shape: tuple[int, ...]) -> Tensor:
    """What words hide of a picture, bool `[C, H, W]`.

    Args:
        words: a half, "right", "left", "top" or "bottom", or "box:y0,x0,y1,x1" in pixels, the last
            row and column not included.
        shape: of the picture, `(C, H, W)`.

    Raises:
        SpecError: words that say neither, or a box outside the picture.
    """
    if len(shape) != 3:
        raise SpecError(f"A mask in words must be of pictures, got shape {shape}. Pass an array.")
    high, wide = shape[1:]
    hidden = torch.zeros(high, wide, dtype=torch.bool)
    halves = {
        "right": (slice(None), slice(wide // 2, None)),
        "left": (slice(None), slice(wide // 2)),
        "top": (slice(high // 2), slice(None)),
        "bottom": (slice(high // 2, None), slice(None)),
    }
    hidden[halves[words] if words in halves else _box(words, high, wide)] = True
    return hidden.expand(shape)


def require_filling(space: Space) -> None:
    """Refuses a space that has not learnt to fill.

    Raises:
        SpecError: it has not.
    """
    if not isinstance(space.model.start, Filling):
        raise SpecError(
            "A space must have been trained with holes to fill them, and this one was not. "
            "Train the recipe fill_vae."
        )


@torch.inference_mode()
def _most_likely(space: Space, stored: Tensor) -> Tensor:
    """Rows completed at the centre of the codes that they leave likely, `[N, D]`."""
    x = space.modality.prepare(stored)

    def completed(rows: slice) -> Tensor:
        mean: Tensor = space.model.generate(len(x[rows]), x[rows], levels=0).likelihood.mean
        return mean

    return in_chunks(completed, len(x))


def _mask(mask: np.ndarray, space: Space) -> Tensor:
    shape = space.modality.shape
    hidden = torch.as_tensor(np.asarray(mask)) != 0
    if tuple(hidden.shape) == shape[1:] and isinstance(space.modality, Image):
        return hidden.expand(shape)
    if tuple(hidden.shape) != shape:
        raise ShapeError(
            f"A mask must have the size of the thing, {shape}, got {tuple(hidden.shape)}. "
            "Make it True where something is hidden."
        )
    return hidden


def _box(words: str, high: int, wide: int) -> tuple[slice, slice]:
    name, _, numbers = words.partition(":")
    parts = [part.strip() for part in numbers.split(",")]
    if name != "box" or len(parts) != 4 or not all(part.isdecimal() for part in parts):
        raise SpecError(
            f"A mask must be {', '.join(SIDES)}, or box:y0,x0,y1,x1, or a picture file, got "
            f"{words!r}. 'box:0,0,{high // 2},{wide // 2}' hides the first quarter."
        )
    top, left, bottom, right = map(int, parts)
    if not (top < bottom <= high and left < right <= wide):
        raise SpecError(
            f"A box must lie in the picture of {high} rows and {wide} columns, got {words!r}. "
            "Its last row and column come after its first."
        )
    return slice(top, bottom), slice(left, right)
