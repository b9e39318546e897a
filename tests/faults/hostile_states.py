"""Checkpoints that were made to do harm to whoever goes on with a study."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from tests.faults.changes import Change, rewrite

VALUES, TENSORS = "state.json", "tensors.safetensors"
ODD = (None, True, -1, 2**70, 1e308, "x", [], {}, [[1]], {"a": {}})


def states() -> dict[str, Change]:
    """Changes of the newest checkpoint, whose manifest agrees with them."""
    texts = {
        "empty": b"",
        "a list": b"[]",
        "null": b"null",
        "nothing": b"{}",
        "deep": b"[" * 100_000,
        "not UTF-8": b"\xff",
        "twice": b'{"state": {}, "state": {}}',
        "long integer": b'{"log_bytes": ' + b"9" * 6000 + b"}",
    }
    found = {name: _with(lambda s, t=text: rewrite(s, VALUES, t)) for name, text in texts.items()}
    for key in ("log_bytes", "log_sha256", "state"):
        found |= {f"{key} {v!r:.20}": _saying({key: v}) for v in ODD}
    names = ("step", "epoch", "batch", "turns_left", "frozen", "best", "means", "refusals", "names")
    for name in (*names, "key", "made", "lagging", "rate_scale", "seconds", "memories", "waited"):
        found |= {f"{name} {v!r:.20}": _stating({name: v}) for v in (None, -1, "x", [], 2**70)}
    found |= {
        "a class": _stating({"lagging": {"__class__": "x", "__dict__": {}}}),
        "no tensors": _holding(lambda t: t.clear()),
        "other tensors": _holding(lambda t: t.update(x=torch.zeros(3))),
        "short tensors": _holding(lambda t: [t.update({n: v.flatten()[:1]}) for n, v in t.items()]),
        "not numbers": _holding(lambda t: [t.update({n: v * float("nan")}) for n, v in t.items()]),
        "a link": _linked,
        "all of them a link": _all_linked,
        "a long number": _renamed("9" * 200),
        "another script's number": _renamed("\u0663"),
        "the log a link": _log_linked,
    }
    return found


def newest(study: Path) -> Path:
    """The folder of the last checkpoint."""
    return max((study / "checkpoints").iterdir(), key=lambda path: int(path.name))


def _with(change: Change) -> Change:
    return lambda study: change(newest(study))


def _saying(values: dict[str, Any]) -> Change:
    def change(study: Path) -> None:
        folder = newest(study)
        told = json.loads((folder / VALUES).read_bytes()) | values
        rewrite(folder, VALUES, json.dumps(told).encode())

    return change


def _stating(values: dict[str, Any]) -> Change:
    def change(study: Path) -> None:
        folder = newest(study)
        told = json.loads((folder / VALUES).read_bytes())
        told["state"] |= values
        rewrite(folder, VALUES, json.dumps(told).encode())

    return change


def _holding(edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(study: Path) -> None:
        folder = newest(study)
        tensors = load((folder / TENSORS).read_bytes())
        edit(tensors)
        rewrite(folder, TENSORS, save(tensors))

    return change


def _linked(study: Path) -> None:
    folder = newest(study)
    shutil.move(folder, study / "aside")
    folder.symlink_to("../aside")


def _all_linked(study: Path) -> None:
    shutil.rmtree(study / "checkpoints")
    (study / "checkpoints").symlink_to("/etc")


def _log_linked(study: Path) -> None:
    """A log that is right, and whose cutting would cut another file."""
    aside = study.parent / "somebody's"
    shutil.copy(study / "training.jsonl", aside)
    (study / "training.jsonl").unlink()
    (study / "training.jsonl").symlink_to(aside)


def _renamed(name: str) -> Change:
    return lambda study: newest(study).rename(study / "checkpoints" / name) and None
