"""Looking at data first: what it is, what was found, what is wrong, before anything is trained.

Where data comes from, and how it is read, stands in `intake`; how it looks in the modalities.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zscape.errors import DataError, SpecError, unknown
from zscape.modalities.array import find_array
from zscape.modalities.cutting import Cut, cut_of
from zscape.modalities.extras import is_frame
from zscape.modalities.found import Found, counted, listed, quote
from zscape.modalities.image import find_image, looks_like_pictures
from zscape.modalities.labels import code_labels
from zscape.modalities.logs import Logs, Mined, find_logs
from zscape.modalities.modality import Modality
from zscape.modalities.table import find_table
from zscape.study.intake.arrays import load_array
from zscape.study.intake.kinds import require_kind
from zscape.study.intake.logs import LOG_SUFFIXES, load_log, load_log_like
from zscape.study.intake.picture_shards import survey_pictures
from zscape.study.intake.pictures import SUFFIXES, as_name, load_folder, load_picture
from zscape.study.intake.row_shards import survey_rows
from zscape.study.intake.shards import Shards, shard_files
from zscape.study.intake.sources import (
    BUILT_IN,
    FEWEST_EXAMPLES,
    Raw,
    from_hub,
    from_python,
    named,
    too_few,
)
from zscape.study.intake.tables import TABLE_SUFFIXES, kind_of, load_table

SMALL_CLASS = 10
MOST_EXAMPLES_COMPARED = 200_000


@dataclass(frozen=True, slots=True)
class Data:
    """Data that was looked at: ready to train on, with what was found in a person's words.

    Attributes:
        modality: how the things look; fitted to them.
        x: the things as stored, `[N, *shape]`, uint8 where values allow.
        labels: class ids `[N]` (int64) into `label_names`, -1 where unknown; or None.
        label_names: the names of the classes.
        attributes: further numbers by name, `[N]` each.
        names: file names relative to the folder, or empty.
        notes: what was found, one line each.
        skipped: `(path, reason)` of the files that were left out.
        source: where the data came from, in a word.
        origin: how to look at them again: `name` or `path`, and the options of `look` that were
            given; empty for things that Python holds.
        shards: all examples, where they do not fit memory; x, labels and attributes are then
            those of a sample, up to 100,000 of them, evenly spaced.
        rows: the number of each sampled example among all, `[N]`; None where x is all.
        texts: captions and other texts by name, N each, empty where there is none.
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
    origin: Mapping[str, Any] = field(default_factory=dict)
    shards: Shards | None = None
    rows: Tensor | None = None
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def look(
    data: Any,
    *,
    labels: Any = None,
    label: str = "",
    captions: Sequence[str] | None = None,
    size: int | None = None,
    strict: bool = False,
    session: str = "",
    window: int | None = None,
    seconds: float | None = None,
) -> Data:
    """Looks at data and says what was found; nothing is trained and nothing is written.

    Args:
        data: a folder of pictures, or of shards (.parquet, or .tar of pictures); a .csv, .tsv,
            .jsonl, .parquet, .npy or .npz file, or a .log or .txt file of lines; the name of
            built-in data (`digits`, `mnist5k`, or 20,000 `sprites`, `lines` or `figures`);
            `hf:NAME` from the Hugging Face hub; an array, tensor, DataFrame, list, World or torch
            dataset; sessions of a log as lists of event names.
        labels: one class per example, of any type; None or NaN where it is unknown.
        label: the column of a table that holds the class; it is not modelled.
        captions: one short text per example, empty where there is none; for recipes that are told.
        size: the height and width that pictures from files are brought to, or drawn at.
        strict: refuse a folder in which any picture or shard cannot be read.
        session: regular expression of the id by which lines of a log are of one session.
        window: lines of a session, where they have no id; 20 where nothing is said.
        seconds: of a session, by the times that lines begin with.

    Raises:
        DataError: data that cannot be used, with the column, count and first row or file.
        SpecError: the name of built-in data that does not exist.
    """
    if isinstance(data, Data):
        return data
    if labels is not None and label:
        raise SpecError(f"Give labels or the column {label!r} that holds them, got both.")
    if files := _shard_files(data):
        seen = _look_at_shards(files, size=size, strict=strict, labels=labels, label=label)
    else:
        asked = bool(session) or window is not None or seconds is not None
        how = cut_of(session=session, window=window, seconds=seconds) if asked else None
        raw = _labelled(_open(data, size=size, strict=strict, label=label, how=how), label)
        _require_used(raw, size=size, label=label, how=how)
        found = _find(raw)
        if labels is not None:
            raw = replace(raw, labels=labels, label_names=())
        seen = _told(found, raw)
    if captions is not None:
        seen = replace(seen, texts={"caption": _captions(captions, seen)})
    held = labels is not None or captions is not None
    cuts = {"session": session, "window": window, "seconds": seconds}
    origin = {} if held else _origin(data, label=label, size=size, strict=strict, **cuts)
    return replace(seen, origin=origin)


def _captions(captions: Sequence[str], data: Data) -> tuple[str, ...]:
    if data.shards is not None or len(captions) != len(data.x):
        raise DataError(
            f"Captions must be one per example in memory, {len(data.x):,} here; got "
            f"{len(captions):,}. Pass a list of that length."
        )
    return tuple(map(str, captions))


def _look_at_shards(
    files: list[Path], *, size: int | None, strict: bool, labels: Any, label: str
) -> Data:
    source = as_name(files[0].parent.resolve().name)
    if labels is not None:
        raise SpecError(
            f"Labels of shards must lie in them, got labels for {source}. Name the column with "
            "label, or write .cls files beside the pictures."
        )
    rows = files[0].suffix.lower() == ".parquet"
    if size is not None and rows:
        raise SpecError(f"size is for pictures, got rows in {source}. Leave it out.")
    if label and not rows:
        raise SpecError(f"label is for columns, got pictures in {source}. Write .cls files.")
    survey = (
        survey_rows(files, source=source, strict=strict, label=label)
        if rows
        else survey_pictures(files, source=source, strict=strict, size=size)
    )
    data = _told(survey.found, survey.raw)
    if survey.shards is None:
        return data
    note = (
        f"streamed from {counted(len(survey.shards.files), 'shard')}; a sample of {len(data.x):,}, "
        "evenly spaced, is kept with the study"
    )
    notes = (data.notes[0], note, *data.notes[1:])
    return replace(data, notes=notes, shards=survey.shards, rows=survey.rows)


def _told(found: Found, raw: Raw) -> Data:
    """What was found as data, with everything there is to say."""
    ids, label_names = _coded(raw, len(found.x))
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
        notes=(headline, *raw.notes, *found.notes, *warnings, *_duplicates(found)),
        skipped=raw.skipped,
        source=raw.source,
        texts={name: tuple(texts) for name, texts in raw.texts.items()},
    )


def fingerprint(data: Data) -> str:
    """The sha256 of the stored examples, their labels and the sizes of shards, in hexadecimal."""
    found = hashlib.sha256(np.ascontiguousarray(data.x.numpy()).data)
    if data.labels is not None:
        found.update(np.ascontiguousarray(data.labels).data)
    if data.shards is not None:
        found.update(repr([chunk.rows for chunk in data.shards.chunks]).encode())
    return found.hexdigest()


def _shard_files(data: Any) -> list[Path]:
    return shard_files(Path(data)) if _is_folder(data) else []


def things_like(modality: Modality, data: Any, *, label: str = "") -> tuple[Any, Any]:
    """Things of a kind that is known, as they came, and their labels or None.

    Args:
        modality: what the things must be; pictures from a folder are brought to its size.
        data: as for `look`, or a single picture file.
        label: the column of a table that holds the class.

    Raises:
        DataError: data that cannot be read, or of another kind.
        SpecError: the name of built-in data that does not exist.
    """
    raw = raw_like(modality, data, label=label)
    if not raw.label_names or raw.labels is None:
        return raw.things, raw.labels
    names = raw.label_names
    return raw.things, [names[int(label)] if label >= 0 else None for label in raw.labels]


def raw_like(modality: Modality, data: Any, *, label: str = "") -> Raw:
    """Things of a kind that is known, as they came, with whatever came beside them.

    Args:
        modality: what the things must be; pictures from a folder are brought to its size.
        data: as for `look`, or a single picture file.
        label: the column of a table that holds the class.

    Raises:
        DataError: data that cannot be read, or of another kind.
        SpecError: the name of built-in data that does not exist.
    """
    path = Path(data) if isinstance(data, str | os.PathLike) and Path(data).is_file() else None
    if path and kind_of(path) in SUFFIXES:
        return load_picture(path, modality)
    if path and isinstance(modality, Logs):
        return load_log_like(path, modality)
    sides = modality.shape[1:]
    size = sides[0] if len(sides) == 2 and sides[0] == sides[1] and _is_folder(data) else None
    raw = _labelled(_open(data, size=size, strict=False, label=label), label)
    require_kind(modality, raw.things, raw.source)
    return raw


def _origin(data: Any, **options: Any) -> dict[str, Any]:
    if not isinstance(data, str | os.PathLike):
        return {}
    name = os.fspath(data)
    is_name = name in BUILT_IN or name.startswith("hf:")
    given = {option: value for option, value in options.items() if value}
    return {"name" if is_name else "path": name, **given}


def _is_folder(data: Any) -> bool:
    return isinstance(data, str | os.PathLike) and Path(data).is_dir()


def _open(data: Any, *, size: int | None, strict: bool, label: str, how: Cut | None = None) -> Raw:
    if not isinstance(data, (str, os.PathLike)):
        return from_python(data, size=size)
    name = os.fspath(data)
    if name.startswith("hf:"):
        return from_hub(name.removeprefix("hf:"), size=size, label=label)
    if name in BUILT_IN:
        _refuse_label(label, name)
        return named(name, size=size)
    path = Path(name)
    if path.is_dir():
        return load_folder(path, size=size, strict=strict, label=label)
    if path.is_file():
        return _open_file(path) if how is None else load_log(path, how)
    shown = quote(as_name(name), most=200)
    if os.path.lexists(path):
        raise DataError(f"{shown} must be a folder or a file, got neither. Check the path.")
    if path.suffix or len(path.parts) > 1 or name.endswith(os.sep):
        raise DataError(f"There must be a file or folder {shown}, got none. Check the path.")
    return named(name)


def _refuse_label(label: str, name: str) -> None:
    if label:
        raise SpecError(
            f"label names a column of a table, got {label!r} for {name}, which is none. Leave it "
            "out: classes that built-in data have are known."
        )


def _open_file(path: Path) -> Raw:
    kind = kind_of(path)
    if kind in TABLE_SUFFIXES:
        return load_table(path)
    if kind in (".npy", ".npz"):
        return load_array(path)
    if kind in LOG_SUFFIXES:
        return load_log(path, cut_of())
    shown = quote(as_name(path.name))
    if kind in SUFFIXES:
        raise DataError(
            f"Pictures must lie in a folder, got the single file {shown}. Pass the folder."
        )
    raise DataError(
        f"{shown} must be a folder of pictures or a file of the kinds "
        f"{', '.join((*TABLE_SUFFIXES, '.npy', '.npz', *LOG_SUFFIXES))}, got "
        f"{kind or 'no suffix'!r}. Convert it."
    )


def _labelled(raw: Raw, label: str) -> Raw:
    """A table with its label column taken out."""
    if not label or not is_frame(raw.things):
        return raw
    if label not in raw.things.columns:
        raise unknown("column", label, [str(name) for name in raw.things.columns])
    cells = raw.things[label].tolist()
    return replace(raw, things=raw.things.drop(columns=label), labels=cells)


def _require_used(raw: Raw, *, size: int | None, label: str, how: Cut | None) -> None:
    if how is not None and not isinstance(raw.things, Mined):
        raise SpecError(
            f"session, window and seconds are for files of log lines, got {raw.source}. Leave "
            "them out."
        )
    if size is not None and not raw.pictures:
        raise SpecError(
            f"size is for pictures that are read from files, got {raw.source}. Leave it out."
        )
    if label and raw.labels is None:
        raise SpecError(
            f"label names a column of a table, got {raw.source}. Pass labels, one per example."
        )


def _find(raw: Raw) -> Found:
    if len(raw.things) < FEWEST_EXAMPLES:
        raise too_few(len(raw.things), raw.source)
    if isinstance(raw.things, Mined):
        return find_logs(raw.things)
    if is_frame(raw.things):
        return find_table(raw.things)
    if looks_like_pictures(raw.things):
        return find_image(raw.things, channels_first=raw.channels_first)
    return find_array(raw.things)


def _coded(raw: Raw, number: int) -> tuple[np.ndarray | None, tuple[str, ...]]:
    return (None, ()) if raw.labels is None else code_labels(raw.labels, number, raw.label_names)


def _label_words(ids: np.ndarray) -> str:
    known = ids[ids >= 0]
    sizes = np.bincount(known)
    each = f"{sizes[0]:,}" if sizes.min() == sizes.max() else f"{sizes.min():,} to {sizes.max():,}"
    words = f"{counted(len(sizes), 'label')} ({each} of each)"
    return words if len(known) == len(ids) else f"{words}, {len(known):,} of {len(ids):,} labelled"


def _small_classes(ids: np.ndarray, label_names: tuple[str, ...]) -> list[str]:
    known = ids[ids >= 0]
    sizes = np.bincount(known, minlength=len(label_names))
    few = np.flatnonzero(sizes < SMALL_CLASS)
    small = [f"{quote(label_names[k])} ({sizes[k]})" for k in few]
    if len(known) < len(ids):
        alone = len(np.unique(known)) == 1
        return ["warning: all examples with a label are of one class"] if alone else []
    if not small:
        return []
    verb = "has" if len(small) == 1 else "have"
    return [
        f"warning: {counted(len(small), 'label')} {verb} fewer than {SMALL_CLASS} examples: "
        f"{listed(small)}"
    ]


def _duplicates(found: Found) -> list[str]:
    # Sessions of a log are mostly like others, and nothing is wrong with that.
    if len(found.x) > MOST_EXAMPLES_COMPARED or isinstance(found.modality, Logs):
        return []
    rows = found.x.numpy()
    repeated = len(rows) - len({row.tobytes() for row in rows})
    if repeated == 0:
        return []
    return [f"warning: {counted(repeated, 'example repeats', 'examples repeat')} an earlier one"]
