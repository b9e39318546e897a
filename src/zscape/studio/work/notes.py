"""What a person says of a study: kept in its folder where that can be written."""

import json
from typing import Any

from zscape.errors import BusyError, StorageError
from zscape.studio.work.made import Made, Missing, told
from zscape.studio.work.shelf import Opened
from zscape.study.storage.contents import from_json
from zscape.study.storage.folder import has_file, read_file
from zscape.study.storage.lock import refuse_busy

NOTES = "studio.json"
KINDS = ("tags", "paths", "names", "shelf")
UNSAVED = "notes"  # where they are remembered when the folder cannot be written


def notes(opened: Opened) -> Made:
    """All notes, each with its version."""
    return told({**_all(opened), "kept": UNSAVED not in opened.memory})


def keep(opened: Opened, kind: str, version: int, value: Any) -> Made:
    """A note in place of the one of that version."""
    known = _all(opened)
    if known[kind]["version"] != version:
        raise Missing(
            "version",
            "A note must be changed from what it is now, and somebody changed it in between. "
            "Read it again.",
        )
    known[kind] = {"version": version + 1, "value": value}
    try:
        refuse_busy(opened.study.path)
        opened.study.add({NOTES: json.dumps(known).encode()})
        opened.memory.pop(UNSAVED, None)
    except (StorageError, BusyError, OSError):
        opened.memory[UNSAVED] = known
    return told({"version": version + 1})


def _all(opened: Opened) -> dict[str, dict[str, Any]]:
    fresh: dict[str, dict[str, Any]] = {kind: {"version": 0, "value": None} for kind in KINDS}
    if UNSAVED in opened.memory:
        return {**fresh, **opened.memory[UNSAVED]}
    if not has_file(opened.study.path, NOTES):
        return fresh
    told_before = from_json(read_file(opened.study.path, NOTES), NOTES)
    for kind in KINDS if isinstance(told_before, dict) else ():
        note = told_before.get(kind)
        if isinstance(note, dict) and type(note.get("version")) is int:
            fresh[kind] = {"version": note["version"], "value": note.get("value")}
    return fresh
