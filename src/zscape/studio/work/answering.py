"""A process that answers calls of the library, one after the other."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from zscape.recipes import RECIPES
from zscape.studio.wire import FRAME, frame
from zscape.studio.work import (
    asked,
    cells,
    columns,
    directions,
    items,
    judging,
    looking,
    notes,
    verbs,
)
from zscape.studio.work.made import Doing, Made, told
from zscape.studio.work.shelf import Opened, Shelf
from zscape.studio.work.troubles import trouble
from zscape.study.intake.sources import BUILT_IN
from zscape.study.spec import Option, described, options, summary
from zscape.study.training.beginning import PRECISIONS, SCHEDULES, begin

# What can be asked of one study, by name; nothing else can be.
CALLS: Mapping[str, Callable[..., Made | Iterator[Doing | Made]]] = {
    "details": looking.details,
    "names": looking.names,
    "codes": looking.codes,
    "columns": columns.columns,
    "column": columns.column,
    "telling": cells.telling,
    "kept": items.kept,
    "sheets": items.sheets,
    "sheet": items.sheet,
    "item": items.item,
    "item_picture": items.item_picture,
    "scales": items.scales,
    "decode": verbs.decode,
    "encode_picture": verbs.encode_picture,
    "encode_rows": verbs.encode_rows,
    "sample": verbs.sample,
    "neighbours": verbs.neighbours,
    "path": verbs.path,
    "edit": verbs.edited,
    "mix": verbs.mix,
    "redraw": verbs.redrawn,
    "units": verbs.units,
    "directions": directions.listed,
    "find_direction": directions.found,
    "keep_direction": directions.kept,
    "drop_direction": directions.dropped,
    "restore_direction": directions.restored,
    "unsupervised": directions.unsupervised,
    "notes": notes.notes,
    "keep_note": notes.keep,
    "figures": judging.figures,
    "health": judging.health,
    "anomalies": judging.anomalies,
    "score_column": judging.score_column,
    "explain": judging.explained,
}
OFTEN = 0.5  # s between two words of how far a call is
SHARED = {"likelihood": "a word; auto: what suits the data.", "network": "a word; auto."}
CHOICES = {"schedule": SCHEDULES, "precision": PRECISIONS, "device": ("auto", "cpu", "cuda")}


def serve(connection: socket.socket) -> None:
    """Answers calls until the other end is gone."""
    torch.set_num_threads(1)
    shelf, stream = Shelf(), connection.makefile("rb")
    connection.sendall(frame({"hello": True}))
    while (received := read_frame(stream)) is not None:
        for message in _answered(shelf, *received):
            connection.sendall(message)


def read_frame(stream: Any) -> tuple[dict[str, Any], memoryview] | None:
    """The next message; None when the other end is gone."""
    head = stream.read(FRAME.size)
    if len(head) < FRAME.size:
        return None
    text, payload = FRAME.unpack(head)
    content = stream.read(text + payload)
    if len(content) < text + payload:
        return None
    whole = memoryview(content)
    return json.loads(bytes(whole[:text])), whole[text:]


def _answered(shelf: Shelf, record: dict[str, Any], payload: memoryview) -> Iterator[bytes]:
    """The answer to a call, and before it, of what takes seconds, how far that is."""
    began = time.process_time()  # not of the clock, which a busy machine stretches
    spoke = -OFTEN
    answer: tuple[dict[str, Any], bytes] = {}, b""
    try:
        for answer in _made(shelf, record, payload):
            if "doing" in answer[0] and time.monotonic() - spoke >= OFTEN:
                spoke = time.monotonic()
                yield frame(answer[0])
    except Exception as error:
        answer = {"error": trouble(error)}, b""
    told, content = answer
    yield frame({**told, "took": (time.process_time() - began) * 1000}, content)


def _made(
    shelf: Shelf, record: dict[str, Any], payload: memoryview
) -> Iterator[tuple[dict[str, Any], bytes]]:
    call, arguments = record["call"], record.get("arguments", {})
    if call == "recipes":
        found: Made | Iterator[Doing | Made] = recipes()
    elif call == "check":
        found = asked.checked(**arguments)
    else:
        opened = shelf.open(**record["study"])
        if call == "live":
            live = verbs.live(opened, payload, **arguments)
            yield live, live.pop("content")
            return
        found = _called(shelf, opened, call, arguments, payload)
    for made in (found,) if isinstance(found, Made) else found:
        if isinstance(made, Doing):
            yield {"doing": made.words, "share": made.share}, b""
        else:
            yield {"media": made.media, "name": made.name}, made.content


def _called(
    shelf: Shelf, opened: Opened, call: str, arguments: dict[str, Any], payload: memoryview
) -> Made | Iterator[Doing | Made]:
    other = arguments.pop("other", None)
    beside = None if other is None else shelf.open(**other)
    if call == "projection":
        return looking.projection(opened, onto=beside, umap=bytes(payload), **arguments)
    if call == "compare":
        assert beside is not None
        return judging.compared(opened, beside)
    return CALLS[call](opened, **arguments)


def recipes() -> Made:
    """The recipes and the options of training, for a form."""
    found = [
        {"name": name, "about": summary(recipe), "options": _options(recipe)}
        for name, recipe in RECIPES.items()
    ]
    return told({"recipes": found, "training": _options(begin), "data": list(BUILT_IN)})


def _options(function: Callable[..., Any]) -> list[dict[str, Any]]:
    said = SHARED | described(function)
    return [_option(option, said.get(option.name, "")) for option in options(function).values()]


def _option(option: Option, about: str) -> dict[str, Any]:
    kinds = getattr(option.kind, "__args__", None) or (option.kind,)
    return {
        "name": option.name,
        "about": about,
        "kinds": [kind.__name__ for kind in kinds],
        "default": option.default,
        "choices": list(CHOICES[option.name]) if option.name in CHOICES else None,
    }
