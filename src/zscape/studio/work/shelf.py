"""The studies that a process has open, the one used last kept longest."""

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zscape.errors import DataError, ShapeError
from zscape.model.codes import Codes
from zscape.space.directions import Direction
from zscape.space.space import Space
from zscape.study.study import Study

OPEN = 3  # two that are compared, and the one before
REMEMBERED = 32  # studies of which is kept what was found, whether they are open or not

Found = defaultdict[str, dict[str, Direction]]  # by user and name
Gone = defaultdict[str, dict[str, tuple[Direction, bool]]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A study and its space.

    Attributes:
        study: the folder.
        space: what was trained.
        directions: that were found since it was there, by user and name.
        gone: that were let go since it was opened, by user and name, and whether it was kept.
        memory: what was measured since then, by name.
    """

    study: Study
    space: Space
    directions: Found
    gone: Gone = field(default_factory=lambda: defaultdict(dict))
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def latent(self) -> int:
        """D, the size of a flat code."""
        return self.space.codes.flat.shape[1]

    def item(self, index: int) -> int:
        """An index of the data.

        Raises:
            DataError: there is no such item.
        """
        return self.space.index(index)

    def place(self, told: dict[str, Any]) -> int | Codes:
        """What the library takes for an item or a code that a page names."""
        if told.get("item") is not None:
            return self.item(told["item"])
        return self.codes([told["code"]])

    def codes(self, rows: list[list[float]]) -> Codes:
        """Codes from plain numbers.

        Raises:
            ShapeError: they are not of this study's size.
        """
        if any(len(row) != self.latent for row in rows):
            raise ShapeError(
                f"Codes must have {self.latent} numbers in this study, got {len(rows[0])}. "
                "Encode the thing with this study."
            )
        return self.space.codes.like(torch.tensor(rows, dtype=torch.float32))

    def flat(self, message: memoryview, count: int) -> torch.Tensor:
        """Flat codes from the bytes of a live socket, `[n, D]`.

        Raises:
            ShapeError: they are not of this study's size.
            DataError: a number is not finite.
        """
        numbers = np.frombuffer(message, "<f4")
        if len(numbers) != count * self.latent:
            raise ShapeError(
                f"Codes must have {self.latent} numbers in this study, got "
                f"{len(numbers)} for {count} codes. Encode the thing with this study."
            )
        if not np.isfinite(numbers).all():
            raise DataError("Codes must be finite, got NaN or infinity. Move the slider back.")
        return torch.from_numpy(numbers.astype(np.float32)).reshape(count, self.latent)


class Shelf:
    """Opens studies, and keeps them as long as their content stays."""

    def __init__(self) -> None:
        self._opened: OrderedDict[Path, tuple[str, Opened]] = OrderedDict()
        # What users found of a study outlasts its being closed for others, but no change of it.
        self._found: OrderedDict[Path, tuple[str, Found]] = OrderedDict()

    def open(self, path: str, content: str) -> Opened:
        """The study of a folder.

        Args:
            path: the folder.
            content: tells a changed study from the one that is open.

        Raises:
            StudyError: no study, damaged, or not trained.
        """
        folder = Path(path)
        known = self._opened.get(folder)
        if known is None or known[0] != content:
            study = Study.open(folder)
            known = content, Opened(study, study.space(), self._found_of(folder, content))
            self._opened[folder] = known
        self._opened.move_to_end(folder)
        while len(self._opened) > OPEN:
            self._opened.popitem(last=False)
        return known[1]

    def _found_of(self, folder: Path, content: str) -> Found:
        """What was found of this content; of studies that changed, or are long closed, it goes."""
        kept = self._found.pop(folder, None)
        found = kept[1] if kept and kept[0] == content else defaultdict(dict)
        self._found[folder] = content, found
        while len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return found
