"""Arrays, lists of arrays and tables as plain bytes, and back to the bit."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zscape.errors import DataError
from zscape.modalities.extras import is_frame, pandas
from zscape.modalities.found import printable
from zscape.space.compression.container import Reading, block, number, numbers

ARRAY, LIST, TABLE = 0, 1, 2


def as_arrays(things: Any) -> Any:
    """Things as an array, a list of arrays or a table.

    Raises:
        DataError: Python's own objects.
    """
    if is_frame(things):
        return things
    return [_array(each) for each in things] if isinstance(things, list) else _array(things)


def plain(things: Any) -> tuple[bytes, bytes]:
    """What an array, a list of arrays or a table is, and its bytes.

    Raises:
        DataError: Python's own objects in a table.
    """
    if is_frame(things):
        return bytes([TABLE]), _frame_bytes(things)
    if isinstance(things, list):
        told = b"".join(map(_told, things))
        return bytes([LIST]) + number(len(things)) + told, b"".join(a.tobytes() for a in things)
    return bytes([ARRAY]) + _told(things), things.tobytes()


def from_plain(told: bytes, raw: bytes) -> Any:
    """The things again.

    Raises:
        DataError: bytes that no things have.
    """
    reading = Reading(told)
    (kind,) = reading.take(1)
    if kind == TABLE:
        return _frame(raw)
    content = Reading(raw)
    if kind == ARRAY:
        return _from(reading, content)
    return [_from(reading, content) for _ in range(reading.number())]


def empty(told: bytes) -> np.ndarray:
    """An array without bytes of its own, of the dtype and shape that are told."""
    reading = Reading(told)
    reading.take(1)
    dtype, shape = _shape(reading)
    return np.broadcast_to(np.zeros((), dtype=dtype), shape)


def _array(thing: Any) -> np.ndarray:
    array = np.asarray(thing)
    if array.dtype.hasobject or array.dtype.names:
        raise DataError(
            f"Things to compress must be arrays of numbers or texts, a list of them or a table, "
            f"got {printable(type(thing).__name__)}. Convert them to one of these."
        )
    return array


def _told(array: np.ndarray) -> bytes:
    return block(array.dtype.str.encode()) + numbers(array.shape)


def _shape(reading: Reading) -> tuple[np.dtype[Any], tuple[int, ...]]:
    try:
        dtype = np.dtype(reading.block().decode("ascii"))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"An archive must tell a dtype that numpy knows, and tells another ({error}). "
            "Restore it from a copy."
        ) from error
    return dtype, tuple(reading.number() for _ in range(reading.number()))


def _from(reading: Reading, content: Reading) -> np.ndarray:
    dtype, shape = _shape(reading)
    count = int(np.prod(shape, dtype=object))
    raw = content.take(count * dtype.itemsize)
    if not raw:
        return np.empty(shape, dtype=dtype)
    return np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)


def _frame_bytes(frame: Any) -> bytes:
    """A table as JSON and the bytes of its columns of plain numbers."""
    told, raw = [], []
    for name, cells in zip(frame.columns, _columns(frame), strict=True):
        numeric = isinstance(cells.dtype, np.dtype) and cells.dtype.kind in "biuf"
        kind = cells.dtype.str if numeric else str(cells.dtype)
        held: Any = None
        if numeric:
            raw.append(np.ascontiguousarray(cells.to_numpy()).tobytes())
        elif kind == "category":
            classes = cells.dtype.categories.tolist()
            held = [classes, bool(cells.dtype.ordered), cells.cat.codes.tolist()]
        else:
            gone = cells.isna().tolist()
            held = [None if no else _cell(c) for c, no in zip(cells.tolist(), gone, strict=True)]
        told.append([_cell(name), kind, numeric, held])
    head = json.dumps([len(frame), told], ensure_ascii=False, separators=(",", ":"))
    return block(head.encode("utf-8", "surrogatepass")) + b"".join(raw)


def _columns(frame: Any) -> Iterator[Any]:
    return (frame.iloc[:, place] for place in range(frame.shape[1]))


def _cell(cell: Any) -> Any:
    value = cell.item() if isinstance(cell, np.generic) else cell
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise DataError(
        f"Cells to compress must be numbers, truths or texts, got {type(cell).__name__}. "
        "Turn the column into text first."
    )


def _frame(raw: bytes) -> Any:
    pd = pandas()
    reading = Reading(raw)
    count, told = json.loads(reading.block().decode("utf-8", "surrogatepass"))
    series: list[Any] = []
    for _, kind, numeric, held in told:
        if numeric:
            dtype = np.dtype(kind)
            cells = np.frombuffer(bytearray(reading.take(count * dtype.itemsize)), dtype=dtype)
            series.append(pd.Series(cells))
        elif kind == "category":
            classes, ordered, codes = held
            kept = pd.CategoricalDtype(classes, ordered=ordered)
            series.append(pd.Series(pd.Categorical.from_codes(codes, dtype=kept)))
        else:
            series.append(pd.Series(held, dtype=kind))
    frame = pd.DataFrame(dict(enumerate(series)), index=pd.RangeIndex(count))
    frame.columns = pd.Index([name for name, *_ in told])
    return frame


def taken(things: Any, rows: np.ndarray) -> Any:
    """The things of these rows, a table's counted anew."""
    if isinstance(things, list):
        return [things[row] for row in np.flatnonzero(rows)]
    return things.loc[rows].reset_index(drop=True) if is_frame(things) else things[rows]


def merged(parts: Sequence[Any], keep: np.ndarray) -> Any:
    """Things of which `parts` are those that are kept, and the others, in order."""
    kept, others = parts
    if isinstance(kept, list):
        pair, places = (iter(others), iter(kept)), keep.tolist()
        return [next(pair[bool(own)]) for own in places]
    if is_frame(kept):
        order = np.concatenate([np.flatnonzero(keep), np.flatnonzero(~keep)])
        both = pandas().concat([kept, others], ignore_index=True)
        return both.iloc[np.argsort(order)].reset_index(drop=True)
    result = np.empty((len(keep), *kept.shape[1:]), dtype=kept.dtype)
    result[keep], result[~keep] = kept, others
    return result
