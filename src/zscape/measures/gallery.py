"""The pictures that a trained space shows of itself, one per verb."""

import numpy as np

from zscape.measures.showcase import drawn_items, unlike_pairs
from zscape.modalities.modality import Pictures
from zscape.space.maps import map_codes
from zscape.space.paths import interpolate_codes, traverse
from zscape.space.pictures import captioned, pairs, picture, png, stack
from zscape.space.scatter import scatter
from zscape.space.space import Space, encode_stored

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
    ways = [interpolate_codes(space, a, b, steps=STEPS) for a, b in unlike_pairs(space)]
    if ways:
        shown = [space.modality.show(space.decode_tensor(way)) for way in ways]
        drawn["interpolate"] = stack([picture(way, columns=STEPS) for way in shown], gap=0)
    return {verb: png(array) for verb, array in drawn.items()}


def _reconstructions(space: Space) -> np.ndarray:
    stored = drawn_items(space, SHOWN)
    codes = encode_stored(space.model, space.modality, stored)
    before = space.modality.show(space.modality.prepare(stored))
    after = space.modality.show(space.decode_tensor(codes))
    if isinstance(before, Pictures) and isinstance(after, Pictures):
        return pairs(before.tiles, after.tiles, columns=COLUMNS)
    return stack([picture(before), picture(after)])


def _traversal(space: Space) -> np.ndarray:
    way = traverse(space, steps=STEPS)
    shown = space.modality.show(space.decode_tensor(way.codes))
    if isinstance(shown, Pictures):
        captions = [f"unit {unit}" for unit in way.units]
        return captioned(shown.tiles, captions, columns=STEPS)
    return picture(shown)


def _map(space: Space) -> np.ndarray:
    some = slice(None, None, max(len(space.codes) // MOST_POINTS, 1))
    plane = map_codes(space, codes=space.codes[some])
    labels = None if space.labels is None else space.labels[some]
    return scatter(plane.points, labels, space.label_names)
