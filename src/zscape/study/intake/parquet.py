"""Batches of Parquet files, decoded by a process that may die of it."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO, Any

from zscape.errors import DataError
from zscape.modalities.extras import optional
from zscape.modalities.found import printable
from zscape.study.intake.quarantine import Relay
from zscape.study.intake.rows import WHOLE

READER = "zscape.study.intake.rows"


class DamagedError(DataError):
    """A file that cannot be read; `reason` is why, in words."""

    def __init__(self, shown: str, reason: str, *, kind: str = "Parquet") -> None:
        self.reason = reason
        super().__init__(
            f"{shown} must be a {kind} file, but reading it failed: {printable(reason)}. "
            "Write it again."
        )


def decoder(
    paths: Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    most_cells: int = 0,
    most_bytes: int = 0,
) -> Relay[Any]:
    """The Arrow record batches of Parquet files, in order; the first of each file has no rows.

    Args:
        paths: the files, in the order in which they will be asked for.
        columns: the names of those to read; none: all.
        most_cells: of a whole file; 0: any number.
        most_bytes: that all of a file may take as a DataFrame; 0: any number.

    Raises:
        DataError: pyarrow is missing; when read, the file is damaged or too large.
    """
    pa = optional("pyarrow", "data")

    def receive(sent: IO[bytes]) -> Generator[Any, None, bool]:
        try:
            with pa.ipc.open_stream(sent) as stream:
                yield pa.RecordBatch.from_pylist([], schema=stream.schema)
                yield from stream
            return sent.read(1) == WHOLE
        except (pa.ArrowException, OSError, EOFError):
            return False

    def refuse(shown: str, failure: dict[str, Any]) -> DataError:
        if not failure.get("large"):
            return DamagedError(shown, failure["reason"])
        return DataError(
            f"{shown} must hold at most {most_cells:,} cells and {most_bytes >> 20:,} MB of them, "
            f"got {failure['reason']}. Split it into a folder of part-*.parquet, which is streamed."
        )

    asked = {
        "columns": None if columns is None else list(columns),
        "most_cells": most_cells,
        "most_bytes": most_bytes,
    }
    return Relay(READER, paths, asked=asked, receive=receive, refuse=refuse)
