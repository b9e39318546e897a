"""Pictures in tar shards, as WebDataset writes them: two passes over all, and reading again."""

import json
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError
from zscape.modalities.found import Found, counted, printable
from zscape.modalities.image import Image, find_image
from zscape.study.intake import scan
from zscape.study.intake.parquet import DamagedError
from zscape.study.intake.pictures import SUFFIXES
from zscape.study.intake.policy import require_few_bad, skipped_words
from zscape.study.intake.quarantine import Relay
from zscape.study.intake.reader import Reader
from zscape.study.intake.shards import (
    MOST_SAMPLED,
    MOST_SAMPLED_BYTES,
    Chunk,
    Shards,
    Survey,
    require_same,
    stamp,
)
from zscape.study.intake.sizes import target_size
from zscape.study.intake.sources import FEWEST_EXAMPLES, Raw, too_few

LISTER = "zscape.study.intake.members"
BLOCK = 1024  # pictures of a chunk
LONGEST = 2**16  # bytes of a class or of attributes
SIZES_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Size:
    """What all pictures are brought to."""

    height: int
    width: int
    grey: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture, as pixels lie."""
        return (self.height, self.width) if self.grey else (self.height, self.width, 3)


class PictureShards(Shards):
    """Pictures of tar files; a chunk is up to 1,024 that follow each other.

    Args:
        modality: fitted to all pictures.
        files: sorted.
        parts: offset and bytes of every picture within its file `[n, 2]`, a file each.
    """

    modality: Image

    def __init__(
        self, modality: Image, files: tuple[Path, ...], parts: Sequence[np.ndarray]
    ) -> None:
        self.modality = modality
        self.files = files
        self.dtype = torch.uint8
        self._parts = tuple(parts)
        self._stamps = [stamp(path) for path in files]
        chunks, start = list[Chunk](), 0
        for shard, held in enumerate(parts):
            for number, first in enumerate(range(0, len(held), BLOCK)):
                rows = min(BLOCK, len(held) - first)
                chunks.append(Chunk(shard, number, start, rows))
                start += rows
        self.chunks = tuple(chunks)

    def read(self, chunk: Chunk, *, size: int) -> Iterator[Tensor]:
        """The pictures of a block as stored; every one of them was read before, in a worker."""
        path = self.files[chunk.shard]
        require_same(path, self._stamps[chunk.shard])
        first = chunk.number * BLOCK
        parts = self._parts[chunk.shard][first : first + chunk.rows]
        wanted = Size(self.modality.height, self.modality.width, self.modality.channels == 1)
        for begin in range(0, len(parts), size):
            read = [
                scan.read(
                    str(path),
                    height=wanted.height,
                    width=wanted.width,
                    grey=wanted.grey,
                    part=part.tolist(),
                )
                for part in parts[begin : begin + size]
            ]
            pixels = np.frombuffer(b"".join(read), dtype=np.uint8)
            yield self.modality.encode(pixels.reshape(-1, *wanted.shape))


@dataclass(slots=True)
class _Pass:
    """What is gathered while all pictures are read: where they lie, levels, and every 2**k-th."""

    size: Size
    most: int
    count: int = 0
    stride: int = 1
    levels: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    coloured: bool = False
    parts: list[np.ndarray] = field(default_factory=list)
    sampled: list[tuple[int, np.ndarray, dict[str, Any]]] = field(default_factory=list)

    def add(self, pixels: np.ndarray, path: Path, found: dict[str, Any]) -> None:
        """Takes in one picture; what lies beside it is read if it is kept."""
        self.levels += np.bincount(pixels.reshape(-1), minlength=256)
        if not self.size.grey and not self.coloured:
            self.coloured = bool((pixels != pixels[..., :1]).any())
        if self.count % self.stride == 0:
            self.sampled.append((self.count, pixels, _told(path, found)))
        self.count += 1
        if len(self.sampled) > self.most:
            self.stride *= 2
            self.sampled = [kept for kept in self.sampled if kept[0] % self.stride == 0]


def survey_pictures(
    files: list[Path], *, source: str, size: int | None = None, strict: bool = False
) -> Survey:
    """Reads all pictures of tar files, in a worker, and brings them to one size.

    Up to 1 % of the pictures may be unreadable if at least 100 can be read; they are listed.

    Args:
        files: the shards, sorted.
        source: a word for where they lie.
        size: height and width that pictures are brought to.
        strict: refuse any picture that cannot be read.

    Raises:
        DataError: a file that is no tar file, no pictures, or too many that cannot be read.
    """
    bad: dict[str, str] = {}
    with Reader() as reader:
        wanted, note = _measured(files, reader, bad, size)
        each = math.prod(wanted.shape)
        seen = _Pass(wanted, most=max(min(MOST_SAMPLED, MOST_SAMPLED_BYTES // each), 1))
        for path in files:
            seen.parts.append(_read_shard(path, reader, bad, seen))
    skipped = tuple(sorted(bad.items()))
    require_few_bad(seen.count, skipped, things="pictures", strict=strict)
    if seen.count < FEWEST_EXAMPLES:
        raise too_few(seen.count, source)
    found = _found(seen)
    labels, attributes = _beside(beside for _, _, beside in seen.sampled)
    words = [f"warning: {skipped_words(skipped, thing='picture')}"] if skipped else []
    raw = Raw(
        things=None,
        source=source,
        labels=labels,
        attributes=attributes,
        notes=(*words, *([note] if note else [])),
        skipped=skipped,
    )
    rows = torch.tensor([number for number, _, _ in seen.sampled])
    assert isinstance(found.modality, Image)
    shards = PictureShards(found.modality, tuple(files), seen.parts) if seen.stride > 1 else None
    return Survey(found, raw, rows, shards)


def lister(files: Sequence[Path]) -> Relay[dict[str, Any]]:
    """The pictures of tar files in order: `name`, `part`, and where .cls and .json lie."""

    def receive(sent: IO[bytes]) -> Generator[dict[str, Any], None, bool]:
        while line := sent.readline():
            try:
                found = json.loads(line)
            except ValueError:
                return False
            if found is None:
                return True
            yield found
        return False

    def refuse(shown: str, failure: dict[str, Any]) -> DataError:
        return DamagedError(shown, failure["reason"], kind="tar")

    asked = {"suffixes": SUFFIXES}
    return Relay(LISTER, files, asked=asked, receive=receive, refuse=refuse)


def shown_name(path: Path, name: str) -> str:
    """A picture's name with that of its shard."""
    return f"{printable(path.name)}/{printable(name)}"


def _measured(
    files: list[Path], reader: Reader, bad: dict[str, str], size: int | None
) -> tuple[Size, str]:
    """The size that suits all pictures, from their headers."""
    sizes = dict[tuple[int, int], int]()
    grey = True
    with lister(files) as shards:
        for path in files:
            for found in shards.contents():
                reply = reader.measure(str(path), part=found["part"])
                if reply.reason:
                    bad[shown_name(path, found["name"])] = reply.reason
                    continue
                pair = (reply.head["height"], reply.head["width"])
                sizes[pair] = sizes.get(pair, 0) + 1
                grey &= reply.head["grey"]
    # In proportion: the median of a hundred thousand is that of all.
    thin = max(sum(sizes.values()) // SIZES_KEPT, 1)
    listed = [pair for pair, number in sizes.items() for _ in range(max(number // thin, 1))]
    height, width, note = target_size(listed, size)
    return Size(height, width, grey), note


def _read_shard(path: Path, reader: Reader, bad: dict[str, str], seen: _Pass) -> np.ndarray:
    parts = []
    size = seen.size
    with lister([path]) as shard:
        for found in shard.contents():
            name = shown_name(path, found["name"])
            if name in bad:
                continue
            reply = reader.read(
                str(path),
                height=size.height,
                width=size.width,
                grey=size.grey,
                part=found["part"],
            )
            if reply.reason:
                bad[name] = reply.reason
                continue
            parts.append(found["part"])
            pixels = np.frombuffer(reply.pixels, dtype=np.uint8).reshape(size.shape)
            seen.add(pixels, path, found)
    return np.array(parts, dtype=np.int64).reshape(-1, 2)


def _found(seen: _Pass) -> Found:
    pixels = np.stack([pixels for _, pixels, _ in seen.sampled])
    levels, notes = seen.levels, list[str]()
    if not seen.size.grey and not seen.coloured:
        pixels, levels = np.ascontiguousarray(pixels[..., 0]), levels // 3
        notes.append("the pictures are stored in colour but every pixel is grey")
    found = find_image(pixels, levels=levels)
    image = replace(found.modality, num_examples=seen.count)  # type: ignore[type-var]
    headline = found.headline.replace(
        counted(len(pixels), "picture"), counted(seen.count, "picture"), 1
    )
    return Found(image, found.x, headline, (*found.notes, *notes))


def _told(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """The class of a picture, and its attributes that are numbers."""
    told: dict[str, Any] = {}
    for suffix in (".cls", ".json"):
        offset, size = found.get(suffix, (0, 0))
        if not 0 < size <= LONGEST:
            continue
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(size)
        try:
            told[suffix] = content.decode() if suffix == ".cls" else json.loads(content)
        except (ValueError, RecursionError):
            continue  # it is an extra, and is left alone like text among attributes
    return told


def _beside(all_told: Iterator[dict[str, Any]]) -> tuple[list[Any] | None, dict[str, np.ndarray]]:
    """Labels and attributes, None and NaN where a picture lacks them; no labels: None."""
    kept = list(all_told)
    labels = [told.get(".cls", "").strip() for told in kept]
    numbers: dict[str, np.ndarray] = {}
    for row, told in enumerate(kept):
        known = told.get(".json")
        for name, value in known.items() if isinstance(known, dict) else ():
            if isinstance(value, (int, float)) and abs(value) <= np.finfo(np.float64).max:
                numbers.setdefault(name, np.full(len(kept), np.nan))[row] = value
    return (_ids(labels) if any(labels) else None), numbers


def _ids(labels: list[str]) -> list[Any]:
    whole = all(label.isascii() and label.isdigit() for label in labels if label)
    return [(int(label) if whole else label) if label else None for label in labels]
