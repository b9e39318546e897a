"""The bytes of an archive: what each part is, how long, and the sums that tell damage.

    magic (3), version, kind | length of the head, head, CRC-32 of all before | chunks, end to end

The head of a coded archive holds three SHA-256: of the model, of what this computer must compute
alike, and of the things as plain bytes. Chunks are listed there with length and CRC-32, so damage
to one leaves the others readable.
"""

import lzma
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from zscape.errors import DataError, StudyError

MAGIC, VERSION = b"zz\x1a", 1
CODED, STORED = 0, 1
BY_MODEL, LZMA, RAW = 0, 1, 2  # how a chunk is packed
PIECE = 1 << 20  # bytes of a chunk of stored things
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the things: how many rows of them, how they are packed, and the bytes."""

    packing: int
    rows: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds.

    Attributes:
        kind: `CODED` by a model, or `STORED` without one.
        sums: SHA-256 of the things, and where coded of the model and of the test before it.
        blocks: further parts of the head, whose meaning is the codec's.
        chunks: in order; content of a damaged one is empty.
        damaged: the numbers of the chunks that are.
    """

    kind: int
    sums: tuple[bytes, ...]
    blocks: tuple[bytes, ...]
    chunks: tuple[Chunk, ...]
    damaged: tuple[int, ...] = field(default=())


def packed(content: bytes) -> tuple[int, bytes]:
    """Bytes by LZMA, or as they are where that is no shorter."""
    small = lzma.compress(content, lzma.FORMAT_RAW, filters=FILTERS)
    return (LZMA, small) if len(small) < len(content) else (RAW, content)


def surely_shorter(content: bytes, plain: bytes) -> bool:
    """Whether bytes are so much shorter than DEFLATE makes others that LZMA need not be tried."""
    return 2 * len(content) < len(zlib.compress(plain, 1))


def unpacked(packing: int, content: bytes) -> bytes:
    """The bytes again.

    Raises:
        DataError: they were not packed so.
    """
    if packing == RAW:
        return content
    try:
        return lzma.decompress(content, lzma.FORMAT_RAW, filters=FILTERS)
    except (lzma.LZMAError, EOFError) as error:
        raise _broken("a part that LZMA can read", str(error)) from error


def number(value: int) -> bytes:
    """A whole number in as few bytes as it needs, seven bits each."""
    parts = []
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def block(content: bytes) -> bytes:
    """Bytes with their length before them."""
    return number(len(content)) + content


class Reading:
    """Bytes read from their begin on.

    Raises:
        DataError: by each method, where the bytes end too soon.
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self.content) - self.at:
            raise _broken("longer", "it ends too soon")
        self.at += count
        return self.content[self.at - count : self.at]

    def number(self) -> int:
        """The next whole number."""
        value = 0
        for place in range(0, 63, 7):
            (byte,) = self.take(1)
            value |= (byte & 127) << place
            if byte < 128:
                return value
        raise _broken("of numbers below 2^63", "a longer one")

    def block(self) -> bytes:
        """The next bytes with a length before them."""
        return self.take(self.number())

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.content) - self.at)


def written(archive: Archive) -> bytes:
    """An archive as bytes."""
    head = [b"".join(archive.sums)]
    if archive.kind == CODED:
        head.append(number(len(archive.blocks)))
    head += [block(part) for part in archive.blocks]
    head.append(number(len(archive.chunks)))
    for chunk in archive.chunks:
        crc = zlib.crc32(chunk.content).to_bytes(4, "little")
        head += [number(3 * chunk.rows + chunk.packing), number(len(chunk.content)), crc]
    front = MAGIC + bytes([VERSION, archive.kind]) + block(b"".join(head))
    parts = [front, zlib.crc32(front).to_bytes(4, "little")]
    return b"".join([*parts, *(chunk.content for chunk in archive.chunks)])


def read(content: bytes) -> Archive:
    """An archive from bytes; damaged chunks are named, not refused.

    Raises:
        DataError: no archive, or one whose head is damaged.
        StudyError: one that a newer zscape wrote.
    """
    if content[: len(MAGIC)] != MAGIC:
        raise DataError(
            "An archive must begin as 'zscape compress' writes it, and this does not. "
            "Check which file it is."
        )
    reading = Reading(content)
    _, version, kind = reading.take(len(MAGIC)), *reading.take(2)
    if version > VERSION:
        raise StudyError(
            f"The archive was written in version {version}; this zscape reads up to {VERSION}. "
            "Upgrade to open it."
        )
    head = Reading(reading.block())
    front = content[: reading.at]
    if reading.take(4) != zlib.crc32(front).to_bytes(4, "little") or kind not in (CODED, STORED):
        raise _broken("whole", "its head has another sum")
    sums = tuple(head.take(32) for _ in range(3 if kind == CODED else 1))
    blocks = tuple(head.block() for _ in range(head.number() if kind == CODED else 1))
    chunks, damaged = [], []
    for place in range(head.number()):
        rows, packing = divmod(head.number(), 3)
        length, crc = head.number(), head.take(4)
        left = len(content) - reading.at
        part = reading.take(min(length, left))
        whole = len(part) == length and zlib.crc32(part).to_bytes(4, "little") == crc
        chunks.append(Chunk(packing, rows, part if whole else b""))
        damaged += [] if whole else [place]
    if reading.at < len(content):
        raise _broken("as long as its head says", "more bytes follow")
    return Archive(kind, sums, blocks, tuple(chunks), tuple(damaged))


def stored(raw: bytes, digest: bytes, told: bytes) -> Archive:
    """An archive without a model: pieces by LZMA, or raw."""
    pieces = [raw[start : start + PIECE] for start in range(0, len(raw), PIECE)]
    chunks = [Chunk(packing, 0, part) for packing, part in map(packed, pieces)]
    return Archive(STORED, (digest,), (told,), tuple(chunks))


def _broken(must: str, came: str) -> DataError:
    return DataError(f"An archive must be {must}, and {came}. Restore it from a copy.")


def numbers(values: Sequence[int]) -> bytes:
    """Whole numbers with their count before them."""
    return number(len(values)) + b"".join(map(number, values))
