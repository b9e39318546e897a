"""Files of arrays (.npy .npz), checked against what they declare before anything is allocated."""

import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from zscape.errors import DataError
from zscape.modalities.found import counted, printable
from zscape.study.intake.room import require_room
from zscape.study.intake.sources import Raw

PICTURE_KEYS = ("x", "X", "images", "data", "x_train", "X_train", "train_images", "imgs", "arr_0")
LABEL_KEYS = ("y", "labels", "label", "y_train", "train_labels", "targets", "target", "classes")
# What a file that is no array file makes numpy and zipfile raise.
FAULTS = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    SyntaxError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def load_array(path: Path) -> Raw:
    """Reads a `.npy` or `.npz` file; of several arrays the one named or shaped like examples.

    Raises:
        DataError: a damaged file, a header that lies, a bomb, pickled objects, or no array of
            examples.
    """
    shown = printable(path.name)
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                file.seek(0)
                return _from_arrays(_archive(file, shown), shown)
            file.seek(0)
            size = os.fstat(file.fileno()).st_size
            return Raw(_array(file, size, shown), source=shown)
    except DataError:
        raise
    except FAULTS as error:
        reason = printable(str(error) or type(error).__name__)[:300]
        raise DataError(
            f"{shown} must be an array file without pickled objects, but reading it failed: "
            f"{reason}. Save it again with numpy.save or numpy.savez."
        ) from error


def _archive(file: IO[bytes], shown: str) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        unpacked = sum(member.file_size for member in members)
        require_room(shown, packed=os.fstat(file.fileno()).st_size, unpacked=unpacked)
        arrays = {}
        for member in members:
            with archive.open(member) as part:
                name = member.filename.removesuffix(".npy")
                arrays[name] = _array(part, member.file_size, shown)
        return arrays


def _array(file: IO[bytes], size: int, shown: str) -> np.ndarray:
    """The array of a file of `size` bytes, once its header declares no more and no less.

    Raises:
        ValueError: it does.
    """
    version = np.lib.format.read_magic(file)
    head = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    # The third kind differs from the second by the encoding of field names, which are refused.
    shape, by_columns, dtype = head[min(version, (2, 0))](file)
    if dtype.hasobject or dtype.names:
        raise ValueError(f"it holds {'pickled objects' if dtype.hasobject else 'records'}")
    held = size - file.tell()
    declared = prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or declared > held:
        raise ValueError(f"it declares {declared:,} bytes of numbers and holds {held:,}")
    if not shape:
        raise ValueError("it holds one number and no examples")
    require_room(shown, packed=size, unpacked=declared)
    numbers = np.empty(prod(shape), dtype=dtype)
    filled = file.readinto(numbers.view(np.uint8).data) if declared else 0  # type: ignore[attr-defined]
    if filled < declared:
        raise ValueError("it is cut off")
    file.read(1)  # at its end an archive checks the sum of what was read
    return numbers.reshape(shape, order="F" if by_columns else "C")


def _from_arrays(arrays: Mapping[str, np.ndarray], source: str) -> Raw:
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
