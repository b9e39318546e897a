"""Reads the rows of Parquet files in a process of its own, so that they may crash or hang there.

The request is JSON in the last argument. For each file, batches of plain columns go to stdout as
an Arrow stream, and a byte that says it was whole; the reason of a failure goes to stderr. Limits:
memory by what the file declares, 10 s a batch, and as much as the other end can hold.
"""

import json
import sys
from typing import Any

from zscape.study.intake.scan import (
    EXTRA_BYTES,
    TooLargeError,
    answer_once,
    beat,
    limit_memory,
    require_file,
    rest,
    why_not,
)

BATCH_CELLS = 2**22
BATCH_ROWS = 2**16
FEWEST_ROWS = 2**8
OBJECT_BYTES = 100  # of a cell that the other end holds as a Python thing
WHOLE = b"\1"
GROUPS = b"zscape.groups"  # of the schema's metadata: the rows of each row group, as JSON


def main() -> None:
    """Answers the one request in the last argument."""
    request = json.loads(sys.argv[-1])
    answer_once(lambda: send_all(request))


def send_all(request: dict[str, Any]) -> None:
    """Streams one file after the other; a failure ends it."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve addresses by the gigabyte
    for path in request["paths"]:
        try:
            send(path, request)
        except (TooLargeError, BrokenPipeError):
            raise
        except Exception as error:  # decoders raise whatever they like; each is a reason
            raise ValueError(why_not(path, error)) from error
        sys.stdout.buffer.write(WHOLE)
        sys.stdout.buffer.flush()


def send(path: str, request: dict[str, Any]) -> None:
    """Streams the batches of one file that were asked for.

    Raises:
        TooLargeError: more cells or bytes than allowed.
        ValueError: columns of lists or records.
        OSError: the file cannot be opened, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    beat()
    limit_memory()
    require_file(path)
    file = parquet.ParquetFile(path, pre_buffer=False)
    about = file.metadata
    cells = about.num_rows * max(about.num_columns, 1)
    if request["most_cells"] and cells > request["most_cells"]:
        raise TooLargeError(f"{about.num_rows:,} rows of {about.num_columns:,} columns")
    sizes = [about.row_group(g) for g in range(about.num_row_groups)]
    held = json.dumps([size.num_rows for size in sizes]).encode()
    schema = _plain_schema(pa, file.schema_arrow, request["columns"], held)
    largest = max((size.total_byte_size for size in sizes), default=0)
    if request["most_bytes"] and largest > request["most_bytes"]:
        raise TooLargeError(f"{largest >> 20:,} MB in one part")
    limit_memory(EXTRA_BYTES + 2 * largest)
    rows = max(FEWEST_ROWS, min(BATCH_ROWS, BATCH_CELLS // max(len(schema), 1)))
    taken = 0
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as out:
        columns = None if request["columns"] is None else schema.names
        for batch in file.iter_batches(rows, columns=columns, use_threads=False):
            beat()
            batch.validate(full=True)  # text that is no UTF-8, offsets beyond their buffers
            taken += sum(_held_bytes(pa, column) for column in batch.columns)
            if request["most_bytes"] and taken > request["most_bytes"]:
                raise TooLargeError(f"more than {request['most_bytes'] >> 20:,} MB of cells")
            rest()  # the other end may take its time
            out.write_batch(_plain(pa, batch, schema))
            beat()
        rest()


def _plain_schema(pa: Any, schema: Any, columns: list[str] | None, held: bytes) -> Any:
    """The schema with columns of nothing as numbers, which are small; nested ones are refused."""
    fields = [field for field in schema if columns is None or field.name in columns]
    for field in fields:
        if pa.types.is_nested(field.type) or pa.types.is_run_end_encoded(field.type):
            raise ValueError(f"the column {field.name!r} holds {field.type}, which is not flat")
    floats = [f.with_type(pa.float64()) if pa.types.is_null(f.type) else f for f in fields]
    return pa.schema(floats, metadata={**(schema.metadata or {}), GROUPS: held})


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
