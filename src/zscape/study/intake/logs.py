"""Reading files of log lines into sessions; what the lines say is the modality's."""

import gzip
import os
import select
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from zscape.errors import DataError
from zscape.modalities.cutting import Cut
from zscape.modalities.found import printable, quote
from zscape.modalities.logs import OTHER, Logs, cut_lines, mine
from zscape.study.intake.sources import Raw

LOG_SUFFIXES = (".log", ".txt", ".out")
CHUNK = 2**16  # bytes
MOST_AT_ONCE = 2**20
LONGEST_LINE = 4096  # characters; what a line has beyond is not looked at


def load_log(path: Path, how: Cut) -> Raw:
    """Sessions of a file of lines, in UTF-8 or nearly, also .gz; it is read twice.

    Raises:
        DataError: a file that cannot be read, or no line that is of a session.
    """
    mined = mine(_lines(path), _lines(path), how)
    shown = printable(path.name)
    if not len(mined):
        of_these = f"that match {quote(how.pattern)}" if how.pattern else "at all"
        raise DataError(
            f"{shown} must hold lines of sessions, got {mined.lines:,} lines and none "
            f"{of_these}. Check the file and --session."
        )
    return Raw(mined, source=shown, names=mined.names)


def load_log_like(path: Path, logs: Logs) -> Raw:
    """Sessions of a file, cut as those of a study and by its templates, as lists of event names.

    Raises:
        DataError: a file that cannot be read, or no line that is of a session.
    """
    read, sessions = cut_lines(_lines(path), logs.miner(), logs.how)
    shown = printable(path.name)
    if not sessions:
        raise no_session(shown, read, logs.how)
    names = (*logs.events, OTHER)
    things = [[names[event] for event in session.events] for session in sessions]
    odd = {"unseen line": tuple(session.odd for session in sessions)}
    return Raw(things, source=shown, names=tuple(s.name for s in sessions), texts=odd)


def no_session(shown: str, read: int, how: Cut) -> DataError:
    """The error for so many lines of which none is of a session."""
    pattern = f" that matches {quote(how.pattern)}" if how.pattern else ""
    return DataError(
        f"{shown} must hold lines of sessions as the study does, got {read:,} lines and none"
        f"{pattern}. Check what they are of."
    )


def lines_of(file: IO[str]) -> Iterator[str]:
    """The lines of a text file without their ends, cut where they are too long."""
    begun = False
    while piece := file.readline(LONGEST_LINE):
        if not begun and piece.strip():
            yield piece.rstrip("\r\n")
        begun = not piece.endswith("\n")


def lines_coming(source: int) -> Iterator[list[str]]:
    """The lines of a pipe or file, as many at a time as have come; waits only where none have.

    Args:
        source: its descriptor.
    """
    begun, most, ended = b"", 4 * LONGEST_LINE, False
    while not ended:
        pieces = [begun]
        while True:
            piece = os.read(source, CHUNK)
            pieces.append(piece)
            ended = not piece
            if ended or sum(map(len, pieces)) > MOST_AT_ONCE or not _waiting(source):
                break
        whole, _, begun = b"".join(pieces).rpartition(b"\n")
        begun = begun[:most]  # a line that never ends costs no memory
        lines = whole.split(b"\n") + ([begun] if ended else [])
        yield [
            line[:most].decode("utf-8", "replace").rstrip("\r")[:LONGEST_LINE]
            for line in lines
            if line.strip()
        ]


def _waiting(source: int) -> bool:
    """Whether there is something to read at once."""
    return bool(select.select([source], [], [], 0)[0])


def _lines(path: Path) -> Iterator[str]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="\n") as file:
            yield from lines_of(cast(IO[str], file))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{printable(path.name)} must be readable, but reading it failed: "
            f"{printable(str(error))}. Check the file, or make it again."
        ) from error
