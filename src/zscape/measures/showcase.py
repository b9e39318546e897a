"""The parts of a report that show things: samples, reconstructions, paths and the map."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from zscape.measures.page import WIDTH, section, table, text, things, tiles, two_faced
from zscape.modalities.modality import Pictures, Rows
from zscape.space.maps import map_codes
from zscape.space.paths import central_item, interpolate_codes, traverse_codes
from zscape.space.scatter import (
    DARK,
    LIGHT,
    MOST_CLASSES,
    class_colour,
    class_counts,
    class_name,
    is_ring,
    scatter,
)
from zscape.space.space import Space, encode_stored
from zscape.space.units import informative_units

SEED = 0  # of the page's draws, so that a page repeats
SAMPLES, SAMPLE_COLUMNS = 36, 6
PAIRS, PAIR_COLUMNS = 20, 10
WAYS, STEPS, SPAN = 3, 9, 3.0
ROWS = 8  # shown of a table
ROW_STEPS = 5
MOST_UNITS, MOST_ROW_UNITS = 8, 4
MOST_POINTS = 20_000
MAP_SIZE = 760


def sample_part(space: Space, *, has_prior: bool) -> str:
    """New things beside real ones."""
    lead = "Left, things the model made up from nothing; right, real ones: the closer the better."
    if not has_prior:
        lead = (
            "Left, random codes decoded; right, real things. This model was never told how codes "
            "are spread, so what it makes up means little."
        )
    real = _shown(space, drawn_items(space, SAMPLES))
    made = space.modality.show(space.sample_tensor(SAMPLES, seed=SEED))
    half = (WIDTH - 20) // 2
    parts = [
        f"<div><h3>{name}</h3>{_things(shown, f'{name} things', half)}</div>"
        for name, shown in (("Made up", made), ("Real", real))
    ]
    stacked = isinstance(made, Rows)
    if stacked:
        lead = lead.replace("Left", "First").replace("right", "then")
    body = "".join(parts) if stacked else f'<div class="columns wide">{"".join(parts)}</div>'
    return section("Samples", lead, body)


def reconstruction_part(space: Space) -> str:
    """Originals over what became of them."""
    items = drawn_items(space, PAIRS)
    above, below = _shown(space, items), space.modality.show(_reconstructed(space, items))
    lead = (
        "Each original stands above its reconstruction: what differs between the two is what the "
        "code does not hold."
    )
    if isinstance(above, Rows) or isinstance(below, Rows):
        return section("Reconstructions", lead, _row_pairs(above, below))
    blocks = []
    for start in range(0, len(above.tiles), PAIR_COLUMNS):
        part = slice(start, start + PAIR_COLUMNS)
        count = len(above.tiles[part])
        both = np.concatenate([above.tiles[part], below.tiles[part]])
        blocks.append(tiles(both, columns=count, label="originals over reconstructions"))
    return section("Reconstructions", lead, *blocks)


def interpolation_part(space: Space) -> str:
    """Straight ways between pairs of things."""
    shown = []
    for a, b in unlike_pairs(space):
        steps = STEPS if len(space.modality.shape) > 1 else ROW_STEPS
        codes = interpolate_codes(space, a, b, steps=steps)
        way = space.modality.show(space.decode_tensor(codes))
        shown.append(_way(space, way, a, b))
    if not shown:
        return ""
    lead = (
        "Each row goes in a straight line from the code of one thing to that of another: in a good "
        "space every step looks like a thing of its own."
    )
    return section("Interpolations", lead, *shown)


def traversal_part(space: Space, rates: Sequence[float]) -> str:
    """What single units do, the most informative ones first.

    Args:
        space: the space.
        rates: of every unit, in nats; empty where undefined.
    """
    rows = len(space.modality.shape) == 1
    steps = ROW_STEPS if rows else STEPS
    order = sorted(range(len(rates)), key=lambda unit: -rates[unit]) or informative_units(space)
    units = order[: MOST_ROW_UNITS if rows else MOST_UNITS]
    item, offsets = central_item(space), torch.linspace(-SPAN, SPAN, steps)
    codes = traverse_codes(space, space.codes[item], units=units, offsets=offsets)
    shown = space.modality.show(space.decode_tensor(codes))
    heads = [f"{offset:+.3g} sd" if offset else f"#{item}" for offset in offsets.tolist()]
    costs = [f"{rates[unit]:.2f} nats" if rates else "" for unit in units]
    lead = (
        f"Each row moves one unit of the code of #{item} by up to 3 standard deviations of all "
        "codes and keeps the others: what changes along a row is what that unit has learned."
    )
    parts = []
    if isinstance(shown, Pictures):
        pairs = zip(units, costs, strict=True)
        names = [f"<b>unit {unit}</b><br>{cost}" for unit, cost in pairs]
        heads = [head.replace("-", "\N{MINUS SIGN}") for head in heads]
        label = "one unit moved in each row"
        parts.append(tiles(shown.tiles, columns=steps, label=label, names=names, heads=heads))
    else:
        for n, (unit, cost) in enumerate(zip(units, costs, strict=True)):
            part = Rows(shown.columns, shown.cells[n * steps : (n + 1) * steps])
            parts.append(f"<h3>unit {unit} {cost}</h3>{table(part, names=heads)}")
    return section("What single units do", lead, *parts)


def map_part(space: Space) -> str:
    """All codes on a plane, coloured by label."""
    laid = map_codes(space)
    places = np.linspace(0, len(laid.points) - 1, min(len(laid.points), MOST_POINTS))
    chosen = places.round().astype(int)
    labels = None if space.labels is None else np.asarray(space.labels)[chosen]
    points = laid.points[chosen]
    light, dark = (
        scatter(points, labels, space.label_names, size=MAP_SIZE, legend=False, paper=paper)
        for paper in (LIGHT, DARK)
    )
    lead = "Every point is the code of one example; neighbours have similar codes."
    if labels is not None:
        lead += " Classes the model was never told of show as patches of one colour."
    kept = f"{laid.explained:.0%}" if laid.explained is not None else "none"
    words = f"PCA: the plane keeps {kept} of the variance of {len(space.codes):,} codes"
    if len(chosen) < len(laid.points):
        words += f"; {len(chosen):,} of them are drawn"
    figure = two_faced(light, dark, label="map of the codes", size=MAP_SIZE)
    caption = f"<figcaption>{text(words)}</figcaption>"
    return section("Map", lead, f"<figure>{caption}{figure}</figure>", _legend(space, labels))


def _legend(space: Space, labels: np.ndarray | None) -> str:
    if labels is None:
        return ""
    found, entries = class_counts(np.asarray(space.labels)), []
    for index, count in found[:MOST_CLASSES]:
        colour = class_colour(index)
        fill = f"border: 3px solid {colour}" if is_ring(index) else f"background: {colour}"
        name = text(class_name(index, space.label_names))
        entries.append(
            f'<span><span class="dot" style="{fill}"></span>{name} '
            f'<span class="faint">{count:,}</span></span>'
        )
    left = len(found) - len(entries)
    more = f'<span class="faint">and {left:,} further classes, in grey</span>' if left > 0 else ""
    return f'<div class="legend">{"".join(entries)}{more}</div>'


def _way(space: Space, way: Pictures | Rows, a: int, b: int) -> str:
    label = f"from #{a} to #{b}"
    if isinstance(way, Pictures):
        return tiles(way.tiles, columns=len(way.tiles), label=label, names=[_ends(space, a, b)])
    steps = [f"{share:.0%}" for share in np.linspace(0, 1, len(way.cells))]
    return f"<h3>{label}</h3>{table(way, names=steps)}"


def _ends(space: Space, a: int, b: int) -> str:
    """The ends of a way as HTML."""
    arrow = "\N{RIGHTWARDS ARROW}"
    if space.labels is None:
        return f"<b>#{a}</b><br>{arrow} #{b}"
    first, last = (text(class_name(int(space.labels[n]), space.label_names)[:10]) for n in (a, b))
    return f"<b>{first} {arrow} {last}</b><br>#{a}, #{b}"


def _row_pairs(above: Pictures | Rows, below: Pictures | Rows) -> str:
    assert isinstance(above, Rows) and isinstance(below, Rows)
    pairs = zip(above.cells[:ROWS], below.cells[:ROWS], strict=True)
    cells = tuple(row for pair in pairs for row in pair)
    names = ["original", "reconstruction"] * (len(cells) // 2)
    return table(Rows(above.columns, cells), names=names, paired=True)


def _things(shown: Pictures | Rows, label: str, width: int) -> str:
    if isinstance(shown, Rows):
        shown = Rows(shown.columns, shown.cells[:ROWS])
    return things(shown, columns=SAMPLE_COLUMNS, label=label, width=width)


def drawn_items(space: Space, most: int) -> Tensor:
    """Kept examples, drawn without replacement, `[M, *shape]`."""
    return space.items[_order(space)[:most]]


def _order(space: Space) -> Tensor:
    generator = torch.Generator().manual_seed(SEED)
    return torch.randperm(len(space.items), generator=generator)


def unlike_pairs(space: Space) -> list[tuple[int, int]]:
    """Indices of pairs of kept examples, of different classes where there are some."""
    kept = space.kept[_order(space)].tolist()
    pairs: list[tuple[int, int]] = []
    while len(kept) > 1 and len(pairs) < WAYS:
        a = kept.pop(0)
        other = (n for n, b in enumerate(kept) if _differ(space, a, b))
        pairs.append((a, kept.pop(next(other, 0))))
    return pairs


def _differ(space: Space, a: int, b: int) -> bool:
    if space.labels is None:
        return True
    return bool(space.labels[a] != space.labels[b] and min(space.labels[a], space.labels[b]) >= 0)


def _shown(space: Space, stored: Tensor) -> Pictures | Rows:
    return space.modality.show(space.modality.prepare(stored))


def _reconstructed(space: Space, stored: Tensor) -> Tensor:
    return space.decode_tensor(encode_stored(space.model, space.modality, stored))
