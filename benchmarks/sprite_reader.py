"""What a picture of a sprite shows, read by geometry alone: no network, no training.

The shape is that of the rendered template which fits with the least squared error at any place and
turn; the size follows from the mass of ink, the place from its centre.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import conv2d

from zscape.worlds import sprites, unpack

SCALES, TURNS, CHUNK = 6, 39, 50
HALVES = (0, 1)  # half pixels that templates are moved by along each axis
SIZE_BORDERS, PLACE_BORDERS = (0.65, 0.85), (0.33, 0.67)  # midway between what has a clear name
MOST_MISFIT = 0.35  # squared error over squared ink, above which it is no sprite


@dataclass(frozen=True)
class Templates:
    """Every posture in a window about its centre, and what is known of each."""

    pictures: torch.Tensor  # [K, 1, W, W]
    shapes: np.ndarray  # [K]
    offsets: np.ndarray  # [K, 2]: centre of ink about the centre of the shape, in pixels
    masses: np.ndarray  # [3]: ink of each shape at scale 1, in pixels


def templates(size: int) -> Templates:
    """Those of pictures of `size` pixels."""
    half = size // 2  # at position 0 the centre is at a quarter of the picture
    steps = size + 1
    postures = np.arange(3 * SCALES * (TURNS + 1)) * steps**2
    moves = [x * steps + y for x in HALVES for y in HALVES]
    indices = (postures[:, None] + moves).ravel()
    world = sprites(size, scales=SCALES, orientations=TURNS + 1, positions=steps, indices=indices)
    pictures = unpack(world.pictures, size)[:, :half, :half] / 255
    mass = pictures.sum((1, 2))
    places = np.arange(half) + 0.5 - half / 2
    moved = world.classes[:, 3:] / 2
    x, y = (pictures.sum(1) @ places) / mass, (pictures.sum(2) @ places) / mass
    offsets = np.stack([x, y], 1) - moved
    shapes = world.classes[:, 0]
    largest = world.classes[:, 1] == SCALES - 1
    masses = np.array([mass[largest & (shapes == k)].mean() for k in range(3)])
    stacked = torch.from_numpy(pictures[:, None]).float()
    return Templates(stacked, shapes, offsets, masses)


def read(pictures: np.ndarray, known: Templates) -> np.ndarray:
    """Shape, size, row and column of pictures `[N, H, W]` in [0, 1], `[N, 4]`; -1: no sprite."""
    size = pictures.shape[1]
    best, misfit = _best_fits(torch.from_numpy(pictures).float(), known)
    mass = np.maximum(pictures.sum((1, 2)), 1e-6)
    shape = known.shapes[best]
    scale = np.sqrt(mass / known.masses[shape])
    places = np.arange(size) + 0.5
    centres = np.stack([pictures.sum(1) @ places, pictures.sum(2) @ places], 1) / mass[:, None]
    x, y = ((centres - known.offsets[best]) / size * 2 - 0.5).T
    found = [shape, np.digitize(scale, SIZE_BORDERS)]
    found += [np.digitize(y, PLACE_BORDERS), np.digitize(x, PLACE_BORDERS)]
    return np.where(misfit[:, None] > MOST_MISFIT, -1, np.stack(found, 1))


def _best_fits(pictures: torch.Tensor, known: Templates) -> tuple[np.ndarray, np.ndarray]:
    """The template that fits best wherever it stands, and its squared error over squared ink."""
    ink = known.pictures.square().sum((1, 2, 3))
    best, errors = [], []
    for part in pictures.split(CHUNK):
        overlap = conv2d(part[:, None], known.pictures).amax((2, 3))
        error = part.square().sum((1, 2))[:, None] - 2 * overlap + ink
        least = error.min(1)
        best.append(least.indices)
        errors.append(least.values / ink[least.indices])
    return torch.cat(best).numpy(), torch.cat(errors).numpy()
