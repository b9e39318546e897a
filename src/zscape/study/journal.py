"""The written side of a training run: its log, and a checkpoint every so often."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from zscape.study.checkpoints import Start, save_checkpoint
from zscape.study.contents import read_content
from zscape.study.failpoints import reach
from zscape.study.folder import storage_error
from zscape.study.interrupts import held_back
from zscape.study.progress import Progress
from zscape.study.running import Run

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
        self.saved: tuple[int, int] | None = None
        self.since = time.monotonic()
        self._log = _opened_log(study)
        self._log.truncate(len(written))
        self._digest = hashlib.sha256(written)

    def records(self) -> Iterator[Progress]:
        """The records of the run, written before they are passed on.

        A signal waits until the step under way is done and the state is kept.

        Raises:
            StorageError: the disk is full or refuses.
            DivergedError: the numbers left the finite.
        """
        records = self.run.records(until=lambda: bool(self.came))
        while True:
            with held_back(self.came):
                record = next(records, None)
                if record is not None:
                    self._write(record)
                if record is None or self.came or time.monotonic() - self.since >= self.every:
                    self.keep()
            if record is None:
                return
            yield record

    def keep(self) -> None:
        """Writes a checkpoint of the run as it is, unless the last one is of the same state."""
        place = (self.run.step, self.run.epoch)
        if place == self.saved:
            return
        self._log.flush()
        os.fsync(self._log.fileno())
        save_checkpoint(
            self.study,
            self.run.state(),
            log_bytes=self._log.tell(),
            log_sha256=self._digest.hexdigest(),
        )
        self.saved, self.since = place, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.close()

    def _write(self, record: Progress) -> None:
        told = asdict(record)
        if not record.note:
            del told["note"]
        line = (json.dumps(told) + "\n").encode()
        try:
            self._log.write(line[: len(line) // 2])
            reach("log.mid_append")
            self._log.write(line[len(line) // 2 :])
            self._log.flush()
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


def _opened_log(study: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    try:
        return os.fdopen(os.open(study / LOG, flags, 0o644), "ab")
    except OSError as error:
        raise storage_error(study / LOG, 0, error) from error
