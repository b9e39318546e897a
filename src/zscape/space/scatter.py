"""Maps drawn as pictures: points coloured by class, in colours that the colour-blind tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zscape.modalities.found import printable

# Ten colours that stay apart under colour-vision deficiencies.
# Source: Petroff 2021, the sequence of ten, arXiv:2107.02270.
COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
MOST_CLASSES = 2 * len(COLOURS)  # the second ten are drawn as rings, further ones in grey
LONGEST_NAME = 24  # characters
SHORTEST = 0.5  # of the width: how low a map may be
WIDEST_PILE = 0.03  # of the width: the radius of the largest pile of points at one place
MOST_COUNTED = 40  # piles that say how many lie there
FINER = 3  # pixels drawn for each shown: Pillow draws no smooth edges


@dataclass(frozen=True, slots=True)
class Paper:
    """The colours that a map is drawn on."""

    ground: str
    border: str
    ink: str
    faint: str


LIGHT = Paper(ground="#fbfbfa", border="#d5d8dc", ink="#2b2f36", faint="#8a919c")
DARK = Paper(ground="#1b1e23", border="#3a3f47", ink="#e6e8eb", faint="#6d747f")


def scatter(
    points: np.ndarray,
    labels: np.ndarray | None = None,
    names: Sequence[str] = (),
    *,
    size: int = 900,
    legend: bool = True,
    paper: Paper = LIGHT,
) -> np.ndarray:
    """Points on a plane, coloured by class, uint8 `[H, W, 3]`; both axes have one scale.

    Each class carries its name where most of its points lie, so that colours are never needed.
    Where most points share their place with others, those of a place are spread around it: the
    area of such a pile is their number, which stands beside it.

    Args:
        points: `[N, 2]`.
        labels: class of each point, `[N]`, below 0 where unknown; or None.
        names: the name of each class.
        size: pixels that the map is wide; it is as high as the points need.
        legend: whether names and counts stand at the right.
        paper: LIGHT or DARK.
    """
    places, high = _places(points, size)
    piles = _piles(places)
    if piles is not None:
        places = _spread(places, piles, WIDEST_PILE * size)
    canvas = Image.new("RGB", (size * FINER, high * FINER), paper.ground)
    _draw_points(ImageDraw.Draw(canvas), places * FINER, labels, paper)
    sheet = canvas.resize((size, high), Image.Resampling.BOX)
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((0, 0, size - 1, high - 1), outline=paper.border)
    if piles is not None and legend:
        _count_piles(pen, places, piles, paper)
    if labels is None:
        return np.asarray(sheet).copy()
    _name_classes(pen, places, labels, names, paper)
    if legend:
        sheet = _beside(sheet, _legend(labels, names, paper, high))
    return np.asarray(sheet).copy()


def class_colour(index: int) -> str:
    """The colour of a class, `#rrggbb`; grey from the 21st on, and where it is unknown."""
    return COLOURS[index % len(COLOURS)] if 0 <= index < MOST_CLASSES else LIGHT.faint


def is_ring(index: int) -> bool:
    """Whether the points of a class are drawn as rings, to be told from the first ten."""
    return len(COLOURS) <= index < MOST_CLASSES


def class_name(index: int, names: Sequence[str]) -> str:
    """The name of a class, in one short line."""
    if index < 0:
        return "unknown"
    name = printable(names[index]) if 0 <= index < len(names) else str(index)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def class_counts(labels: np.ndarray) -> list[tuple[int, int]]:
    """Each class with how many there are of it; the unknown come last."""
    found, counts = np.unique(labels, return_counts=True)
    pairs = [(int(k), int(n)) for k, n in zip(found, counts, strict=True)]
    return sorted(pairs, key=lambda pair: pair[0] < 0)


def _places(points: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Points in pixels, the first axis to the right and the second upwards; the height needed."""
    low, high = points.min(0), points.max(0)
    wide, tall = (high - low).tolist()
    reach = max(wide, tall) or 1.0
    room = 0.92 * size
    height = round(max(tall / reach * room + size - room, SHORTEST * size))
    from_middle = (points - (low + high) / 2) / reach * [1, -1] * room
    return from_middle + np.array([size / 2, height / 2]), height


def _piles(places: np.ndarray) -> np.ndarray | None:
    """The number of the place that each point lies at, `[N]`; None where most have their own."""
    _, piles = np.unique(places.round(1), axis=0, return_inverse=True)
    return None if 2 * (piles.max() + 1) > len(places) else piles.reshape(-1)


def _spread(places: np.ndarray, piles: np.ndarray, radius: float) -> np.ndarray:
    """Points around their places as the seeds of a sunflower, the largest pile of that radius.

    Source: Vogel 1979, equations 1 and 2, doi:10.1016/0025-5564(79)90080-4.
    """
    counts = np.bincount(piles)
    order = np.argsort(piles, kind="stable")
    rank = np.empty(len(piles))
    rank[order] = np.arange(len(piles)) - np.repeat(counts.cumsum() - counts, counts)
    far = radius * np.sqrt(rank / max(counts.max() - 1, 1))
    turn = rank * np.pi * (3 - 5**0.5)
    return places + far[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _count_piles(
    pen: ImageDraw.ImageDraw, places: np.ndarray, piles: np.ndarray, paper: Paper
) -> None:
    """How many points lie at each of the largest piles, above it; and what a pile is."""
    font, counts = ImageFont.load_default(size=15), np.bincount(piles)
    for pile in np.argsort(-counts, kind="stable")[:MOST_COUNTED].tolist():
        x, y = places[piles == pile].mean(0)
        top = places[piles == pile][:, 1].min() - 8
        place = (x, top if top > 24 else 2 * y - top + 16)
        pen.text(place, f"{counts[pile]:,}", fill=paper.ink, font=font, anchor="mb")
    words = f"{len(places):,} points at {len(counts):,} places, spread around them; area is number"
    pen.text((12, 10), words, fill=paper.faint, font=font)


def _draw_points(
    pen: ImageDraw.ImageDraw,
    places: np.ndarray,
    labels: np.ndarray | None,
    paper: Paper,
) -> None:
    radius = float(np.clip(150 / len(places) ** 0.5, 1.8, 6.0)) * FINER
    classes = np.zeros(len(places), dtype=int) if labels is None else labels
    # In one fixed random order, so that no class covers the others; the unknown lie below all.
    order = np.random.default_rng(0).permutation(len(places))
    for n in order[np.argsort(classes[order] >= 0, kind="stable")]:
        (x, y), index = places[n], int(classes[n])
        colour, box = class_colour(index), (x - radius, y - radius, x + radius, y + radius)
        if is_ring(index):
            pen.ellipse(box, outline=colour, width=max(round(radius / 2), 1))
        else:
            pen.ellipse(box, fill=colour, outline=paper.ground, width=max(round(radius / 5), 1))


def _name_classes(
    pen: ImageDraw.ImageDraw,
    places: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    paper: Paper,
) -> None:
    font = ImageFont.load_default(size=20)
    for index in np.unique(labels[labels >= 0])[:MOST_CLASSES]:
        middle = np.median(places[labels == index], axis=0)
        pen.text(
            tuple(middle),
            class_name(int(index), names),
            fill=paper.ink,
            font=font,
            anchor="mm",
            stroke_width=4,
            stroke_fill=paper.ground,
        )


def _legend(labels: np.ndarray, names: Sequence[str], paper: Paper, size: int) -> Image.Image:
    font, line = ImageFont.load_default(size=17), 30
    shown = class_counts(labels)[: (size - 20) // line]
    rows = [(index, class_name(index, names), f"{count:,}") for index, count in shown]
    name_width = max(font.getlength(name) for _, name, _ in rows)
    count_width = max(font.getlength(count) for _, _, count in rows)
    width = round(44 + name_width + 24 + count_width + 16)
    side = Image.new("RGB", (width, size), paper.ground)
    pen = ImageDraw.Draw(side)
    for n, (index, name, count) in enumerate(rows):
        middle = 24 + n * line
        side.paste(_dot(index, paper), (16, middle - 9))
        pen.text((44, middle), name, fill=paper.ink, font=font, anchor="lm")
        pen.text((width - 16, middle), count, fill=paper.faint, font=font, anchor="rm")
    return side


def _dot(index: int, paper: Paper) -> Image.Image:
    big = Image.new("RGB", (18 * FINER, 18 * FINER), paper.ground)
    pen, box = ImageDraw.Draw(big), (2 * FINER, 2 * FINER, 16 * FINER, 16 * FINER)
    if is_ring(index):
        pen.ellipse(box, outline=class_colour(index), width=4 * FINER)
    else:
        pen.ellipse(box, fill=class_colour(index))
    return big.resize((18, 18), Image.Resampling.BOX)


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (left.width + right.width, left.height))
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width, 0))
    return sheet
