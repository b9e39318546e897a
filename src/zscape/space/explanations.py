"""What makes a thing strange: the columns, the places of a picture and the units to blame.

How strange it is as a whole, `scores` says.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.errors import ShapeError
from zscape.modalities.found import quote
from zscape.modalities.image import Image
from zscape.modalities.logs import Logs
from zscape.modalities.modality import Rows
from zscape.modalities.table import Table
from zscape.probability.distributions import DiscretizedLogisticMixture, Multinomial
from zscape.space.beside import LIKELIHOOD, MEANINGS, RECONSTRUCTION
from zscape.space.likeness import blurred
from zscape.space.sessions import OF_SESSIONS, Seen, reasons, seen_of
from zscape.space.space import Space, in_chunks
from zscape.space.units import measuring_items, rates_of

MOST_USUAL = 128  # normals that say what is usual
MOST_BLAMED = 3  # columns of a row
WORTH_TELLING = 1.0  # nats
OF_COSTS = (RECONSTRUCTION, LIKELIHOOD, *OF_SESSIONS)  # scores that measure what is blamed
ROUNDS = 3  # in which an expected cell settles
TOGETHER = 8_192  # rows in one walk

Unseen = Mapping[int, Sequence[tuple[str, str]]]  # by a place: columns, and what came new there

ROWS_OF_PLACES, COLUMNS_OF_PLACES = ("upper", "middle", "lower"), ("left", "middle", "right")


@dataclass(frozen=True, slots=True)
class Blame:
    """One thing to blame.

    Attributes:
        name: of the column, place or unit.
        nats: its share: by how much more it costs than it usually does; infinite where training
            never saw what came.
        came: the cell; empty for places and units.
        expected: what the rest makes likely in its stead; likewise.
    """

    name: str
    nats: float
    came: str = ""
    expected: str = ""

    def __str__(self) -> str:
        if math.isinf(self.nats):
            return f"{self.name}: {quote(self.came)} was never seen in training"
        told = f"{self.name} is {self.came or 'empty'} where {self.expected} is likely"
        return f"{told if self.expected else self.name} ({self.nats:.1f} nats)"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What makes one thing strange.

    Attributes:
        blames: columns or places, the first to blame the most.
        units: of the code, likewise; empty where no rate falls to single units.
        heat: nats above the usual of each pixel, `[H, W]`, not below 0; None for rows.
        legend: what the events are that the blames of a session name.
        least: nats from which a blame is worth telling.
    """

    blames: tuple[Blame, ...]
    units: tuple[Blame, ...]
    heat: np.ndarray | None
    legend: str = ""
    least: float = WORTH_TELLING

    def __str__(self) -> str:
        """Who is to blame, in words; empty where nobody is by as much as `least` nats."""
        told = [str(blame) for blame in self.blames[:MOST_BLAMED] if blame.nats >= self.least]
        if not told:
            told = [str(unit) for unit in self.units[:1] if unit.nats >= WORTH_TELLING]
        return "; ".join(told) + (f" ({self.legend})" if told and self.legend else "")


def explain(space: Space, thing: Any) -> Explanation:
    """Who is to blame for a thing being strange, each with its share in nats.

    Of a row the column that costs the most more than usual given all others, -log p(x_d | z) with z
    the code of the row whose cell d stands where the rest expects it; then, with that cell mended,
    the next: so a spoilt cell does not make its neighbours look guilty. Of a picture the nats of
    each pixel above the usual, as a map, and the ninths of the picture by their sums. Beside them
    the units of the code whose KL is above the usual. Of a session of a log what came more or less
    often than in the most similar normal one, the least likely place of its order, and a step from
    one event to the next that never was.

    Args:
        space: a space.
        thing: an index into the space's data, or a thing.

    Raises:
        ShapeError: more or less than one thing.
        DataError: no such index.

    Source: Rezende, Mohamed and Wierstra 2014, appendix F (expected cells, by turns),
    arXiv:1401.4082.
    """
    is_index = isinstance(thing, int | np.integer)
    stored, unseen = (space.item(int(thing)), {}) if is_index else stored_of(space, thing)
    if len(stored) != 1:
        raise ShapeError(f"One thing is needed here, got {len(stored)}. Pass them one by one.")
    return next(explanations(space, stored, unseen))


def stored_of(space: Space, things: Any) -> tuple[Tensor, Unseen]:
    """Things as they are stored, and the cells that hold what training never saw; these are empty.

    Raises:
        ShapeError: things of another size than those it was trained on.
        DataError: values that these things cannot have.
    """
    if not isinstance(space.modality, Table):
        return space.modality.encode(things), {}
    known, unseen = space.modality.without_unseen(things)
    return space.modality.encode(known), unseen


def reason_of(leading: str, p: str, why: Explanation | None) -> str:
    """Why a thing is strange, in a sentence: what the score that leads says, then who is to blame.

    What is blamed costs the model much, which few scores measure; by others it is said to be so.

    Args:
        leading: the name of the score that is the most surprised by it.
        p: of the thing by that score alone, in words.
        why: who is to blame; None: that was not asked.
    """
    blamed = "" if why is None else str(why)
    if why is not None and any(math.isinf(blame.nats) for blame in why.blames):
        return blamed
    led = f"{MEANINGS[leading][1]} (by itself p {p})"
    if not blamed:
        return led
    return f"{led}: {blamed}" if leading in OF_COSTS else f"{led}; costly to the model: {blamed}"


def explanations(
    space: Space, stored: Tensor, unseen: Unseen | None = None
) -> Iterator[Explanation]:
    """The explanations of stored things `[N, *shape]`, one by one.

    Args:
        space: a space.
        stored: things.
        unseen: what of them training never saw, of a log the line.
    """
    unseen = unseen or {}
    if isinstance(space.modality, Logs):
        odd = {n: lines[0][1] for n, lines in unseen.items()}
        yield from explain_sessions(space, seen_of(space), stored, odd)
        return
    normals = space.modality.prepare(measuring_items(space, MOST_USUAL)[0])
    x = space.modality.prepare(stored)
    units = _units(space, x, normals)
    if sides := _sides(space):
        heat = _heat(space, x, normals).reshape(len(x), *sides)
        for n, nats in enumerate(heat):
            yield Explanation(_places(nats), units[n], nats.numpy())
        return
    usual = _each_cell(space, normals)[0].mean(0)
    for n, row in enumerate(x):
        new = tuple(Blame(name, math.inf, came) for name, came in unseen.get(n, ()))
        yield Explanation(new + _columns(space, row[None], usual), units[n], None)


def explain_sessions(
    space: Space, before: Seen, stored: Tensor, odd: Mapping[int, str]
) -> Iterator[Explanation]:
    """The explanations of stored sessions of a log; see `reasons` for what is asked."""
    assert isinstance(space.modality, Logs)
    for found in reasons(space, before, stored, odd):
        blames = tuple(Blame(words, nats) for words, nats in found)
        told = "; ".join(blame.name for blame in blames[:MOST_BLAMED])
        # A session may be strange in many ways, each of little: the first is told all the same.
        least = min(WORTH_TELLING, blames[0].nats)
        yield Explanation(blames, (), None, space.modality.legend(told), least)


def _sides(space: Space) -> tuple[int, int] | None:
    """Height and width of things that are pictures."""
    shape = space.modality.shape
    if isinstance(space.modality, Image):
        return shape[1], shape[2]
    return (shape[0], shape[1]) if len(shape) == 2 else None


@torch.inference_mode()
def _heat(space: Space, x: Tensor, normals: Tensor) -> Tensor:
    """Nats above the usual of each pixel, blurred, `[N, H, W]`."""

    def each(some: Tensor) -> Tensor:
        found = in_chunks(lambda rows: _nats(space, some[rows]), len(some))
        return found if found.ndim == 4 else found[:, None]

    above = blurred(each(x) - each(normals).mean(0)).sum(1)
    return above.clamp(min=0)


def _places(heat: Tensor) -> tuple[Blame, ...]:
    found = []
    for down, part in zip(ROWS_OF_PLACES, heat.tensor_split(3, 0), strict=True):
        for across, place in zip(COLUMNS_OF_PLACES, part.tensor_split(3, 1), strict=True):
            name = "the middle" if down == across == "middle" else f"the {down} {across}"
            found.append(Blame(name, float(place.sum())))
    return tuple(sorted(found, key=lambda blame: -blame.nats))


def _columns(space: Space, row: Tensor, usual: Tensor) -> tuple[Blame, ...]:
    """The columns to blame, each with the ones before it mended."""
    found: list[Blame] = []
    mended, names = row, _names(space)
    left = torch.ones(row[0].numel(), dtype=torch.bool)
    for _ in range(min(MOST_BLAMED, len(left))):
        nats, expected = _each_cell(space, mended)
        above = (nats[0] - usual).masked_fill(~left | row.flatten(1)[0].isnan(), -torch.inf)
        worst = int(above.argmax())
        if not above[worst] > 0:
            break
        mended = mended.clone()
        mended.view(1, -1)[0, worst] = expected[0, worst]
        came, wanted = (_cell(space, some, names[worst]) for some in (row, mended))
        found.append(Blame(_called(space, names[worst]), float(above[worst]), came, wanted))
        left[worst] = False
    return tuple(found)


@torch.inference_mode()
def _each_cell(space: Space, x: Tensor) -> tuple[Tensor, Tensor]:
    """-log p of each cell given all others in nats, and what these expect there, `[N, C]` each."""
    flat = x.flatten(1)
    count, cells = flat.shape
    typical = _typical(space).expand(count, -1)
    every = torch.arange(cells)
    nats, expected = torch.empty(count, cells), torch.empty(count, cells)
    for start in range(0, count, max(TOGETHER // cells, 1)):
        rows = slice(start, start + max(TOGETHER // cells, 1))
        real = flat[rows, None].expand(-1, cells, -1)
        guess = typical[rows]
        for _ in range(ROUNDS):
            asked = real.clone()
            asked[:, every, every] = guess
            likelihood = _likelihood(space, asked.reshape(-1, *x.shape[1:]))
            made = likelihood.mean.reshape(asked.shape)
            guess = made[:, every, every]
        told = _per_cell(space, likelihood, real.reshape(-1, *x.shape[1:])).view(asked.shape)
        nats[rows], expected[rows] = told[:, every, every], guess
    return nats, expected


def _typical(space: Space) -> Tensor:
    """The median of each cell over the items, `[C]`; of a category the commonest class."""
    x = space.modality.prepare(space.items).flatten(1)
    middle = x.nanmedian(0).values.nan_to_num()
    for place, (word, _) in enumerate(space.modality.columns):
        if word == "categorical":
            there = x[:, place][~x[:, place].isnan()]
            middle[place] = there.mode().values if len(there) else 0.0
    return middle


def _likelihood(space: Space, x: Tensor) -> Distribution:
    return space.model.encode(x).likelihood


def _nats(space: Space, x: Tensor) -> Tensor:
    return _per_cell(space, _likelihood(space, x), x)


def _per_cell(space: Space, likelihood: Distribution, x: Tensor) -> Tensor:
    """-log p of each cell in nats, of the shape of x; 0 where it is missing."""
    if isinstance(likelihood, DiscretizedLogisticMixture | Multinomial):
        # These fall to no single cell: half the square of the residual over its usual size.
        items = space.modality.prepare(measuring_items(space, MOST_USUAL)[0])
        usual = (items - _likelihood(space, items).mean).square().mean(0).clamp(min=1e-4)
        return 0.5 * (x - likelihood.mean).square() / usual
    found: Tensor = -likelihood.log_prob_per_unit(x)  # type: ignore[attr-defined]
    return found.float()


@torch.inference_mode()
def _units(space: Space, x: Tensor, normals: Tensor) -> list[tuple[Blame, ...]]:
    """The units of each thing, the one whose rate is most above the usual first."""
    usual = rates_of(space.model.latents(normals))
    if usual is None:
        return [()] * len(x)
    found = []
    for part in x.split(TOGETHER // 16):
        rates = rates_of(space.model.latents(part))
        assert rates is not None
        for above in rates - usual.mean(0):
            order = above.argsort(descending=True)[:MOST_BLAMED].tolist()
            blames = (Blame(f"unit {d} of the code", float(above[d])) for d in order)
            found.append(tuple(blame for blame in blames if blame.nats > 0))
    return found


def _names(space: Space) -> list[str]:
    if isinstance(space.modality, Table):
        return [str(column.name) for column in space.modality.modelled]
    return [str(place) for place in range(int(np.prod(space.modality.shape)))]


def _called(space: Space, name: str) -> str:
    return name if isinstance(space.modality, Table) else f"column {name}"


def _cell(space: Space, row: Tensor, name: str) -> str:
    shown = space.modality.show(row)
    assert isinstance(shown, Rows)
    return shown.cells[0][shown.columns.index(name)]
