"""Reading files that anybody may have written: no link is followed, nothing blocks, all is parsed.

What the files mean is told elsewhere; that their bytes are as listed is checked in `folder`.
"""

import json
import os
import re
import stat
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from zscape.errors import StudyError
from zscape.study.intake.room import free_memory

MOST_TEXT = 64 * 2**20  # bytes of a file that is parsed as JSON or TOML
TIMES_READ = 3  # copies of a file in memory while its tensors are made
DEEPEST = 64  # brackets within brackets, and dots in a line
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')


def read_content(folder: Path, name: str, *, size: int | None = None, most: int = 2**62) -> bytes:
    """The content of a file in a folder, named relative to it; no part of the name is a link.

    Args:
        folder: may itself be reached by links.
        name: with `/` between its parts.
        size: what the file must have.
        most: bytes that it may have.

    Raises:
        FileNotFoundError: there is no such file.
        StudyError: the name leads elsewhere, or the file is none, or of another size.
    """
    descriptor = _opened(folder, name)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise StudyError(f"{name} must be a file, and is something else. Remove it.")
    with os.fdopen(descriptor, "rb") as file:
        if size is not None and about.st_size != size:
            raise StudyError(
                f"{name} must be as it was written, {size:,} bytes, but its size is "
                f"{about.st_size:,}. Restore it from a copy, or train again."
            )
        room = min(most, free_memory() // TIMES_READ)
        if about.st_size > room:
            raise StudyError(
                f"{name} must have at most {room:,} bytes to be read here, got {about.st_size:,}. "
                "Open it on a machine with more memory, or restore it from a copy."
            )
        content = file.read(about.st_size + 1)
    if len(content) != about.st_size:
        raise StudyError(f"{name} must stay as it is while it is read, and changed. Try again.")
    return content


def require_inside(folder: Path, name: str) -> Path:
    """The path of a file to be written in a folder, when no part of its name leads elsewhere.

    Raises:
        StudyError: it does.
    """
    path = folder
    for part in _parts(name)[:-1]:
        path /= part
        if path.is_symlink():
            raise _link(name)
    return folder / name


def is_inside(name: str) -> bool:
    """Whether a name stays in the folder it is relative to."""
    path = PurePosixPath(name)
    odd = not name or name.startswith("/") or "\\" in name or "\0" in name
    return not odd and ".." not in path.parts and str(path) == name and name != "."


def from_json(content: bytes, name: str) -> Any:
    """What JSON says, when it says it once and is not nested without end.

    Raises:
        StudyError: it is damaged.
    """
    try:
        return json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, "JSON", error) from error


def from_toml(content: bytes, name: str) -> dict[str, Any]:
    """What TOML says.

    Raises:
        StudyError: it is damaged.
    """
    try:
        if len(content) > MOST_TEXT:
            raise ValueError(f"{len(content):,} bytes")
        text = content.decode()
        _require_plain_keys(text)
        found = tomllib.loads(text)
        _require_shallow(found)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, "TOML", error) from error
    return found


def from_safetensors(content: bytes, name: str) -> dict[str, Tensor]:
    """Named tensors.

    Raises:
        StudyError: the header lies or the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise _unreadable(name, "safetensors", error) from error


def _opened(folder: Path, name: str) -> int:
    parts = _parts(name)
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            within = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = within
        # Without O_NONBLOCK a named pipe would wait for a writer for ever.
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    except FileNotFoundError:
        raise
    except OSError as error:
        if (folder / name).is_symlink() or isinstance(error, NotADirectoryError):
            raise _link(name) from error
        raise StudyError(
            f"{name} must be readable, but the system says: {error.strerror}. Check the folder."
        ) from error
    finally:
        os.close(here)


def _parts(name: str) -> tuple[str, ...]:
    if not is_inside(name):
        raise StudyError(f"A file of a study must lie in its folder, got {name!r}. Do not use it.")
    return PurePosixPath(name).parts


def _link(name: str) -> StudyError:
    return StudyError(
        f"{name} must be a file in the folder of its study, and a link leads elsewhere. "
        "Put the file itself there."
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _require_plain_keys(text: str) -> None:
    """Refuses keys of very many parts, for which the parser takes time and memory by the square."""
    if any(line.count(".") > DEEPEST for line in _QUOTED.sub("", text).split("\n")):
        raise ValueError(f"more than {DEEPEST} dots in a line")


def _require_shallow(value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} brackets within each other")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _require_shallow(inner, depth + 1)


def _unreadable(name: str, kind: str, error: Exception) -> StudyError:
    cause = "nested too deep" if isinstance(error, RecursionError) else error
    return StudyError(
        f"{name} must be {kind} as zscape wrote it, and is not ({cause}). "
        "Restore it from a copy, or train again."
    )
