"""A table of attributes that lies beside a folder of pictures, matched to them by file name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zscape.errors import DataError, unknown
from zscape.modalities.found import counted, listed, printable, quote
from zscape.study.intake.tables import load_table

FILES = ("attributes.csv", "labels.csv", "metadata.csv")
LABEL_COLUMNS = ("label", "labels", "class", "y", "target")


@dataclass(frozen=True, slots=True)
class Beside:
    """What a table says of pictures: `labels` one each or None, the rest one each by name.

    `attributes` are numbers, NaN where there is none, `texts` empty there.
    """

    labels: list[Any] | None = None
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def beside(folder: Path, names: tuple[str, ...], *, label: str | None = "") -> Beside:
    """Reads attributes.csv, labels.csv or metadata.csv in a folder, whichever is there first.

    One column holds file names; columns of numbers become attributes and others texts (NaN, or
    empty, for pictures without a row). The column `label` becomes the labels: if empty one called
    label, class, y or target, if None no column. Pictures without one have no label.

    Raises:
        DataError: a picture twice in the table.
        SpecError: `label` is not a column.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        if label:
            raise unknown("column", label, [], hint=f"No {' or '.join(FILES)} lies beside them.")
        return Beside()
    frame = load_table(path).things
    column, rows = _matched(frame, names)
    if column is None:
        return Beside(notes=(f"{path.name} names none of the pictures, so it is left alone",))
    others = [name for name in frame.columns if name != column]
    if label and label not in others:
        raise unknown("column", label, [str(name) for name in others])
    usual = (name for name in others if str(name).lower() in LABEL_COLUMNS)
    chosen = label or (next(usual, None) if label == "" else None)
    labels = None if chosen is None else _labels(frame[chosen], rows)
    attributes, texts = dict[str, np.ndarray](), dict[str, list[str]]()
    for name in others:
        if name == chosen:
            continue
        numbers = _numbers(frame[name], rows)
        if numbers is None:
            texts[str(name)] = _texts(frame[name], rows)
        else:
            attributes[str(name)] = numbers
    notes = _notes(path.name, attributes, texts, rows, len(frame))
    return Beside(labels, attributes, texts, tuple(notes))


def _matched(frame: Any, names: tuple[str, ...]) -> tuple[Any, np.ndarray]:
    """The column that names most pictures, and per picture its row or -1."""
    best: Any = None
    rows = np.full(len(names), -1)
    for column in frame.columns:
        cells = [str(cell).removeprefix("./") for cell in frame[column].tolist()]
        for spell in (lambda n: n, lambda n: n.rsplit("/", 1)[-1], _stem):
            spelled = [spell(name) for name in names]
            twice = Counter(spelled)
            where = {cell: row for row, cell in enumerate(cells)}
            found = np.array([where.get(s, -1) if twice[s] == 1 else -1 for s in spelled])
            if (found >= 0).sum() > (rows >= 0).sum():
                best, rows = column, found
                named = Counter(cells)
                repeated = [s for s in spelled if named[s] > 1]
    if best is not None and repeated:
        raise DataError(
            f"Each picture must have one row, got several for "
            f"{listed([quote(s) for s in repeated])}. Remove the others."
        )
    return best, rows


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _labels(cells: Any, rows: np.ndarray) -> list[Any]:
    """The label of each picture, None where its cell is empty or it has no row."""
    known, values = ~cells.isna().to_numpy(), cells.tolist()
    return [values[row] if row >= 0 and known[row] else None for row in rows]


def _numbers(cells: Any, rows: np.ndarray) -> np.ndarray | None:
    try:
        numbers = cells.astype(np.float64).to_numpy()
    except (TypeError, ValueError):
        return None
    return np.where(rows >= 0, numbers[rows], np.nan)


def _texts(cells: Any, rows: np.ndarray) -> list[str]:
    words = [str(cell) for cell in cells.where(cells.notna(), "").tolist()]
    return [words[row] if row >= 0 else "" for row in rows]


def _notes(
    source: str,
    attributes: Mapping[str, Any],
    texts: Mapping[str, Any],
    rows: np.ndarray,
    length: int,
) -> list[str]:
    notes = []
    if attributes:
        names = listed([printable(name) for name in attributes])
        notes.append(f"{counted(len(attributes), 'attribute')} from {source}: {names}")
    if texts:
        names = listed([printable(name) for name in texts])
        notes.append(f"{counted(len(texts), 'text')} from {source}: {names}")
    without = int((rows < 0).sum())
    if without:
        notes.append(f"warning: {source} has no row for {counted(without, 'picture')}")
    unused = length - (len(rows) - without)
    if unused:
        notes.append(f"warning: {counted(unused, 'row')} of {source} name no picture")
    return notes
