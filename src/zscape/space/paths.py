"""Paths through codes: between two things, through several, and along single units.

Every path is a function of codes (`..._codes`) and the same path decoded, as the person's own
kind of thing. Nothing here draws or measures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zscape.errors import SpecError, unknown
from zscape.model.codes import Codes, concatenate
from zscape.space.edits import as_seen
from zscape.space.geodesics import Graph, decoder_around, geodesic, neighbour_graph
from zscape.space.levels import level_named, units_of
from zscape.space.nearby import of_classes
from zscape.space.space import Space, codes_of
from zscape.space.units import informative_units, spread

MOST_UNITS = 10  # traversed when none are named
PARALLEL = 1e-4  # sine of the angle below which a great circle is not told from a line

Between = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Traversal:
    """Things along single units, unit by unit.

    Attributes:
        units: which units of the flat code moved, U of them.
        offsets: how far, in standard deviations of the unit over the data, S of them.
        codes: `[U * S]`; those of `units[u]` are `codes[u * S : (u + 1) * S]`.
        things: the codes decoded.
    """

    units: tuple[int, ...]
    offsets: tuple[float, ...]
    codes: Codes
    things: Any


@dataclass(frozen=True, slots=True, repr=False)
class Way:
    """A way through a space.

    Attributes:
        codes: along it, T of them.
        x: what stands there, as a model sees it, `[T, *shape]`.
        steps: how many from one stop to the next, both among them.
        closed: whether it leads back to the first, which is not told twice.
    """

    codes: Codes
    x: Tensor
    steps: int
    closed: bool

    def stops(self) -> list[int]:
        """Where the stops stand on it."""
        return list(range(0, len(self.codes), self.steps - 1))

    def legs(self) -> Tensor:
        """Which places lead from each stop to the next, both among them, `[M, steps]`."""
        starts = torch.tensor(self.stops() if self.closed else self.stops()[:-1])
        return (starts[:, None] + torch.arange(self.steps)) % len(self.codes)


def interpolate(
    space: Space,
    a: Any,
    b: Any,
    *,
    steps: int = 9,
    method: str = "linear",
    level: str | None = None,
    classes: Sequence[int | str] | None = None,
    keep_details: bool = False,
) -> Any:
    """Things on the way from `a` to `b`, `steps` of them, as the person's own kind of thing.

    The first and the last are the reconstructions of `a` and `b`, or themselves with
    `keep_details`.

    Args:
        space: a space.
        a: an index into the space's data, a code, or a thing.
        b: likewise.
        steps: how many things, both ends among them.
        method: "linear"; "spherical", which keeps to the lengths that codes of a standard normal
            prior have; or "geodesic", which leads through codes of the data and is short and even
            as the decoder measures it.
        level: the level that moves while the others stay as in `a`; none: all of them move.
        classes: that a geodesic may lead through; none: those of the ends, where they are known.
        keep_details: of pictures: what the code does not hold of either end, x - decode(z), is
            added and fades to nothing by the middle.

    Raises:
        SpecError: fewer than 2 steps, an unknown method, level or class.
        ShapeError: `a` or `b` is not one thing.
        DataError: there is no item of that index.
    """
    if level is not None:
        b = _moved(codes_of(space, a), codes_of(space, b), level)
    codes = interpolate_codes(space, a, b, steps=steps, method=method, level=level, classes=classes)
    return space.modality.decode(_decoded(space, codes, [a, b] if keep_details else [], steps))


def interpolate_codes(
    space: Space,
    a: Any,
    b: Any,
    *,
    steps: int = 9,
    method: str = "linear",
    level: str | None = None,
    classes: Sequence[int | str] | None = None,
) -> Codes:
    """The codes of `interpolate`, `[steps]`; linear is (1 - t) a + t b, in each level.

    Source: spherical: Shoemake 1985, doi:10.1145/325165.325242; White 2016, section 2.1,
    arXiv:1609.04468; geodesic: `geodesics`.
    """
    _require_steps(steps)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    start, end = codes_of(space, a), codes_of(space, b)
    if level is not None:
        end = _moved(start, end, level)
    if method == "geodesic":
        units = range(start.flat.shape[1]) if level is None else units_of(space, level)
        decode = decoder_around(space, start, units)
        graph = neighbour_graph(of_classes(space, [a, b], classes)[:, units], decode)
        return _geodesic(space, graph, start, end, units, steps)
    between, t = BETWEEN[method], torch.linspace(0, 1, steps)
    ways = {n: between(z.flatten(1), end[n].flatten(1), t) for n, z in start.tensors.items()}
    return Codes({n: way.reshape(steps, *start[n].shape[1:]) for n, way in ways.items()})


def walk(
    space: Space,
    items: Any,
    *,
    steps: int = 9,
    closed: bool = False,
    method: str = "linear",
    classes: Sequence[int | str] | None = None,
    keep_details: bool = False,
) -> Any:
    """Things on a way through several, as the person's own kind of thing.

    Args:
        space: a space.
        items: a list of indices, codes and things in any mix; or many things at once.
        steps: how many things from one item to the next, both among them; no item is doubled.
        closed: whether the way leads back towards the first item, so that it can be repeated
            without a jump.
        method: "linear", "spherical" or "geodesic", as of `interpolate`.
        classes: that geodesics may lead through; none: of each two items, theirs.
        keep_details: of pictures, as of `interpolate`.

    Raises:
        SpecError: fewer than 2 items or 2 steps, or an unknown method or class.
    """
    found = way(
        space,
        items,
        steps=steps,
        closed=closed,
        method=method,
        classes=classes,
        keep_details=keep_details,
    )
    return space.modality.decode(found.x)


def way(
    space: Space,
    items: Any,
    *,
    steps: int = 9,
    closed: bool = False,
    method: str = "linear",
    classes: Sequence[int | str] | None = None,
    keep_details: bool = False,
) -> Way:
    """The codes of `walk` and what stands there."""
    stops = _each(space, items)
    codes = walk_codes(space, stops, steps=steps, closed=closed, method=method, classes=classes)
    x = _decoded(space, codes, stops if keep_details else [], steps)
    return Way(codes, x, steps, closed)


def walk_codes(
    space: Space,
    items: Any,
    *,
    steps: int = 9,
    closed: bool = False,
    method: str = "linear",
    classes: Sequence[int | str] | None = None,
) -> Codes:
    """The codes of `walk`: `(M - 1) (steps - 1) + 1` for M items, `M (steps - 1)` when closed."""
    stops = _each(space, items)
    if len(stops) < 2:
        raise SpecError(
            f"A walk must pass at least 2 items, got {len(stops)}. "
            "Name more, or traverse around a single one."
        )
    ends = [*stops[1:], stops[0]] if closed else stops[1:]
    legs = [
        leg[:-1] for leg in _legs(space, stops, ends, steps=steps, method=method, classes=classes)
    ]
    return concatenate(legs if closed else [*legs, codes_of(space, stops[-1])])


def _legs(
    space: Space,
    stops: Sequence[Any],
    ends: Sequence[Any],
    *,
    steps: int,
    method: str,
    classes: Sequence[int | str] | None,
) -> Iterator[Codes]:
    """The codes from each stop to its end; legs through the same codes share their graph."""
    if method != "geodesic":
        for a, b in zip(stops, ends, strict=False):
            yield interpolate_codes(space, a, b, steps=steps, method=method, classes=classes)
        return
    _require_steps(steps)
    among, graph = torch.empty(0), None
    for a, b in zip(stops, ends, strict=False):
        start, end = codes_of(space, a), codes_of(space, b)
        points = of_classes(space, [a, b], classes)
        units = range(start.flat.shape[1])
        if graph is None or not torch.equal(points, among):
            # All units are the leg's own, so that the decoder is the same whatever the start.
            among, graph = points, neighbour_graph(points, decoder_around(space, start, units))
        yield _geodesic(space, graph, start, end, units, steps)


def _geodesic(
    space: Space, graph: Graph, start: Codes, end: Codes, units: range, steps: int
) -> Codes:
    flat = start.flat.repeat(steps, 1)
    decode, ends = decoder_around(space, start, units), (start, end)
    flat[:, units] = geodesic(decode, graph, *(z.flat[:, units] for z in ends), steps=steps)
    return space.codes.like(flat)


def traverse(
    space: Space,
    item: Any = None,
    *,
    units: Sequence[int] | None = None,
    level: int | str | None = None,
    steps: int = 9,
    span: float = 3.0,
) -> Traversal:
    """Things that differ from one in a single unit of the code: what each unit does.

    Each unit moves from -`span` to +`span` standard deviations of the codes of the data around
    the item's own value; all other units stay as in the item.

    Args:
        space: a space.
        item: an index into the space's data, a code, or a thing; none: the kept example nearest
            to the mean of all codes (with many units the mean itself is unlike any thing).
        units: units of the flat code; none: the most informative ones, at most 10.
        level: of which the units are, by name or number (1 the coarsest); none: of any.
        steps: how many things per unit; the middle one of an odd number is the item itself.
        span: how far to go, in standard deviations.

    Raises:
        SpecError: fewer than 2 steps, a level that there is not, or a unit that it does not have.

    Source: Higgins et al. 2017, figure 1, openreview Sy2fzU9gl (around a seed, over +-3).
    """
    _require_steps(steps)
    code = codes_of(space, central_item(space) if item is None else item)
    within = range(code.flat.shape[1])
    if level is not None:
        within = units_of(space, level_named(space, level))
    ranked = informative_units(space) if units is None else []
    chosen = (
        [unit for unit in ranked if unit in within][:MOST_UNITS] if units is None else list(units)
    )
    _require_units(chosen, within)
    offsets = torch.linspace(-span, span, steps)
    codes = traverse_codes(space, code, units=chosen, offsets=offsets)
    return Traversal(tuple(chosen), tuple(offsets.tolist()), codes, space.decode(codes))


def traverse_codes(space: Space, code: Codes, *, units: Sequence[int], offsets: Tensor) -> Codes:
    """Codes `[U * S]` that differ from one in a single unit, by `offsets` standard deviations."""
    flat = code.flat.repeat(len(units) * len(offsets), 1)
    scale = spread(space)
    for row, unit in enumerate(units):
        first = row * len(offsets)
        flat[first : first + len(offsets), unit] += offsets * scale[unit]
    return space.codes.like(flat)


def central_item(space: Space) -> int:
    """The kept example whose code is nearest to the mean, in standard deviations of each unit.

    A good start for a traversal: it is a real thing, and from there units lead everywhere.
    """
    flat = space.codes.flat
    far = ((flat - flat.mean(0)) / spread(space).clamp(min=1e-6)).norm(dim=1)
    return int(space.kept[far[space.kept].argmin()])


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, w the angle between `a` and `b`, `[S, D]`.

    Codes that point the same or the opposite way, or nowhere, have no one great circle: the
    straight line is taken.

    Args:
        a: the code at t = 0, `[1, D]`.
        b: the code at t = 1, `[1, D]`.
        t: positions, `[S]`.

    Source: Shoemake 1985, doi:10.1145/325165.325242; White 2016, section 2.1, arXiv:1609.04468.
    """
    left, right = a.double(), b.double()
    lengths = left.norm() * right.norm()
    angle = ((left * right).sum() / lengths).clamp(-1, 1).acos()
    if lengths == 0 or angle.sin() < PARALLEL:
        return straight(a, b, t)
    t = t.double()[:, None]
    shares = ((1 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()
    path: Tensor = shares[0] * left + shares[1] * right
    return path.to(a.dtype)


def straight(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b, `[S, D]` from `[1, D]`; exactly `a` and `b` at the ends."""
    t = t.to(a.dtype)[:, None]
    return (1 - t) * a + t * b


BETWEEN: dict[str, Between] = {"linear": straight, "spherical": spherical}
METHODS = [*BETWEEN, "geodesic"]


def _moved(start: Codes, end: Codes, level: str) -> Codes:
    """The code at the end of a way on which only a level moves."""
    return Codes({**start.tensors, level: end[level]})


def _decoded(space: Space, codes: Codes, stops: Sequence[Any], steps: int) -> Tensor:
    """What codes on a way stand for, and the details of its stops, which fade between them."""
    x = space.decode_tensor(codes)
    if not stops or len(space.modality.shape) != 3:
        return x
    details = torch.cat([_details(space, stop) for stop in stops])
    leg = torch.arange(len(x)) // (steps - 1)
    t = (torch.arange(len(x)) % (steps - 1) / (steps - 1))[:, None, None, None]
    carried = (1 - 2 * t).clamp(min=0) * details[leg]
    awaited = (2 * t - 1).clamp(min=0) * details[(leg + 1) % len(stops)]
    return (x + carried + awaited).clamp(0, 1)


def _details(space: Space, thing: Any) -> Tensor:
    """What a code does not hold of a picture, `[1, C, H, W]`; 0 of a code or what is not kept."""
    made = space.decode_tensor(codes_of(space, thing))
    before = as_seen(space, thing)
    return torch.zeros_like(made) if before is None else before - made


def _each(space: Space, items: Any) -> list[Any]:
    if isinstance(items, list | tuple | range | Codes):
        return list(items)
    number = len(space.modality.encode(items))
    return [items] if number == 1 else [items[n : n + 1] for n in range(number)]


def _require_steps(steps: int) -> None:
    if steps < 2:
        raise SpecError(f"steps must be at least 2, got {steps}. 9 is a usual number.")


def _require_units(units: Sequence[int], within: range) -> None:
    for unit in units:
        if unit not in within:
            raise SpecError(
                f"A unit must be between {within.start} and {within.stop - 1}, got {unit}. "
                "Leave units out to take the most informative ones."
            )
