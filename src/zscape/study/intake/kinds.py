"""Of which kind things are: whether they are what a study is of. Sizes are the modality's."""

from typing import Any

import numpy as np

from zscape.errors import DataError
from zscape.modalities.array import Array
from zscape.modalities.extras import is_frame
from zscape.modalities.found import listed, printable
from zscape.modalities.image import Image, looks_like_pictures
from zscape.modalities.logs import Logs, Mined
from zscape.modalities.modality import Modality
from zscape.modalities.table import Table

SHOWN = 3  # columns that stand for a table


def require_kind(modality: Modality, things: Any, source: str) -> None:
    """Refuses things of another kind than a study's, before their size is looked at.

    Args:
        modality: of the study.
        things: as they came: an array, a DataFrame, sessions of a log.
        source: what they came from.

    Raises:
        DataError: they are of another kind.
    """
    if _is_of(modality, things):
        return
    raise wrong_kind(modality, source, _holds(things))


def wrong_kind(modality: Modality, source: str, holds: str) -> DataError:
    """The error for data of another kind than a study's."""
    return DataError(
        f"This study is of {kind_words(modality)}; {printable(source)} holds {holds}. "
        "Give things of that kind, or take another study."
    )


def kind_words(modality: Modality) -> str:
    """What a study is of, such as `a table with the columns age, city, income and 5 more`."""
    if isinstance(modality, Image):
        tone = "grey" if modality.channels == 1 else "colour"
        return f"pictures, {modality.height}x{modality.width}, {tone}"
    if isinstance(modality, Table):
        names = [printable(str(column.name)) for column in modality.modelled]
        return f"a table with the columns {listed(names, SHOWN)}"
    if isinstance(modality, Logs):
        return "a log"
    return f"arrays of shape {'x'.join(map(str, modality.shape))}"


def _is_of(modality: Modality, things: Any) -> bool:
    if isinstance(things, Mined):
        return isinstance(modality, Logs)
    if is_frame(things):
        return isinstance(modality, Table | Array)
    if isinstance(modality, Table):
        return not isinstance(things, np.ndarray)
    return not (isinstance(modality, Logs) and isinstance(things, np.ndarray))


def _holds(things: Any) -> str:
    if isinstance(things, Mined):
        return "a log"
    if is_frame(things):
        return "a table"
    return "pictures" if looks_like_pictures(things) else "an array of numbers"
