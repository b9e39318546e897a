"""Reading files of rows (.csv .tsv .jsonl .parquet, also .gz) into a DataFrame, strictly.

What the columns hold is decided by the modality; here a file is either whole or refused by row.
"""

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from zscape.errors import DataError
from zscape.modalities.columns import quoted
from zscape.modalities.extras import optional, pandas
from zscape.modalities.found import listed, printable
from zscape.study.intake.parquet import decoder
from zscape.study.intake.room import TEXT_SHARE, most_bytes, require_room
from zscape.study.intake.sources import Raw

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
PIECE = 2**20
MOST_CELLS = 2 * 10**9
MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def load_table(path: Path) -> Raw:
    """Reads a file of rows as a DataFrame.

    Raises:
        DataError: a damaged or ragged file, bytes that are not text, repeated column names.
    """
    shown = printable(path.name)
    suffix = kind_of(path)
    if suffix == ".parquet":
        return Raw(_parquet(path, shown), source=shown)
    text, _ = read_text(path)
    if suffix in (".jsonl", ".ndjson"):
        return Raw(_json_lines(text, shown), source=shown)
    frame, notes = _separated(text, shown, tab=suffix == ".tsv")
    return Raw(frame, source=shown, notes=notes)


def kind_of(path: Path) -> str:
    """The suffix that says what a file holds, without .gz."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def read_text(path: Path) -> tuple[str, str]:
    """The text of a file of rows, unpacked, and its encoding.

    Raises:
        DataError: a damaged file, or bytes that are not text.
    """
    shown = printable(path.name)
    return _text(_bytes(path, shown), shown)


def separator_of(text: str, *, tab: bool) -> str:
    """What parts the cells: a tab, or a comma, or a semicolon where the names have no comma."""
    head = text.split("\n", 1)[0]
    return "\t" if tab else ";" if ";" in head and "," not in head else ","


def read_batches(path: Path) -> list[Any]:
    """The record batches of a Parquet file.

    Raises:
        DataError: a damaged file, or one that does not fit memory.
    """
    with decoder([path], most_cells=MOST_CELLS, most_bytes=most_bytes()) as file:
        return list(file.contents())


def _bytes(path: Path, shown: str) -> bytes:
    packed = path.stat().st_size
    try:
        if not path.name.lower().endswith(".gz"):
            require_room(shown, packed=packed, unpacked=packed, share=TEXT_SHARE)
            return path.read_bytes()
        with gzip.open(path) as file:
            # Counted before it is kept: a bomb costs the time to count it and no memory.
            unpacked = 0
            while piece := file.read(PIECE):
                unpacked += len(piece)
                require_room(shown, packed=packed, unpacked=unpacked, share=TEXT_SHARE)
            file.seek(0)
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{shown} must be readable, but reading it failed: {printable(str(error))}. "
            "Check the file, or make it again."
        ) from error


def _text(content: bytes, shown: str) -> tuple[str, str]:
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
        raise DataError(
            f"{shown} must be text in UTF-8 or UTF-16, got the byte 0x{content[error.start]:02x} "
            f"in line {before.count(chr(10)) + 1:,} (byte {error.start:,}). "
            "Save it again as UTF-8."
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{shown} must be text, got a NUL character in line {line:,}. Save it again as UTF-8."
        )
    return text, encoding


def _separated(text: str, shown: str, *, tab: bool) -> tuple[Any, tuple[str, ...]]:
    separator = separator_of(text, tab=tab)
    names = _require_even(text, separator, shown)
    require_different(names, shown)
    pd = pandas()
    try:
        frame = pd.read_csv(io.StringIO(text), sep=separator, index_col=False, low_memory=False)
    except (ValueError, OverflowError) as error:  # pandas' own parser errors are ValueErrors
        raise DataError(
            f"{shown} must be a table, but reading it failed: {printable(str(error))}. "
            "Check its quotes and separators."
        ) from error
    if names[0] == "":
        return frame.drop(columns=frame.columns[0]), (
            "the first column has no name, so it is taken for row numbers and left out",
        )
    return frame, ()


def _require_even(text: str, separator: str, shown: str) -> list[str]:
    """The names in the first line, once every row is known to have as many cells."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names: list[str] = []
    try:
        for row in rows:
            if not row:
                continue
            names = names or row
            if len(row) != len(names):
                raise DataError(
                    f"{shown} must have {len(names)} cells in every row, as in its first; got "
                    f"{len(row)} in line {rows.line_num:,}. Mend the row, or quote cells that "
                    f"contain {separator!r}."
                )
    except csv.Error as error:
        raise DataError(
            f"{shown} must be a table, but line {rows.line_num:,} cannot be read: {error}. "
            "Check its quotes."
        ) from error
    if not names:
        raise DataError(f"{shown} must hold a line of names and rows, got nothing. Add some.")
    return names


def require_different(names: list[str], shown: str) -> None:
    """Refuses names that come more than once.

    Raises:
        DataError: some do.
    """
    # pandas would quietly rename the second one.
    repeated = sorted(quoted(name) for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise DataError(
            f"Column names of {shown} must differ, got {listed(repeated)} more than once. "
            "Rename or drop one."
        )


def _json_lines(text: str, shown: str) -> Any:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if "\\u" in line:
                json.dumps(row, ensure_ascii=False).encode()  # half a character is no text
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{shown} must hold one JSON object a line, but line {number:,} cannot be read: "
                f"{error}. Mend the line."
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{shown} must hold one JSON object a line, got {type(row).__name__} in line "
                f'{number:,}. Write each row as {{"name": value, ...}}.'
            )
        rows.append(row)
    return pandas().DataFrame(rows)


def _parquet(path: Path, shown: str) -> Any:
    batches = read_batches(path)
    require_different(batches[0].schema.names, shown)
    pa = optional("pyarrow", "data")
    try:
        return pa.Table.from_batches(batches).to_pandas()
    except DataError:
        raise
    except Exception as error:  # what pandas wrote into the file may be anything
        raise DataError(
            f"{shown} must be a table that pandas can hold, but making it failed: "
            f"{printable(str(error))}. Write it again."
        ) from error
