"""Deciding what a column of a table holds, in words; turning cells into numbers is `columns`'."""

import re
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from zscape.errors import DataError
from zscape.modalities.columns import Column, numbers_of, quoted, refuse
from zscape.modalities.extras import pandas
from zscape.modalities.found import counted, number_words, place, printable, quote

LARGEST_COUNT = 1000
MOST_DECIMALS = 6  # of numbers that a person wrote
SMALL_MEAN = 10
FEWEST_FOR_IDENTIFIER = 10
MOST_CLASSES = 500

NUMBER = re.compile(
    r"\s*[+-]?(\d+([.,]\d*)*|[.,]\d+)([eE][+-]?\d+)?\s*|\s*[+-]?inf(inity)?\s*", re.I
)
DATE = re.compile(
    r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T ]+\d.*)?\s*"
    r"|\s*\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*"
)


def judge(name: str | int, cells: Any) -> tuple[Column, str]:
    """The column that a pandas Series is, and a line that says why.

    Raises:
        DataError: dates, mixed cells, numbers in text, infinities: by name, count and first row.
    """
    pd = pandas()
    present = cells[~cells.isna()]
    if len(present) == 0:
        return Column(name, "dropped"), f"{_plain(name)}: no cell is filled, so it is dropped"
    if pd.api.types.is_object_dtype(cells.dtype) or _is_text(cells):
        return _judge_things(name, cells, present)
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return _judge_categories(name, cells, present)
    if pd.api.types.is_complex_dtype(cells.dtype):
        raise DataError(
            f"Column {quoted(name)} must hold real numbers, got complex ones. "
            "Split it into a real and an imaginary column."
        )
    if pd.api.types.is_bool_dtype(cells.dtype):
        return _judge_truths(name, cells, present)
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return _judge_numbers(name, cells)
    raise _dates(name, cells, present)


def _judge_things(name: str | int, cells: Any, present: Any) -> tuple[Column, str]:
    """A column of Python things: of truths, of numbers, of text, or refused."""
    kinds = set(map(type, present.tolist()))
    if all(issubclass(kind, (date, time, timedelta)) for kind in kinds):
        raise _dates(name, cells, present)
    if all(issubclass(kind, str) for kind in kinds):
        return _judge_text(name, cells, present)
    if all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return _judge_truths(name, cells, present)
    if all(issubclass(kind, (Real, Decimal, np.bool_)) for kind in kinds):
        return _judge_numbers(name, cells)
    texts = np.array([isinstance(cell, str) for cell in cells.tolist()])
    remedy = "All cells of a column must be of one type. Mend these cells, or drop the column."
    if texts.any() and all(issubclass(kind, (str, Real, Decimal)) for kind in kinds):
        refuse(name, cells, texts, "that are text among numbers", remedy)
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise DataError(
        f"Column {quoted(name)} must hold numbers, truths or text, got {names}, first in "
        f"{_first(cells, ~cells.isna().to_numpy())}. {remedy}"
    )


def _judge_truths(name: str | int, cells: Any, present: Any) -> tuple[Column, str]:
    if present.nunique() == 1:
        return _constant(name, cells, bool(present.iloc[0]))
    column = Column(name, "boolean", dtype=str(cells.dtype))
    return column, f"{_plain(name)}: true or false (Bernoulli){_missing(cells)}"


def _judge_numbers(name: str | int, cells: Any) -> tuple[Column, str]:
    numbers = numbers_of(name, cells)
    numbers = numbers[~np.isnan(numbers)]
    low, high = float(numbers.min()), float(numbers.max())
    whole = bool((numbers == np.floor(numbers)).all())
    dtype, said = str(cells.dtype), _plain(name)
    if low == high:
        return _constant(name, cells, int(low) if whole and abs(low) < 2**53 else low)
    if whole and (low, high) == (0, 1) and len(np.unique(numbers)) == 2:
        column = Column(name, "boolean", dtype=dtype, whole=True)
        return column, f"{said}: 0 or 1 (Bernoulli){_missing(cells)}"
    mean, scale = float(numbers.mean()), float(numbers.std()) or 1.0
    if whole and _are_counts(numbers, low, high, mean, scale):
        reason = f"whole numbers from {low:g} to {high:g}, {mean:.3g} on average"
        column = Column(name, "count", dtype=dtype, whole=True)
        return column, f"{said}: counts (negative binomial), because {reason}{_missing(cells)}"
    column = Column(
        name,
        "numeric",
        dtype=dtype,
        mean=mean,
        scale=scale,
        whole=whole,
        decimals=_decimals(numbers, dtype),
    )
    note = (
        f"{said}: numeric (Gaussian), {number_words(low)} to {number_words(high)}{_missing(cells)}"
    )
    if whole and len(numbers) > FEWEST_FOR_IDENTIFIER and bool((np.diff(numbers) == 1).all()):
        note = f"warning: {note}; it counts up by one like a row number, which means little"
    return column, note


def _judge_categories(name: str | int, cells: Any, present: Any) -> tuple[Column, str]:
    categories = [_value(value) for value in cells.dtype.categories.tolist()]
    if any(isinstance(value, (date, timedelta)) for value in categories):
        raise _dates(name, cells, present)
    if not all(isinstance(value, (str, int, float)) for value in categories):
        raise DataError(
            f"Column {quoted(name)} must have categories that are text or numbers, got "
            f"{categories[0]!r}. Rename them, for example with .cat.rename_categories(str)."
        )
    column = Column(
        name,
        "constant" if len(categories) == 1 else "categorical",
        dtype="category",
        classes=tuple(categories),
        ordered=bool(cells.dtype.ordered),
    )
    if column.kind == "constant":
        return column, _constant_note(name, cells, categories[0])
    return column, f"{_plain(name)}: {len(categories)} categories (categorical){_missing(cells)}"


def _judge_text(name: str | int, cells: Any, present: Any) -> tuple[Column, str]:
    classes = sorted(present.unique().tolist())
    sample = classes if len(classes) <= 1000 else classes[:: len(classes) // 1000]
    if sum(DATE.fullmatch(value) is not None for value in sample) > 0.9 * len(sample):
        raise _dates(name, cells, present)
    _refuse_numbers_in_text(name, cells, present)
    if len(classes) == 1:
        return _constant(name, cells, classes[0])
    unique = len(classes) == len(present) and len(classes) >= FEWEST_FOR_IDENTIFIER
    if unique or len(classes) > MOST_CLASSES:
        what = "every text is different" if unique else f"{len(classes):,} different texts"
        note = f"warning: {_plain(name)}: {what}, like an identifier, so it is dropped"
        return Column(name, "dropped"), note
    column = Column(name, "categorical", dtype=str(cells.dtype), classes=tuple(classes))
    return column, f"{_plain(name)}: {len(classes)} categories (categorical){_missing(cells)}"


def _refuse_numbers_in_text(name: str | int, cells: Any, present: Any) -> None:
    """Refuses text that is mostly numbers; whole ones that repeat may be names (postcodes)."""
    spelled = {value: NUMBER.fullmatch(value) is not None for value in present.unique().tolist()}
    numeric = cells.map(lambda cell: spelled.get(cell, False)).to_numpy(dtype=bool)
    if numeric.sum() <= len(present) / 2:
        return
    filled = ~cells.isna().to_numpy()
    remedy = "Write numbers with a decimal point, and leave cells empty to mark them missing."
    refuse(name, cells, filled & ~numeric, "that are text among numbers", remedy)
    commas = cells.map(lambda cell: isinstance(cell, str) and "," in cell).to_numpy(dtype=bool)
    refuse(name, cells, commas, "with a comma in a number", remedy)
    names = all(value.strip().isdigit() for value in spelled)
    if not names or len(spelled) > len(present) / 2:
        remedy = "Turn the column into numbers with pandas.to_numeric, or drop it."
        refuse(name, cells, numeric, "that are numbers written as text", remedy)


def _are_counts(numbers: np.ndarray, low: float, high: float, mean: float, scale: float) -> bool:
    if low < 0 or low > 1 or high > LARGEST_COUNT or len(np.unique(numbers)) <= 2:
        return False
    skew = float((((numbers - mean) / scale) ** 3).mean())
    return skew > 1 or (low == 0 and mean < SMALL_MEAN)


def _decimals(numbers: np.ndarray, dtype: str) -> int:
    """The fewest decimals by which all numbers can be written; -1: more than are meant."""
    exact = numbers.astype(np.float32) if dtype.lower() == "float32" else numbers
    tried = range(MOST_DECIMALS + 1)
    return next((n for n in tried if (np.round(numbers, n).astype(exact.dtype) == exact).all()), -1)


def _constant(name: str | int, cells: Any, value: Any) -> tuple[Column, str]:
    column = Column(name, "constant", dtype=str(cells.dtype), classes=(_value(value),))
    return column, _constant_note(name, cells, value)


def _constant_note(name: str | int, cells: Any, value: Any) -> str:
    shown = quote(value, most=40) if isinstance(value, str) else str(value)
    return (
        f"{_plain(name)}: always {shown}, so it is put back as it is and not modelled"
        f"{_missing(cells)}"
    )


def _dates(name: str | int, cells: Any, present: Any) -> DataError:
    value = quote(str(present.iloc[0]), most=40)
    return DataError(
        f"Column {quoted(name)} holds dates or times ({value} in "
        f"{_first(cells, ~cells.isna().to_numpy())}); zscape does not model dates yet. "
        "Drop it or turn it into numbers, e.g. days since a start."
    )


def _is_text(cells: Any) -> bool:
    return bool(pandas().api.types.is_string_dtype(cells.dtype))


def _first(cells: Any, which: np.ndarray) -> str:
    return place(int(np.argmax(which)))


def _missing(cells: Any) -> str:
    number = int(cells.isna().sum())
    return f", {counted(number, 'missing', 'missing')}" if number else ""


def _plain(name: str | int) -> str:
    return printable(str(name))


def _value(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
