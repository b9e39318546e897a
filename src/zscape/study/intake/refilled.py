"""A file of rows written anew with its empty cells filled, and all others as they were spelled."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from zscape.errors import DataError
from zscape.modalities.extras import optional
from zscape.study.intake.tables import kind_of, read_batches, read_text, separator_of

SAME_KIND = (".csv", ".tsv", ".parquet")  # rows of other files are written as .csv


def suffix_of(path: Path) -> str:
    """The suffix of a file of rows, filled: its own, or .csv."""
    return kind_of(path) if kind_of(path) in SAME_KIND else ".csv"


def refilled(path: Path, frame: Any, filled: Any) -> bytes:
    """The file at a path, with the cells that are missing in `frame` taken from `filled`.

    Cells of text files that were given are the same bytes, those of Parquet the same numbers, in
    columns of the same types.

    Args:
        path: of a .csv, .tsv or .parquet file; of any other the rows come as .csv.
        frame: what `load_table` reads in it.
        filled: the same rows, filled.

    Raises:
        DataError: a file that was changed since it was read.
    """
    kind = kind_of(path)
    if kind == ".parquet":
        return _parquet(path, frame, filled)
    if kind in SAME_KIND:
        return _text(path, frame, filled)
    return bytes(filled.to_csv(index=False).encode())


def _text(path: Path, frame: Any, filled: Any) -> bytes:
    text, encoding = read_text(path)
    separator = separator_of(text, tab=kind_of(path) == ".tsv")
    new = _spelled(frame, filled, separator)
    plain = rf"[^{separator}\r\n]*"
    cell = re.compile(rf'("(?:[^"]|"")*"{plain}|{plain})({separator}|\r\n|\n|\r|\Z)')
    made, row, column, at = [], -1, None, 0
    while at < len(text) or column is not None:
        found = cell.match(text, at)
        assert found is not None, "a cell may be empty, so that one is always found"
        written, end = found.groups()
        blank = column is None and not written and end != separator  # such lines are no rows
        column = 0 if column is None else column + 1
        made += [new.get((row, column - _unnamed(text, separator)), written), end]
        if end != separator:
            row, column = row + (not blank), None
        at = found.end()
    if row != len(frame):
        raise DataError(f"{path.name} must stay as it is while it is filled. Fill it again.")
    return "".join(made).encode(encoding)


def _unnamed(text: str, separator: str) -> int:
    """How many columns are left out at the left: of row numbers, which have no name."""
    return int(text.lstrip("\r\n").startswith((separator, f'""{separator}')))


def _spelled(frame: Any, filled: Any, separator: str) -> dict[tuple[int, int], str]:
    """The new cells by row and column, whole numbers without a point where the file has none."""
    new: dict[tuple[int, int], str] = {}
    for place, name in enumerate(frame.columns):
        missing = (frame[name].isna() & ~filled[name].isna()).to_numpy()
        given = frame[name].dropna().tolist()
        whole = all(isinstance(one, float) and one.is_integer() for one in given)
        for row in np.flatnonzero(missing).tolist():
            value = filled[name].iloc[row]
            rounded = whole and isinstance(value, float) and value.is_integer()
            value = int(value) if rounded else value
            line = io.StringIO()
            csv.writer(line, delimiter=separator, lineterminator="").writerow([value])
            new[row, place] = line.getvalue()
    return new


def _parquet(path: Path, frame: Any, filled: Any) -> bytes:
    pa, compute = optional("pyarrow", "data"), optional("pyarrow.compute", "data")
    table = pa.Table.from_batches(read_batches(path))
    for place, field in enumerate(table.schema):
        missing = frame[field.name].isna()
        if not missing.any():
            continue
        made = pa.Array.from_pandas(filled[field.name])
        if pa.types.is_dictionary(field.type):
            column = made.cast(field.type)
        else:
            column = compute.if_else(pa.array(missing), made.cast(field.type), table[place])
        table = table.set_column(place, field, column)
    file = io.BytesIO()
    optional("pyarrow.parquet", "data").write_table(table, file)
    return file.getvalue()
