"""Files into one archive and back: which file holds what, by whose bytes or content.

Pictures come back pixel by pixel, tables cell by cell and arrays number by number, in the files
they were in. A file that is none of these, or whose own bytes are fewer, comes back byte by byte.
"""

import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from zscape.errors import DataError, ZscapeError
from zscape.modalities.extras import is_frame
from zscape.modalities.found import quote
from zscape.modalities.image import Image, is_grey
from zscape.modalities.modality import Modality
from zscape.space.compression import Codec, compress, decompress
from zscape.space.compression.container import Reading, block, packed, unpacked
from zscape.study.intake.arrays import load_array
from zscape.study.intake.files import require_file
from zscape.study.intake.kinds import require_kind, wrong_kind
from zscape.study.intake.tables import kind_of, load_table

MAGIC = b"zzf\x01"
FLAT = (".png", ".bmp", ".pgm", ".ppm", ".tif", ".tiff")  # of which pixels are all that matters
MODES = ("L", "RGB")
SEPARATORS = {".csv": ",", ".tsv": "\t"}
MOST_PIXELS = 10**8


@dataclass(frozen=True, slots=True)
class Packed:
    """Files in one archive.

    Attributes:
        content: of the archive.
        things: how many pictures, rows or examples the files hold together.
        numbers: how many pixels, cells or numbers these hold.
        plain: bytes of these, as arrays and text.
        model: bytes of the archive that hold what has content, the rest holds files byte by byte.
        groups: what the files hold, as they were given to `compress`.
    """

    content: bytes
    things: int
    numbers: int
    plain: int
    model: int
    groups: tuple[Any, ...]


def pack(codec: Codec, paths: Sequence[Path], *, chains: int) -> Packed:
    """Files as an archive.

    Args:
        codec: of the study's space.
        paths: of the files; no two of one name.
        chains: as of `compress`.

    Raises:
        DataError: a file that cannot be read or holds things of another kind than the study's, or
            two of one name.
    """
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        raise DataError(
            "Files of an archive must have different names, as they are kept without folders; got "
            f"{quote(next(n for n in names if names.count(n) > 1))} twice. Rename one."
        )
    files = {path.name: _bytes(path) for path in paths}
    pictures = {path.name: _pixels(path, codec.modality) for path in paths}
    found = {name: pair for name, pair in pictures.items() if pair is not None}
    entries, parts, groups = [], [], []
    if found:
        told = [[name, mode] for name, (_, mode) in found.items()]
        groups.append([pixels for pixels, _ in found.values()])
        entries.append({"kind": "pictures", "files": told})
    for path in paths:
        things = None if path.name in found else _things(path, files[path.name])
        if things is not None:
            require_kind(codec.modality, things, path.name)
            groups.append(things)
            kind = "table" if is_frame(things) else "array"
            entries.append({"kind": kind, "files": [[path.name, ""]]})
    parts = [compress(codec, things, chains=chains) for things in groups]
    kept = _fewer(entries, parts, files)
    placed = {name for entry, _ in kept for name, _ in entry["files"]}
    left = [name for name in files if name not in placed]
    kept += [({"kind": "bytes", "files": [[name, ""]]}, _packed(files[name])) for name in left]
    index = [entry | {"length": len(part)} for entry, part in kept]
    head = MAGIC + block(json.dumps(index, separators=(",", ":")).encode())
    head += zlib.crc32(head).to_bytes(4, "little")
    own = [g for g, e in zip(groups, entries, strict=True) if any(e is k for k, _ in kept)]
    return Packed(
        head + b"".join(part for _, part in kept),
        things=sum(map(len, own)),
        numbers=sum(map(_size, own)),
        plain=sum(map(_plain, own)),
        model=sum(len(part) for entry, part in kept if entry["kind"] != "bytes"),
        groups=tuple(own),
    )


def unpack(codec: Codec, content: bytes) -> dict[str, bytes]:
    """The files of an archive, by name.

    Raises:
        DataError: no archive, or a damaged one.
        StudyError: it was made with another study.
    """
    files: dict[str, bytes] = {}
    for entry, part in _entries(content):
        named = entry["files"]
        if entry["kind"] == "bytes":
            files[named[0][0]] = _unpacked(part)
        elif entry["kind"] == "pictures":
            pairs = zip(named, decompress(codec, part), strict=True)
            files |= {name: _picture(name, mode, pixels) for (name, mode), pixels in pairs}
        else:
            files[named[0][0]] = _file(named[0][0], decompress(codec, part))
    return files


def _entries(content: bytes) -> list[tuple[dict[str, Any], bytes]]:
    reading = Reading(content)
    if reading.take(len(MAGIC)) != MAGIC:
        raise DataError(
            "An archive of files must begin as 'zscape compress' writes it, and this does not. "
            "Check which file it is."
        )
    head = reading.block()
    end = reading.at
    if reading.take(4) != zlib.crc32(content[:end]).to_bytes(4, "little"):
        raise DataError("An archive must be whole, and its list of files is not. Restore a copy.")
    return [(entry, reading.take(entry["length"])) for entry in json.loads(head)]


def _fewer(
    entries: list[dict[str, Any]], parts: list[bytes], files: dict[str, bytes]
) -> list[tuple[dict[str, Any], bytes]]:
    """The groups whose archive is shorter than their files packed byte by byte."""
    kept = []
    for entry, part in zip(entries, parts, strict=True):
        if len(part) < sum(len(_packed(files[name])) for name, _ in entry["files"]):
            kept.append((entry, part))
    return kept


def _bytes(path: Path) -> bytes:
    require_file(path, "What is compressed", hint="Name the files.")
    return path.read_bytes()


def _pixels(path: Path, modality: Modality) -> tuple[np.ndarray, str] | None:
    """The pixels of a picture file and the mode they are in; None where it is not only pixels."""
    if kind_of(path) not in FLAT:
        return None
    if not isinstance(modality, Image):
        raise wrong_kind(modality, path.name, "a picture")
    try:
        with Pillow.open(path) as picture:
            high, wide = picture.size
            one = getattr(picture, "n_frames", 1) == 1 and high * wide <= MOST_PIXELS
            if picture.mode not in MODES or not one or "transparency" in picture.info:
                return None
            pixels, mode = np.asarray(picture), picture.mode
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return None
    # A grey picture may be stored in three equal channels.
    if modality.channels == 1 and mode == "RGB" and is_grey(np.moveaxis(pixels, -1, 0)[None]):
        pixels = pixels[..., 0]
    return np.ascontiguousarray(pixels), mode


def _picture(name: str, mode: str, pixels: np.ndarray) -> bytes:
    if mode == "RGB" and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    file, kind = io.BytesIO(), Path(name).suffix.lower()
    Pillow.fromarray(pixels).save(file, format=Pillow.registered_extensions()[kind])
    return file.getvalue()


def _things(path: Path, content: bytes) -> Any:
    """The table or array of a file; None where its content is not all of it."""
    try:
        if path.suffix.lower() in SEPARATORS:
            frame = load_table(path).things
            text = _file(path.name, frame)
            same = text.split(b"\n", 1)[0] == content.split(b"\n", 1)[0].rstrip(b"\r")
            return frame if same else None
        return load_array(path).things if path.suffix.lower() == ".npy" else None
    except ZscapeError:
        return None


def _file(name: str, things: Any) -> bytes:
    if is_frame(things):
        text = things.to_csv(index=False, sep=SEPARATORS[Path(name).suffix.lower()])
        return bytes(text.encode())
    file = io.BytesIO()
    np.save(file, things, allow_pickle=False)
    return file.getvalue()


def _packed(content: bytes) -> bytes:
    packing, small = packed(content)
    return bytes([packing]) + zlib.crc32(content).to_bytes(4, "little") + small


def _unpacked(part: bytes) -> bytes:
    content = unpacked(part[0], part[5:])
    if zlib.crc32(content).to_bytes(4, "little") != part[1:5]:
        raise DataError("A file in an archive must be whole, and is not. Restore a copy.")
    return content


def _size(things: Any) -> int:
    arrays = things if isinstance(things, list) else [things]
    return sum(int(np.prod(np.shape(each))) for each in arrays)


def _plain(things: Any) -> int:
    if is_frame(things):
        return len(things.to_csv(index=False).encode())
    return sum(each.nbytes for each in (things if isinstance(things, list) else [things]))
