"""What is known of every item, a column each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from zscape.space.space import Space
from zscape.studio.work.cells import all_cells_of, cell_values, cells_of
from zscape.studio.work.made import Made, Missing, packed, told
from zscape.studio.work.shelf import Opened


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that is known of every item.

    Attributes:
        id: how it is asked for.
        name: for people.
        classes: of a category.
        unit: of a number.
        group: where it comes from.
        place: of an attribute or of a column of the data, which it is.
    """

    id: str
    name: str
    classes: tuple[str, ...] | None = None
    unit: str = ""
    group: str = "attribute"
    place: int = 0

    def record(self) -> dict[str, Any]:
        """As a page is told of it."""
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
    found = [column.record() for column in known_columns(opened.space)]
    left_out = len(all_cells_of(opened.space)) - len(cells_of(opened.space))
    return told({"columns": found, "left_out": left_out})


def column(opened: Opened, wanted: str) -> Made:
    """The values of one column."""
    space = opened.space
    found = next((column for column in known_columns(space) if column.id == wanted), None)
    if found is None:
        raise Missing("not_found", "A column must be one of the study's. Ask for /columns.")
    return packed(found.record(), {"values": values_of(space, found)})


def known_columns(space: Space) -> list[Column]:
    """Label, attributes, the data's own columns, and which part of the data an item is of."""
    found = []
    if space.labels is not None:
        names = space.label_names or _numbered(space.labels)
        found.append(Column("label", "label", names, group="label"))
    for place, name in enumerate(space.attributes):
        found.append(Column(f"attribute-{place}", name, place=place))
    for place, cells in enumerate(cells_of(space)):
        name = f"{cells.name} {cells.template}".strip()
        found.append(Column(f"column-{place}", name, cells.classes, group="column", place=place))
    if space.held_out is not None:
        found.append(Column("part", "part", ("trained", "held out"), group="part"))
    return found


def values_of(space: Space, column: Column) -> np.ndarray:
    """`[N]`: int32 of a category, -1 where unknown; float32 of a number, NaN where unknown.

    The data's own columns are unknown of items that were not kept.
    """
    if column.group == "label":
        assert space.labels is not None
        return space.labels.astype(np.int32)
    if column.group == "attribute":
        return np.asarray(space.attributes[column.name], np.float32)
    if column.group == "part":
        assert space.held_out is not None
        known = space.held_out.numpy().astype(np.float32)
    else:
        known = cell_values(space.modality, space.items, column.place)
    values = np.full(len(space.codes), np.nan, np.float32)
    values[space.kept.numpy()] = known
    return values if column.classes is None else np.nan_to_num(values, nan=-1).astype(np.int32)


def _numbered(labels: np.ndarray) -> tuple[str, ...]:
    return tuple(map(str, range(int(labels.max(initial=-1)) + 1)))
