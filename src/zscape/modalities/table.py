"""Tables whose columns are of different kinds; what one column holds stands in `columns`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError
from zscape.modalities.cells import judge
from zscape.modalities.columns import (
    LIKELIHOODS,
    MODELLED,
    Column,
    decode_cells,
    encode_cells,
    quoted,
    require_constant,
)
from zscape.modalities.extras import pandas
from zscape.modalities.found import Found, counted, listed, number_words
from zscape.modalities.modality import Modality, Rows


@dataclass(frozen=True, slots=True)
class Table(Modality):
    """Rows of mixed columns, seen by a model as float32 `[D]` with NaN where a cell is missing.

    Numbers are standardised, counts raw, truths 0 or 1, categories class ids. Constant columns
    are not modelled and come back as they were; dropped ones do not come back.
    """

    described: tuple[Column, ...]
    num_examples: int = 0

    def __post_init__(self) -> None:
        """Takes lists of dictionaries, as TOML and JSON have no records."""
        columns = (Column(**c) if isinstance(c, Mapping) else c for c in self.described)
        object.__setattr__(self, "described", tuple(columns))

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of modelled columns `(D,)`."""
        return (len(self.modelled),)

    @property
    def likelihood(self) -> str:
        """`columns`: each column has its own."""
        return "columns"

    @property
    def network(self) -> str:
        """`mlp`."""
        return "mlp"

    @property
    def columns(self) -> tuple[tuple[str, int], ...]:
        """(likelihood word, number of classes or 1) per modelled column."""
        return tuple((LIKELIHOODS[c.kind], len(c.classes) or 1) for c in self.modelled)

    @property
    def modelled(self) -> tuple[Column, ...]:
        """The columns that a model sees, in order."""
        return tuple(c for c in self.described if c.kind in MODELLED)

    def encode(self, things: Any) -> Tensor:
        """Stores rows as float32 `[N, D]`, NaN where a cell is missing.

        Args:
            things: a DataFrame, a dictionary of columns, a list of dictionaries, or one of these.
                Columns that training did not model are not looked at.

        Raises:
            ShapeError: a column is not there.
            DataError: cells that the column cannot have, such as an unseen category.
        """
        frame = as_frame(things)
        absent = [quoted(c.name) for c in self.modelled if c.name not in frame.columns]
        if absent:
            raise ShapeError(
                f"Rows must have the columns of training, got none named {listed(absent)}. "
                "Add them; empty cells count as missing."
            )
        _require_unique(frame)
        for column in self.described:
            if column.kind == "constant" and column.name in frame.columns:
                require_constant(column, frame[column.name])
        cells = [encode_cells(c, frame[c.name]) for c in self.modelled]
        return torch.from_numpy(np.stack(cells, axis=1))

    def without_unseen(self, things: Any) -> tuple[Any, dict[int, list[tuple[str, str]]]]:
        """Rows whose cells of unseen categories are emptied, and by row what stood there.

        Args:
            things: as for `encode`.

        Returns:
            A DataFrame, and (column, what came) of each such cell by the number of its row.
        """
        frame = as_frame(things).copy(deep=False)
        _require_unique(frame)
        unseen: dict[int, list[tuple[str, str]]] = {}
        for column in self.described:
            if not column.classes or column.name not in frame.columns:
                continue
            cells, known = frame[column.name], set(column.classes)
            new = ~cells.isna() & ~cells.map(lambda cell, known=known: cell in known).astype(bool)
            for row in np.flatnonzero(new):
                unseen.setdefault(int(row), []).append((str(column.name), str(cells.iloc[row])))
            frame[column.name] = cells.mask(new)
        return frame, unseen

    def prepare(self, stored: Tensor) -> Tensor:
        """The stored rows; they are float32 already."""
        return stored.to(torch.float32)

    def decode(self, x: Tensor) -> Any:
        """Turns `[N, D]` into a DataFrame with the names, order and dtypes of the original.

        Truths are cut at 0.5, category ids and whole numbers rounded; NaN is missing.
        """
        values = x.detach().to("cpu", torch.float32).numpy()
        places = {column.name: d for d, column in enumerate(self.modelled)}
        nothing = np.zeros(len(values), dtype=np.float32)
        series = {
            column.name: decode_cells(
                column, values[:, places[column.name]] if column.name in places else nothing
            )
            for column in self.described
            if column.kind != "dropped"
        }
        return pandas().DataFrame(series)

    def show(self, x: Tensor) -> Rows:
        """Rows of cells; missing ones are empty."""
        frame = self.decode(x)
        missing = frame.isna().to_numpy()
        cells = tuple(
            tuple("" if gone else _cell_words(cell) for cell, gone in zip(row, lost, strict=True))
            for row, lost in zip(frame.itertuples(index=False, name=None), missing, strict=True)
        )
        return Rows(tuple(str(name) for name in frame.columns), cells)


def find_table(frame: Any) -> Found:
    """Fits a `Table` to a DataFrame, choosing what each column holds.

    Raises:
        DataError: duplicate names, dates, mixed or infinite cells, or nothing left to model.
    """
    _require_unique(frame)
    judged = [judge(_name(name), frame[name]) for name in frame.columns]
    table = Table(tuple(column for column, _ in judged), num_examples=len(frame))
    notes = tuple(note for _, note in judged)
    if not table.modelled:
        raise DataError(
            "A table must have at least one column that varies, got none: "
            f"{'; '.join(notes) or 'no columns'}. Add columns to model."
        )
    width = counted(len(judged), "column")
    modelled = len(table.modelled)
    part = "" if modelled == len(judged) else f" ({modelled} modelled)"
    headline = f"{counted(len(frame), 'row')}, {width}{part}"
    return Found(table, table.encode(frame), headline, notes)


def as_frame(things: Any) -> Any:
    """Things as a DataFrame: a DataFrame itself, a Series as one row, dictionaries.

    Raises:
        DataError: they are none of these.
    """
    pd = pandas()
    if isinstance(things, pd.DataFrame):
        return things
    if isinstance(things, pd.Series):
        return things.to_frame().T.infer_objects()
    if isinstance(things, Mapping):
        single = all(isinstance(v, str) or not isinstance(v, _MANY) for v in things.values())
        return pd.DataFrame([dict(things)] if single else dict(things))
    if isinstance(things, (list, tuple)) and all(isinstance(row, Mapping) for row in things):
        return pd.DataFrame([dict(row) for row in things])
    raise DataError(
        f"Rows must come as a DataFrame or as dictionaries, got {type(things).__name__}. "
        "Pass pandas.DataFrame(rows, columns=names)."
    )


_MANY = (list, tuple, np.ndarray)


def _require_unique(frame: Any) -> None:
    repeated = [quoted(name) for name in frame.columns[frame.columns.duplicated()].unique()]
    if repeated:
        raise DataError(
            f"Column names must differ, got {listed(repeated)} more than once. Rename or drop one."
        )


def _name(name: Any) -> str | int:
    if isinstance(name, str):
        return name
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        return int(name)
    raise DataError(f"Column names must be text or whole numbers, got {name!r}. Rename the column.")


def _cell_words(cell: Any) -> str:
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    return number_words(cell) if is_number else str(cell)
