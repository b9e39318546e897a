"""Archives of things that a codec says: how they are made, chunk by chunk, and read."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from zscape.errors import DataError
from zscape.modalities import Table
from zscape.modalities.extras import is_frame, pandas
from zscape.space.compression.alphabets import Alphabet, Symbols, alphabet_of, alphabet_read
from zscape.space.compression.codec import Codec, sizes_of
from zscape.space.compression.columns import Columns
from zscape.space.compression.container import (
    BY_MODEL,
    CODED,
    Archive,
    Chunk,
    Reading,
    block,
    number,
    numbers,
    packed,
    surely_shorter,
    unpacked,
)
from zscape.space.compression.latents import STEPS, Grid
from zscape.space.compression.tables import UNIT
from zscape.space.compression.things import empty, from_plain, merged, plain, taken

TOGETHER = 16  # chains in a chunk
FEWEST = 32  # things in a chain, where there are so many


@dataclass(frozen=True, slots=True)
class Split:
    """Things, and which of them the alphabet says.

    Attributes:
        alphabet: of the rows that it can say.
        like: what an array of these rows is told to be; empty for tables.
        keep: which they are, bool `[N]`.
        others: the things that are left.
        beside: the columns of a table that the model does not know; else None.
        order: where its columns stood: the modelled ones, then those beside.
    """

    alphabet: Alphabet
    like: bytes
    keep: np.ndarray
    others: Any
    beside: Any
    order: tuple[int, ...]

    def joined(self, symbols: Symbols) -> Any:
        """All things, from the symbols of those that the alphabet says."""
        rows = self.alphabet.restored(symbols)
        if isinstance(self.others, list):
            rows = list(rows)
        things = rows if self.keep.all() else merged((rows, self.others), self.keep)
        if self.beside is None:
            return things
        both = pandas().concat([things, self.beside], axis=1)
        return both.iloc[:, np.argsort(self.order)]

    def written(self) -> bytes:
        """What `_read` makes it of."""
        keep = b"" if self.keep.all() else np.packbits(self.keep).tobytes()
        told, raw = plain(self.others)
        parts = [self.like, self.alphabet.written(), number(len(self.keep)), keep, told, raw]
        beside = [] if self.beside is None else [numbers(self.order), plain(self.beside)[1]]
        return b"".join(map(block, [*parts, *beside]))


def coded(
    codec: Codec, things: Any, raw: bytes, digest: bytes, chains: int, *, trusting: bool = False
) -> Archive | None:
    """The archive of things by a model; None where the model can say none of them.

    Args:
        codec: of the model.
        things: an array, a list of arrays or a table.
        raw: their plain bytes, with `digest` their SHA-256.
        digest: likewise.
        chains: how many chains, where there are things enough.
        trusting: a chunk is kept as the model codes it, even if it is long, and is not looked at
            whether it comes back: for tests of the model's part alone.
    """
    made = _split(codec, things)
    if made is None or plain(made[0].joined(made[1]))[1] != raw:
        return None
    split, symbols = made
    grids = codec.grids(split.alphabet, symbols)
    count = max(min(chains, len(symbols) // FEWEST), 1)
    sizes = sizes_of(len(symbols), count)
    content = codec.encode(split.alphabet, symbols, grids, sizes)
    right = np.ones(count, dtype=bool)
    if not trusting:
        found, ended = codec.decode(split.alphabet, symbols.active, grids, sizes, content)
        ends = np.cumsum(sizes)[:-1]
        same = np.split((found == symbols.of).all(1), ends)
        right = ended & np.array([each.all() for each in same])
    chunks, start = [], 0
    for first in range(0, count, TOGETHER):
        own = slice(first, first + TOGETHER)
        rows = slice(start, start + sum(sizes[own]))
        body = numbers([len(each) for each in content[own]]) + b"".join(content[own])
        packing, body = (
            (BY_MODEL, body) if trusting else _shortest(body, symbols.of[rows], right[own])
        )
        chunks.append(Chunk(packing, rows.stop - rows.start, body))
        start = rows.stop
    active = b"" if symbols.active.all() else np.packbits(symbols.active).tobytes()
    head = [split.written(), active, number(count), *map(_grid_bytes, grids)]
    block_of_all = _pack(b"".join(map(block, head)))
    return Archive(CODED, (digest, codec.model, codec.check), (block_of_all,), tuple(chunks))


def _shortest(body: bytes, symbols: np.ndarray, right: np.ndarray) -> tuple[int, bytes]:
    """A chunk by the model where that is right and shorter, else its symbols by LZMA or raw."""
    plainly = _small(symbols)
    if right.all() and surely_shorter(body, plainly):
        return BY_MODEL, body
    packing, small = packed(plainly)
    return (BY_MODEL, body) if right.all() and len(body) < len(small) else (packing, small)


def decoded(codec: Codec, archive: Archive) -> tuple[Any, np.ndarray]:
    """The things of a coded archive, and which of them damage took, bool `[N]`.

    Raises:
        DataError: a head that no archive has.
    """
    reading = Reading(_unpack(archive.blocks[0]))
    split = _read(codec, reading.block())
    active, count = reading.block(), Reading(reading.block()).number()
    grids = [_grid(reading.block()) for _ in codec.walker.levels]
    rows = sum(chunk.rows for chunk in archive.chunks)
    sizes, width = sizes_of(rows, count), len(split.alphabet.listed())
    there = np.ones((rows, width), dtype=bool)
    if active:
        there = _bits(active, rows * width).reshape(rows, width)
    of, lost = np.zeros(there.shape, dtype=np.int64), np.zeros(rows, dtype=bool)
    mine = np.zeros(rows, dtype=bool)
    content: list[bytes] = []
    own_sizes: list[int] = []
    start = 0
    for place, chunk in enumerate(archive.chunks):
        own = slice(start, start + chunk.rows)
        start = own.stop
        if place in archive.damaged:
            lost[own] = True
        elif chunk.packing == BY_MODEL:
            mine[own] = True
            first = place * TOGETHER
            own_sizes += sizes[first : first + TOGETHER]
            content += _chains(chunk.content)
        else:
            of[own] = _large(unpacked(chunk.packing, chunk.content), chunk.rows, width)
    if content:
        of[mine], ended = codec.decode(split.alphabet, there[mine], grids, own_sizes, content)
        if not ended.all():
            raise _broken("chains that end where they began")
    gone = np.zeros(len(split.keep), dtype=bool)
    gone[np.flatnonzero(split.keep)[lost]] = True
    return split.joined(Symbols(of, there)), gone


def _split(codec: Codec, things: Any) -> tuple[Split, Symbols] | None:
    """Things by what the alphabet can say of them, and its symbols."""
    modality, beside, like = codec.modality, None, b""
    order: tuple[int, ...] = ()
    if is_frame(things):
        if not isinstance(modality, Table):
            return None
        alphabet: Alphabet | None = Columns.of(modality, things)
        if alphabet is None:
            return None
        modelled = [column.name for column in modality.modelled]
        rest = [name for name in things.columns if name not in modelled]
        order = tuple(things.columns.get_loc(name) for name in [*modelled, *rest])
        beside, things = things[rest].reset_index(drop=True), things[modelled]
        candidates = np.ones(len(things), dtype=bool)
        rows = things
    else:
        candidates = _alike(things, codec)
        if not candidates.any():
            return None
        rows = np.stack(taken(things, candidates)) if isinstance(things, list) else things
        alphabet, like = alphabet_of(modality, rows), plain(rows[:0])[0]
        if alphabet is None:
            return None
    symbols = alphabet.symbols(rows)
    right = _same(rows, alphabet.restored(symbols))
    keep = candidates.copy()
    keep[candidates] = right
    if not keep.any():
        return None
    others = taken(things, ~keep)
    return Split(alphabet, like, keep, others, beside, order), symbols.rows(right)


def _alike(things: Any, codec: Codec) -> np.ndarray:
    """Which of a list of arrays are of the shape of the first that the alphabet may say."""
    if not isinstance(things, list):
        return np.ones(len(things) if things.ndim else 0, dtype=bool)
    kinds = [(each.dtype, each.shape) for each in things]
    fit = (each for each in things if alphabet_of(codec.modality, each[None]))
    first = next(fit, None)
    alike = None if first is None else (first.dtype, first.shape)
    return np.array([kind == alike for kind in kinds], dtype=bool)


def _same(rows: Any, restored: Any) -> np.ndarray:
    """Which rows came back to the bit, bool `[N]`."""
    if is_frame(rows):
        each = [_same_cells(rows[name], restored[name]) for name in rows.columns]
        return np.logical_and.reduce(each)
    if not len(rows):
        return np.zeros(0, dtype=bool)
    before, after = (
        np.ascontiguousarray(each).reshape(len(rows), -1).view(np.uint8)
        for each in (rows, restored)
    )
    return (before == after).all(1)


def _same_cells(before: Any, after: Any) -> np.ndarray:
    if isinstance(before.dtype, np.dtype) and before.dtype.kind in "biuf":
        pair = [np.ascontiguousarray(cells.to_numpy()) for cells in (before, after)]
        if pair[0].dtype != pair[1].dtype:
            return np.zeros(len(before), dtype=bool)
        width = pair[0].dtype.itemsize
        return (pair[0].view(np.uint8) == pair[1].view(np.uint8)).reshape(-1, width).all(1)
    gone = before.isna().to_numpy()
    pairs = zip(before.tolist(), after.tolist(), strict=True)
    same = np.array([type(a) is type(b) and a == b for a, b in pairs], dtype=bool)
    return np.where(gone, after.isna().to_numpy(), same)


def _read(codec: Codec, content: bytes) -> Split:
    """The split that `written` wrote."""
    reading = Reading(content)
    like, letters = reading.block(), reading.block()
    count, keep = Reading(reading.block()).number(), reading.block()
    told, raw = reading.block(), reading.block()
    modality, beside, order = codec.modality, None, tuple[int, ...]()
    if isinstance(modality, Table):
        alphabet: Alphabet = Columns.read(modality, letters)
        listed = Reading(reading.block())
        order = tuple(listed.number() for _ in range(listed.number()))
        beside = from_plain(told, reading.block())
    else:
        alphabet = alphabet_read(modality, empty(like), letters)
    kept = _bits(keep, count) if keep else np.ones(count, dtype=bool)
    return Split(alphabet, like, kept, from_plain(told, raw), beside, order)


def _bits(content: bytes, count: int) -> np.ndarray:
    if len(content) != -(-count // 8):
        raise _broken("a bit for each thing")
    return np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=count).astype(bool)


def _chains(content: bytes) -> list[bytes]:
    reading = Reading(content)
    lengths = [reading.number() for _ in range(reading.number())]
    return [reading.take(length) for length in lengths]


def _small(symbols: np.ndarray) -> bytes:
    """Symbols in as few bytes each as they need, which the first byte tells."""
    width = next(w for w in (1, 2, 4) if symbols.max(initial=0) < 256**w)
    return bytes([width]) + symbols.astype(f"<u{width}").tobytes()


def _large(content: bytes, rows: int, width: int) -> np.ndarray:
    if content[:1] not in (b"\1", b"\2", b"\4") or len(content) != 1 + content[0] * rows * width:
        raise _broken("as many symbols as rows have")
    return np.frombuffer(content[1:], dtype=f"<u{content[0]}").reshape(rows, width).astype(np.int64)


def _grid_bytes(grid: Grid) -> bytes:
    steps = np.searchsorted(STEPS, np.rint(grid.step * UNIT)).astype(np.uint8)
    return number(grid.reach) + steps.tobytes()


def _grid(content: bytes) -> Grid:
    reading = Reading(content)
    reach, steps = reading.number(), np.frombuffer(reading.rest(), dtype=np.uint8)
    if steps.max(initial=0) >= len(STEPS):
        raise _broken("steps that a grid may have")
    return Grid(STEPS[steps] / UNIT, reach)


def _pack(content: bytes) -> bytes:
    packing, small = packed(content)
    return bytes([packing]) + small


def _unpack(content: bytes) -> bytes:
    return unpacked(content[0], content[1:])


def _broken(must: str) -> DataError:
    return DataError(f"An archive must have {must}, and this has not. Restore it from a copy.")
