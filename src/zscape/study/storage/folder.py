"""Files of a study folder: written whole or not at all, and checked when they are read.

A file goes to a temporary name beside its target, is synced and renamed; `manifest.json`, with the
size and sha256 of every file, comes last. Nothing here knows what the files mean.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zscape.errors import StorageError, StudyError
from zscape.study.storage.contents import (
    MOST_TEXT,
    from_json,
    is_inside,
    read_content,
    require_inside,
)
from zscape.study.storage.failpoints import reach
from zscape.study.storage.lock import refuse_busy

MANIFEST = "manifest.json"
FORMAT = 1
WAS = "was"  # in an entry: what the file is until it is rewritten


def write_file(path: Path, content: bytes) -> None:
    """Writes a file atomically: the old one stays whole until the new one is on the disk.

    Raises:
        StorageError: the disk is full or refuses.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        reach("file.before_temp")
        with open(beside, "wb") as file:
            whole = memoryview(content)  # whose halves are no copies
            file.write(whole[: len(whole) // 2])
            reach("file.mid_write")
            file.write(whole[len(whole) // 2 :])
            file.flush()
            reach("file.after_write")
            os.fsync(file.fileno())
        reach("file.after_fsync")
        os.replace(beside, path)
        reach("file.after_rename")
        sync_folder(path.parent)
        reach("file.after_folder_fsync")
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise storage_error(path, len(content), error) from error


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files by relative name, then the manifest of these and the ones it listed before.

    Files that are listed already are first announced there beside what they were, so that a death
    between two files leaves none that the manifest does not know.
    """
    listed = _listed(folder) if (folder / MANIFEST).exists() else {}
    new = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    changing = {name: {**new[name], WAS: _told(listed[name])} for name in new if name in listed}
    if changing:
        _write_manifest(folder, listed | changing)
    for name, content in files.items():
        write_file(require_inside(folder, name), content)
    _write_manifest(folder, listed | new)


def read_file(folder: Path, name: str, *, grows: bool = False) -> bytes:
    """The content of a listed file, when its size and sha256 are as written.

    Args:
        folder: of the study.
        name: of the file.
        grows: whether more may have been added to it since, which is left out.

    Raises:
        StudyError: the file is missing, is a link, or was damaged.
    """
    listed = _listed(folder)
    if name not in listed:
        raise StudyError(f"{name} must be listed in {MANIFEST}, and is not. Train the study again.")
    told = _told(listed[name])
    size = None if grows or len(told) > 1 else told[0]["size"]
    try:
        content = read_content(folder, name, size=size)
    except FileNotFoundError as error:
        raise StudyError(
            f"{name} must be a file of the study {folder.name!r}, and is missing. "
            "Restore it from a copy, or train again."
        ) from error
    if grows:
        content = content[: told[0]["size"]]
    if _sha256(content) not in [entry["sha256"] for entry in told]:
        raise StudyError(
            f"{name} must be as it was written, but its checksum differs. "
            "Restore it from a copy, or train again."
        )
    return content


def require_one_writing(folder: Path, names: Sequence[str]) -> None:
    """Refuses files of which some are of a later writing than others.

    Raises:
        StudyError: a process died while it wrote them.
    """
    listed = _listed(folder)
    renewed = [name for name in names if len(_told(listed.get(name, {}))) > 1]
    new = [_sha256(read_file(folder, n)) == listed[n]["sha256"] for n in renewed]
    if renewed and ((any(new) and not all(new)) or (any(new) and len(renewed) < len(names))):
        raise StudyError(
            f"{' and '.join(names)} must be of one writing, and it was broken off half way. "
            f"'zscape train --resume {folder}' goes on with it."
        )


def has_file(folder: Path, name: str) -> bool:
    """Whether the manifest lists a file of that name."""
    return (folder / MANIFEST).exists() and name in _listed(folder)


def require_disk(folder: Path, size: int) -> None:
    """Nothing, unless the disk has less free room than `size` bytes.

    Raises:
        StorageError: it has less.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise StorageError(
            f"The disk must have about {size:,} bytes free for {folder}, got {free:,}. "
            "Make room, or choose another --out."
        )


def fresh_folder(parent: Path, name: str) -> Path:
    """A new folder in `parent` that no other process has: the name and the first free number.

    Raises:
        StorageError: it cannot be made.
    """
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")[:60] or "study"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            try:
                (parent / f"{stem}-{number}").mkdir()
            except FileExistsError:
                number += 1
            else:
                return parent / f"{stem}-{number}"
    except OSError as error:
        raise StorageError(
            f"{str(parent)!r} must be a folder that can be written, but the system says: "
            f"{error.strerror}. Choose another with --out."
        ) from error


def clear_strays(folder: Path) -> None:
    """Removes what a process that died left half written; only under the folder's lock."""
    for place in (folder, *(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())):
        for stray in place.glob(".*.tmp"):
            is_folder = stray.is_dir() and not stray.is_symlink()
            shutil.rmtree(stray) if is_folder else stray.unlink()


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk, so that a rename outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(path: Path, size: int, error: OSError) -> StorageError:
    """What to say when a file of `size` bytes cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(
            f"The disk must have {size:,} bytes for {path}, and is full. "
            "Make room and run the same command again."
        )
    return StorageError(
        f"{path} must be writable, but the system says: {error.strerror}. "
        "Choose another --out, or mend its permissions."
    )


def _write_manifest(folder: Path, files: Mapping[str, dict[str, Any]]) -> None:
    manifest = {"format": FORMAT, "files": dict(sorted(files.items()))}
    write_file(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _told(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a file may be: as the entry says, or as it was when its rewriting was broken off."""
    latest = {key: value for key, value in entry.items() if key != WAS}
    return [latest, *entry.get(WAS, [])]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _listed(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and sha256 of every file by name."""
    try:
        manifest = from_json(read_content(folder, MANIFEST, most=MOST_TEXT), MANIFEST)
        version, files = manifest["format"], manifest["files"]
        sound = (
            type(version) is int and version > 0 and all(_is_entry(n, e) for n, e in files.items())
        )
    except FileNotFoundError as error:
        refuse_busy(folder)
        raise StudyError(
            f"A study must hold {MANIFEST}, and {folder.name!r} does not. Its training did not "
            "end, or it is no study: give the folder that 'zscape train --out' made."
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(error) from error
    if not sound:
        raise _unreadable("its entries are not as written")
    if version > FORMAT:
        raise StudyError(
            f"The study's format must be {FORMAT} or older, got {version}. "
            "Upgrade zscape to open it."
        )
    return dict(files)


def _is_entry(name: str, entry: Any) -> bool:
    """Whether a manifest can list this: a file in the folder, its size and its sha256."""
    if not (is_inside(name) and isinstance(entry, dict) and isinstance(entry.get(WAS, []), list)):
        return False
    return all(
        isinstance(told, dict)
        and type(told.get("size")) is int
        and isinstance(told.get("sha256"), str)
        for told in _told(entry)
    )


def _unreadable(cause: object) -> StudyError:
    return StudyError(
        f"{MANIFEST} must be readable, and is not ({cause}). "
        "Restore it from a copy, or train again."
    )
