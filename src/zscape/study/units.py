"""Data of a kind that is known, in units that are read one by one and from their beginning."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zscape.errors import DataError
from zscape.modalities.extras import is_frame
from zscape.modalities.found import printable
from zscape.modalities.image import Image
from zscape.modalities.modality import Modality
from zscape.modalities.table import Table
from zscape.study.data import things_like
from zscape.study.intake.parquet import decoder
from zscape.study.intake.picture_shards import lister, shown_name
from zscape.study.intake.pictures import as_name, list_pictures
from zscape.study.intake.policy import require_few_bad
from zscape.study.intake.reader import Reader
from zscape.study.intake.row_shards import frame_of
from zscape.study.intake.shards import shard_files, stamp

PICTURES_AT_ONCE = 512
PICTURES_A_UNIT = 10_000
ROWS_A_UNIT = 2**18


@dataclass(frozen=True, slots=True)
class Piece:
    """Examples that follow each other: their numbers `[n]`, names if they have any, and content."""

    rows: np.ndarray
    stored: Tensor
    keys: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Unit:
    """A shard, or a part of data that is not in shards.

    Attributes:
        name: unlike that of any other unit.
        stamp: what changes when the unit does.
        pieces: its examples in order; fills the list with `(name, reason)` of those left out.
    """

    name: str
    stamp: list[int]
    pieces: Callable[[list[tuple[str, str]]], Iterator[Piece]]


def units_of(modality: Modality, data: Any, *, strict: bool = False) -> list[Unit]:
    """The units of data, in a fixed order; nothing but names and sizes is read yet.

    Args:
        modality: of the study that is to encode them.
        data: a folder of shards, or whatever `look` takes.
        strict: refuse any picture that cannot be read.

    Raises:
        DataError: data that cannot be read.
    """
    path = Path(data) if isinstance(data, str | os.PathLike) else None
    if path is not None and path.is_dir() and (files := shard_files(path)):
        return [_shard(modality, file, strict) for file in files]
    if path is not None and path.is_dir() and isinstance(modality, Image):
        return _loose(modality, path, strict)
    if path is not None and path.is_file() and path.suffix.lower() == ".parquet":
        return [_shard(modality, path, strict)]
    things, _ = things_like(modality, data)
    return [
        _held(modality, things, start, source=as_name(path.name) if path else "data")
        for start in range(0, len(things), ROWS_A_UNIT)
    ]


def _shard(modality: Modality, path: Path, strict: bool) -> Unit:
    name = as_name(path.name)
    if path.suffix.lower() == ".parquet":
        return Unit(name, list(stamp(path)), lambda skipped: _rows(modality, path))
    if not isinstance(modality, Image):
        raise DataError(f"{printable(name)} holds pictures, and the study is of rows. Pass rows.")
    image = modality

    def pieces(skipped: list[tuple[str, str]]) -> Iterator[Piece]:
        with lister([path]) as shard:
            found = ((shown_name(path, f["name"]), str(path), f["part"]) for f in shard.contents())
            yield from _pictures(image, found, skipped, strict)

    return Unit(name, list(stamp(path)), pieces)


def _rows(modality: Modality, path: Path) -> Iterator[Piece]:
    names = [str(c.name) for c in modality.modelled] if isinstance(modality, Table) else None
    start = 0
    with decoder([path], columns=names) as file:
        for batch in file.contents():
            if names and not any(name in batch.schema.names for name in names):
                raise DataError(
                    f"{printable(path.name)} must have the columns of the study, such as "
                    f"{printable(names[0])!r}, and has none. Pass rows like those it was made for."
                )
            if len(batch) == 0:
                continue
            try:
                stored = modality.encode(frame_of(batch))
            except DataError as error:
                after = f", counted from row {start + 1:,}" if start else ""
                raise DataError(f"{printable(path.name)}{after}: {error}") from error
            yield Piece(np.arange(start, start + len(batch)), stored)
            start += len(batch)


def _loose(image: Image, folder: Path, strict: bool) -> list[Unit]:
    paths, unread = list_pictures(folder)
    if not paths:
        raise DataError(f"{printable(str(folder))} must hold pictures, got none. Check the path.")

    def unit(start: int) -> Unit:
        own = paths[start : start + PICTURES_A_UNIT]

        def pieces(skipped: list[tuple[str, str]]) -> Iterator[Piece]:
            skipped += [(as_name(p), why) for p, why in unread.items()] if start == 0 else []
            found = ((as_name(path), os.path.join(folder, path), None) for path in own)
            return _pictures(image, found, skipped, strict)

        stamps = (stamp(folder / path) for path in own)
        known = _digest(*(f"{path}{made}".encode() for path, made in zip(own, stamps, strict=True)))
        return Unit(f"pictures-{start // PICTURES_A_UNIT:05}", [len(paths), start, known], pieces)

    return [unit(start) for start in range(0, len(paths), PICTURES_A_UNIT)]


def _pictures(
    image: Image, found: Iterator[Any], skipped: list[tuple[str, str]], strict: bool
) -> Iterator[Piece]:
    grey = image.channels == 1
    shape = (image.height, image.width) if grey else (image.height, image.width, 3)
    rows: list[int] = []
    keys: list[str] = []
    pixels: list[np.ndarray] = []
    good = 0
    with Reader() as reader:
        for row, (name, path, part) in enumerate(found):
            reply = reader.read(path, height=image.height, width=image.width, grey=grey, part=part)
            if reply.reason:
                skipped.append((name, reply.reason))
                continue
            rows.append(row)
            keys.append(name)
            pixels.append(np.frombuffer(reply.pixels, dtype=np.uint8).reshape(shape))
            good += 1
            if len(rows) == PICTURES_AT_ONCE:
                yield Piece(np.array(rows), image.encode(np.stack(pixels)), keys)
                rows, keys, pixels = [], [], []
    require_few_bad(good, skipped, things="pictures", strict=strict)
    if rows:
        yield Piece(np.array(rows), image.encode(np.stack(pixels)), keys)


def _held(modality: Modality, things: Any, start: int, *, source: str) -> Unit:
    stop = min(start + ROWS_A_UNIT, len(things))

    stored = modality.encode(things.iloc[start:stop] if is_frame(things) else things[start:stop])

    def pieces(skipped: list[tuple[str, str]]) -> Iterator[Piece]:
        yield Piece(np.arange(start, stop), stored)

    known = _digest(np.ascontiguousarray(stored.numpy()).data)
    return Unit(f"{source}-{start // ROWS_A_UNIT:05}", [len(things), start, known], pieces)


def _digest(*parts: bytes | memoryview) -> int:
    """A number of 48 bits that changes when the parts do."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return int(found.hexdigest()[:12], 16)
