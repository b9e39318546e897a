"""Checkpoints of a training run: whole folders, renamed into place, checked when they are read.

`checkpoints/<step>/` holds tensors, plain values and a manifest of its own; it is `again-<step>`
once the run went back to earlier steps. The two newest are kept, and an old one goes only when
the new one was read back.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import nn

from zscape.errors import StudyError
from zscape.study.storage.claims import require_state
from zscape.study.storage.contents import from_json, from_safetensors, require_inside
from zscape.study.storage.failpoints import reach
from zscape.study.storage.folder import read_file, storage_error, sync_folder, write_folder
from zscape.study.training.progress import State

CHECKPOINTS = "checkpoints"
TENSORS, VALUES = "tensors.safetensors", "state.json"
AGAIN = "again-"
KEPT = 2
FORMAT = 1  # of what a state holds; moved on when it changes


@dataclass(frozen=True, slots=True)
class Start:
    """Where an interrupted run goes on.

    Attributes:
        state: of the run.
        log_bytes: how much of the training log belongs to it.
        log_sha256: of that part of the log.
        notes: damaged checkpoints that were stepped over, one line each.
    """

    state: State
    log_bytes: int
    log_sha256: str
    notes: tuple[str, ...] = ()


def save_checkpoint(study: Path, state: State, *, log_bytes: int = 0, log_sha256: str = "") -> Path:
    """Writes a checkpoint and removes old ones; whatever fails, the one before stays whole.

    Args:
        study: the folder, whose lock is held.
        state: of the run.
        log_bytes: length of the training log at this state.
        log_sha256: of the log at this state.

    Raises:
        StorageError: the disk is full or refuses.
    """
    reach("checkpoint.begin")
    folder = require_inside(study, f"{CHECKPOINTS}/any").parent
    target = folder / (AGAIN * state.plain["returns"] + str(state.plain["step"]))
    beside = folder / f".{target.name}.{os.getpid()}.tmp"
    values = {
        "format": FORMAT,
        "log_bytes": log_bytes,
        "log_sha256": log_sha256,
        "state": state.plain,
    }
    files = {
        TENSORS: save({n: t.detach().cpu().contiguous() for n, t in state.tensors.items()}),
        VALUES: json.dumps(values, allow_nan=True).encode(),
    }
    try:
        beside.mkdir(parents=True)
        write_folder(beside, files)
        reach("checkpoint.before_rename")
        _move(beside, target)
        sync_folder(folder)
        reach("checkpoint.after_rename")
    except OSError as error:
        raise storage_error(target, sum(map(len, files.values())), error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    files.clear()  # not held beside what is read back
    for name in (TENSORS, VALUES):
        read_file(target, name)  # checks it against the manifest
    reach("checkpoint.verified")
    for old in _steps(study)[KEPT:]:
        reach("checkpoint.before_delete")
        shutil.rmtree(old)
        reach("checkpoint.after_delete")
    return target


def last_checkpoint(study: Path) -> Start | None:
    """The newest checkpoint that is whole; None where there was none yet.

    Raises:
        StudyError: there are some, and all are damaged.
    """
    notes: list[str] = []
    for folder in _steps(study):
        try:
            return _read(folder, tuple(notes))
        except StudyError as error:
            notes.append(f"checkpoint {folder.name} is damaged and left aside: {error}")
    if notes:
        raise StudyError(
            f"One checkpoint of {study.name!r} must be whole, and none of {len(notes)} is. "
            f"{notes[0][0].upper()}{notes[0][1:]} Train again into a new folder."
        )
    return None


def checkpoint_bytes(*modules: nn.Module) -> int:
    """About how large a checkpoint of the run of a model, and of its opponents, becomes."""
    weights = sum(tensor.nbytes for m in modules for tensor in m.state_dict().values())
    return 6 * weights  # weights, their average, the best and the last good, and two moments


def _read(folder: Path, notes: tuple[str, ...]) -> Start:
    tensors = from_safetensors(read_file(folder, TENSORS), TENSORS)
    values = from_json(read_file(folder, VALUES), VALUES)
    if isinstance(values, dict) and values.get("format") != FORMAT:
        raise StudyError(
            f"A checkpoint must be of this zscape's format {FORMAT}, got {values.get('format')}. "
            "Go on with the version that wrote it."
        )
    try:
        plain, log_bytes, log_sha256 = values["state"], values["log_bytes"], values["log_sha256"]
        sound = type(log_bytes) is int and log_bytes >= 0
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise StudyError(
            f"{VALUES} of checkpoint {folder.name} must be as zscape wrote it, and is not. "
            "Leave it aside."
        )
    require_state(plain, VALUES)
    return Start(State(tensors, plain), log_bytes, log_sha256, notes)


def _move(beside: Path, target: Path) -> None:
    """Renames a folder into place; one that stands there goes, as its state is no newer."""
    if target.exists():
        aside = target.with_name(f".{target.name}.old.tmp")
        os.rename(target, aside)
        os.rename(beside, target)
        shutil.rmtree(aside)
    else:
        os.rename(beside, target)


def _steps(study: Path) -> list[Path]:
    """The folders of checkpoints, newest first."""
    folder = study / CHECKPOINTS
    if not folder.is_dir() or folder.is_symlink():
        return []
    found = [p for p in folder.iterdir() if _order(p) is not None and not p.is_symlink()]
    return sorted(found, key=lambda path: _order(path) or (0, 0), reverse=True)


def _order(path: Path) -> tuple[int, int] | None:
    """How often the run had gone back before this checkpoint, and its step; None: it is none."""
    *again, step = path.name.split(AGAIN)
    return (len(again), int(step)) if step.isdecimal() and not any(again) else None
