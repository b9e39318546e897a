"""Lossless compression by a trained model: `compress` and `decompress`, bytes out and bytes in.

What the model cannot say is stored by LZMA, so that nothing is lost whatever it is given; every
part is decoded once before it is kept. Files and disks are the caller's.
"""

import hashlib
from typing import Any

import numpy as np

from zscape.errors import DataError, StudyError
from zscape.space.compression.archives import coded, decoded
from zscape.space.compression.codec import Codec
from zscape.space.compression.container import (
    PIECE,
    STORED,
    Archive,
    read,
    stored,
    surely_shorter,
    unpacked,
    written,
)
from zscape.space.compression.things import as_arrays, empty, from_plain, plain, taken
from zscape.space.space import Space

__all__ = ["Codec", "compress", "decompress", "salvage"]

CHAINS = 100


def compress(space: Space | Codec, things: Any, *, chains: int = CHAINS) -> bytes:
    """Things as few bytes, from which `decompress` makes them again to the bit.

    A thing costs about what the model's ELBO says, if it is like those that the model was trained
    on. Any array, list of arrays or table may be given: what the model cannot say (pictures of
    another size, unknown categories, columns it was not trained on) is stored by LZMA beside it.
    An archive of an array is never longer than its bytes, 64 more, and 0.1 %.

    Args:
        space: of a model with Gaussian posteriors; or its `Codec`, to make it only once.
        things: an array or tensor, a list of them, or a table, whose index is not kept.
        chains: stacks of bits that are coded side by side: more are faster, and cost a few bytes
            each.

    Raises:
        SpecError: the model cannot compress.
        DataError: Python objects of unknown kinds.

    Source: Townsend et al. 2019, arXiv:1901.04866; Townsend et al. 2020, arXiv:1912.09953.
    """
    codec = space if isinstance(space, Codec) else Codec(space)
    things = as_arrays(things)
    told, raw = plain(things)
    digest = hashlib.sha256(raw).digest()
    archive = coded(codec, things, raw, digest, chains)
    by_model = None if archive is None else written(archive)
    if by_model is not None and surely_shorter(by_model, raw):
        return by_model
    plainly = written(stored(raw, digest, told))
    return plainly if by_model is None else min(by_model, plainly, key=len)


def decompress(space: Space | Codec, data: bytes) -> Any:
    """The things that `compress` was given, to the bit.

    Args:
        space: of the same model, or its `Codec`.
        data: what `compress` returned.

    Raises:
        DataError: no archive, or a damaged one; `salvage` reads what is left of it.
        StudyError: it was made with another model, or on a computer that computes differently.
    """
    archive = read(data)
    if archive.damaged:
        raise _damaged(archive)
    things, _ = _things(space, archive)
    if hashlib.sha256(plain(things)[1]).digest() != archive.sums[0]:
        raise DataError(
            "An archive must give things of the sum that it tells, and gives others. "
            "Restore it from a copy."
        )
    return things


def salvage(space: Space | Codec, data: bytes) -> tuple[Any, np.ndarray]:
    """What is left of a damaged archive, and the numbers of the things that are lost.

    Args:
        space: of the same model, or its `Codec`.
        data: an archive whose head is whole.

    Raises:
        DataError: no archive, one whose head is damaged, or a damaged one without a model of
            anything but an array.
        StudyError: as `decompress`.
    """
    things, lost = _things(space, read(data))
    return taken(things, ~lost), np.flatnonzero(lost)


def _things(space: Space | Codec, archive: Archive) -> tuple[Any, np.ndarray]:
    if archive.kind == STORED:
        return _plainly(archive)
    codec = space if isinstance(space, Codec) else Codec(space)
    _, model, check = archive.sums
    if model != codec.model:
        raise StudyError(
            f"An archive must be read with the study that made it (model {model.hex()[:12]}), and "
            f"this is another (model {codec.model.hex()[:12]}). Open that one."
        )
    if check != codec.check:
        raise StudyError(
            "A computer must compute a known code to the known numbers, and this computer computes "
            "differently. Decompress on another, and tell zscape's authors of this one."
        )
    return decoded(codec, archive)


def _plainly(archive: Archive) -> tuple[Any, np.ndarray]:
    told, pieces = archive.blocks[0], []
    if archive.damaged and told[0]:
        raise _damaged(archive)
    for place, chunk in enumerate(archive.chunks):
        whole = place not in archive.damaged
        pieces.append(unpacked(chunk.packing, chunk.content) if whole else bytes(PIECE))
    raw = b"".join(pieces)
    if not archive.damaged:
        things = from_plain(told, raw)
        return things, np.zeros(len(things) if np.ndim(things) else 1, dtype=bool)
    like = empty(told)
    raw = raw[: like.size * like.dtype.itemsize]
    width = max(len(raw) // max(len(like), 1), 1)
    lost = np.zeros(len(like), dtype=bool)
    for place in archive.damaged:
        lost[place * PIECE // width : -(-(place + 1) * PIECE // width)] = True
    return from_plain(told, raw), lost


def _damaged(archive: Archive) -> DataError:
    names = ", ".join(str(place + 1) for place in archive.damaged[:5])
    return DataError(
        f"An archive must be whole, and {len(archive.damaged)} of {len(archive.chunks)} chunks are "
        f"damaged (number {names}). Restore it from a copy, or take the rest with 'salvage'."
    )
