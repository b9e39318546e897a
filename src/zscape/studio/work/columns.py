"""What is known of every item, a column each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from zscape.space.space import Space
from zscape.studio.work.made import Made, Missing, packed, told
from zscape.studio.work.shelf import Opened


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that is known of every item.

    Attributes:
        id: how it is asked for.
        name: for people.
        values: `[N]`, int32 of a category (-1 unknown), float32 of a number (NaN unknown).
        classes: of a category.
        unit: of a number.
        group: where it comes from.
    """

    id: str
    name: str
    values: np.ndarray
    classes: tuple[str, ...] | None = None
    unit: str = ""
    group: str = "attribute"

    def record(self) -> dict[str, Any]:
        """All but its values."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": "number" if self.classes is None else "category",
            "unit": self.unit,
            "classes": None if self.classes is None else list(self.classes),
            "group": self.group,
        }


def columns(opened: Opened) -> Made:
    """Which columns there are, but for the scores, of which another process knows."""
    return told({"columns": [column.record() for column in known_columns(opened.space)]})


def column(opened: Opened, wanted: str) -> Made:
    """The values of one column."""
    return values_of(known_columns(opened.space), wanted)


def values_of(columns: list[Column], wanted: str) -> Made:
    """The values of one of these columns."""
    found = next((column for column in columns if column.id == wanted), None)
    if found is None:
        raise Missing("not_found", "A column must be one of the study's. Ask for /columns.")
    return packed(found.record(), {"values": found.values})


def known_columns(space: Space) -> list[Column]:
    """Label, attributes, and which part of the data an item is of."""
    found = []
    if space.labels is not None:
        names = space.label_names or _numbered(space.labels)
        values = space.labels.astype(np.int32)
        found.append(Column("label", "label", values, names, group="label"))
    for number, (name, values) in enumerate(space.attributes.items()):
        found.append(Column(f"attribute-{number}", name, np.asarray(values, np.float32)))
    if space.held_out is not None:
        parts = np.full(len(space.codes), -1, np.int32)
        parts[space.kept.numpy()] = space.held_out.numpy().astype(np.int32)
        found.append(Column("part", "part", parts, ("trained", "held out"), group="part"))
    return found


def _numbered(labels: np.ndarray) -> tuple[str, ...]:
    return tuple(map(str, range(int(labels.max(initial=-1)) + 1)))
