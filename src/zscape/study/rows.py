"""Reads the rows of one Parquet file in a process of its own, so that they may crash or hang there.

The request is JSON in the last argument. Batches of plain columns go to stdout as an Arrow stream;
the reason why there are no more goes to stderr. Limits: memory by what the file declares, 10 s a
batch, and as much as the other end can hold.
"""

import json
import os
import signal
import sys
from typing import Any

from zscape.study.scan import EXTRA_BYTES, SECONDS, limit_memory, require_file, why_not

BATCH_CELLS = 2**22
BATCH_ROWS = 2**16
FEWEST_ROWS = 2**8
OBJECT_BYTES = 100  # of a cell that the other end holds as a Python thing
FAILED = 1


class TooLargeError(Exception):
    """The table is larger than the other end can hold."""


def main() -> None:
    """Answers the one request in the last argument."""
    request = json.loads(sys.argv[-1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    try:
        send(request)
        code = 0
    except BrokenPipeError:
        code = FAILED
    except BaseException as error:  # decoders raise whatever they like; each is a reason
        large = isinstance(error, TooLargeError)
        reason = str(error) if large else why_not(request["path"], error)
        print(json.dumps({"reason": reason, "large": large}), file=sys.stderr, flush=True)
        code = FAILED
    os._exit(code)  # no destructor of a damaged file gets to crash


def send(request: dict[str, Any]) -> None:
    """Streams the batches that were asked for.

    Raises:
        TooLargeError: more cells or bytes than allowed.
        ValueError: columns of lists or records.
        OSError: the file cannot be opened, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve addresses by the gigabyte
    _beat()
    limit_memory()
    require_file(request["path"])
    file = parquet.ParquetFile(request["path"], pre_buffer=False)
    about = file.metadata
    groups = range(about.num_row_groups) if request["groups"] is None else request["groups"]
    cells = about.num_rows * max(about.num_columns, 1)
    if request["most_cells"] and cells > request["most_cells"]:
        raise TooLargeError(f"{about.num_rows:,} rows of {about.num_columns:,} columns")
    schema = _plain_schema(pa, file.schema_arrow, request["columns"])
    largest = max((about.row_group(g).total_byte_size for g in groups), default=0)
    if request["most_bytes"] and largest > request["most_bytes"]:
        raise TooLargeError(f"{largest >> 20:,} MB in one part")
    limit_memory(EXTRA_BYTES + 2 * largest)
    rows = max(FEWEST_ROWS, min(BATCH_ROWS, BATCH_CELLS // max(len(schema), 1)))
    taken = 0
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as out:
        columns = None if request["columns"] is None else schema.names
        for batch in file.iter_batches(rows, list(groups), columns=columns, use_threads=False):
            _beat()
            batch.validate(full=True)  # text that is no UTF-8, offsets beyond their buffers
            taken += sum(_held_bytes(pa, column) for column in batch.columns)
            if request["most_bytes"] and taken > request["most_bytes"]:
                raise TooLargeError(f"more than {request['most_bytes'] >> 20:,} MB of cells")
            _rest()  # the other end may take its time
            out.write_batch(_plain(pa, batch, schema))
            _beat()
        _rest()
    sys.stdout.buffer.flush()


def _plain_schema(pa: Any, schema: Any, columns: list[str] | None) -> Any:
    """The schema with columns of nothing as numbers, which are small; nested ones are refused."""
    fields = [field for field in schema if columns is None or field.name in columns]
    for field in fields:
        if pa.types.is_nested(field.type) or pa.types.is_run_end_encoded(field.type):
            raise ValueError(f"the column {field.name!r} holds {field.type}, which is not flat")
    floats = [f.with_type(pa.float64()) if pa.types.is_null(f.type) else f for f in fields]
    return pa.schema(floats, metadata=schema.metadata)


def _plain(pa: Any, batch: Any, schema: Any) -> Any:
    columns = [
        pa.nulls(len(batch), pa.float64()) if pa.types.is_null(column.type) else column
        for column in batch.columns
    ]
    return pa.record_batch(columns, schema=schema)


def _held_bytes(pa: Any, column: Any) -> int:
    """What a column takes as a pandas one, at most."""
    kind = column.type
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
    if numbers or pa.types.is_boolean(kind) or pa.types.is_timestamp(kind):
        return 8 * len(column)
    if pa.types.is_dictionary(kind):
        return int(column.indices.nbytes + column.dictionary.nbytes)
    return int(column.nbytes) + OBJECT_BYTES * len(column)


def _beat() -> None:
    """Starts the clock of the next batch; the signal ends us even within a decoder."""
    if sys.platform != "win32":
        signal.alarm(SECONDS)


def _rest() -> None:
    if sys.platform != "win32":
        signal.alarm(0)
