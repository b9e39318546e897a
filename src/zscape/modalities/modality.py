"""The interface of the modalities: raw thing <-> tensor <-> something to show.

A modality knows how its things look; it does not know models, recipes or studies.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pictures:
    """Things that show themselves as pictures: uint8 `[N, H, W, 3]`."""

    tiles: np.ndarray


@dataclass(frozen=True, slots=True)
class Rows:
    """Things that show themselves as rows of text: `cells[n][c]` under `columns[c]`.

    `legend` says what short names in the cells stand for: (name, meaning) of each.
    """

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    legend: tuple[tuple[str, str], ...] = ()


class Modality(ABC):
    """How one kind of thing becomes a tensor and comes back.

    Final modalities are frozen dataclasses whose fields are plain values, so that
    `dataclasses.asdict` writes them and the constructor reads them back.
    """

    num_examples: int  # how many examples it was fitted on

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The event shape of the tensor that a model sees."""

    @property
    @abstractmethod
    def likelihood(self) -> str:
        """The word of the likelihood that suits these things."""

    @property
    @abstractmethod
    def network(self) -> str:
        """The word of the network that suits these things."""

    @property
    @abstractmethod
    def columns(self) -> tuple[tuple[str, int], ...]:
        """(likelihood word, number of classes or 1) per column; empty unless things are rows."""

    @abstractmethod
    def encode(self, things: Any) -> Tensor:
        """Stores things compactly: `[N, *shape]`, uint8 where values allow.

        Raises:
            ShapeError: things of another size than these.
            DataError: values that these things cannot have.
        """

    @abstractmethod
    def prepare(self, stored: Tensor) -> Tensor:
        """Casts stored values to what a model sees, float32 on the same device."""

    @abstractmethod
    def decode(self, x: Tensor) -> Any:
        """Turns what a model sees, `[N, *shape]`, into the person's own kind of thing."""

    @abstractmethod
    def show(self, x: Tensor) -> Pictures | Rows:
        """Turns what a model sees, `[N, *shape]`, into something to look at."""
