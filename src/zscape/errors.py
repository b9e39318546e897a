"""The exceptions that tell a person what to mend; each is also a `ValueError`.

    ZscapeError
    ├── SpecError       an option, recipe or flag that cannot be          exit 64
    ├── ShapeError      a picture, row or code of the wrong shape         exit 65
    ├── DataError       data or a package that is missing or unusable     exit 65
    ├── StudyError      a study folder that is missing, damaged or newer  exit 65
    ├── BusyError       a study that another process is training          exit 75
    ├── StorageError    a disk or port that is full, taken or refuses     exit 74
    ├── DivergedError   a training run whose numbers left the finite      exit 70
    ├── MemoryLimitError  a run that does not fit into memory             exit 71
    └── GroupError      a run in several processes that lost one of them  exit 70

Every message has three parts: what must hold; what came; what to do.
"""

from difflib import get_close_matches


class ZscapeError(ValueError):
    """A person's mistake or a run's misfortune, told in one sentence."""

    exit_code = 70


class SpecError(ZscapeError):
    """An option, recipe or flag that cannot be."""

    exit_code = 64


class ShapeError(ZscapeError):
    """A picture, row or code of the wrong shape."""

    exit_code = 65


class DataError(ZscapeError):
    """Data that cannot be used as it is, or a package that is missing."""

    exit_code = 65


class StudyError(ZscapeError):
    """A study folder that is missing, damaged or written by a newer zscape."""

    exit_code = 65


class BusyError(ZscapeError):
    """A study that another process is training."""

    exit_code = 75


class StorageError(ZscapeError):
    """A disk that is full or cannot be written, or a port that is taken."""

    exit_code = 74


class DivergedError(ZscapeError):
    """A training run whose numbers left the finite."""

    exit_code = 70


class MemoryLimitError(ZscapeError):
    """A run that does not fit into memory."""

    exit_code = 71


class GroupError(ZscapeError):
    """A run in several processes that lost one of them."""

    exit_code = 70


def unknown(kind: str, name: str, known: list[str], *, hint: str = "") -> SpecError:
    """The error for a name that is not in the list, with the near ones."""
    near = get_close_matches(name, known, n=2)
    meant = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    listed = hint or f"Known: {', '.join(sorted(known))}."
    return SpecError(f"Unknown {kind} {name!r}.{meant} {listed}")
