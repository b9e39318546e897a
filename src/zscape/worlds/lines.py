"""The world of lines: one line from the centre of a picture, at any angle.

Its only factor is the angle, so a path between two pictures can be judged: each frame should be
a line, and the angle should turn evenly. It knows no models; a path is an array of pictures.
"""

import numpy as np

from zscape.errors import SpecError
from zscape.worlds.world import World

_NUM_TRUE = 10_000  # lines that a frame is compared with, evenly spaced in angle
_WIDTH = 2.0  # of a line, along the axis on which it is the steeper


def lines(size: int = 32, *, n: int = 10_000, seed: int = 0) -> World:
    """Pictures `[n, size, size]`, 0 to 255, of lines at random angles in [0, 2 pi).

    Classes number the tenth of the circle, as in the original.

    Raises:
        SpecError: pictures smaller than 8 pixels, or none.

    Source: Berthelot et al. 2018, section 3.1, arXiv:1807.07543.
    """
    if size < 8 or n < 1:
        raise SpecError(
            f"size must be at least 8 and n at least 1, got {size} and {n}. "
            "The original world has size 32."
        )
    angles = np.random.default_rng(seed).uniform(0.0, 2 * np.pi, n)
    return World(
        pictures=np.rint(255 * draw_lines(angles, size=size)).astype(np.uint8),
        classes=(10 * angles / (2 * np.pi)).astype(np.int16)[:, None],
        values=angles.astype(np.float32)[:, None],
        names=("angle",),
    )


def draw_lines(angles: np.ndarray, *, size: int = 32) -> np.ndarray:
    """Pictures `[N, size, size]`, float32 from 0 to 1, of lines at these angles `[N]` in radians.

    A line runs from the centre to a pixel short of the border, upwards at pi / 2. It is 2 pixels
    wide across its longer axis, and a pixel is as bright as the part of it that is covered. These
    are the original's pictures with their two oddities, so that published figures compare: a
    line lies up to a pixel beside its centre, which makes it jump at odd multiples of pi / 4,
    and an end to the right or below fills its last pixel.
    """
    along = (size / 2 - 1) * np.cos(angles)
    down = -(size / 2 - 1) * np.sin(angles)
    steep = np.abs(down) > np.abs(along)
    length = np.where(steep, down, along)
    slope = np.where(steep, along, down) / length
    edges = np.arange(size + 1) - size / 2
    lower, upper = np.minimum(length, 0.0), np.ceil(np.maximum(length, 0.0))
    covered = np.diff(np.clip(edges, lower[:, None], upper[:, None])).astype(np.float32)
    centre = (slope[:, None] * (edges[:-1] - 0.5)).astype(np.float32)
    reach = np.clip(edges.astype(np.float32) - centre[..., None], -_WIDTH / 2, _WIDTH / 2)
    # [N, along the line, across it]; a steep line runs along the rows.
    pictures: np.ndarray = covered[..., None] * np.diff(reach)
    pictures[~steep] = pictures[~steep].swapaxes(1, 2)
    return pictures


def closest_lines(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distance `[N]` to the closest of 10,000 true lines and the angle `[N]` of that one.

    Distances are those of pictures `[N, size, size]` stretched from [0, 1] to [-1, 1], as
    published figures have them: 0 is a perfect line and black is about 0.03.
    """
    angles = np.linspace(0.0, 2 * np.pi, _NUM_TRUE, endpoint=False)
    true = _directions(draw_lines(angles, size=pictures.shape[-1]))
    distances, closest = [], []
    # In parts, so that many frames need little memory.
    for part in np.array_split(pictures, -(-len(pictures) // 1000)):
        directions = _directions(part)
        best = (directions @ true.T).argmax(-1)
        # 1 - cos(a, b) = |a - b|^2 / 2 of unit vectors, exact where the cosine is nearly 1.
        distances.append(np.square(directions - true[best]).sum(-1) / 2)
        closest.append(best)
    return np.concatenate(distances), angles[np.concatenate(closest)]


def line_scores(strips: np.ndarray) -> tuple[float, float]:
    """Mean distance and smoothness of paths `[P, steps, size, size]` of pictures from 0 to 1.

    The mean distance is that of `closest_lines` over all frames. The smoothness of a path is
    the largest turn of one step over the turn from end to end, less 1 / (steps - 1), which is 0
    where the angle turns evenly; it is averaged over the paths that turn, and nan where none
    does. Lower is better for both. At 32x32 the published autoencoder has 6.88e-3 and 0.44,
    the variational one 1.21e-3 and 0.49.

    Source: Berthelot et al. 2018, section 3.1, arXiv:1807.07543.
    """
    paths, steps = strips.shape[:2]
    distances, closest = closest_lines(strips.reshape(paths * steps, *strips.shape[2:]))
    angles = np.unwrap(closest.reshape(paths, steps), axis=-1)
    turns = np.abs(angles[:, -1] - angles[:, 0])
    moving = turns >= 1e-4
    largest = np.abs(np.diff(angles, axis=-1)).max(-1)
    uneven = largest[moving] / turns[moving] - 1.0 / (steps - 1)
    return float(distances.mean()), float(uneven.mean()) if moving.any() else float("nan")


def _directions(pictures: np.ndarray) -> np.ndarray:
    flat = 2 * pictures.reshape(len(pictures), -1).astype(np.float32) - 1
    directions: np.ndarray = flat / np.linalg.norm(flat, axis=-1, keepdims=True)
    return directions
