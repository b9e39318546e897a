"""The dSprites world: a white square, ellipse or heart on black, at any resolution.

Drawn from its description; the pictures agree with the published ones to about a pixel of the
outline. It knows no models and reads no files.
"""

from itertools import pairwise

import numpy as np

from zscape.errors import SpecError
from zscape.worlds.world import World, unpack

_NAMES = ("shape", "scale", "orientation", "position_x", "position_y")
_VERTICES = 256


def sprites(
    size: int = 64,
    *,
    scales: int = 6,
    orientations: int = 40,
    positions: int = 32,
    packed: bool = True,
    indices: np.ndarray | None = None,
) -> World:
    """The grid of 3 shapes x scales x orientations x positions x positions, in this order.

    All 737,280 pictures at 64x64 take 0.38 GB packed, eight times that unpacked. Scales run from
    0.5 to 1, orientations from 0 to 2 pi with both ends, so that the last repeats the first as
    in the original, and positions from 0 (a quarter of the picture) to 1 (three quarters).

    Args:
        size: height and width in pixels.
        scales: number of scales.
        orientations: number of orientations.
        positions: number of places along each axis.
        packed: keep eight pixels in a byte, see `World`.
        indices: which pictures to draw, numbered from 0 with the last factor fastest; all unless
            given. `rng.choice(737_280, 20_000)` is a random part.

    Raises:
        SpecError: a number below 1, or pictures too small to hold a shape.

    Source: Matthey et al. 2017, dSprites: disentanglement testing sprites dataset.
    """
    _check(size=size, scales=scales, orientations=orientations, positions=positions)
    axes = (
        np.arange(1.0, 4.0),
        np.linspace(1.0, 0.5, scales)[::-1],
        np.linspace(0.0, 2 * np.pi, orientations),
        np.linspace(0.0, 1.0, positions),
        np.linspace(0.0, 1.0, positions),
    )
    grid = tuple(len(axis) for axis in axes)
    numbers = np.arange(np.prod(grid)) if indices is None else np.asarray(indices)
    classes = np.stack(np.unravel_index(numbers, grid), -1).astype(np.int16)
    values = np.stack([axis[classes[:, f]] for f, axis in enumerate(axes)], -1)
    pictures = _draw(size, numbers, axes)
    return World(
        pictures=pictures if packed else unpack(pictures, size),
        classes=classes,
        values=values.astype(np.float32),
        names=_NAMES,
    )


def _draw(size: int, numbers: np.ndarray, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Packed pictures `[N, size, ceil(size / 8)]`, one posture (shape, scale, turn) at a time."""
    places = len(axes[3])
    levels, ranks = _levels(size, axes[3])
    prefixes = _prefixes(ranks, len(levels))
    postures, place = np.divmod(numbers, places**2)
    place_x, place_y = np.divmod(place, places)
    pictures = np.empty((len(numbers), size, *prefixes.shape[2:]), prefixes.dtype)
    order = np.argsort(postures, kind="stable")
    starts = np.flatnonzero(np.diff(postures[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        outline = _outline(int(postures[members[0]]), axes) * size
        rows = _rows(outline, levels, prefixes)
        pictures[members] = rows[ranks].swapaxes(1, 2)[place_y[members], place_x[members]]
    return pictures.view(np.uint8).reshape(len(numbers), size, -1)


def _levels(size: int, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct distances of a pixel from the shape's centre, and their ranks `[place, pixel]`.

    The same along both axes, so rows and columns share them.
    """
    centres = size / 4 + size / 2 * places
    levels, ranks = np.unique(np.arange(size) + 0.5 - centres[:, None], return_inverse=True)
    return levels, ranks.reshape(len(places), size)


def _prefixes(ranks: np.ndarray, num_levels: int) -> np.ndarray:
    """Rows of pixels set up to a threshold: `[threshold, place]` of words, else of bytes.

    A row of a shape is the exclusive or of the prefixes at the points where its outline crosses.
    """
    thresholds = np.arange(num_levels + 1)[:, None, None]
    packed = np.packbits(ranks < thresholds, axis=-1)
    width = packed.shape[-1]
    return packed.view(f"u{width}")[..., 0] if width in (1, 2, 4, 8) else packed


def _rows(outline: np.ndarray, levels: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
    """Rows of a shape at each height above its centre, `[level, place]`."""
    rows = np.zeros((len(levels), *prefixes.shape[1:]), prefixes.dtype)
    for x, y in _chains(outline):
        crossed = slice(*np.searchsorted(levels, (y[0], y[-1])))
        crossings = np.interp(levels[crossed], y, x)
        rows[crossed] ^= prefixes[np.searchsorted(levels, crossings)]
    return rows


def _chains(outline: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cuts a closed outline `[V, 2]` into pieces along which y only rises."""
    start = outline[:, 1].argmin()
    x, y = np.roll(outline, -start, axis=0)[[*range(len(outline)), 0]].T
    turns = np.flatnonzero(np.diff(np.diff(y) > 0)) + 1
    pieces = [slice(a, b + 1) for a, b in pairwise((0, *turns, len(outline)))]
    return [(x[p], y[p]) if y[p][-1] > y[p][0] else (x[p][::-1], y[p][::-1]) for p in pieces]


def _outline(posture: int, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Vertices `[V, 2]` (x right, y down) about the centre, in units of the picture."""
    shape, scale, turn = np.unravel_index(posture, [len(axis) for axis in axes[:3]])
    cos, sin = np.cos(axes[2][turn]), np.sin(axes[2][turn])
    rotation = np.array([[cos, -sin], [sin, cos]])
    rotated: np.ndarray = axes[1][scale] * _SHAPES[shape]() @ rotation
    return rotated


def _square() -> np.ndarray:
    return 0.15 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _ellipse() -> np.ndarray:
    angle = np.linspace(0.0, 2 * np.pi, _VERTICES, endpoint=False)
    return np.stack([0.1994 * np.cos(angle), 0.1128 * np.sin(angle)], -1)


def _heart() -> np.ndarray:
    # Constants fitted to moments of the published pictures, which show this curve 0.3 wide.
    angle = np.linspace(0.0, 2 * np.pi, _VERTICES, endpoint=False)
    height = 13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle) - np.cos(4 * angle)
    return np.stack([0.15 * np.sin(angle) ** 3, -0.010344 * height - 0.02244], -1)


_SHAPES = (_square, _ellipse, _heart)


def _check(**settings: int) -> None:
    for name, value in settings.items():
        least = 8 if name == "size" else 1
        if value < least:
            raise SpecError(
                f"{name} must be at least {least}, got {value}. "
                "The original world has size 64, 6 scales, 40 orientations and 32 positions."
            )
