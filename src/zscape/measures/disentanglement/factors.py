"""Codes beside the classes of known factors: the table that every measure here reads.

This is the edge at which codes and factors are checked; nothing here measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zscape.errors import DataError, ShapeError

FACTOR_BINS = 10  # quantile bins of a real factor
_ROWS_A_CLASS = 5  # on average, below which a factor is a name and no factor


@dataclass(frozen=True, slots=True)
class Labelled:
    """Codes float64 `[N, D]` beside classes `[N, F]` numbered from 0, and the factors' names."""

    codes: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]

    @property
    def counts(self) -> list[int]:
        """How many classes each factor has."""
        return [int(column.max()) + 1 for column in self.classes.T]


def labelled(codes: np.ndarray, factors: np.ndarray, names: Sequence[str] = ()) -> Labelled:
    """Codes and factors as a checked table.

    Whole numbers, booleans and texts are classes. Reals are classes too where they take at most
    as many values as there are bins; otherwise, and where whole numbers hardly repeat, they are
    cut at their quantiles into ten bins, fewer of few rows.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`, of any type; of type object where columns differ.
        names: of the factors; numbered unless given.

    Raises:
        ShapeError: codes, factors and names that do not belong together.
        DataError: a missing value, a factor that never changes, or one that hardly repeats.
    """
    codes, factors = np.asarray(codes, dtype=np.float64), np.asarray(factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or not codes.size:
        raise ShapeError(
            f"Codes must be [N, D] and factors [N, F] of the same N, got {codes.shape} and "
            f"{factors.shape}. Pass one row per example in both."
        )
    names = tuple(names) or tuple(f"factor {f}" for f in range(factors.shape[1]))
    if len(names) != factors.shape[1] or not names:
        raise ShapeError(
            f"There must be one name per factor, got {len(names)} names of {factors.shape[1]} "
            "factors. Name each column."
        )
    if not np.isfinite(codes).all():
        raise DataError(
            "Codes must be finite, got missing or infinite ones. Leave those rows out, or train "
            "the model again."
        )
    columns = [_classes(column, name) for column, name in zip(factors.T, names, strict=True)]
    return Labelled(codes, np.stack(columns, 1), names)


def _classes(column: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(column.tolist()) if column.dtype == object else column
    _refuse_missing(column, values, name)
    if values.dtype.kind in "iu":
        classes = _renumbered(values)
        if (int(classes.max()) + 1) * _ROWS_A_CLASS > len(column):
            classes = _quantile_bins(values)
    else:
        found, classes = np.unique(values, return_inverse=True)
        if values.dtype.kind == "f" and len(found) > FACTOR_BINS:
            classes = _quantile_bins(values)
    count = int(classes.max()) + 1
    if count < 2:
        raise DataError(
            f"Factor {name!r} must take at least two values, got only {column[0]}. Leave it out."
        )
    if count * _ROWS_A_CLASS > len(column):
        raise DataError(
            f"Factor {name!r} must repeat its values, got {count:,} of them in {len(column):,} "
            "rows. Leave it out, or give it as numbers, which are binned."
        )
    return classes


def _refuse_missing(column: np.ndarray, values: np.ndarray, name: str) -> None:
    if values.dtype.kind in "iub":
        return
    if values.dtype.kind == "f":
        missing = int((~np.isfinite(values)).sum())
    else:
        missing = sum(value is None or value != value for value in column.tolist())
    if missing:
        raise DataError(
            f"Factor {name!r} must be known in every row, got {missing:,} missing of "
            f"{len(column):,}. Fill them in, or leave the factor out."
        )


def _renumbered(values: np.ndarray) -> np.ndarray:
    """The ranks of whole numbers; by counting where they lie close together, which is faster."""
    least, most = int(values.min()), int(values.max())
    if most - least > 4 * len(values):
        return np.unique(values, return_inverse=True)[1]
    places = (values - least).astype(np.int64)
    ranks: np.ndarray = np.cumsum(np.bincount(places) > 0) - 1
    return ranks[places]


def _quantile_bins(values: np.ndarray) -> np.ndarray:
    bins = max(min(FACTOR_BINS, len(values) // _ROWS_A_CLASS), 2)
    cuts = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return np.unique(np.searchsorted(cuts, values, side="right"), return_inverse=True)[1]
