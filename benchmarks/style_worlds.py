"""Pictures whose content and style are known, and the mixes that they should give.

Figures are those of `zscape.worlds.figures`. Digits are MNIST, drawn in an ink on a paper, in a
stroke and at a turn that code chooses.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from benchmarks.data import mnist
from benchmarks.figures import Settings
from zscape.worlds.figures import (
    GARMENTS,
    NUM_GARMENTS,
    POSES,
    draw_figures,
    garment_parts,
    random_poses,
)
from zscape.worlds.figures import figures as figures_world

INKS = ((24, 24, 28), (190, 30, 40), (20, 110, 50), (30, 60, 180), (120, 40, 140), (150, 90, 20))
PAPERS = ((250, 248, 240), (255, 224, 130), (190, 225, 250), (200, 240, 190), (250, 200, 215))
STROKES, TURNS = (-1, 0, 1), (-25, 0, 25)  # of a pixel's neighbours, and degrees
STYLES = (len(INKS), len(PAPERS), len(STROKES), len(TURNS))
TRAINED_FIGURES, TRAINED_GARMENTS, TRAINED_DIGITS, TRAINED_STYLES = 20_000, 400, 20_000, 180
LOW, HIGH = np.array(list(POSES.values())).T
UNSEEN, SEEN = "", "_seen_styles"


@dataclass(frozen=True, slots=True)
class Known:
    """Pictures `[N, H, W, 3]` with what is known of them.

    Attributes:
        pictures: uint8.
        content: numbers from 0 to 1 `[N, F]`, or a class `[N, 1]`.
        style: classes `[N, G]`.
        group: who shares a style, `[N]`.
    """

    pictures: np.ndarray
    content: np.ndarray
    style: np.ndarray
    group: np.ndarray


@dataclass(frozen=True, slots=True)
class Sides:
    """Pairs of which one lends the content and one the style, and what should come of each."""

    contents: Known
    styles: Known
    truth: np.ndarray
    said: str


def drawn_figures(poses: np.ndarray, garments: np.ndarray) -> Known:
    """Figures of poses `[N, 8]` in garments `[N]`."""
    return Known(
        draw_figures(poses, garments),
        (poses - LOW) / (HIGH - LOW),
        garment_parts(garments),
        garments,
    )


def drawn_digits(images: np.ndarray, digits: np.ndarray, styles: np.ndarray) -> Known:
    """Digits `[N, 28, 28]` in styles `[N]` by number."""
    parts = np.stack(np.unravel_index(styles, STYLES), -1)
    pictures = np.stack([_inked(*pair) for pair in zip(images, parts, strict=True)])
    return Known(pictures, digits[:, None].astype(int), parts, styles)


def training(name: str, settings: Settings) -> Known:
    """What a model is trained on: the group of an example is its style."""
    count = 600 if settings.quick else TRAINED_FIGURES
    if name == "figures":
        world = figures_world(n=count, garments=TRAINED_GARMENTS if not settings.quick else 40)
        pose = (world.values[:, : len(POSES)] - LOW) / (HIGH - LOW)
        return Known(
            world.pictures, pose, garment_parts(world.classes[:, -1]), world.classes[:, -1]
        )
    images, digits = mnist("train")
    count = 600 if settings.quick else TRAINED_DIGITS
    styles = np.random.default_rng(1).permutation(np.resize(styles_of(name)[0], count))
    return drawn_digits(images[:count], digits[:count], styles)


def free(name: str, n: int, rng: np.random.Generator) -> Known:
    """Pictures of any content in any style, for judges."""
    if name == "figures":
        return drawn_figures(random_poses(n, rng), rng.integers(0, NUM_GARMENTS, n))
    images, digits = mnist("train")
    rows = rng.integers(TRAINED_DIGITS, len(images), n)
    return drawn_digits(images[rows], digits[rows], rng.integers(0, np.prod(STYLES), n))


def pairs(name: str, n: int, *, seen: bool, chosen: bool = False) -> Sides:
    """Pairs of contents that were never trained on, in styles that were or were not.

    Args:
        name: "figures" or "digits".
        n: how many.
        seen: whether the styles are those of training: then only the combinations are new.
        chosen: of the part that settings are chosen on, not of the test part.
    """
    rng = np.random.default_rng(20 + seen + 2 * chosen)
    trained, others = styles_of(name)
    styles = trained if seen else others[::2] if chosen else others[1::2]
    a, b = rng.choice(styles, n), rng.choice(styles, n)
    if name == "figures":
        poses = random_poses(n, rng), random_poses(n, rng)
        sides = drawn_figures(poses[0], a), drawn_figures(poses[1], b)
        truth, held = draw_figures(poses[0], b), "poses"
    else:
        images, digits = mnist("train" if chosen else "test")
        rows = rng.integers(50_000 if chosen else 0, len(images), (2, n))
        sides = tuple(
            drawn_digits(images[r], digits[r], s) for r, s in zip(rows, (a, b), strict=True)
        )
        truth, held = drawn_digits(images[rows[0]], digits[rows[0]], b).pictures, "test digits"
    also = "styles of training" if seen else "styles that training never had"
    return Sides(*sides, truth, f"{n:,} pairs of {held} that training never had, in {also}")


def styles_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the styles that training has, and of all others."""
    if name == "figures":
        every, count = NUM_GARMENTS, TRAINED_GARMENTS
    else:
        every, count = int(np.prod(STYLES)), TRAINED_STYLES
    trained = np.random.default_rng(0).choice(every, count, replace=False)
    return trained, np.setdiff1d(np.arange(every), trained)


def parts_of(name: str) -> tuple[int, ...]:
    """How many classes each part of a style has."""
    return STYLES if name == "digits" else tuple(len(names) for names in GARMENTS.values())


def _inked(image: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """One digit in its style: the stroke first, then the turn, then the colours."""
    ink, paper, stroke, turn = parts
    change = (ndimage.grey_erosion, None, ndimage.grey_dilation)[stroke]
    stroked = image if change is None else change(image, footprint=_CROSS)
    # Half of the way, as a whole pixel of erosion leaves thin digits in pieces.
    cover = (0.5 * image.astype(float) + 0.5 * stroked) if stroke == 0 else stroked.astype(float)
    if TURNS[turn]:
        cover = ndimage.rotate(cover, TURNS[turn], reshape=False, order=1)
    share = np.clip(cover / 255, 0, 1)[..., None]
    return np.rint(share * INKS[ink] + (1 - share) * np.array(PAPERS[paper])).astype(np.uint8)


_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
