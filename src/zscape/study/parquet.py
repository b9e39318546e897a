"""The other end of `rows`: batches of a Parquet file, decoded by a process that may die of it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from signal import SIGALRM
from typing import IO, Any

import zscape
from zscape.errors import DataError
from zscape.modalities.extras import optional
from zscape.modalities.found import printable
from zscape.study import rows
from zscape.study.scan import SECONDS

# Run so, the worker finds zscape where this process does, and nothing beside it first.
PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); from zscape.study.rows import main; main()",
    str(Path(zscape.__file__).parents[1]),
)
CRASHED = {"reason": "its decoder crashed"}


class DamagedError(DataError):
    """A file that cannot be read; `reason` is why, in words."""

    def __init__(self, shown: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{shown} must be a Parquet file, but reading it failed: {printable(reason)}. "
            "Write it again."
        )


def parquet_batches(
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    most_cells: int = 0,
    most_bytes: int = 0,
) -> Iterator[Any]:
    """The Arrow record batches of a Parquet file in its order; the first has no rows.

    Args:
        path: the file.
        columns: the names of those to read; none: all.
        groups: the row groups to read; none: all.
        most_cells: of the whole file; 0: any number.
        most_bytes: that all of it may take as a DataFrame; 0: any number.

    Raises:
        DataError: the file is damaged or larger than that, or pyarrow is missing.
    """
    pa = optional("pyarrow", "data")
    shown = printable(path.name)
    request = {
        "path": str(path),
        "columns": None if columns is None else list(columns),
        "groups": None if groups is None else list(groups),
        "most_cells": most_cells,
        "most_bytes": most_bytes,
    }
    with tempfile.TemporaryFile() as errors:
        worker = subprocess.Popen(
            [sys.executable, "-P", "-c", *PROGRAM, json.dumps(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            whole = yield from _received(pa, worker)
            failure = _failure(worker, errors) or ({} if whole else CRASHED)
        finally:
            worker.kill()
            worker.wait()
            assert worker.stdout
            worker.stdout.close()
    if failure.get("large"):
        raise DataError(
            f"{shown} must hold at most {most_cells:,} cells and {most_bytes >> 20:,} MB of them, "
            f"got {failure['reason']}. Split it into a folder of part-*.parquet, which is streamed."
        )
    if failure:
        raise DamagedError(shown, failure["reason"])


def _received(pa: Any, worker: subprocess.Popen[bytes]) -> Generator[Any, None, bool]:
    """Batches until the stream ends, for whatever reason; whether it was a sound one."""
    assert worker.stdout
    try:
        with pa.ipc.open_stream(worker.stdout) as stream:
            yield pa.RecordBatch.from_pylist([], schema=stream.schema)
            yield from stream
        return True
    except (pa.ArrowException, OSError, EOFError):
        worker.stdout.close()  # a worker that is still writing ends too
        return False


def _failure(worker: subprocess.Popen[bytes], errors: IO[bytes]) -> dict[str, Any]:
    """Why the worker ended before its time; empty when it did not."""
    code = worker.wait()
    if code == 0:
        return {}
    if code == -SIGALRM:
        return {"reason": f"a part of it took longer than {SECONDS} s"}
    errors.seek(0)
    for line in reversed(errors.read().decode(errors="replace").splitlines()):
        if line.startswith("{") and code == rows.FAILED:
            return dict(json.loads(line))
    return CRASHED
