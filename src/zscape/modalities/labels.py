"""Classes of examples as numbers: ids into the names of the classes, -1 where a class is unknown.

It knows values of any type; what is done without a label is the business of those who read them.
"""

from typing import Any

import numpy as np
from torch import Tensor

from zscape.errors import DataError

UNKNOWN = -1


def code_labels(
    labels: Any, number: int, names: tuple[str, ...] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels of any type as class ids `[N]` in the sorted order of the classes, and their names.

    None, NaN and empty text are unknown: their id is -1.

    Args:
        labels: one per example.
        number: N.
        names: of the classes, where labels are ids into them already; ids below 0 are unknown.

    Raises:
        DataError: not one label per example, or none that is known.
    """
    array = _label_array(labels)
    if array.shape != (number,):
        raise DataError(
            f"Labels must be one per example, {number:,} here; got shape {array.shape}. "
            "Pass a list of that length, with None where a label is unknown."
        )
    values, known = array.tolist(), are_known(array, names)
    if number and not known.any():
        raise DataError(
            f"Labels must be known for some examples, got none of {number:,}. Give a few, or leave "
            "the labels out."
        )
    ids = np.full(number, UNKNOWN)
    given = _label_array([value for value, k in zip(values, known, strict=True) if k])
    ids[known], found = (given.astype(np.int64), names) if names else _classes(given)
    return ids, found


def are_known(labels: Any, names: tuple[str, ...] = ()) -> np.ndarray:
    """Which labels say a class, bool `[N]`; where they are ids into `names`, those from 0 on."""
    values = _label_array(labels).tolist()
    return np.array([not (_is_missing(v) or (names and v < 0)) for v in values], dtype=bool)


def class_ids(labels: Any) -> np.ndarray:
    """Classes of any type as ids from 0 in sorted order, `[N]`; -1 for NaN, None and below 0."""
    values = np.asarray(labels)
    known = np.array([not _is_missing(value) for value in values.tolist()], dtype=bool)
    if np.issubdtype(values.dtype, np.number):
        known &= values >= 0
    ids = np.full(len(values), UNKNOWN)
    if known.any():
        ids[known] = np.unique(values[known], return_inverse=True)[1]
    return ids


def _classes(labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if labels.dtype.kind in "biuf":
        values, ids = np.unique(labels, return_inverse=True)
        return ids.astype(np.int64), tuple(_label_name(value) for value in values.tolist())
    names = [_label_name(label) for label in labels.tolist()]
    order = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([order[name] for name in names]), tuple(order)


def _label_array(labels: Any) -> np.ndarray:
    if isinstance(labels, Tensor):
        return labels.cpu().numpy()
    values = list(labels)
    if all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in values):
        return np.asarray(labels if isinstance(labels, np.ndarray) else values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_missing(label: Any) -> bool:
    # pandas' NA is neither true nor false, so it is told by its own name.
    if label is None or str(label) == "<NA>":
        return True
    return not label.strip() if isinstance(label, str) else label != label


def _label_name(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)
