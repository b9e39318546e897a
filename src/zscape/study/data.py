"""Looking at data first: what it is, what was found, what is wrong, before anything is trained.

Where data comes from stands in `sources`, `folder` and `tables`; how it looks in the modalities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from zscape.errors import DataError
from zscape.modalities.array import find_array
from zscape.modalities.found import Found, counted, listed, printable
from zscape.modalities.image import find_image, looks_like_pictures
from zscape.modalities.modality import Modality
from zscape.study.sources import Raw, named

FEWEST_EXAMPLES = 2
SMALL_CLASS = 10
MOST_EXAMPLES_COMPARED = 200_000


@dataclass(frozen=True, slots=True)
class Data:
    """Data that was looked at: ready to train on, with what was found in a person's words.

    Attributes:
        modality: how the things look; fitted to them.
        x: the things as stored, `[N, *shape]`, uint8 where values allow.
        labels: class ids `[N]` (int64) into `label_names`, or None.
        label_names: the names of the classes.
        attributes: further numbers by name, `[N]` each.
        names: file names relative to the folder, or empty.
        notes: what was found, one line each.
        skipped: `(path, reason)` of the files that were left out.
        source: where the data came from, in a word.
    """

    modality: Modality
    x: Tensor
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    attributes: Mapping[str, np.ndarray]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    source: str


def look(
    data: Any, *, labels: Any = None, label: str = "", size: int | None = None, strict: bool = False
) -> Data:
    """Looks at data and says what was found; nothing is trained and nothing is written.

    Args:
        data: a folder of pictures; a .csv, .tsv, .jsonl, .parquet, .npy or .npz file; the name of
            built-in data (`digits`, `mnist5k`, `sprites`, `lines`); `hf:NAME` from the Hugging
            Face hub; an array, tensor, DataFrame, list or torch dataset.
        labels: one class per example, of any type.
        label: the column of a table that holds the class; it is not modelled.
        size: the height and width that pictures from files are brought to.
        strict: refuse a folder in which any picture cannot be read.

    Raises:
        DataError: data that cannot be used, with the column, count and first row or file.
        SpecError: the name of built-in data that does not exist.
    """
    raw = _open(data)
    found = _find(raw)
    number = len(found.x)
    if number < FEWEST_EXAMPLES:
        raise _too_few(number, raw.source)
    ids, label_names = _coded(raw.labels if labels is None else labels, number)
    headline, warnings = found.headline, list[str]()
    if ids is not None:
        headline = f"{headline}, {_label_words(ids)}"
        warnings += _small_classes(ids, label_names)
    return Data(
        modality=found.modality,
        x=found.x,
        labels=ids,
        label_names=label_names,
        attributes=dict(raw.attributes),
        names=raw.names,
        notes=(headline, *raw.notes, *found.notes, *warnings, *_duplicates(found.x)),
        skipped=raw.skipped,
        source=raw.source,
    )


def _open(data: Any) -> Raw:
    if isinstance(data, str):
        return named(data)
    if isinstance(data, Tensor):
        return Raw(data.detach().cpu().numpy(), source="a tensor", channels_first=True)
    return Raw(np.asarray(data), source="an array")


def _find(raw: Raw) -> Found:
    if len(raw.things) == 0:
        raise _too_few(0, raw.source)
    if looks_like_pictures(raw.things):
        return find_image(raw.things, channels_first=raw.channels_first)
    return find_array(raw.things)


def _too_few(number: int, source: str) -> DataError:
    return DataError(
        f"Data must hold at least {FEWEST_EXAMPLES} examples, got {number or 'none'} "
        f"from {source}. Add some; a few hundred are a usual start."
    )


def _coded(labels: Any, number: int) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels of any type as class ids in the sorted order of the classes, and their names."""
    if labels is None:
        return None, ()
    raw = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    if raw.shape != (number,):
        raise DataError(
            f"Labels must be one per example, {number:,} here; got shape {raw.shape}. "
            "Pass a list of that length."
        )
    missing = np.array([value is None or value != value for value in raw.tolist()])
    if missing.any():
        raise DataError(
            f"Labels must be known for every example, got {counted(int(missing.sum()), 'missing')}"
            f", first at index {int(np.argmax(missing))}. Leave these examples out or name a "
            "class for them."
        )
    if raw.dtype == object:
        raw = np.array([str(value) for value in raw.tolist()])
    values, ids = np.unique(raw, return_inverse=True)
    return ids.astype(np.int64), tuple(_label_name(value) for value in values.tolist())


def _label_name(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _label_words(ids: np.ndarray) -> str:
    sizes = np.bincount(ids)
    each = f"{sizes[0]:,}" if sizes.min() == sizes.max() else f"{sizes.min():,} to {sizes.max():,}"
    return f"{counted(len(sizes), 'label')} ({each} of each)"


def _small_classes(ids: np.ndarray, label_names: tuple[str, ...]) -> list[str]:
    sizes = np.bincount(ids, minlength=len(label_names))
    small = [f"{printable(label_names[k])!r} ({sizes[k]})" for k in np.flatnonzero(sizes < SMALL_CLASS)]
    if not small:
        return []
    verb = "has" if len(small) == 1 else "have"
    return [
        f"warning: {counted(len(small), 'label')} {verb} fewer than {SMALL_CLASS} examples: "
        f"{listed(small)}"
    ]


def _duplicates(x: Tensor) -> list[str]:
    if len(x) > MOST_EXAMPLES_COMPARED:
        return []
    rows = x.numpy()
    repeated = len(rows) - len({row.tobytes() for row in rows})
    if repeated == 0:
        return []
    return [f"warning: {counted(repeated, 'example repeats', 'examples repeat')} an earlier one"]
