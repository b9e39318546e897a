"""The record of a rendered world: pictures and the factors that made them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class World:
    """Pictures with their known factors of variation, one row per picture.

    `pictures` are uint8: `[N, H, W]` or `[N, H, W, 3]` from 0 to 255, or `[N, H, ceil(W / 8)]` with
    eight pixels a byte, the leftmost in the highest bit, as `numpy.packbits` writes them and
    `unpack` reads them.
    `classes` `[N, F]` number the values of each factor from 0; `values` `[N, F]` are the values
    themselves; `names` are the factors'.
    """

    pictures: np.ndarray
    classes: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]


def unpack(packed: np.ndarray, width: int) -> np.ndarray:
    """Pictures `[..., H, width]` of 0 and 255 from packed rows `[..., H, ceil(width / 8)]`."""
    pixels: np.ndarray = np.unpackbits(packed, axis=-1, count=width)
    pixels *= 255
    return pixels
