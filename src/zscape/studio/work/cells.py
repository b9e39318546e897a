"""What the data say of each thing that is no picture: cells of rows, counts of a log's events.

Which columns a map may be coloured by, and which few cells of a thing are worth a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.modalities.array import Array
from zscape.modalities.columns import decode_cells
from zscape.modalities.found import number_words
from zscape.modalities.logs import Logs
from zscape.modalities.modality import Modality
from zscape.modalities.table import Table
from zscape.space.space import Space, examples
from zscape.studio.work.items import label_of
from zscape.studio.work.made import Made, Missing, is_pictures, rows, told
from zscape.studio.work.shelf import Opened

MOST_COLUMNS = 1000  # that are offered: a longer list is no choice
MOST_CELLS = 6  # of a thing, where only a few are shown
MOST_COUNTED = 32  # values of a column whose shares are counted, one by one
SAMPLED = 4096  # things that say what is usual
LONGEST = 200  # letters of a cell
EVENTS = "events"  # the column of how many a session has
USUAL = "usual"  # where it is remembered


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of the data.

    Attributes:
        name: for people.
        classes: of a category, whose values are places among them; None: of a number.
        template: of the lines of an event; else empty.
    """

    name: str
    classes: tuple[str, ...] | None = None
    template: str = ""

    def words(self, value: float) -> str:
        """One cell as people read it; empty where it is missing."""
        if np.isnan(value):
            return ""
        return number_words(float(value)) if self.classes is None else self.classes[int(value)]


def cells_of(space: Space) -> list[Cells]:
    """The columns of a study's data that vary, the first 1,000; none of pictures."""
    return all_cells_of(space)[:MOST_COLUMNS]


def all_cells_of(space: Space) -> list[Cells]:
    """The columns of a study's data that vary, however many; none of pictures."""
    modality = space.modality
    if is_pictures(space):
        return []
    if isinstance(modality, Table):
        found = [Cells(str(c.name), _classes(c)) for c in modality.modelled]
    elif isinstance(modality, Logs):
        named = zip(modality.events, modality.templates or [""] * len(modality.events), strict=True)
        found = [Cells(EVENTS), *(Cells(str(event), template=text) for event, text in named)]
    else:
        found = [Cells(str(d)) for d in range(int(np.prod(modality.shape)))]
    return found


def cell_values(modality: Modality, x: Tensor, place: int) -> np.ndarray:
    """One column of things `[n, *shape]`, stored or prepared: float32 `[n]`, NaN where missing."""
    if isinstance(modality, Table):
        return _table_values(modality, x[:, place].numpy(), place)
    if isinstance(modality, Logs):
        counts = x[:, : len(modality.events) + 1]
        column = counts if place == 0 else counts[:, place - 1 : place]
        return column.to(torch.float32).round().clamp(min=0).sum(1).numpy()
    assert isinstance(modality, Array), "what else there is shows itself as pictures"
    own = slice(place, place + 1)
    one = replace(modality, event=(1,), mean=modality.mean[own], scale=modality.scale[own])
    return one.decode(x.flatten(1)[:, own])[:, 0].astype(np.float32)


def telling(opened: Opened, places: Sequence[dict[str, Any]]) -> Made:
    """Of items and codes the few cells that tell most: what is least usual comes first."""
    space, columns = opened.space, cells_of(opened.space)
    if is_pictures(space):
        raise Missing(
            "not_found", "Things of this study show themselves as pictures. Ask for /thumbs."
        )
    if USUAL not in opened.memory:
        opened.memory[USUAL] = _usual(space, len(columns))
    x = torch.cat([_thing(opened, place) for place in places])
    values = np.stack([cell_values(space.modality, x, d) for d in range(len(columns))])
    far = np.stack([u.below(v) for u, v in zip(opened.memory[USUAL], values, strict=True)])
    order = np.argsort(-far, axis=0, kind="stable")[:MOST_CELLS].T.tolist()
    if isinstance(space.modality, Logs):
        made = [
            [_cell("", run), *(_often(columns[d], values[d, n]) for d in order[n] if far[d, n] > 0)]
            for n, (_, run) in enumerate(rows(space, x).cells)
        ]
    else:
        made = [
            [
                *_label(space, places[n]),
                *(_cell(columns[d].name, columns[d].words(values[d, n])) for d in some),
            ]
            for n, some in enumerate(order)
        ]
    return told({"rows": made})


@dataclass(frozen=True, slots=True)
class Usual:
    """How usual the values of a column are.

    Attributes:
        values: that are counted, rising, a missing one last; empty: too many to count.
        nats: of each, by how much it is less likely than the most frequent one.
        mean: of those that are not counted.
        spread: their standard deviation.
        rarest: nats of what was not seen.
    """

    values: np.ndarray
    nats: np.ndarray
    mean: float
    spread: float
    rarest: float

    def below(self, values: np.ndarray) -> np.ndarray:
        """By how many nats values `[n]` are less likely than the most usual one."""
        if not len(self.values):
            nats = ((values - self.mean) / self.spread) ** 2 / 2
            return np.where(np.isnan(values), self.rarest, nats)
        place = np.searchsorted(self.values, values).clip(max=len(self.values) - 1)
        known = self.values[place]
        same = (known == values) | (np.isnan(known) & np.isnan(values))
        return np.where(same, self.nats[place], self.rarest)


def usual_of(values: np.ndarray) -> Usual:
    """How usual each of these values is: by its share where there are few, else as a Gaussian."""
    distinct, counts = np.unique(values, return_counts=True)
    rarest = float(np.log(counts.max()))
    if len(distinct) <= MOST_COUNTED:
        return Usual(distinct, np.log(counts.max() / counts), 0.0, 1.0, rarest)
    spread = float(np.nanstd(values)) or 1.0
    return Usual(distinct[:0], distinct[:0], float(np.nanmean(values)), spread, rarest)


def _usual(space: Space, number: int) -> list[Usual]:
    step = -(-len(space.items) // SAMPLED)
    some = space.items[::step]
    return [usual_of(cell_values(space.modality, some, d)) for d in range(number)]


def _thing(opened: Opened, place: dict[str, Any]) -> Tensor:
    named = opened.place(place)
    if isinstance(named, int):
        return examples(opened.space, torch.tensor([named]))
    return opened.space.decode_tensor(named)


def _classes(column: Any) -> tuple[str, ...] | None:
    if column.kind == "boolean":
        return tuple(str(cell) for cell in decode_cells(column, np.arange(2, dtype=np.float32)))
    return tuple(map(str, column.classes)) if column.kind == "categorical" else None


def _table_values(table: Table, values: np.ndarray, place: int) -> np.ndarray:
    column = table.modelled[place]
    if column.kind == "categorical":
        return values.round().clip(0, len(column.classes) - 1)
    if column.kind == "boolean":
        return np.where(np.isnan(values), np.nan, values >= 0.5).astype(np.float32)
    cells: np.ndarray = decode_cells(column, values).to_numpy(np.float32, na_value=np.nan)
    return cells


def _label(space: Space, place: dict[str, Any]) -> list[dict[str, str]]:
    item = place.get("item")
    label = None if item is None else label_of(space, item)
    return [] if label is None else [_cell("label", label)]


def _often(column: Cells, value: float) -> dict[str, str]:
    """How often an event came; of all events together, how many."""
    often = number_words(float(value))
    if column.name != EVENTS:
        often = {"0": "never", "1": "once"}.get(often, f"{often} times")
    return _cell(column.name, f"{often}: {column.template}" if column.template else often)


def _cell(name: str, words: str) -> dict[str, str]:
    return {"name": name, "words": words if len(words) <= LONGEST else f"{words[:LONGEST]}…"}
