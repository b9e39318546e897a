"""What is true of a whole column that is only ever seen in batches, and the cells that prove it."""

from typing import Any

import numpy as np

from zscape.modalities.cells import MOST_CLASSES
from zscape.modalities.columns import LARGEST_FLOAT
from zscape.modalities.extras import optional

NUMBER, TRUTH, TEXT, OTHER = "numbers", "truths", "text", "others"


class Facts:
    """Facts of one column, in numbers that do not grow with its rows.

    Attributes:
        name: of the column.
        family: `numbers`, `truths`, `text` or `others`.
        rows: seen so far.
        missing: cells among them.
        mean: of the numbers.
        classes: different texts or truths, the first 501.
    """

    def __init__(self, name: str, family: str) -> None:
        self.name = name
        self.family = family
        self.rows = self.missing = self._counted = 0
        self.mean = self._squares = 0.0
        self._low, self._high = np.inf, -np.inf
        self._broken: float | None = None  # a number that is not whole
        self.classes: dict[Any, None] = {}

    @property
    def scale(self) -> float:
        """Standard deviation of the numbers; 1 where they do not vary."""
        return float(np.sqrt(self._squares / max(self._counted, 1))) or 1.0

    def add(self, column: Any) -> np.ndarray:
        """Takes in an Arrow column; which of its cells are infinite or beyond float32, bool."""
        self.rows += len(column)
        if self.family == NUMBER:
            return self._add_numbers(column.to_numpy(zero_copy_only=False).astype(np.float64))
        self.missing += column.null_count
        if self.family in (TRUTH, TEXT) and len(self.classes) <= MOST_CLASSES:
            for cell in column.unique().drop_null().slice(0, MOST_CLASSES + 1).to_pylist():
                self.classes.setdefault(cell)
        return np.zeros(len(column), dtype=bool)

    def witnesses(self) -> list[Any]:
        """Cells that show what a sample may lack: extremes, a fraction, all classes, a gap."""
        if self.family == NUMBER:
            known = [self._low, self._high] if self._counted else []
            cells: list[Any] = [*known, *([] if self._broken is None else [self._broken])]
        else:
            cells = list(self.classes)
        return [*cells, None] if self.missing else cells

    def _add_numbers(self, numbers: np.ndarray) -> np.ndarray:
        present = numbers[~np.isnan(numbers)]
        self.missing += len(numbers) - len(present)
        if len(present) == 0:
            return np.zeros(len(numbers), dtype=bool)
        low, high = float(present.min()), float(present.max())
        self._low, self._high = min(self._low, low), max(self._high, high)
        if max(-low, high) > LARGEST_FLOAT:
            return np.abs(numbers) > LARGEST_FLOAT
        if self._broken is None:
            broken = present[present != np.floor(present)]
            self._broken = float(broken[0]) if len(broken) else None
        self._merge(len(present), float(present.mean()), float(present.var()) * len(present))
        return np.zeros(len(numbers), dtype=bool)

    def _merge(self, count: int, mean: float, squares: float) -> None:
        """Source: Chan, Golub & LeVeque 1983, updating formulae for variances, eq. 2.1."""
        total = self._counted + count
        apart = mean - self.mean
        self._squares += squares + apart**2 * self._counted * count / total
        self.mean += apart * count / total
        self._counted = total


def family_of(kind: Any) -> str:
    """The family of an Arrow type."""
    types = optional("pyarrow", "data").types
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return NUMBER
    if types.is_boolean(kind):
        return TRUTH
    return TEXT if types.is_string(kind) or types.is_large_string(kind) else OTHER
