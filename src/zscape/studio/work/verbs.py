"""The verbs on codes that a page asks for while somebody waits."""

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zscape.errors import DataError, ZscapeError
from zscape.space.edits import edit
from zscape.space.levels import redraw_tensor, redrawn_levels, units_of
from zscape.space.mixing import blocks_of, halves_of, mix_tensor
from zscape.space.neighbours import nearest
from zscape.space.paths import walk_codes
from zscape.space.space import Space, codes_of
from zscape.space.units import (
    AUDIBLE,
    active_units,
    drawn_spread,
    informative_units,
    spread,
    unit_rates,
)
from zscape.studio.work.made import Made, is_pictures, packed, pixels, rows, shown, told
from zscape.studio.work.shelf import Opened
from zscape.studio.work.troubles import trouble
from zscape.study.directions import kept_directions
from zscape.study.items import item as item_named

Where = Mapping[str, Any] | None


def live(
    opened: Opened, payload: memoryview, counts: list[int], sizes: list[int], where: Where
) -> dict[str, Any]:
    """Decodes what several sockets sent: an answer, or an error, is its message's own.

    Pictures are decoded message by message, since how many go through a model at once can tell in
    their last bit; rows, which are written with four digits, all at once.

    Args:
        opened: a study.
        payload: float32 codes, one message after the other.
        counts: codes of each message.
        sizes: bytes of each message.
        where: conditions of all of them.

    Returns:
        `parts`, of each message its `shape` `[n, H, W, C]`, its `rows`, or its `error`; `content`,
        the pixels one after the other; and the `milliseconds` of all.
    """
    began, start = time.perf_counter(), 0
    heard: list[Tensor | ZscapeError] = []
    for count, size in zip(counts, sizes, strict=True):
        try:
            heard.append(opened.flat(payload[start : start + size], count))
        except ZscapeError as error:
            heard.append(error)
        start += size
    answers = _pictures if is_pictures(opened.space) else _rows
    parts, content = answers(opened.space, heard, where or None)
    return {
        "parts": parts,
        "content": content,
        "milliseconds": (time.perf_counter() - began) * 1000,
    }


def _pictures(
    space: Space, heard: list[Tensor | ZscapeError], where: Where
) -> tuple[list[dict[str, Any]], bytes]:
    parts: list[dict[str, Any]] = []
    content = []
    for codes in heard:
        if isinstance(codes, ZscapeError):
            parts.append({"error": trouble(codes)})
            continue
        tile = pixels(space, space.decode_tensor(codes, where=where))
        parts.append({"shape": list(tile.shape)})
        content.append(tile.tobytes())
    return parts, b"".join(content)


def _rows(
    space: Space, heard: list[Tensor | ZscapeError], where: Where
) -> tuple[list[dict[str, Any]], bytes]:
    good = [codes for codes in heard if not isinstance(codes, ZscapeError)]
    parts: list[dict[str, Any]] = []
    seen = rows(space, space.decode_tensor(torch.cat(good), where=where)) if good else None
    start = 0
    for codes in heard:
        if isinstance(codes, ZscapeError):
            parts.append({"error": trouble(codes)})
            continue
        assert seen is not None
        own = [list(cells) for cells in seen.cells[start : start + len(codes)]]
        parts.append({"rows": {"columns": list(seen.columns), "cells": own}})
        start += len(codes)
    return parts, b""


def decode(opened: Opened, codes: list[list[float]], where: Where) -> Made:
    """What codes stand for."""
    return shown(opened.space, opened.space.decode_tensor(opened.codes(codes), where=where or None))


def encode_picture(opened: Opened, path: str) -> Made:
    """The code of a picture that was uploaded to a file of ours."""
    if not is_pictures(opened.space):
        raise DataError("This study is about rows, got a file. Send them as JSON.")
    return _encoded(opened, item_named(opened.space, path))


def encode_rows(opened: Opened, rows: list[dict[str, Any]]) -> Made:
    """The codes of rows."""
    if is_pictures(opened.space):
        raise DataError("This study is about pictures, got rows. Send the bytes of a picture.")
    return _encoded(opened, rows)


def sample(opened: Opened, n: int, seed: int | None, levels: int | None, where: Where) -> Made:
    """New things with their codes, the same as `zscape.Space.sample` makes of the seed."""
    space = opened.space
    drawn, x = space.draw(n, where=where or None, seed=seed, levels=levels)
    return shown(space, x, drawn.flat)


def neighbours(opened: Opened, place: dict[str, Any], k: int) -> Made:
    """The items whose codes are nearest."""
    space, thing = opened.space, opened.place(place)
    own = thing if isinstance(thing, int) else None
    wanted = min(k + (own is not None), len(space.codes))
    far, near = nearest(space.codes.flat, codes_of(space, thing).flat, wanted)
    found = [
        {"id": int(index), "distance": float(distance)}
        for distance, index in zip(far[0], near[0], strict=True)
        if int(index) != own
    ]
    return told({"items": found[:k]})


def path(
    opened: Opened, stops: list[dict[str, Any]], steps: int, method: str, closed: bool
) -> Made:
    """The codes on a way through several places."""
    things = [opened.place(stop) for stop in stops]
    way = walk_codes(opened.space, things, steps=steps, closed=closed, method=method)
    return packed({"kind": "codes"}, {"z": way.flat.numpy()})


def edited(
    opened: Opened,
    place: dict[str, Any],
    strengths: dict[str, float],
    keep_details: bool,
    user: str,
) -> Made:
    """A thing moved along named directions, those of a user first."""
    space = opened.space
    directions = kept_directions(opened.study, opened.latent) | opened.directions[user]
    thing = opened.place(place)
    made = edit(space, thing, strengths, directions=directions, keep_details=keep_details)
    header = {"beyond": made.beyond, "warning": made.warning, "before": True}
    arrays = {}
    if is_pictures(space):
        arrays["before"] = pixels(space, made.before)
    return shown(space, made.x, made.codes.flat, header, arrays)


def mix(
    opened: Opened,
    content: dict[str, Any],
    style: dict[str, Any],
    levels: list[str] | None,
    units: list[int] | None,
) -> Made:
    """The content of one thing in the style of another: some levels or units, or the usual."""
    space = opened.space
    taken = list(levels or ())
    if units:
        taken.append(f"units:{','.join(map(str, units))}")
    blocks = blocks_of(space, taken)
    one = halves_of(space, [opened.place(content)], blocks)
    other = halves_of(space, [opened.place(style)], blocks, style=True)
    x = mix_tensor(space, one, other, blocks)
    if one.context is not None:  # what it was told is a part of the thing that is in no code
        return shown(space, x)
    return shown(space, x, torch.where(blocks.units, other.codes.flat, one.codes.flat))


def redrawn(
    opened: Opened,
    place: dict[str, Any],
    below: int | None,
    levels: list[str],
    n: int,
    seed: int | None,
) -> Made:
    """Things like one, of which some levels are drawn anew."""
    space = opened.space
    names = redrawn_levels(space, below=below, levels=levels)
    code = codes_of(space, opened.place(place))
    kept = {name: z.repeat(n, *[1] * (z.ndim - 1)) for name, z in code.tensors.items()}
    return shown(space, redraw_tensor(space, kept, names, seed=seed))


def units(opened: Opened) -> Made:
    """The units of the code, the most informative first."""
    space = opened.space
    rates, spreads, means = unit_rates(space), spread(space), space.codes.flat.mean(0)
    level = {unit: name for name in space.codes.tensors for unit in units_of(space, name)}
    active, drawn = active_units(space, rates), drawn_spread(space)
    return told(
        {
            "collapsed": rates is not None and float(rates.sum()) < AUDIBLE,
            "units": [
                {
                    "unit": unit,
                    "level": level[unit],
                    "rate": None if rates is None else float(rates[unit]),
                    "mean": float(means[unit]),
                    "spread": float(spreads[unit]),
                    "drawn": float(drawn[unit]),
                    "active": bool(active[unit]),
                }
                for unit in informative_units(space)
            ],
        }
    )


def _encoded(opened: Opened, things: Any) -> Made:
    space = opened.space
    stored = space.modality.encode(things)
    return shown(space, space.modality.prepare(stored), space.encode(things).flat)
