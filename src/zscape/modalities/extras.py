"""The one place that imports optional packages and says which extra brings them."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from zscape.errors import DataError


def optional(package: str, extra: str) -> Any:
    """Imports an optional package.

    Raises:
        DataError: it is not installed; the message says which extra to install.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise DataError(
            f"This needs the package {package.split('.')[0]!r}, which cannot be imported "
            f"({error}). Install it with: pip install 'zscape[{extra}]'"
        ) from error


def is_installed(package: str) -> bool:
    """Whether an optional package is there; it is not imported to find out."""
    return find_spec(package) is not None


def pandas() -> Any:
    """The pandas module.

    Raises:
        DataError: pandas is not installed.
    """
    return optional("pandas", "data")


def is_frame(things: Any) -> bool:
    """Whether things are a pandas DataFrame; pandas is not imported to find out."""
    loaded = sys.modules.get("pandas")
    return loaded is not None and isinstance(things, loaded.DataFrame)
