"""Each score of things and of the normals that they are set beside; p-values are not its business.

The normals are items of the space: those held out of training for what the model says, and all of
them, each left out in turn, for what needs no model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.modalities.logs import Logs
from zscape.space.calibration import FEWEST_NORMALS, Pair
from zscape.space.density import fit_density
from zscape.space.likeness import likeness, mean_distances
from zscape.space.sessions import OF_SESSIONS, UNTAUGHT, seen_of, session_scores
from zscape.space.space import Space
from zscape.space.walks import Walked, joined, likelihoods, manner, walk_all

MOST_NORMALS = 5_000  # that calibrate
MOST_KNOWN = 100_000  # items among which neighbours are searched
MOST_NUMBERS = 2**26  # of all their points together
CODE_WEIGHT = 0.3  # of a code in units of its posterior, beside a residual in units of its own
LEAST_RESIDUAL = 0.05  # of a feature's own scale

RECONSTRUCTION, RATE, LIKELIHOOD = "reconstruction", "rate", "likelihood"
DENSITY, ERROR = "density", "error"
NEIGHBOURS, TAXICAB, CODE_NEIGHBOURS = "neighbours", "taxicab_neighbours", "code_neighbours"

MEANINGS = {
    RECONSTRUCTION: ("nats", "the reconstruction leaves much unexplained"),
    RATE: ("nats", "its code costs much under the prior"),
    LIKELIHOOD: ("nats", "the model finds it unlikely"),
    DENSITY: ("nats", "its code lies where few codes lie"),
    ERROR: ("squared length", "its reconstruction looks different"),
    NEIGHBOURS: ("distance", "it is far from everything normal"),
    TAXICAB: ("distance", "it is far from everything normal, column by column"),
    CODE_NEIGHBOURS: ("distance", "nothing normal is near it as the model sees it"),
}
OF_OTHERS = tuple(MEANINGS)  # that are no sessions of a log
MEANINGS |= OF_SESSIONS
OF_A_RATE = (RATE, LIKELIHOOD)
OF_ROWS, OF_PICTURES = (TAXICAB,), (ERROR,)
WITHOUT_MODEL = (NEIGHBOURS, TAXICAB)
WALKED = (RECONSTRUCTION, RATE, DENSITY, ERROR, CODE_NEIGHBOURS)

Found = tuple[str, float, dict[str, Pair]]  # what is done, its share of the work, what came of it


@dataclass(frozen=True, slots=True)
class Beside:
    """Items that things are set beside.

    Attributes:
        known: where the items stand among which neighbours are searched, `[K]`, rising.
        normals: where the items stand that calibrate, `[M]`, rising.
        unseen: which of these were held out of training, bool `[M]`.
        own: whether the things are the items themselves.
        notes: what limits the p-values, a sentence each.
    """

    known: Tensor
    normals: Tensor
    unseen: Tensor
    own: bool
    notes: tuple[str, ...]


def beside(spaces: Sequence[Space], *, own: bool) -> tuple[Beside, ...]:
    """The items that things are set beside: all that were held out, and as many as may be.

    Args:
        spaces: of the same items; the parts that they held out may differ.
        own: whether their own items are to be scored.

    Returns:
        One of each space, which differ in what is unseen.
    """
    space, count = spaces[0], len(spaces[0].items)
    apart_of = [_held_out(each) for each in spaces]
    held = torch.stack(apart_of).any(0)
    notes: tuple[str, ...] = ()
    if held.sum() < FEWEST_NORMALS or not all(unseen.any() for unseen in apart_of):
        held, apart_of = torch.ones_like(held), [torch.ones_like(held)] * len(spaces)
        notes = (
            "for want of held-out normals p rests on those seen in training, and is too small",
        )
    elif own:
        notes = ("what trained the model looks more normal to it than it would unseen",)
    apart = _even(held.nonzero().flatten(), MOST_NORMALS)
    filling = _even((~held).nonzero().flatten(), MOST_NORMALS - len(apart))
    normals = torch.cat([apart, filling]).sort().values
    numbers = space.items[0].numel() + space.codes.flat.shape[1]
    known = _even(torch.arange(count), min(max(MOST_NUMBERS // numbers, 100), MOST_KNOWN))
    return tuple(Beside(known, normals, unseen[normals], own, notes) for unseen in apart_of)


def together(pairs: Sequence[Pair]) -> Pair:
    """A score by several spaces: of normals by those that have not seen them, of things by all."""
    normals, things = (torch.stack(side) for side in zip(*pairs, strict=True))
    return normals.nanmean(0), things.mean(0)


def scores_beside(
    space: Space, stored: Tensor, others: Beside, names: Sequence[str], *, draws: int, seed: int
) -> Iterator[Found]:
    """The scores of normals `[M]` and of stored things `[N]`, one after the other.

    A normal's score is nan where the model has seen the normal.

    Args:
        space: a space.
        stored: things `[N, *shape]`.
        others: what they are set beside.
        names: of the scores.
        draws: of a likelihood.
        seed: of the draws.
    """
    if isinstance(space.modality, Logs):
        yield "sessions", 1.0, _of_sessions(space, stored, others, names)
        return
    steps = [name for name in (*WITHOUT_MODEL, LIKELIHOOD) if name in names]
    walking = any(name in WALKED for name in names)
    total, done = len(steps) + 2 * walking, 0
    for name in steps:
        parts = (
            _likelihoods(space, stored, others, draws=draws, seed=seed)
            if name == LIKELIHOOD
            else _distances(space, stored, others, name)
        )
        for share, pair in parts:
            yield name, (done + share) / total, {} if pair is None else {name: pair}
        done += 1
    if walking:
        for words, share, found in _by_walks(space, stored, others, names, seed=seed):
            yield words, (done + 2 * share) / total, found


def kind_of(space: Space, name: str) -> str:
    """What a score is: exact, estimate (a draw, a fit) or surrogate."""
    if name == LIKELIHOOD:
        return "estimate"
    if name == RATE:
        return "exact" if manner(space).exact_rate else "surrogate"
    if name == DENSITY:
        return "exact" if manner(space).learned_prior else "estimate"
    return "exact"


Parts = Iterator[tuple[float, Pair | None]]


def _distances(space: Space, stored: Tensor, others: Beside, name: str) -> Parts:
    alike = likeness(space)

    def moved(items: Tensor) -> list[Tensor]:
        parts = [alike.moved(space.modality.prepare(part)) for part in items.split(1024)]
        return [torch.cat(same) for same in zip(*parts, strict=True)]

    bank, things = moved(space.items[others.known])[0], moved(stored)
    normals = [] if others.own else moved(space.items[others.normals])
    yield from _beside_bank(bank, normals, things, others, taxicab=name == TAXICAB)


def _beside_bank(
    bank: Tensor,
    normals: list[Tensor],
    things: list[Tensor],
    others: Beside,
    *,
    taxicab: bool = False,
) -> Parts:
    """Mean distances of normals and things to a bank of points, none to itself.

    Where the things are the items themselves, the normals are among them.
    """
    asked = [(things, torch.arange(len(things[0])) if others.own else None)]
    asked += [] if others.own else [(normals, others.normals)]
    every, done, sides = sum(len(queries[0]) for queries, _ in asked), 0, list[Tensor]()
    for queries, items in asked:
        own, parts = None if items is None else _places(others.known, items), []
        for part in mean_distances(bank, queries, own=own, taxicab=taxicab):
            parts.append(part.double())
            done += len(part)
            yield done / every, None
        sides.append(torch.cat(parts))
    yield 1.0, (sides[0][others.normals] if others.own else sides[1], sides[0])


def _held_out(space: Space) -> Tensor:
    nothing = torch.zeros(len(space.items), dtype=torch.bool)
    return nothing if space.held_out is None else space.held_out


def _likelihoods(space: Space, stored: Tensor, others: Beside, *, draws: int, seed: int) -> Parts:
    apart = others.normals[others.unseen]
    asked = (stored,) if others.own else (stored, space.items[apart])
    every, done, sides = sum(map(len, asked)), 0, list[Tensor]()
    for items in asked:
        parts = []
        for part in likelihoods(space, items, draws=draws, seed=seed):
            parts.append(part)
            done += len(part)
            yield done / every, None
        sides.append(torch.cat(parts))
    normals = sides[0][apart] if others.own else sides[1]
    yield 1.0, (_of_unseen(normals, others), sides[0])


def _by_walks(
    space: Space, stored: Tensor, others: Beside, names: Sequence[str], *, seed: int
) -> Iterator[Found]:
    """The scores that a walk along the centres says."""
    items = torch.cat([others.known, others.normals]).unique()
    asked = (stored,) if others.own else (stored, space.items[items])
    every, done, walks, alike = sum(map(len, asked)), 0, list[Walked](), likeness(space)
    for side in asked:
        parts = []
        for part in walk_all(space, side, alike):
            parts.append(part)
            done += len(part.rate)
            yield "walks", 0.5 * done / every, {}
        walks.append(joined(parts))
    theirs, ours = walks[0], walks[0][items] if others.own else walks[1]
    places = torch.searchsorted(items, others.normals)
    apart = ours[places[others.unseen]]
    found = {
        RECONSTRUCTION: (_of_unseen(apart.distortion, others), theirs.distortion),
        RATE: (_of_unseen(apart.rate, others), theirs.rate),
        ERROR: (_of_unseen(apart.error, others), theirs.error),
    }
    if DENSITY in names:
        seen = ours[_seen(items, others, len(space.items))]
        found[DENSITY] = _densities(space, seen, apart, theirs, others, seed=seed)
    yield "walks", 0.5, {name: found[name] for name in names if name in found}
    if CODE_NEIGHBOURS not in names:
        return
    sigma, scale = _scales(ours, apart)
    near, far = (
        torch.cat([CODE_WEIGHT * walked.codes / sigma, walked.left / scale], dim=1)
        for walked in (ours, theirs)
    )
    bank = near[torch.searchsorted(items, others.known)]
    for share, pair in _beside_bank(bank, [near[places]], [far], others):
        of = {} if pair is None else {CODE_NEIGHBOURS: (_unseen_only(pair[0], others), pair[1])}
        yield CODE_NEIGHBOURS, 0.5 + 0.5 * share, of


def _of_sessions(
    space: Space, stored: Tensor, others: Beside, names: Sequence[str]
) -> dict[str, Pair]:
    """The scores of sessions; the normals are left out of what was seen, each in turn."""
    before = seen_of(space)
    ours = session_scores(space, before, space.items[others.normals], own=True)
    theirs = session_scores(space, before, stored, own=others.own)
    return {
        name: (
            ours[name] if name in UNTAUGHT else ours[name].where(others.unseen, torch.nan),
            theirs[name],
        )
        for name in names
    }


def _seen(items: Tensor, others: Beside, count: int) -> Tensor:
    """Which of the walked items trained the model; all, where none is known to be unseen."""
    held = torch.zeros(count, dtype=torch.bool)
    held[others.normals[others.unseen]] = True
    return ~held[items] if not held[items].all() else held[items]


def _scales(ours: Walked, apart: Walked) -> tuple[Tensor, Tensor]:
    """Units of a code and of a residual, `[D]` and `[F]`: of what was held out.

    A code's is the spread of its posterior, so that units that say nothing do not count; of codes
    without one, their own spread.
    """
    sigma = apart.spreads.square().mean(0).sqrt()
    sigma = sigma.where(~sigma.isnan(), ours.codes.std(0, correction=0))
    return sigma.clamp(min=1e-4), apart.left.square().mean(0).sqrt().clamp(min=LEAST_RESIDUAL)


def _densities(
    space: Space, seen: Walked, apart: Walked, theirs: Walked, others: Beside, *, seed: int
) -> Pair:
    if manner(space).learned_prior:
        return _of_unseen(apart.cost, others), theirs.cost
    density = fit_density(seen.codes, apart.codes, seed=seed)
    return _of_unseen(density.nats(apart.codes), others), density.nats(theirs.codes)


def _of_unseen(values: Tensor, others: Beside) -> Tensor:
    """`[M]` of the values of unseen normals; nan for the others."""
    found = torch.full((len(others.normals),), torch.nan, dtype=torch.float64)
    found[others.unseen] = values.double()
    return found


def _unseen_only(values: Tensor, others: Beside) -> Tensor:
    return values.where(others.unseen, torch.nan)


def _places(known: Tensor, items: Tensor) -> Tensor:
    """Where items stand among the known ones, `[Q]`; -1: nowhere."""
    found = torch.searchsorted(known, items).clamp(max=len(known) - 1)
    return found.where(known[found] == items, -1)


def _even(places: Tensor, number: int) -> Tensor:
    """So many of the places at most, evenly spread."""
    if number >= len(places):
        return places
    spread = torch.linspace(0, max(len(places) - 1, 0), max(number, 0), dtype=torch.float64)
    return places[spread.round().long()]
