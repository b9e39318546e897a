"""Rows as text and as a picture: aligned columns, cut where they are long."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len, set_cell_size

from zscape.modalities.found import printable
from zscape.modalities.modality import Rows

LONGEST_CELL = 24  # characters
MOST_COLUMNS = 12  # in a picture
LONGEST_MEANING = 72  # characters of a line of the legend
MOST_MEANINGS = 12  # lines of it
PAPER, BAND, RULE = (255, 255, 255), (246, 247, 249), (205, 210, 218)
INK, FAINT = (40, 44, 52), (110, 117, 128)
SIZE, LINE, MARGIN = 16, 28, 14  # pixels


def rows_text(rows: Rows) -> str:
    """Rows as aligned text, a header line first; numbers stand at the right of their column."""
    columns = _cut(rows, len(rows.columns))
    lines = []
    for n in range(1 + len(rows.cells)):
        cells = [_aligned(column[n], column, at_right) for column, at_right in columns]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, *_meanings(rows)])


def headed(rows: Rows, head: str, marks: Sequence[str]) -> Rows:
    """Rows with a column of marks, one each, before the others."""
    cells = ((mark, *row) for mark, row in zip(marks, rows.cells, strict=True))
    return replace(rows, columns=(head, *rows.columns), cells=tuple(cells))


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of the same columns one after the other, with one legend."""
    legend = {name: meaning for part in parts for name, meaning in part.legend}
    cells = tuple(row for part in parts for row in part.cells)
    return Rows(parts[0].columns, cells, tuple(legend.items()))


def table_picture(rows: Rows, *, longest: int = 0) -> np.ndarray:
    """Rows as a picture of a table, uint8 `[H, W, 3]`; at most 12 columns, the rest counted.

    The legend stands below.

    Args:
        rows: with a header.
        longest: characters of a cell; 0: 24, and more where there are less than 4 columns.
    """
    font = ImageFont.load_default(size=SIZE)
    columns = _cut(rows, MOST_COLUMNS, longest)
    left = len(rows.columns) - len(columns)
    if left > 0:
        columns.append(([f"+ {left}", *("…" for _ in rows.cells)], False))
    widths = [max(font.getlength(cell) for cell in column) + 2 * MARGIN for column, _ in columns]
    high, below = LINE * (1 + len(rows.cells)) + 1, _meanings(rows)
    wide = max(sum(widths), *(font.getlength(line) + 2 * MARGIN for line in below), 0)
    room = LINE * len(below) + MARGIN * bool(below)
    sheet = Image.new("RGB", (round(wide) + 1, high + room), PAPER)
    pen = ImageDraw.Draw(sheet)
    for n in range(2, 1 + len(rows.cells), 2):
        pen.rectangle((0, n * LINE, sheet.width, (n + 1) * LINE - 1), fill=BAND)
    pen.line((0, LINE - 1, sheet.width, LINE - 1), fill=RULE)
    start = 0.0
    for (column, at_right), width in zip(columns, widths, strict=True):
        place = start + (width - MARGIN if at_right else MARGIN)
        for n, cell in enumerate(column):
            middle = (place, n * LINE + LINE // 2)
            anchor = "rm" if at_right else "lm"
            pen.text(middle, cell, fill=INK if n else FAINT, font=font, anchor=anchor)
        start += width
    for n, line in enumerate(below):
        below_it = (MARGIN, high + MARGIN // 2 + n * LINE + LINE // 2)
        pen.text(below_it, line, fill=FAINT, font=font, anchor="lm")
    return np.asarray(sheet).copy()


def beside(before: Rows, after: Rows) -> Rows:
    """Each row as it is above what was made of it."""
    pairs = zip(before.cells, after.cells, strict=True)
    rows = replace(joined([before, after]), cells=tuple(row for pair in pairs for row in pair))
    return headed(rows, "", ["as it is", "as made"] * len(before.cells))


def is_number(cell: str) -> bool:
    """Whether a cell reads as a number; an empty one does too."""
    try:
        float(cell.replace(",", "") or 0)
    except ValueError:
        return False
    return True


def _cut(rows: Rows, most: int, longest: int = 0) -> list[tuple[list[str], bool]]:
    """Columns of cells, header first, and whether they stand at the right."""
    longest = longest or LONGEST_CELL * max(4 - len(rows.columns), 1)
    columns = []
    for c, name in enumerate(rows.columns[:most]):
        cells = [row[c] for row in rows.cells]
        words = [_short(cell, longest) for cell in (name, *cells)]
        columns.append((words, all(is_number(cell) for cell in cells)))
    return columns


def _meanings(rows: Rows) -> list[str]:
    """Lines of a legend."""
    shown = [f"{name}: {_short(words, LONGEST_MEANING)}" for name, words in rows.legend]
    left = len(shown) - MOST_MEANINGS
    return shown if left <= 0 else [*shown[:MOST_MEANINGS], f"and {left:,} more"]


def _short(cell: str, longest: int) -> str:
    words = printable(cell)
    if cell_len(words) <= longest:
        return words
    return set_cell_size(words, longest - 1).rstrip() + "…"


def _aligned(cell: str, column: list[str], at_right: bool) -> str:
    missing = " " * (max(cell_len(c) for c in column) - cell_len(cell))
    return missing + cell if at_right else cell + missing
