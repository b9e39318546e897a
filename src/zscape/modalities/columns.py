"""One column of a table: its cells as numbers and back. Which kind it is, `cells` decides."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from zscape.errors import DataError
from zscape.modalities.array import whole_bounds
from zscape.modalities.extras import pandas
from zscape.modalities.found import counted, listed, place, quote

LARGEST_FLOAT = float(np.finfo(np.float32).max)

LIKELIHOODS = {
    "numeric": "gaussian",
    "count": "negative_binomial",
    "boolean": "bernoulli",
    "categorical": "categorical",
}
MODELLED = tuple(LIKELIHOODS)


@dataclass(frozen=True, slots=True)
class Column:
    """What is known of one column.

    Attributes:
        name: as the table has it.
        kind: `numeric`, `count`, `boolean`, `categorical`, `constant` or `dropped`.
        dtype: the pandas dtype that its cells come back in.
        mean: of the cells, if numeric.
        scale: standard deviation of the cells, if numeric.
        whole: whether all numbers were whole, so that they come back rounded.
        decimals: the most that a cell has, if numeric, to which they come back rounded; -1: too
            many to be meant.
        classes: the categories in order; or the one value of a constant column.
        ordered: whether pandas holds the categories as ordered.
    """

    name: str | int
    kind: str
    dtype: str = "float64"
    mean: float = 0.0
    scale: float = 1.0
    whole: bool = False
    decimals: int = -1
    classes: tuple[Any, ...] = ()
    ordered: bool = False

    def __post_init__(self) -> None:
        """Takes lists, as TOML and JSON have no tuples."""
        object.__setattr__(self, "classes", tuple(self.classes))


def quoted(name: str | int) -> str:
    """A column's name as messages show it."""
    return quote(name) if isinstance(name, str) else str(name)


def numbers_of(name: str | int, cells: Any) -> np.ndarray:
    """The cells as float64, NaN where missing.

    Raises:
        DataError: cells that are not numbers, infinite or beyond float32, by count and first row.
    """
    missing = cells.isna().to_numpy()
    try:
        numbers = np.full(len(cells), np.nan)
        numbers[~missing] = cells[~missing].astype(np.float64)
    except (TypeError, ValueError):
        raise not_a_number(name, cells) from None
    refuse(
        name,
        cells,
        np.abs(numbers) > LARGEST_FLOAT,
        "that are infinite or too large for single precision",
        "Numbers must be finite. Leave these rows out, or empty the cells to mark them missing.",
    )
    return numbers


def refuse(name: str | int, cells: Any, wrong: np.ndarray, what: str, remedy: str) -> None:
    """Refuses cells of a column, with their count and the first one.

    Raises:
        DataError: any of `wrong` `[N]` is true.
    """
    if not wrong.any():
        return
    first, number = int(np.argmax(wrong)), int(wrong.sum())
    value = quote(str(cells.iloc[first]), most=40)
    said = what.replace("that are", "that is", 1) if number == 1 else what
    raise DataError(
        f"Column {quoted(name)} holds {counted(number, 'cell')} {said}, "
        f"first {value} in {place(first)}. {remedy}"
    )


def not_a_number(name: str | int, cells: Any) -> DataError:
    """The error for a column of numbers among whose cells some are none."""
    wrong = np.array([not _reads_as_number(cell) for cell in cells.tolist()])
    wrong &= ~cells.isna().to_numpy()
    remedy = (
        "All cells of a column of numbers must be numbers, with a decimal point. "
        "Mend these cells, empty them to mark them missing, or make all of them text."
    )
    try:
        refuse(name, cells, wrong, "that are not numeric", remedy)
    except DataError as error:
        return error
    return DataError(f"Column {quoted(name)} must hold numbers, got {cells.dtype}. {remedy}")


def encode_cells(column: Column, cells: Any) -> np.ndarray:
    """The cells of a modelled column as float32 `[N]`: standardised, raw counts, 0/1 or class ids.

    Raises:
        DataError: cells this column cannot have, such as an unseen category.
    """
    if column.kind == "categorical":
        return _class_ids(column, cells)
    numbers = numbers_of(column.name, cells)
    present = ~np.isnan(numbers)
    if column.kind == "numeric":
        return ((numbers - column.mean) / column.scale).astype(np.float32)
    if column.kind == "count":
        wrong = present & ((numbers < 0) | (numbers != np.floor(numbers)))
        remedy = "This column held counts (0, 1, 2, ...) in training. Mend these cells."
        refuse(column.name, cells, wrong, "that are not counts", remedy)
    else:
        wrong = present & (numbers != 0) & (numbers != 1)
        remedy = "This column held only 0 and 1, or true and false, in training. Mend these cells."
        refuse(column.name, cells, wrong, "that are neither 0 nor 1", remedy)
    return numbers.astype(np.float32)


def require_constant(column: Column, cells: Any) -> None:
    """Refuses cells that differ from the one value a constant column had.

    Raises:
        DataError: such a cell is there.
    """
    value = column.classes[0]
    wrong = ~cells.isna().to_numpy() & np.array([cell != value for cell in cells.tolist()])
    remedy = (
        f"In training it was always {_shown(value)}, so nothing else can be modelled. Leave it out."
    )
    refuse(column.name, cells, wrong, "of another value", remedy)


def decode_cells(column: Column, values: np.ndarray) -> Any:
    """A pandas Series of the person's own cells from what a model sees: `[N]`, NaN missing.

    Raises:
        DataError: the cells cannot be of the type that a study file says.
    """
    try:
        return _cells(column, values)
    except (TypeError, ValueError, NotImplementedError, OverflowError) as error:
        raise DataError(
            f"Column {quoted(column.name)} must come back as {quote(column.dtype)}, and pandas "
            f"cannot make that of it ({quote(str(error))}). Restore the study from a copy."
        ) from error


def _cells(column: Column, values: np.ndarray) -> Any:
    missing = np.isnan(values)
    if column.kind == "constant":
        return _series(column, [column.classes[0]] * len(values))
    if column.kind == "categorical":
        ids = np.nan_to_num(values).round().clip(0, len(column.classes) - 1).astype(np.int64)
        cells = [None if gone else column.classes[i] for i, gone in zip(ids, missing, strict=True)]
        return _series(column, cells)
    numbers = values.astype(np.float64)
    if column.kind == "numeric":
        numbers = numbers * column.scale + column.mean
        numbers = np.round(numbers, column.decimals) if column.decimals > 0 else numbers
    elif column.kind == "count":
        numbers = np.maximum(numbers, 0)
    else:
        numbers = np.where(missing, np.nan, numbers >= 0.5)
    if column.whole:
        numbers = np.rint(numbers)
    return _number_series(column, numbers + 0.0, missing)  # a little below 0 is 0, and not -0


def _number_series(column: Column, numbers: np.ndarray, missing: np.ndarray) -> Any:
    pd = pandas()
    dtype = pd.api.types.pandas_dtype(column.dtype)
    if isinstance(dtype, np.dtype) and dtype.kind in "iuf":
        if dtype.kind in "iu":
            numbers = numbers.clip(*whole_bounds(dtype))
        return pd.Series(numbers).astype(dtype)
    cast = bool if column.kind == "boolean" else int if column.whole else float
    return _series(
        column,
        [None if gone else cast(n) for n, gone in zip(numbers.tolist(), missing, strict=True)],
    )


def _series(column: Column, cells: list[Any]) -> Any:
    pd = pandas()
    if column.dtype == "category":
        held = pd.Categorical(cells, categories=list(column.classes), ordered=column.ordered)
        return pd.Series(held)
    return pd.Series(cells, dtype=column.dtype)


def _class_ids(column: Column, cells: Any) -> np.ndarray:
    known = {value: float(i) for i, value in enumerate(column.classes)}
    missing = cells.isna().to_numpy()
    ids = np.array([known.get(cell, -1.0) for cell in cells.tolist()], dtype=np.float32)
    ids[missing] = np.nan
    names = listed([_shown(value) for value in column.classes], most=10)
    refuse(
        column.name,
        cells,
        ids == -1,
        "of a category that training did not see",
        f"Known: {names}. Use one of these, or train on data that has it.",
    )
    return ids


def _shown(value: Any) -> str:
    return quote(value) if isinstance(value, str) else str(value)


def _reads_as_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
