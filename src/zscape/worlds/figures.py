"""The world of figures: a person in any pose and any of 1,152 garments, on plain paper.

Pose is what the figure does, its content; the garment is its style. Either can be kept while the
other changes, and the picture that should come of it drawn. It knows no models.
"""

import math

import numpy as np

from zscape.errors import SpecError
from zscape.worlds.world import World

# Where the middle of the hips stands, in 64ths of the picture; angles in degrees: of an arm or leg
# from hanging down, outwards, and of a lower arm from its upper one.
POSES = {
    "position_x": (24.0, 40.0),
    "position_y": (33.0, 41.0),
    "left_shoulder": (0.0, 150.0),
    "right_shoulder": (0.0, 150.0),
    "left_elbow": (-20.0, 100.0),
    "right_elbow": (-20.0, 100.0),
    "left_hip": (0.0, 50.0),
    "right_hip": (0.0, 50.0),
}
_SIDE = ("hip", "foot", "shoulder", "elbow", "hand")
JOINTS = ("hips", *(f"{side}_{joint}" for side in ("left", "right") for joint in _SIDE))
COLOURS = {
    "red": (200, 54, 48),
    "orange": (232, 142, 46),
    "yellow": (240, 206, 70),
    "green": (70, 150, 74),
    "teal": (40, 160, 168),
    "blue": (52, 88, 190),
    "purple": (132, 74, 160),
    "grey": (96, 100, 108),
}
GARMENTS = {
    "top": tuple(COLOURS),
    "bottom": tuple(COLOURS),
    "pattern": ("plain", "hooped", "sashed"),
    "sleeves": ("short", "long"),
    "cut": ("trousers", "shorts", "skirt"),
}
NUM_GARMENTS = 8 * 8 * 3 * 2 * 3

_PAPER, _SKIN, _HAIR, _TRIM = (238, 235, 228), (222, 172, 136), (74, 52, 44), (250, 248, 242)
_PALETTE = np.array(list(COLOURS.values()), np.float32)
_TORSO, _WIDE, _UPPER, _LOWER, _THIGH, _SHIN = 14.0, 5.0, 7.5, 7.5, 8.5, 8.5
_CHUNK = 256  # figures drawn at a time


def figures(size: int = 64, *, n: int = 12_000, garments: int = 300, seed: int = 0) -> World:
    """Pictures `[n, size, size, 3]` of random poses in some of the garments, as often each.

    Factors are those of the pose, whose classes number the tenths of their ranges, those of the
    garment, and `garment`, its number among all 1,152.

    Args:
        size: height and width in pixels.
        n: how many pictures.
        garments: how many garments, drawn at random.
        seed: of poses and garments.

    Raises:
        SpecError: pictures smaller than 16 pixels, none, or garments that there are not.
    """
    if size < 16 or n < 1 or not 1 <= garments <= NUM_GARMENTS:
        raise SpecError(
            f"size must be at least 16, n at least 1 and garments from 1 to {NUM_GARMENTS:,}, got "
            f"{size}, {n} and {garments}. 64, 12000 and 300 are usual."
        )
    rng = np.random.default_rng(seed)
    worn = rng.choice(NUM_GARMENTS, garments, replace=False)
    garment = rng.permutation(np.resize(worn, n))
    poses, parts = random_poses(n, rng), garment_parts(garment)
    low, high = np.array(list(POSES.values())).T
    tenths = np.clip(10 * (poses - low) / (high - low), 0, 9).astype(np.int16)
    return World(
        pictures=draw_figures(poses, garment, size=size),
        classes=np.concatenate([tenths, parts, garment[:, None]], 1).astype(np.int16),
        values=np.concatenate([poses, parts, garment[:, None]], 1).astype(np.float32),
        names=(*POSES, *GARMENTS, "garment"),
    )


def random_poses(n: int, rng: np.random.Generator) -> np.ndarray:
    """Poses `[n, 8]` in the order of `POSES`, each number evenly spread over its range."""
    low, high = np.array(list(POSES.values())).T
    return rng.uniform(low, high, (n, len(POSES)))


def joints(poses: np.ndarray) -> np.ndarray:
    """Where the joints of poses `[N, 8]` are, `[N, 11, 2]` in the order of `JOINTS`, in 64ths."""
    x, y = poses[:, 0], poses[:, 1]
    places = [poses[:, :2]]
    for side, lift, bend, spread in ((-1, 2, 4, 6), (1, 3, 5, 7)):
        hip = np.stack([x + 2.6 * side, y], -1)
        foot = hip + (_THIGH + _SHIN) * _towards(poses[:, spread], side)
        shoulder = np.stack([x + (_WIDE - 0.5) * side, y - _TORSO + 1.5], -1)
        elbow = shoulder + _UPPER * _towards(poses[:, lift], side)
        hand = elbow + _LOWER * _towards(poses[:, lift] + poses[:, bend], side)
        places += [hip, foot, shoulder, elbow, hand]
    return np.stack(places, 1)


def garment_parts(garments: np.ndarray) -> np.ndarray:
    """The parts of garments `[N]` by number, `[N, 5]` in the order of `GARMENTS`."""
    grid = [len(names) for names in GARMENTS.values()]
    return np.stack(np.unravel_index(np.asarray(garments), grid), -1)


def garment_words(garment: int) -> str:
    """A garment in words, such as "red hooped top, long sleeves, blue skirt"."""
    parts = garment_parts(np.array([garment]))[0]
    top, bottom, pattern, sleeves, cut = (
        names[part] for names, part in zip(GARMENTS.values(), parts, strict=True)
    )
    return f"{top} {pattern} top, {sleeves} sleeves, {bottom} {cut}"


def draw_figures(poses: np.ndarray, garments: np.ndarray, *, size: int = 64) -> np.ndarray:
    """Pictures `[N, size, size, 3]`, uint8, of poses `[N, 8]` in garments `[N]` by number.

    Left and right are those of the picture. A pixel is as full of a part as it is covered.
    """
    parts = garment_parts(garments)
    starts = range(0, len(poses), _CHUNK)
    drawn = [_draw(poses[s : s + _CHUNK], parts[s : s + _CHUNK], size) for s in starts]
    return np.concatenate(drawn) if drawn else np.empty((0, size, size, 3), np.uint8)


def _draw(poses: np.ndarray, parts: np.ndarray, size: int) -> np.ndarray:
    canvas = _Canvas(len(poses), size)
    top, bottom = _PALETTE[parts[:, 0]], _PALETTE[parts[:, 1]]
    pattern, long, cut = parts[:, 2], parts[:, 3] == 1, parts[:, 4]
    hips, *others = joints(poses.astype(np.float32)).swapaxes(0, 1)
    sides = others[:5], others[5:]
    for (hip, foot, *_), side, spread in zip(sides, (-1, 1), (6, 7), strict=True):
        knee = hip + _THIGH * _towards(poses[:, spread].astype(np.float32), side)
        canvas.limb(knee, foot, 2.1, np.where((cut == 0)[:, None], bottom, _SKIN))
        canvas.limb(hip, knee, 2.5, np.where((cut < 2)[:, None], bottom, _SKIN))
    canvas.skirt(hips - np.array([0, 2]), bottom, cut == 2)
    canvas.torso(hips, top, pattern)
    for *_, shoulder, elbow, hand in sides:
        canvas.limb(elbow, hand, 1.7, np.where(long[:, None], top, _SKIN))
        canvas.limb(shoulder, elbow, 2.1, top)
    for lower, radius, colour in ((-1.0, 4.6, _HAIR), (0.8, 3.9, _SKIN)):
        middle = hips + np.array([0, lower - _TORSO - 5.5])
        canvas.limb(middle, middle, radius, _rows(colour, len(hips)))
    return np.rint(canvas.pixels).astype(np.uint8)


class _Canvas:
    """Pictures `[N, size, size, 3]`, onto which a part of every figure is laid at a time.

    A part is drawn in a square around it, as most of a picture is none of it.
    """

    def __init__(self, n: int, size: int) -> None:
        self.pixels = np.broadcast_to(np.array(_PAPER, np.float32), (n, size, size, 3)).copy()
        self.size, self.scale = size, size / 64

    def limb(self, start: np.ndarray, end: np.ndarray, radius: float, colour: np.ndarray) -> None:
        """A capsule between two points `[N, 2]`."""
        along = (end - start)[:, None, None]
        square, at = self.square((start + end) / 2, np.hypot(*along.T).max() / 2 + radius + 1)
        beside = at - start[:, None, None]
        t = np.clip((beside * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9), 0, 1)
        far = beside - t[..., None] * along
        self.lay(square, radius - np.hypot(far[..., 0], far[..., 1]), colour)

    def skirt(self, waist: np.ndarray, colour: np.ndarray, worn: np.ndarray) -> None:
        """A trapezoid from the waist down, of the figures that wear one."""
        square, at = self.square(waist + np.array([0, 5.5]), 11)
        down = at[..., 1] - waist[:, None, None, 1]
        aside = np.abs(at[..., 0] - waist[:, None, None, 0])
        inside = np.minimum(np.minimum(_WIDE + 0.4 * down - aside, down), 11 - down)
        self.lay(square, np.where(worn[:, None, None], inside, -9), colour)

    def torso(self, hips: np.ndarray, colour: np.ndarray, pattern: np.ndarray) -> None:
        """A rounded box over the hips, and what is on it: hoops around it, or a sash across."""
        square, at = self.square(hips - np.array([0, _TORSO / 2]), _TORSO / 2 + 2)
        aside, up = at[..., 0] - hips[:, None, None, 0], hips[:, None, None, 1] - at[..., 1]
        over = np.abs(aside) - (_WIDE - 2), np.abs(up - _TORSO / 2 + 0.5) - (_TORSO / 2 - 1)
        inside = 2 - np.hypot(np.maximum(over[0], 0), np.maximum(over[1], 0))
        self.lay(square, inside, colour)
        hoops = 1.1 - np.abs((up + 1) % 5 - 2.5)
        sash = (1.6 - np.abs(aside * 1.3 + up - _TORSO / 2)) / 1.64
        which = pattern[:, None, None]
        drawn = np.where(which == 1, hoops, np.where(which == 2, sash, -9))
        self.lay(square, np.minimum(inside, drawn), _rows(_TRIM, len(hips)))

    def square(self, middle: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """The pixels around a point `[N, 2]`: corners `[N, 2]`, and places `[N, W, W, 2]`."""
        width = min(math.ceil(2 * reach * self.scale) + 1, self.size)
        corner = np.floor(middle * self.scale - width / 2).astype(int)
        corner = np.clip(corner, 0, self.size - width)
        row, column = np.mgrid[:width, :width]
        pixels = corner[:, None, None] + np.stack([column, row], -1)
        return pixels, ((pixels + 0.5) / self.scale).astype(np.float32)

    def lay(self, square: np.ndarray, inside: np.ndarray, colour: np.ndarray) -> None:
        """Covers what is inside, by distances to the edge `[N, W, W]` in 64ths."""
        cover = np.clip(inside * self.scale + 0.5, 0, 1)[..., None].astype(np.float32)
        where = np.arange(len(square))[:, None, None], square[..., 1], square[..., 0]
        under = self.pixels[where]
        self.pixels[where] = under + cover * (colour.astype(np.float32)[:, None, None] - under)


def _towards(degrees: np.ndarray, side: int) -> np.ndarray:
    """Unit vectors `[N, 2]` that hang down at 0 and turn outwards on their side."""
    angle = np.deg2rad(degrees)
    return np.stack([side * np.sin(angle), np.cos(angle)], -1)


def _rows(colour: tuple[int, int, int], n: int) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.float32), (n, 3))
