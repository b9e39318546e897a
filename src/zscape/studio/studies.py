"""The studies that are served: found in folders, named by ids, told without opening them."""

import hashlib
import json
import math
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from zscape.errors import StudyError
from zscape.studio.refusals import Refusal, not_found
from zscape.studio.trainings import ending_of

# Told again here, since the library's own words come with torch; a test holds them equal.
SPEC, MANIFEST, LOCK, LOG = "study.toml", "manifest.json", "study.lock", "training.jsonl"
REPORT = "report.html"
TRAINED = ("codes.safetensors", "items.safetensors", "weights.safetensors")
MOST_BYTES = 4 * 2**20  # of a file that is read for a card
MOST_LOG = 64 * 2**20  # of a training log or a report
DEEPEST = 2  # folders below a root in which studies are looked for
MOST = 1000  # studies
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,59}")


@dataclass(frozen=True, slots=True)
class Known:
    """A study by its folder.

    Attributes:
        id: stable from start to start.
        path: never told.
        content: changes when codes, items or weights do; empty before it is trained.
    """

    id: str
    path: Path
    content: str

    @property
    def record(self) -> dict[str, str]:
        """What a worker is told of it."""
        return {"path": str(self.path), "content": self.content}


class Studies:
    """The studies below some folders.

    Args:
        roots: studies, or folders of studies.

    Raises:
        StudyError: no such folder.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        for root in roots:
            if not root.is_dir():
                raise StudyError(
                    f"A study must be a folder, and {str(root)!r} is none. Give the folder that "
                    "'zscape train --out' made, or one that holds such folders."
                )
        self.roots = [root.resolve() for root in roots]
        self._paths: dict[str, Path] = {}

    def all(self) -> list[Known]:
        """All studies there are now, in the order of their folders."""
        found: dict[Path, None] = {}
        for root in self.roots:
            for path in _studies_in(root, DEEPEST):
                if len(found) < MOST:
                    found.setdefault(path)
        self._paths = {study_id(path): path for path in found}
        return [_known(key, path) for key, path in self._paths.items()]

    def one(self, key: str) -> Known:
        """The study of an id.

        Raises:
            Refusal: there is none.
        """
        if key not in self._paths:
            self.all()
        path = self._paths.get(key)
        known = None if path is None else _known(key, path)
        if known is None or (not known.content and not (known.path / SPEC).is_file()):
            raise not_found("A study of that id")
        return known

    def trained(self, key: str) -> Known:
        """The same, when it can be used.

        Raises:
            Refusal: it is not trained yet.
        """
        known = self.one(key)
        if not known.content:
            raise Refusal(
                409,
                "untrained",
                "A study must be trained to be used, and this one is not, or not yet. "
                "Wait for its end, or go on with its training.",
            )
        return known

    def fresh(self, name: str) -> Path:
        """The folder of a new study, beside the first of those that are served.

        Args:
            name: as a person typed it.

        Raises:
            Refusal: no name for a folder.
        """
        if NAME.fullmatch(name) is None or name.endswith((".", " ")):
            raise Refusal(
                422,
                "invalid",
                "A name must have up to 60 letters, digits, spaces, '-', '_' or '.', and begin "
                "with a letter or digit. Choose another.",
                field="name",
            )
        home = self.roots[0]
        parent = home.parent if (home / SPEC).is_file() else home
        stem = name.replace(" ", "-")
        names = (f"{stem}{f'-{n}' * (n > 1)}" for n in count(1))
        path = next(path for path in map(parent.joinpath, names) if not path.exists())
        if not any(path.is_relative_to(root) for root in self.roots):
            self.roots.append(path)
        return path


def study_id(path: Path) -> str:
    """The id of a folder."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def card(known: Known) -> dict[str, Any]:
    """What a page shows of a study that it did not open."""
    spec, problem = _spec(known.path)
    state = "broken" if problem else _state(known)
    data, modality = _part(spec, "data"), _part(spec, "modality")
    number = data.get("num_examples")
    return {
        "id": known.id,
        "name": _words(known.path.name),
        "recipe": _words(spec.get("recipe", "")),
        "state": state,
        "problem": problem,
        "kind": _words(modality.get("kind", "")),
        "source": _words(data.get("source", "")),
        "num_examples": number if type(number) is int and 0 <= number < 2**53 else 0,
        "modified": _modified(known.path),
        "ending": None if problem else ending_of(known.path, spec),
        "content": known.content,
    }


def log_of(known: Known) -> list[dict[str, Any]]:
    """The records of a training log, of which the last may not be whole yet."""
    try:
        content = _read(known.path / LOG, MOST_LOG)
    except (OSError, ValueError):
        return []
    found = []
    for line in content.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if isinstance(record, dict) and isinstance(record.get("parts"), dict):
            found.append(_record(record))
    return found


def report_of(known: Known) -> bytes:
    """The report of a study.

    Raises:
        Refusal: it has none.
    """
    try:
        return _read(known.path / REPORT, MOST_LOG)
    except (OSError, ValueError) as error:
        raise not_found("A report of that study") from error


def _studies_in(root: Path, deepest: int) -> Iterator[Path]:
    """The folders with a study.toml; no link is followed."""
    if (root / SPEC).is_file():
        yield root
        return
    if deepest == 0:
        return
    try:
        with os.scandir(root) as entries:
            folders = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in folders:
        if not name.startswith("."):
            yield from _studies_in(root / name, deepest - 1)


def _known(key: str, path: Path) -> Known:
    try:
        seen = os.stat(path / MANIFEST, follow_symlinks=False)
    except OSError:
        return Known(key, path, "")
    return Known(key, path, _content(path, seen.st_mtime_ns, seen.st_size, seen.st_ino))


@lru_cache(maxsize=MOST)
def _content(path: Path, changed: int, size: int, inode: int) -> str:
    """What a manifest that was looked at then says of codes, items and weights."""
    listed = _json(path / MANIFEST)
    files = listed.get("files") if isinstance(listed, dict) else None
    if not isinstance(files, dict) or not all(name in files for name in TRAINED):
        return ""
    told = json.dumps([files[name] for name in TRAINED], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _state(known: Known) -> str:
    if known.content:
        return "trained"
    return "training" if _is_locked(known.path) else "untrained"


def _is_locked(path: Path) -> bool:
    import fcntl

    try:
        descriptor = os.open(path / LOCK, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _spec(path: Path) -> tuple[dict[str, Any], str | None]:
    try:
        content = _read(path / SPEC)
        return tomllib.loads(content.decode()), None
    except (OSError, ValueError, RecursionError):
        return {}, "study.toml must be as zscape wrote it, and is not. Restore it from a copy."


def _part(spec: dict[str, Any], name: str) -> dict[str, Any]:
    part = spec.get(name)
    return part if isinstance(part, dict) else {}


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (OSError, ValueError, RecursionError):
        return None


def _read(path: Path, most: int = MOST_BYTES) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError("too long")
    return content


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """A record of which all numbers are finite or None."""
    parts = {_words(name): _number(value) for name, value in record["parts"].items()}
    names = ("step", "epoch", "share", "loss", "seconds")
    numbers = {name: _number(record.get(name)) for name in names}
    return {**numbers, "parts": parts, "note": _words(record.get("note", ""))}


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def _modified(path: Path) -> float:
    try:
        return (path / SPEC).stat().st_mtime
    except OSError:
        return 0.0


def _words(value: Any) -> str:
    return "".join(c for c in str(value)[:200] if c.isprintable())
