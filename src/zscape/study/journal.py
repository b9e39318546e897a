"""The written side of a training run: its log, and a checkpoint every so often."""

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from io import RawIOBase
from pathlib import Path
from typing import Any, Self

from zscape.study.checkpoints import Start, save_checkpoint
from zscape.study.storage.contents import read_content
from zscape.study.storage.failpoints import reach
from zscape.study.storage.folder import storage_error
from zscape.study.storage.interrupts import held_back
from zscape.study.training.progress import Progress
from zscape.study.training.running import Run

LOG, DAMAGED = "training.jsonl", "training-damaged.jsonl"


class Journal:
    """Follows a run: each record becomes a line, and its state is kept every so many seconds.

    Args:
        study: the folder, whose lock is held.
        run: what is followed.
        every: seconds between two checkpoints; 0: one at every record.
        written: the part of the log that belongs to the run as it is; the rest is cut off.
    """

    def __init__(self, study: Path, run: Run, *, every: float, written: bytes = b"") -> None:
        self.study, self.run, self.every = study, run, every
        self.came: list[int] = []  # numbers of signals that wait
        self.between = False  # whether the run stands after a step that is written
        self.saved: tuple[int, int, int] | None = None
        self.since = time.monotonic()
        self._log = _opened_log(study)
        self._log.truncate(len(written))
        self._digest = hashlib.sha256(written)

    def records(self) -> Iterator[Progress]:
        """The records of the run, written before they are passed on.

        A signal waits until the step under way is done and the state is kept; with several
        processes, until all of them have heard of it, as all must end after the same step. One that
        comes between two steps, when none is held back, finds the state kept as well.

        Raises:
            StorageError: the disk is full or refuses.
            DivergedError: the numbers left the finite.
        """
        try:
            yield from self._written()
        except Exception:
            raise
        except BaseException:  # of a signal, or the generator is closed
            if self.between:
                self.keep()
            raise

    def _written(self) -> Iterator[Progress]:
        records = self.run.records(until=lambda: bool(self.came))
        with held_back(self.came) if self.run.group.world > 1 else nullcontext():
            while True:
                with held_back(self.came) if self.run.group.world == 1 else nullcontext():
                    self.between = False
                    record = next(records, None)
                    if record is not None:
                        self._write(record)
                    self.between = True
                    if record is None or self.came or time.monotonic() - self.since >= self.every:
                        self.keep()
                if record is None:
                    return
                yield record

    def keep(self) -> None:
        """Writes a checkpoint of the run as it is, unless the last one is of the same state."""
        place = (self.run.step, self.run.epoch, self.run.returns)
        if place == self.saved:
            return
        try:
            os.fsync(self._log.fileno())
        except OSError as error:
            raise storage_error(self.study / LOG, self._log.tell(), error) from error
        save_checkpoint(
            self.study,
            self.run.state(),
            log_bytes=self._log.tell(),
            log_sha256=self._digest.hexdigest(),
        )
        self.saved, self.since = place, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._log.close()

    def _write(self, record: Progress) -> None:
        line = (json.dumps(_plain(record)) + "\n").encode()
        try:
            self._log.write(line[: len(line) // 2])
            reach("log.mid_append")
            self._log.write(line[len(line) // 2 :])
            self._digest.update(line)
        except OSError as error:
            raise storage_error(self.study / LOG, len(line), error) from error


def with_its_log(study: Path, start: Start) -> Start:
    """The same start when the log is as it was written; else one with a new log, and a note.

    A damaged log costs no training: it is put aside. Only under the folder's lock.
    """
    try:
        content = written_log(study, start)
        reason = "differs from what was written"
    except FileNotFoundError:
        content, reason = b"", "is gone"
    if hashlib.sha256(content).hexdigest() == start.log_sha256:
        return start
    if (study / LOG).exists():
        os.replace(study / LOG, study / DAMAGED)
    note = f"{LOG} {reason}; it is begun anew, and what there was of it is in {DAMAGED}"
    return replace(start, log_bytes=0, notes=(*start.notes, note))


def written_log(study: Path, start: Start | None) -> bytes:
    """The part of the log that belongs to a state."""
    if start is None or not start.log_bytes:
        return b""
    return read_content(study, LOG)[: start.log_bytes]


def _plain(record: Progress) -> dict[str, Any]:
    """A record as JSON can hold it: what is not finite is nothing, or left out."""
    told = {**asdict(record), "parts": _finite(record.parts)}
    told["loss"] = record.loss if math.isfinite(record.loss) else None
    if not record.note:
        del told["note"]
    return told


def _finite(parts: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in parts.items() if math.isfinite(value)}


def _opened_log(study: Path) -> RawIOBase:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    try:
        # Unbuffered: what a full disk refuses must not be tried again when the file is closed.
        return os.fdopen(os.open(study / LOG, flags, 0o644), "ab", buffering=0)
    except OSError as error:
        raise storage_error(study / LOG, 0, error) from error
