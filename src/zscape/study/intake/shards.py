"""Data too large for memory: a folder of shards, cut into chunks that can be read one by one.

What the shards hold stands in `row_shards` and `picture_shards`; how training reads them in
`streaming`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zscape.errors import DataError
from zscape.modalities.found import Found, quote
from zscape.modalities.modality import Modality
from zscape.study.intake.pictures import SUFFIXES, as_name
from zscape.study.intake.sources import Raw

SHARD_SUFFIXES = (".parquet", ".tar")
MOST_SAMPLED = 100_000  # examples that a study of streamed data keeps and encodes
MOST_SAMPLED_BYTES = 2**27


@dataclass(frozen=True, slots=True)
class Chunk:
    """Examples that lie together in a shard.

    Attributes:
        shard: which of the files.
        number: which chunk of that file.
        start: the number of its first example, over all shards.
        rows: how many it has.
    """

    shard: int
    number: int
    start: int
    rows: int


class Shards(ABC):
    """Examples in files, in a fixed order that is that of the sorted names.

    Attributes:
        modality: of all of them.
        dtype: as which they are stored.
        files: the shards, sorted.
        chunks: in the order of the examples.
    """

    modality: Modality
    dtype: torch.dtype
    files: tuple[Path, ...]
    chunks: tuple[Chunk, ...]

    @abstractmethod
    def read(self, chunk: Chunk, *, size: int) -> Iterator[Tensor]:
        """The examples of a chunk as stored, `[size, *shape]` but for the last.

        Raises:
            DataError: a shard is not as it was when it was looked at.
        """

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all examples, `(N, *shape)`."""
        return (len(self), *self.modality.shape)

    def __len__(self) -> int:
        last = self.chunks[-1]
        return last.start + last.rows


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over all shards found.

    Attributes:
        found: the modality, fitted to all examples, and a sample of them as stored.
        raw: the sample's labels, names and attributes; notes, and what was skipped.
        rows: the number of each sampled example, over all shards, rising `[M]`.
        shards: all examples; None where the sample is all of them.
    """

    found: Found
    raw: Raw
    rows: Tensor
    shards: Shards | None


def shard_files(folder: Path) -> list[Path]:
    """The shards of a folder, sorted by the bytes of their names; empty if it is none of shards.

    Raises:
        DataError: a folder of both kinds.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
    kinds = {kind: [n for n in names if n.lower().endswith(kind)] for kind in SHARD_SUFFIXES}
    held = [kind for kind, found in kinds.items() if found]
    if not held or any(os.path.splitext(name)[1].lower() in SUFFIXES for name in names):
        return []
    if len(held) > 1:
        raise DataError(
            f"Shards must be of one kind, got {' and '.join(held)} in "
            f"{quote(as_name(str(folder)), most=200)}. Pass a folder for each."
        )
    return [folder / name for name in sorted(kinds[held[0]], key=os.fsencode)]


def stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does: its size and when it was written, in nanoseconds."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def require_same(path: Path, known: tuple[int, int]) -> None:
    """Refuses a shard that changed since it was looked at.

    Raises:
        DataError: it did, or is gone.
    """
    try:
        if stamp(path) == known:
            return
        what = "it was written again"
    except OSError as error:
        what = error.strerror or "it cannot be read"
    raise DataError(
        f"{quote(as_name(path.name))} must stay as it was when the data was looked at, but "
        f"{what}. Leave shards alone while they are trained on, and start again."
    )
