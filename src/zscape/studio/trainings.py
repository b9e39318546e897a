"""What a study's folder tells of its training: how far it came, and why it ended there."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Told again here, since the library's own words come with torch; a test holds them equal.
CHECKPOINTS, VALUES, AGAIN = "checkpoints", "state.json", "again-"
STATE = re.compile(rf"(?:{AGAIN})*[0-9]{{1,18}}")
MOST_BYTES = 4 * 2**20
COUNTS = ("step", "epoch", "batch", "waited", "returns", "turns_left")
GIVEN_UP = 2  # returns to an earlier state, after which a run ends


def ending_of(path: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """Why the training of a study ended where its newest checkpoint is, or would if it ended now.

    Args:
        path: the study's folder.
        asked: what its study.toml says.

    Returns:
        `why`: "epochs" (all were run), "patience" (validation did not get better for that many
        epochs), "diverged" (the numbers left the finite twice) or "broken" (before it was over);
        `epoch` that it was in last, of `epochs`; `step`; `best`, the lowest validation loss in
        nats; `patience`; `goes_on`, whether the library could go on with it. None where the folder
        tells nothing.
    """
    state, training = _newest(path / CHECKPOINTS), _part(asked, "training")
    epochs, patience = training.get("epochs"), training.get("patience")
    if state is None or type(epochs) is not int or type(patience) is not int:
        return None
    best = state.get("best")
    epoch = state["epoch"] - (state["batch"] == 0)
    why = "broken"
    if state["epoch"] > epochs:
        why = "epochs"
    elif 0 < patience <= state["waited"] and not state["turns_left"]:
        why = "patience"
    elif state["returns"] >= GIVEN_UP:
        why = "diverged"
    return {
        "why": why,
        "epoch": epoch,
        "epochs": epochs,
        "step": state["step"],
        "best": best if isinstance(best, float) and abs(best) < 1e300 else None,
        "patience": patience,
        "goes_on": _goes_on(asked),
    }


def _goes_on(asked: Mapping[str, Any]) -> bool:
    """Whether the model is as it was trained, by a recipe of ours, and its data can be found."""
    origin = _part(_part(asked, "data"), "origin")
    as_trained = ":" not in str(asked.get("recipe", ":")) and not {"prior", "pruned"} & asked.keys()
    return as_trained and bool({"name", "path"} & origin.keys())


def _newest(folder: Path) -> dict[str, Any] | None:
    """The plain values of the newest checkpoint; no link is followed."""
    try:
        if folder.is_symlink():
            return None
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    except OSError:
        return None
    for name in sorted(filter(STATE.fullmatch, names), key=_order, reverse=True):
        state = _read(folder / name / VALUES)
        if state is not None:
            return state
    return None


def _order(name: str) -> tuple[int, int]:
    """How often the run had gone back before this checkpoint, and its step."""
    return name.count(AGAIN), int(name.rpartition("-")[2])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            told = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    state = told.get("state") if isinstance(told, dict) else None
    sound = isinstance(state, dict) and all(
        type(state.get(name)) is int and 0 <= state[name] < 2**53 for name in COUNTS
    )
    return state if sound else None


def _part(spec: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = spec.get(name)
    return part if isinstance(part, dict) else {}
