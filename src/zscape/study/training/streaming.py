"""The streaming feed: batches of shards in an order that needs no more than a window in memory."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod

import torch
from torch import Tensor

from zscape.model.batch import Batch
from zscape.study.intake.shards import Shards
from zscape.study.training.batches import Feed, permutation

PIECE = 2**13  # examples that are read at once
OPEN = 8  # chunks that are read side by side, so that neighbours do not stay together
WINDOW = 2**16  # examples that are shuffled at once
WINDOW_BYTES = 2**27


@dataclass(frozen=True, slots=True)
class _Piece:
    """Examples of a chunk from `first` on: how many are `read`, and how many of these are kept."""

    chunk: int
    first: int
    read: int
    kept: int


class Stream(Feed):
    """Batches of shards, freshly shuffled for every epoch, read from the disk as they come.

    Chunks come in an order of the epoch, eight of them side by side, and windows of 65,536
    examples (fewer large ones) are shuffled whole. All of it follows from `seed`, the epoch and
    the sizes of the chunks, so that any batch can be the first: what lies in windows before it is
    not read, but for what precedes it in its own eight chunks. The ragged last batch is left out.

    Args:
        shards: all examples.
        without: the numbers of examples that do not train, rising.
        size: B, over all processes.
        seed: of the order.
        rank: of this process; it gets every `world`-th row of every batch.
        world: how many processes there are; each reads all shards.
    """

    def __init__(
        self,
        shards: Shards,
        *,
        without: Sequence[int] = (),
        size: int = 128,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.shards = shards
        self.without = list(without)
        self.total = len(shards) - len(self.without)
        self.size = min(size, self.total)
        self.seed = seed
        self.rank = rank
        self.world = world
        large = WINDOW_BYTES // (shards.dtype.itemsize * prod(shards.modality.shape))
        self.window = max(min(WINDOW, large), self.size)
        self.piece = min(PIECE, max(self.window // OPEN, 1))

    def __len__(self) -> int:
        return self.total // self.size

    def of(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch."""
        held: list[Tensor] = []
        left = len(self) - start
        if left <= 0:
            return
        for stored in self._windows(epoch, start * self.size):
            joined = torch.cat([*held, stored])
            whole = min(len(joined) // self.size, left)
            del stored
            for batch in joined[: whole * self.size].split(self.size):
                yield Batch(self.shards.modality.prepare(batch[self.rank :: self.world]))
            left -= whole
            held = [joined[whole * self.size :].clone()]

    def _windows(self, epoch: int, skip: int) -> Iterator[Tensor]:
        """Shuffled windows of stored examples, the first `skip` examples left out."""
        readers: dict[int, Iterator[Tensor]] = {}
        before = 0
        for number, pieces in enumerate(self._planned(epoch)):
            count = sum(piece.kept for piece in pieces)
            if before + count > skip:
                stored = torch.cat([self._read(piece, readers) for piece in pieces])
                order = permutation(count, seed=self.seed * 1_000_003 + epoch, epoch=number + 1)
                yield stored.index_select(0, order[max(skip - before, 0) :])
            before += count

    def _planned(self, epoch: int) -> Iterator[list[_Piece]]:
        """The pieces of every window, without reading any."""
        pieces: list[_Piece] = []
        count = 0
        for piece in self._pieces(epoch):
            pieces.append(piece)
            count += piece.kept
            if count >= self.window:
                yield pieces
                pieces, count = [], 0
        if count:
            yield pieces

    def _pieces(self, epoch: int) -> Iterator[_Piece]:
        chunks = self.shards.chunks
        order = permutation(len(chunks), seed=self.seed, epoch=epoch - 1).tolist()
        for begin in range(0, len(order), OPEN):
            beside = order[begin : begin + OPEN]
            for first in range(0, max(chunks[c].rows for c in beside), self.piece):
                for c in beside:
                    read = min(self.piece, chunks[c].rows - first)
                    if read > 0:
                        start = chunks[c].start + first
                        yield _Piece(c, first, read, read - len(self._held_out(start, read)))

    def _read(self, piece: _Piece, readers: dict[int, Iterator[Tensor]]) -> Tensor:
        chunk = self.shards.chunks[piece.chunk]
        behind = 0
        if piece.chunk not in readers:
            readers[piece.chunk] = self.shards.read(chunk, size=self.piece)
            behind = piece.first // self.piece  # pieces before the first window that is wanted
        (stored,) = islice(readers[piece.chunk], behind, behind + 1)
        if piece.first + piece.read == chunk.rows:
            del readers[piece.chunk]
        if piece.kept == piece.read:
            return stored
        start = chunk.start + piece.first
        keep = torch.ones(piece.read, dtype=torch.bool)
        keep[torch.tensor(self._held_out(start, piece.read)) - start] = False
        return stored[keep]

    def _held_out(self, start: int, count: int) -> list[int]:
        low = bisect_left(self.without, start)
        return self.without[low : bisect_left(self.without, start + count, lo=low)]
