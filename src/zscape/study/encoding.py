"""Codes of data of any size, written as Parquet parts; what is done stays done, whatever happens.

Every shard has its parts and then its marker. Processes share the shards and need not know of each
other: number `rank` of `world` takes every `world`-th one.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import SpecError, StudyError
from zscape.modalities.extras import optional
from zscape.model.codes import Codes
from zscape.space.space import Space, encode_stored
from zscape.study.storage.folder import read_file, write_file
from zscape.study.study import WEIGHTS, Study
from zscape.study.units import Piece, Unit, units_of

ABOUT = "_encode.json"
PART_ROWS = 2**18


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of one shard.

    Attributes:
        shard: its name.
        rows: how many codes it has.
        skipped: `(name, reason)` of what could not be read.
        before: whether it had been done before.
    """

    shard: str
    rows: int
    skipped: tuple[tuple[str, str], ...] = ()
    before: bool = False


def encode_shards(
    study: Study,
    data: Any,
    *,
    out: str | Path,
    rank: int = 0,
    world: int = 1,
    strict: bool = False,
    device: str = "cpu",
) -> Iterator[Encoded]:
    """Encodes data with a study, shard by shard, into Parquet files of codes.

    Columns: `shard`, `row` (its number in the shard), `key` (the name of a picture), and the code,
    `z_0`, `z_1`, ... A shard that has its marker is not done again; one that was broken off is
    done anew, under the same names, so that no row is there twice.

    Args:
        study: trained.
        data: a folder of shards, or whatever `look` takes.
        out: the folder of the codes; the same one to go on.
        rank: of this process.
        world: how many processes there are.
        strict: refuse any picture that cannot be read.
        device: where to encode, "cpu" or "cuda".

    Raises:
        DataError: data that cannot be read, or that the study does not know.
        StudyError: the folder holds codes of another study.
        StorageError: the disk is full.
    """
    if not 0 <= rank < world:
        raise SpecError(f"rank must be from 0 to {world - 1}, got {rank}. Start it by torchrun.")
    space, folder = study.space(), Path(out)
    _claim(study, folder)
    space.model.to(device)
    for unit in units_of(space.modality, data, strict=strict)[rank::world]:
        done = _marked(folder, unit)
        yield done or _encode(space, unit, folder, device)


def _encode(space: Space, unit: Unit, folder: Path, device: str) -> Encoded:
    name = _file_name(unit.name)
    for stray in folder.glob(f".{name}.*.tmp"):
        stray.unlink(missing_ok=True)
    rows = parts = 0
    skipped: list[tuple[str, str]] = []
    for piece in _collected(unit.pieces(skipped)):
        codes = encode_stored(space.model, space.modality, piece.stored.to(device))
        content = _part(unit.name, piece, codes)
        write_file(folder / f"{name}.{parts:05}.parquet", content)
        rows, parts = rows + len(piece.stored), parts + 1
    for late in _parts_from(folder, name, parts):
        late.unlink(missing_ok=True)
    told = {"shard": unit.name, "stamp": unit.stamp, "rows": rows, "parts": parts}
    _write_json(folder / f"_{name}.done", told | {"skipped": skipped})
    return Encoded(unit.name, rows, tuple(skipped))


def _collected(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same examples in pieces of at least so many but for the last."""
    held: list[Piece] = []
    for piece in pieces:
        held.append(piece)
        if sum(len(p.stored) for p in held) >= PART_ROWS:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(pieces: list[Piece]) -> Piece:
    return Piece(
        rows=np.concatenate([piece.rows for piece in pieces]),
        keys=[key for piece in pieces for key in piece.keys],
        stored=torch.cat([piece.stored for piece in pieces]),
    )


def _part(shard: str, piece: Piece, codes: Codes) -> bytes:
    pa = optional("pyarrow", "data")
    number = len(piece.stored)
    shards = pa.DictionaryArray.from_arrays(np.zeros(number, np.int32), [shard])
    columns: dict[str, Any] = {"shard": shards, "row": piece.rows}
    if piece.keys:
        columns["key"] = piece.keys
    for level, tensor in codes.tensors.items():
        flat: Tensor = tensor.flatten(1).cpu()
        columns |= {f"{level}_{d}": flat[:, d].numpy() for d in range(flat.shape[1])}
    file = io.BytesIO()
    optional("pyarrow.parquet", "data").write_table(
        pa.table(columns),
        file,
        use_dictionary=["shard"],  # codes hardly ever repeat
    )
    return file.getvalue()


def _claim(study: Study, folder: Path) -> None:
    """Says whose codes the folder holds.

    Raises:
        StudyError: those of another study.
    """
    weights = hashlib.sha256(read_file(study.path, WEIGHTS)).hexdigest()
    path = folder / ABOUT
    if not path.exists():
        _write_json(path, {"weights": weights})
    elif _read_json(path).get("weights") != weights:
        raise StudyError(
            f"{str(folder)!r} must hold codes of the study {study.path.name!r}, and holds others. "
            "Choose another --out, or remove it."
        )


def _marked(folder: Path, unit: Unit) -> Encoded | None:
    """What a marker says of a shard, unless the shard was written again since."""
    path = folder / f"_{_file_name(unit.name)}.done"
    known = _read_json(path) if path.exists() else {}
    if known.get("shard") != unit.name or known.get("stamp") != unit.stamp:
        return None
    skipped = tuple((str(name), str(why)) for name, why in known.get("skipped", []))
    return Encoded(unit.name, int(known["rows"]), skipped, before=True)


def _file_name(shard: str) -> str:
    """A name for files that any system takes, different for different shards."""
    # Readers of a folder pass over names that begin with a dot or a line.
    plain = re.sub(r"[^A-Za-z0-9-]", "_", shard).strip("_")[:80]
    own = "" if plain == shard else "-" + hashlib.sha256(shard.encode()).hexdigest()[:8]
    return plain + own


def _parts_from(folder: Path, name: str, first: int) -> Iterator[Path]:
    for path in folder.glob(f"{name}.*.parquet"):
        number = path.name.removeprefix(f"{name}.").removesuffix(".parquet")
        if number.isdecimal() and int(number) >= first:
            yield path


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_file(path, (json.dumps(content) + os.linesep).encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
