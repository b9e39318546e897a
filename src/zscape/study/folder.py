"""Files of a study folder: written whole or not at all, and checked when they are read.

A file goes to a temporary name beside its target, is synced and renamed; `manifest.json`, with the
size and sha256 of every file, comes last. Nothing here knows what the files mean.
"""

import errno
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zscape.errors import BusyError, StorageError, StudyError
from zscape.study.contents import MOST_TEXT, from_json, is_inside, read_content, require_inside

MANIFEST = "manifest.json"
LOCK = "study.lock"
FORMAT = 1


def write_file(path: Path, content: bytes) -> None:
    """Writes a file atomically: the old one stays whole until the new one is on the disk.

    Raises:
        StorageError: the disk is full or refuses.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _storage_error(path, len(content), error) from error


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files by relative name, then the manifest of these and the ones it listed before."""
    listed = _listed(folder) if (folder / MANIFEST).exists() else {}
    for name, content in files.items():
        write_file(require_inside(folder, name), content)
        listed[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = {"format": FORMAT, "files": dict(sorted(listed.items()))}
    write_file(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def read_file(folder: Path, name: str) -> bytes:
    """The content of a listed file, when its size and sha256 are as written.

    Raises:
        StudyError: the file is missing, is a link, or was damaged.
    """
    listed = _listed(folder)
    if name not in listed:
        raise StudyError(f"{name} must be listed in {MANIFEST}, and is not. Train the study again.")
    try:
        content = read_content(folder, name, size=listed[name]["size"])
    except FileNotFoundError as error:
        raise StudyError(
            f"{name} must be a file of the study {folder.name!r}, and is missing. "
            "Restore it from a copy, or train again."
        ) from error
    if hashlib.sha256(content).hexdigest() != listed[name]["sha256"]:
        raise StudyError(
            f"{name} must be as it was written, but its checksum differs. "
            "Restore it from a copy, or train again."
        )
    return content


def has_file(folder: Path, name: str) -> bool:
    """Whether the manifest lists a file of that name."""
    return name in _listed(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; the kernel frees it when the process ends, however it ends.

    Raises:
        BusyError: another process holds it.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, fcntl.LOCK_EX, folder)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        os.close(descriptor)


def refuse_busy(folder: Path) -> None:
    """Nothing, unless another process trains the study.

    Raises:
        BusyError: it does.
    """
    if (folder / LOCK).is_file():
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
        try:
            _take(descriptor, fcntl.LOCK_SH, folder)
        finally:
            os.close(descriptor)


def _take(descriptor: int, kind: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        raise BusyError(
            f"The study {folder.name!r} must not be in use, but {holder or 'a process'} is "
            "training it. Wait for its end, or choose another folder."
        ) from error


def _listed(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and sha256 of every file by name."""
    try:
        manifest = from_json(read_content(folder, MANIFEST, most=MOST_TEXT), MANIFEST)
        version, files = manifest["format"], manifest["files"]
        sound = type(version) is int and all(_is_entry(n, e) for n, e in files.items())
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
    return (
        is_inside(name)
        and isinstance(entry, dict)
        and type(entry.get("size")) is int
        and isinstance(entry.get("sha256"), str)
    )


def _unreadable(cause: object) -> StudyError:
    return StudyError(
        f"{MANIFEST} must be readable, and is not ({cause}). "
        "Restore it from a copy, or train again."
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _storage_error(path: Path, size: int, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(
            f"The disk must have {size:,} bytes for {path}, and is full. "
            "Make room and run the same command again."
        )
    return StorageError(
        f"{path} must be writable, but the system says: {error.strerror}. "
        "Choose another --out, or mend its permissions."
    )
