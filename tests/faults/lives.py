"""Studies that die and go on: how they are killed, and what must be the same in the end."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from tests.faults.harness import KILLED, SMALL, Begun, Ended, Runner

from zscape.study.checkpoints import CHECKPOINTS, last_checkpoint

# A checkpoint at every record, so that a kill costs an epoch at most.
ALWAYS = ("--checkpoint-seconds", "0")
TRAINING = (*SMALL, "--patience", "0", "--label", "kind", *ALWAYS)
MOST_LIVES = 5
# Where a process is killed, and the times that it comes there in one small training.
POINTS = {
    "file.before_temp": (1, 7, 26),
    "file.mid_write": (2, 12, 27),
    "file.after_write": (3, 13, 28),
    "file.after_fsync": (4, 14, 29),
    "file.after_rename": (5, 15, 30),
    "file.after_folder_fsync": (6, 16, 31),
    "checkpoint.before_rename": (1, 2, 6),
    "checkpoint.after_rename": (1, 2, 6),
    "checkpoint.before_delete": (1, 2, 4),
    "checkpoint.after_delete": (1, 2, 4),
    "log.mid_append": (1, 3, 6),
    "finish.before_manifest": (1, 1, 1),
}


def train(runner: Runner, data: Path, study: Path, **options: Any) -> Ended:
    """Trains a study anew."""
    return runner.run(["train", data, "--out", study, *TRAINING], **options)


def begin(runner: Runner, data: Path, study: Path, **options: Any) -> Begun:
    """The same, without waiting for its end."""
    return runner.start(["train", data, "--out", study, *TRAINING], **options)


def go_on(runner: Runner, study: Path, *more: object, **options: Any) -> Ended:
    """Resumes a study."""
    return runner.run(["train", "--resume", study, *ALWAYS, *more], **options)


def revive(runner: Runner, data: Path, study: Path) -> Ended:
    """Does what a person does after a death, until the study has ended: resumes it, or begins it.

    A process that died before there was a study leaves a folder to be trained into anew.
    """
    for _ in range(MOST_LIVES):
        ended = go_on(runner, study)
        if ended.code == 65 and not (study / CHECKPOINTS).exists():
            for entry in study.iterdir() if study.exists() else ():
                entry.unlink()
            ended = train(runner, data, study)
        if ended.code != KILLED:
            return ended
    raise AssertionError(f"{study} was not alive after {MOST_LIVES} lives")


def contents(study: Path) -> dict[str, str]:
    """The sha256 of everything that a finished study holds and its last checkpoint, by name.

    Clocks are left out: seconds of training stand in the log, in the state and in the report.
    """
    start = last_checkpoint(study)
    assert start is not None and start.notes == ()
    state = {f"state.{n}": _of_tensor(tensor) for n, tensor in start.state.tensors.items()}
    plain = {n: v for n, v in start.state.plain.items() if n != "seconds"}
    found = state | {"state.json": _of(json.dumps(plain, sort_keys=True).encode())}
    for path in sorted(study.glob("*.safetensors")):
        found |= {f"{path.name}/{n}": _of_tensor(t) for n, t in load_file(path).items()}
    for path in sorted((study / "pictures").iterdir()):
        found[f"pictures/{path.name}"] = _of(path.read_bytes())
    found["history"] = _of(json.dumps(history(study)).encode())
    return found


def history(study: Path) -> list[dict[str, Any]]:
    """The records of training in order, without their clock."""
    lines = (study / "training.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name != "seconds"}
        for line in lines
    ]


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """The names of what is not the same."""
    return sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))


def strays(study: Path) -> list[str]:
    """Temporary files that nobody removed."""
    return [str(path.relative_to(study)) for path in study.rglob(".*")]


def records_lost(study: Path) -> int:
    """Whole records in the log that came after the last state that can be gone on from."""
    log = (study / "training.jsonl").read_bytes()
    start = last_checkpoint(study)
    return log.count(b"\n") - (0 if start is None else log[: start.log_bytes].count(b"\n"))


def _of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _of_tensor(tensor: Any) -> str:
    return _of(f"{tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
