"""Things as symbols and back: pictures, arrays of zeros and ones, numbers, the columns of tables.

An alphabet is made of the things themselves and written into the archive, so that what comes back
is theirs to the bit. What it cannot say, it leaves out, row by row.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.modalities import Array, Image, Modality

MOST_VALUES = 2**16  # that an array of numbers may hold
LARGEST = 1e30  # of a number that a model is shown


@dataclass(frozen=True, slots=True)
class Symbols:
    """Things as whole numbers.

    Attributes:
        of: whole numbers `[N, n]`, flat; 0 where there is none.
        active: bool `[N, n]`, where there is one.
    """

    of: np.ndarray
    active: np.ndarray

    def __len__(self) -> int:
        return len(self.of)

    def rows(self, rows: np.ndarray | slice) -> "Symbols":
        """Some of them."""
        return Symbols(self.of[rows], self.active[rows])


class Alphabet(ABC):
    """How rows of an array or a table become symbols and come back."""

    @abstractmethod
    def symbols(self, rows: Any) -> Symbols:
        """Symbols of rows; those of rows that it cannot say come back as others."""

    @abstractmethod
    def restored(self, symbols: Symbols) -> Any:
        """The rows."""

    @abstractmethod
    def seen(self, symbols: Symbols) -> Tensor:
        """What a model sees, float64 `[N, *shape]`."""

    @abstractmethod
    def listed(self) -> list[np.ndarray]:
        """What a model sees where it sees the i-th value, for each of the n."""

    @abstractmethod
    def written(self) -> bytes:
        """What it can be made of again."""


class Levels(Alphabet):
    """Pictures of 256 levels, or of two.

    Args:
        image: their modality.
        shape: of one as the person has it.
        dtype: likewise, uint8 or bool.
        unit: what the largest symbol of two-valued pictures is there: 255 or 1.
    """

    def __init__(self, image: Image, shape: tuple[int, ...], dtype: str, unit: int) -> None:
        self.image, self.shape, self.dtype, self.unit = image, shape, dtype, unit

    @classmethod
    def of(cls, image: Image, things: np.ndarray) -> "Levels | None":
        """That of an array; None where it cannot say any of it."""
        shape, kinds = things.shape[1:], ("|b1", "|u1") if image.two_valued else ("|u1",)
        if things.dtype.str not in kinds or shape not in _layouts(image) or not len(things):
            return None
        unit = int(things.max(initial=0)) if image.two_valued else 1
        return cls(image, shape, things.dtype.str, 255 if unit > 1 else 1)

    def symbols(self, rows: np.ndarray) -> Symbols:
        """Symbols of rows `[N, *shape]`."""
        levels = rows.astype(np.uint8)
        if self._last:
            levels = np.moveaxis(levels, -1, 1)
        flat = levels.reshape(len(rows), -1)
        of = (flat > 0 if self.image.two_valued else flat).astype(np.int32)
        return Symbols(of, np.ones(of.shape, dtype=bool))

    def restored(self, symbols: Symbols) -> np.ndarray:
        """The pictures `[N, *shape]`."""
        levels = (symbols.of * self.unit).astype(np.uint8).reshape(-1, *self.image.shape)
        arranged = np.moveaxis(levels, 1, -1) if self._last else levels
        return np.ascontiguousarray(arranged).reshape(-1, *self.shape).astype(self.dtype)

    def seen(self, symbols: Symbols) -> Tensor:
        """What a model sees, `[N, C, H, W]`."""
        top = 1.0 if self.image.two_valued else 255.0
        return torch.from_numpy(symbols.of.reshape(-1, *self.image.shape) / top)

    def listed(self) -> list[np.ndarray]:
        """The levels, the same for all."""
        return [np.arange(256) / 255.0] * prod(self.image.shape)

    def written(self) -> bytes:
        """What it can be made of again."""
        return bytes([self.unit])

    @property
    def _last(self) -> bool:
        return self.shape == _layouts(self.image)[-1] and self.image.channels > 1


class Values(Alphabet):
    """Numbers `[N, *event]` by their place among the values that there are.

    Args:
        array: their modality.
        values: rising, in the dtype of the person.
    """

    def __init__(self, array: Array, values: np.ndarray) -> None:
        self.array, self.values = array, values

    @classmethod
    def of(cls, array: Array, things: np.ndarray) -> "Values | None":
        """That of an array; None where its values are no numbers, or too many."""
        if things.shape[1:] != array.event or things.dtype.kind not in "biuf" or not len(things):
            return None
        if array.holds == "binary":
            return cls(array, np.array([0, 1], dtype=things.dtype))
        least, most = (0, LARGEST) if array.holds == "count" else (-LARGEST, LARGEST)
        inside = (things >= least) & (things <= most)
        if array.holds == "count":
            inside &= things == np.floor(things)
        values = np.unique(things[inside])
        if not 0 < len(values) <= min(MOST_VALUES, max(things.size // 4, 2)):
            return None
        return cls(array, values)

    def symbols(self, rows: np.ndarray) -> Symbols:
        """Symbols of rows `[N, *event]`."""
        flat = rows.reshape(len(rows), -1)
        of = np.searchsorted(self.values, flat).clip(0, len(self.values) - 1)
        return Symbols(of.astype(np.int64), np.ones(flat.shape, dtype=bool))

    def restored(self, symbols: Symbols) -> np.ndarray:
        """The rows `[N, *event]`."""
        return self.values[symbols.of].reshape(-1, *self.array.event)

    def seen(self, symbols: Symbols) -> Tensor:
        """What a model sees, `[N, *event]`."""
        return self.array.prepare(self.array.encode(self.restored(symbols))).double()

    def listed(self) -> list[np.ndarray]:
        """What a model sees where it sees the i-th value, for each dimension."""
        places = np.arange(len(self.values))[:, None].repeat(prod(self.array.event), 1)
        seen = self.seen(Symbols(places, places >= 0)).flatten(1).numpy()
        return list(np.maximum.accumulate(seen).T)

    def written(self) -> bytes:
        """What it can be made of again."""
        return self.values.tobytes()


def alphabet_of(modality: Modality, things: np.ndarray) -> Levels | Values | None:
    """The alphabet of an array; None where none can say any of it."""
    if isinstance(modality, Image):
        return Levels.of(modality, things)
    return Values.of(modality, things) if isinstance(modality, Array) else None


def alphabet_read(modality: Modality, things: np.ndarray, content: bytes) -> Levels | Values:
    """The alphabet that `written` wrote, for an array of this dtype and shape."""
    if isinstance(modality, Image):
        return Levels(modality, things.shape[1:], things.dtype.str, content[0])
    assert isinstance(modality, Array), "an archive is read with the model that wrote it"
    return Values(modality, np.frombuffer(content, dtype=things.dtype))


def _layouts(image: Image) -> list[tuple[int, ...]]:
    """The shapes that a person's picture may have, the one with channels last at the end."""
    size = (image.height, image.width)
    alone = [size] if image.channels == 1 else []
    return [*alone, image.shape, (*size, image.channels)]
