"""A folder of pictures as one array: which files, what size and labels, less the bad ones.

Each file is opened by a worker (`reader`); what the pixels mean is the modality's.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscape.errors import DataError
from zscape.modalities.found import counted, quote
from zscape.modalities.image import Image
from zscape.modalities.modality import Modality
from zscape.study.intake.beside import beside
from zscape.study.intake.kinds import wrong_kind
from zscape.study.intake.policy import require_few_bad, skipped_words
from zscape.study.intake.reader import Reader
from zscape.study.intake.sizes import target_size
from zscape.study.intake.sources import Raw

SUFFIXES = (
    ".png .jpg .jpeg .jpe .jfif .webp .gif .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm .avif .tga "
    ".ico .jp2"
).split()


@dataclass(frozen=True, slots=True)
class Scan:
    """All pictures of a folder that can be read, brought to one size, and why the rest cannot.

    Attributes:
        pixels: uint8 `[N, H, W]` if all are grey, else `[N, H, W, 3]`.
        paths: of the pictures, relative to the folder.
        skipped: `(path, reason)`, printable.
        notes: how the size was chosen.
    """

    pixels: np.ndarray
    paths: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def load_folder(
    folder: Path, *, size: int | None = None, strict: bool = False, label: str = ""
) -> Raw:
    """Reads a folder of pictures: labels from its sub-folders, attributes from a CSV beside them.

    Up to 1 % of the pictures may be unreadable if at least 100 can be read; they are listed.

    Raises:
        DataError: no pictures, or too many that cannot be read, named with their reasons.
    """
    found = scan_folder(folder, size=size)
    good = len(found.paths)
    require_few_bad(good, found.skipped, things="pictures", strict=strict)
    if good == 0:
        raise DataError(
            f"{_shown(folder)} must hold pictures, got none ({', '.join(SUFFIXES[:6])}, ...). "
            "Check the path."
        )
    names = tuple(as_name(path) for path in found.paths)
    labels, label_notes = (None, []) if label else _labels_from_folders(names)
    extra = beside(folder, names, label=None if labels else label)
    notes = [*found.notes, *label_notes, *extra.notes]
    if found.skipped:
        notes.insert(0, f"warning: {skipped_words(found.skipped, thing='picture')}")
    return Raw(
        found.pixels,
        source=as_name(folder.resolve().name),
        labels=extra.labels if labels is None else labels,
        attributes=extra.attributes,
        texts=extra.texts,
        names=names,
        notes=tuple(notes),
        skipped=found.skipped,
        pictures=True,
    )


def load_picture(path: Path, modality: Modality) -> Raw:
    """Reads a single picture file for a study of pictures, brought to their size.

    Raises:
        DataError: a file that cannot be read, or a study of other things.
    """
    shown = as_name(path.name)
    if not isinstance(modality, Image):
        raise wrong_kind(modality, shown, "a picture")
    high, wide, grey = modality.height, modality.width, modality.channels == 1
    with Reader() as reader:
        reply = reader.read(os.path.abspath(path), height=high, width=wide, grey=grey)
    if reply.reason:
        raise DataError(f"{shown} must be a picture, but {reply.reason}. Mend or replace it.")
    shape = (1, high, wide) if grey else (1, high, wide, 3)
    pixels = np.frombuffer(reply.pixels, dtype=np.uint8).reshape(shape)
    return Raw(pixels, source=shown, names=(shown,), pictures=True)


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture file in pixels.

    Raises:
        DataError: a file that cannot be read.
    """
    with Reader() as reader:
        reply = reader.measure(os.path.abspath(path))
    if reply.reason:
        shown = as_name(path.name)
        raise DataError(f"{shown} must be a picture, but {reply.reason}. Mend or replace it.")
    return int(reply.head["height"]), int(reply.head["width"])


def scan_folder(folder: Path, *, size: int | None = None) -> Scan:
    """Reads every picture below a folder, in sorted order, and says which cannot be read and why.

    Pictures of one size up to 128 a side keep it; others are cut to a square at their centre and
    brought to their median short side, 64 at most.
    """
    paths, unread = list_pictures(folder)
    bad: dict[str, str] = dict(unread)
    with Reader() as reader:
        heads = {}
        for path in paths:
            reply = reader.measure(os.path.join(folder, path))
            if reply.reason:
                bad[path] = reply.reason
            else:
                heads[path] = (reply.head["height"], reply.head["width"], reply.head["grey"])
        height, width, note = target_size([(h, w) for h, w, _ in heads.values()], size)
        grey = all(is_grey for _, _, is_grey in heads.values())
        shape = (height, width) if grey else (height, width, 3)
        pixels = np.empty((len(heads), *shape), dtype=np.uint8)
        good: list[str] = []
        for path in heads:
            reply = reader.read(os.path.join(folder, path), height=height, width=width, grey=grey)
            if reply.reason:
                bad[path] = reply.reason
                continue
            pixels[len(good)] = np.frombuffer(reply.pixels, dtype=np.uint8).reshape(shape)
            good.append(path)
    pixels = pixels[: len(good)]
    notes = [note] if note else []
    if not grey and good and _all_grey(pixels):
        pixels = np.ascontiguousarray(pixels[..., 0])
        notes.append("the pictures are stored in colour but every pixel is grey")
    skipped = tuple((as_name(path), bad[path]) for path in sorted(bad, key=os.fsencode))
    return Scan(pixels, tuple(good), skipped, tuple(notes))


def list_pictures(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Relative paths of the pictures below a folder, sorted by their bytes; unreadable folders.

    Hidden files are left alone. Links to folders are followed once, so circles end.
    """
    found: list[str] = []
    unread: dict[str, str] = {}

    def note(error: OSError) -> None:
        unread[os.path.relpath(error.filename, folder)] = f"folder: {error.strerror}"

    seen: set[tuple[int, int]] = set()
    for above, folders, files in os.walk(folder, onerror=note, followlinks=True):
        folders[:] = sorted(_unvisited(above, folders, seen), key=os.fsencode)
        found += [
            os.path.relpath(os.path.join(above, name), folder)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
        ]
    return sorted(found, key=os.fsencode), unread


def as_name(path: str) -> str:
    r"""A file's name as text that UTF-8 can hold: other bytes become `\xe9`, the rest stays."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")


def _unvisited(above: str, folders: list[str], seen: set[tuple[int, int]]) -> Iterator[str]:
    for place in (above, *(os.path.join(above, name) for name in folders)):
        try:
            status = os.stat(place)
        except OSError:
            continue  # walking into it will fail and be noted
        key = (status.st_dev, status.st_ino)
        if place != above and key not in seen and not os.path.basename(place).startswith("."):
            yield os.path.basename(place)
        seen.add(key)


def _all_grey(pixels: np.ndarray) -> bool:
    return bool(
        np.array_equal(pixels[..., 0], pixels[..., 1])
        and np.array_equal(pixels[..., 0], pixels[..., 2])
    )


def _labels_from_folders(names: tuple[str, ...]) -> tuple[list[str] | None, list[str]]:
    """The first folder on the way to each picture, if every picture lies in one."""
    loose = sum("/" not in name for name in names)
    if loose == 0:
        return [name.split("/", 1)[0] for name in names], []
    if loose < len(names):
        stray = counted(loose, "picture lies", "pictures lie")
        return None, [f"{stray} outside the sub-folders, so these are not used as labels"]
    return None, []


def _shown(path: Path) -> str:
    return quote(as_name(str(path)), most=200)
