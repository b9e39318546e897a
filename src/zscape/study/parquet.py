"""The other end of `rows`: batches of Parquet files, decoded by a process that may die of it."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zscape.errors import DataError
from zscape.modalities.extras import optional
from zscape.modalities.found import printable
from zscape.study.quarantine import CRASHED, Quarantine
from zscape.study.rows import WHOLE

READER = "zscape.study.rows"


class DamagedError(DataError):
    """A file that cannot be read; `reason` is why, in words."""

    def __init__(self, shown: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{shown} must be a Parquet file, but reading it failed: {printable(reason)}. "
            "Write it again."
        )


class Decoder:
    """Batches of Parquet files, one after the other; a file that kills the worker costs a start.

    Args:
        paths: the files that will be asked for, in this order.
        columns: the names of those to read; none: all.
        most_cells: of a whole file; 0: any number.
        most_bytes: that all of a file may take as a DataFrame; 0: any number.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        columns: Sequence[str] | None = None,
        most_cells: int = 0,
        most_bytes: int = 0,
    ) -> None:
        self._paths = list(paths)
        self._most = most_cells, most_bytes
        self._asked = {
            "columns": None if columns is None else list(columns),
            "most_cells": most_cells,
            "most_bytes": most_bytes,
        }
        self._worker: Quarantine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def batches(self) -> Iterator[Any]:
        """The Arrow record batches of the next file in its order; the first has no rows.

        Raises:
            DataError: the file is damaged or too large, or pyarrow is missing.
        """
        pa = optional("pyarrow", "data")
        left, self._paths = self._paths, self._paths[1:]
        if self._worker is None:
            request = self._asked | {"paths": [str(path) for path in left]}
            self._worker = Quarantine(READER, request)
        done = False
        try:
            whole = yield from _received(pa, self._worker)
            done = True
        finally:
            if not done:  # whoever reads has stopped in the middle
                self._stop()
        if not whole:
            failure = self._worker.failure() or CRASHED
            self._stop()
            raise self._refusal(printable(left[0].name), failure)

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        self._worker = None

    def _refusal(self, shown: str, failure: dict[str, Any]) -> DataError:
        if not failure.get("large"):
            return DamagedError(shown, failure["reason"])
        cells, size = self._most
        return DataError(
            f"{shown} must hold at most {cells:,} cells and {size >> 20:,} MB of them, got "
            f"{failure['reason']}. Split it into a folder of part-*.parquet, which is streamed."
        )


def _received(pa: Any, worker: Quarantine) -> Generator[Any, None, bool]:
    """Batches until the stream ends, for whatever reason; whether it was a sound one."""
    try:
        with pa.ipc.open_stream(worker.sent) as stream:
            yield pa.RecordBatch.from_pylist([], schema=stream.schema)
            yield from stream
        return worker.sent.read(1) == WHOLE
    except (pa.ArrowException, OSError, EOFError):
        return False
