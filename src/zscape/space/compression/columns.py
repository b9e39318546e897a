"""The rows of a table as symbols: classes, truths, and numbers by their place in a list of values.

Missing cells have no symbol. Columns that the model does not know are no business of this alphabet.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.modalities import Table
from zscape.modalities.columns import LARGEST_FLOAT, Column, encode_cells
from zscape.modalities.extras import pandas
from zscape.space.compression.alphabets import MOST_VALUES, Alphabet, Symbols
from zscape.space.compression.container import Reading, block
from zscape.space.compression.things import from_plain, plain


class Columns(Alphabet):
    """Rows of the modelled columns of a table.

    Args:
        table: their modality.
        values: of each column the cells that it may have, a Series in the person's dtype, rising.
    """

    def __init__(self, table: Table, values: list[Any]) -> None:
        self.table, self.values = table, values
        pairs = zip(table.modelled, values, strict=True)
        self.told = [encode_cells(c, cells).astype(np.float64) for c, cells in pairs]

    @classmethod
    def of(cls, table: Table, frame: Any) -> "Columns | None":
        """That of a table; None where it cannot say any of it."""
        names = [column.name for column in table.modelled]
        if not frame.columns.is_unique or not set(names) <= set(frame.columns) or not len(frame):
            return None
        values = [_values(column, frame[column.name]) for column in table.modelled]
        if any(not 0 < len(each) <= MOST_VALUES for each in values):
            return None
        return cls(table, values)

    def symbols(self, rows: Any) -> Symbols:
        """Symbols of a table of rows."""
        pairs = zip(self.table.modelled, self.values, strict=True)
        each = [_places(values, rows[column.name]) for column, values in pairs]
        of = np.stack(each, 1).reshape(len(rows), len(self.values))
        return Symbols(np.maximum(of, 0), of >= 0)

    def restored(self, symbols: Symbols) -> Any:
        """A table of the modelled columns."""
        series = {}
        for place, (column, values) in enumerate(
            zip(self.table.modelled, self.values, strict=True)
        ):
            cells = values.take(symbols.of[:, place]).reset_index(drop=True)
            there = symbols.active[:, place]
            series[column.name] = cells if there.all() else cells.where(there)
        return pandas().DataFrame(series, index=pandas().RangeIndex(len(symbols)))

    def seen(self, symbols: Symbols) -> Tensor:
        """What a model sees, `[N, D]`, nan where a cell is missing."""
        cells = [told[symbols.of[:, place]] for place, told in enumerate(self.told)]
        seen = np.where(symbols.active, np.stack(cells, 1), np.nan)
        return torch.from_numpy(seen)

    def listed(self) -> list[np.ndarray]:
        """What a model sees where it sees the i-th value, for each column."""
        return self.told

    def written(self) -> bytes:
        """What `read` makes it of."""
        return b"".join(block(plain(values.to_frame())[1]) for values in self.values)

    @classmethod
    def read(cls, table: Table, content: bytes) -> "Columns":
        """The alphabet that `written` wrote."""
        reading = Reading(content)
        told, _ = plain(pandas().DataFrame())
        frames = [from_plain(told, reading.block()) for _ in table.modelled]
        return cls(table, [frame.iloc[:, 0] for frame in frames])


def _values(column: Column, cells: Any) -> Any:
    """The cells that a column may have, in the dtype that it comes in, rising."""
    pd = pandas()
    if column.kind == "categorical":
        known = [pd.Series([value]) for value in column.classes]
        return pd.concat(known, ignore_index=True).astype(cells.dtype)
    if column.kind == "boolean":
        return pd.Series([False, True]).astype(cells.dtype)
    present = pd.Series(cells[~cells.isna()].unique()).astype(cells.dtype)
    try:
        numbers = present.astype(np.float64).to_numpy()
    except (TypeError, ValueError):
        return present[:0]
    fits = np.abs(numbers) <= LARGEST_FLOAT
    if column.kind == "count":
        fits &= (numbers >= 0) & (numbers == np.floor(numbers))
    order = np.argsort(numbers[fits], kind="stable")
    return present[fits].iloc[order].reset_index(drop=True)


def _places(values: Any, cells: Any) -> np.ndarray:
    """Where each cell stands among the values; -1 where it is missing or not there."""
    places = {value: place for place, value in enumerate(values.tolist())}
    gone = cells.isna().to_numpy()
    found = np.array([places.get(cell, 0) for cell in cells.tolist()], dtype=np.int64)
    return np.where(gone, -1, found)
