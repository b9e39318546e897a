"""Files that a person names: that they are there. What they hold is read elsewhere."""

from pathlib import Path

from zscape.errors import DataError
from zscape.modalities.found import quote


def require_file(path: Path, what: str, *, hint: str = "Check the path.") -> None:
    """Refuses a path at which there is no file.

    Args:
        path: of it.
        what: it is, as in "An archive".
        hint: what to do.

    Raises:
        DataError: there is none, or a folder.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "not there"
        raise DataError(
            f"{what} must be a file, and {quote(str(path), most=200)} is {found}. {hint}"
        )
