"""The pictures that a trained space shows of itself, one per verb."""

import numpy as np

from zscape.measures.showcase import drawn_items, unlike_pairs
from zscape.modalities.modality import Pictures, Rows
from zscape.space.maps import map_codes
from zscape.space.paths import interpolate_codes, traverse
from zscape.space.pictures import captioned, pairs, picture, png, stack
from zscape.space.scatter import scatter
from zscape.space.space import Space, encode_stored
from zscape.space.tables import beside, headed, joined, table_picture

SEED, SHOWN, COLUMNS, STEPS = 0, 24, 12, 9
MOST_POINTS = 20_000


def gallery(space: Space) -> dict[str, bytes]:
    """PNG files by verb: sample, reconstruct, interpolate, traverse, map."""
    made = space.modality.show(space.sample_tensor(SHOWN, seed=SEED))
    drawn = {
        "sample": picture(made, columns=COLUMNS),
        "reconstruct": _reconstructions(space),
        "traverse": _traversal(space),
        "map": _map(space),
    }
    if ends := unlike_pairs(space):
        drawn["interpolate"] = _ways(space, ends)
    return {verb: png(array) for verb, array in drawn.items()}


def _reconstructions(space: Space) -> np.ndarray:
    stored = drawn_items(space, SHOWN)
    codes = encode_stored(space.model, space.modality, stored)
    before = space.modality.show(space.modality.prepare(stored))
    after = space.modality.show(space.decode_tensor(codes))
    if isinstance(before, Pictures) and isinstance(after, Pictures):
        return pairs(before.tiles, after.tiles, columns=COLUMNS)
    assert isinstance(before, Rows) and isinstance(after, Rows)
    return table_picture(beside(before, after))


def _ways(space: Space, ends: list[tuple[int, int]]) -> np.ndarray:
    ways = [interpolate_codes(space, a, b, steps=STEPS) for a, b in ends]
    shown = [space.modality.show(space.decode_tensor(way)) for way in ways]
    tables = [way for way in shown if isinstance(way, Rows)]
    if not tables:
        return stack([picture(way, columns=STEPS) for way in shown], gap=0)
    shares = [f"{share:.0%}" for share in np.linspace(0, 1, STEPS)[1:]]
    marks = [mark for a, b in ends for mark in (f"#{a} to #{b}", *shares, "")]
    gap = Rows(tables[0].columns, (("",) * len(tables[0].columns),))
    rows = joined([part for way in tables for part in (way, gap)])
    return table_picture(headed(rows, "way", marks))


def _traversal(space: Space) -> np.ndarray:
    way = traverse(space, steps=STEPS)
    shown = space.modality.show(space.decode_tensor(way.codes))
    if isinstance(shown, Pictures):
        captions = [f"unit {unit}" for unit in way.units]
        return captioned(shown.tiles, captions, columns=STEPS)
    marks = [f"unit {unit} {offset:+.1f}" for unit in way.units for offset in way.offsets]
    return table_picture(headed(shown, "moved", marks))


def _map(space: Space) -> np.ndarray:
    some = slice(None, None, max(len(space.codes) // MOST_POINTS, 1))
    plane = map_codes(space, codes=space.codes[some])
    labels = None if space.labels is None else space.labels[some]
    return scatter(plane.points, labels, space.label_names)
