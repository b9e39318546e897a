"""How smooth the ways through a space are: their steps, their length, what lies in their middle.

Nothing here draws a path for people; `space.paths` does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.measures.features import Features, choose_features
from zscape.measures.figure import Figure, mean, undefined
from zscape.measures.row import Row
from zscape.measures.samples.distances import squared_distances
from zscape.space.geodesics import decoded
from zscape.space.paths import Way, traverse_codes, walk_codes
from zscape.space.space import Space
from zscape.space.units import informative_units, measuring_places
from zscape.space.wide import row_widening

MOST_REAL = 2048  # kept items that the middle of a way is compared with
MOST_UNITS = 10
NEAREST = 5  # neighbours that tell the class of a frame
STILL = 1e-6  # of the typical length of features: a way this short has no steps to compare

Classify = Callable[[Tensor], Tensor]


def evenness(path: Tensor) -> Tensor:
    """The largest step of each path over its mean step: 1 is perfectly even, T - 1 a single jump.

    NaN for a path on which nothing changes.

    Args:
        path: features of the frames, `[..., T, F]`.

    Returns:
        `[...]`.

    Source: after Berthelot et al. 2019, section 4.2 (smoothness), arXiv:1807.07543.
    """
    steps = path.double().diff(dim=-2).norm(dim=-1)
    return steps.amax(-1) / steps.mean(-1)


def stretch(path: Tensor) -> Tensor:
    """The length of each path over the straight line between its ends, at least 1; NaN if still.

    Args:
        path: features of the frames, `[..., T, F]`.

    Source: Chen et al. 2018, section 2.2 (length of the decoded curve), arXiv:1711.01204.
    """
    path = path.double()
    straight = (path[..., -1, :] - path[..., 0, :]).norm(dim=-1)
    return path.diff(dim=-2).norm(dim=-1).sum(-1) / straight


def class_changes(classes: Tensor) -> Tensor:
    """How often the class changes along each path, `[...]`; 1 is ideal between two classes.

    Args:
        classes: of the frames, `[..., T]`.
    """
    return (classes.diff(dim=-1) != 0).sum(-1)


def way_figures(space: Space, found: Way) -> tuple[Figure, ...]:
    """Evenness, length and energy of a way, in what its codes stand for, without kept details.

    Evenness is the largest step over the mean step from one stop to the next, of the worst of
    them: 1 is perfectly even. Length is the sum of the steps, energy that of their squares, both
    over those of straight ways through the codes of the same stops. Undefined where nothing
    changes.

    Args:
        space: a space.
        found: as `space.paths.way` found it.

    Source: evenness: after Berthelot et al. 2019, section 4.2, arXiv:1807.07543; energy: Shao et
    al. 2018, eq. 3, arXiv:1711.08014.
    """
    legs = found.legs()
    straight = walk_codes(space, found.codes[found.stops()], steps=found.steps, closed=found.closed)
    path, others = (
        decoded(space, codes)[legs].double().diff(dim=1).norm(dim=-1)
        for codes in (found.codes, straight)
    )
    if not path.any() or not others.any():
        return tuple(undefined(name, "ratio") for name in ("evenness", "length", "energy"))
    values = {
        "evenness": (path.amax(1) / path.mean(1)).nan_to_num(0.0).amax(),
        "length": path.sum() / others.sum(),
        "energy": path.square().sum() / others.square().sum(),
    }
    return tuple(Figure(name, value.item(), "ratio", "exact") for name, value in values.items())


def smoothness(
    space: Space,
    *,
    pairs: int = 64,
    steps: int = 9,
    seed: int = 0,
    features: Features | None = None,
    classify: Classify | None = None,
) -> tuple[Row, Row]:
    """How smooth straight ways between the codes of real things are, beside a mere cross-fade.

    Evenness and stretch (1 is best for both), class changes, and the distance of middle and ends
    to the nearest real thing, over the distance that real things typically have. The pairs are
    drawn among held-out items, of two classes where there are some. The second row fades from one
    end of the same ways to the other without the model. Where features are pixels or columns its
    evenness and stretch are 1 by construction; its middle, two things at once, is far from real
    ones. A good space is nearly as even and has a nearer middle.

    Costs `pairs` times `steps` decodes.

    Args:
        space: a space.
        pairs: how many ways.
        steps: frames of each, both ends among them.
        seed: of the pairs.
        features: what frames are compared in; none: what suits the space.
        classify: prepared frames `[N, *shape]` to classes `[N]`; none: the commonest class of the
            5 nearest real things, where classes are known.

    Raises:
        SpecError: no pairs, or fewer than 2 steps.

    Source: Berthelot et al. 2019, section 4.2, arXiv:1807.07543 (distance and smoothness).
    """
    if pairs < 1 or steps < 2:
        raise SpecError(
            f"There must be at least 1 pair and 2 steps, got {pairs} and {steps}. "
            "64 pairs and 9 steps are usual."
        )
    chosen = choose_features(space, seed=seed) if features is None else features
    real = real_things(space, chosen)
    if classify is None and real.labels is not None:
        classify = real.classify
    ends = _pairs(space, pairs, seed)
    flat = space.codes.flat[space.kept[ends]]
    t = torch.linspace(0, 1, steps)[:, None]
    way = (1 - t) * flat[:, :1] + t * flat[:, 1:]
    frames = space.decode_tensor(way.flatten(0, 1)).unflatten(0, (len(ends), steps))
    fading = _faded(space, frames, t)
    return (
        Row("ways through the space", _figures(frames, ends, real, classify)),
        Row("cross-fade", _figures(fading, ends, real, classify)),
    )


def traversal_smoothness(
    space: Space,
    *,
    most: int = MOST_UNITS,
    steps: int = 9,
    span: float = 3.0,
    items: int = 8,
    seed: int = 0,
    features: Features | None = None,
) -> tuple[Figure, ...]:
    """Evenness of the traversal of each informative unit, the mean over held-out items.

    The unit moves by -`span` to +`span` standard deviations of the codes around each item. 1 is
    perfectly even; a unit that does most of its work in one step reads near `steps` - 1. Undefined
    for a unit that changes nothing.

    Args:
        space: a space.
        most: how many units, the most informative first.
        steps: frames of each traversal.
        span: how far to go either way, in standard deviations.
        items: around how many items.
        seed: of the items.
        features: what frames are compared in; none: what suits the space.

    Source: after Berthelot et al. 2019, section 4.2 (smoothness), arXiv:1807.07543.
    """
    chosen = choose_features(space, seed=seed) if features is None else features
    units = informative_units(space, most)
    offsets = torch.linspace(-span, span, steps)
    places = _drawn_places(space, items, seed)
    moved = [
        traverse_codes(space, space.codes[int(index)], units=units, offsets=offsets).flat
        for index in space.kept[places]
    ]
    hidden = chosen(space.decode_tensor(torch.cat(moved)))
    paths = hidden.unflatten(0, (len(places), len(units), steps))
    figures = []
    for place, unit in enumerate(units):
        values = evenness(paths[:, place])
        values = values[_moves(paths[:, place])]
        figures.append(_mean(f"evenness of unit {unit}", values, "ratio"))
    return tuple(figures)


@dataclass(frozen=True, slots=True)
class Real:
    """Real things to compare others with.

    Attributes:
        places: where they stand among the kept items, `[M]`.
        features: what they are compared in.
        hidden: their features, `[M, F]`.
        typical: the distance from one to the nearest other, the median over them.
        labels: their classes, `[M]`, below 0 where unknown; None: all are.
    """

    places: Tensor
    features: Features
    hidden: Tensor
    typical: float
    labels: Tensor | None

    def distance(self, frames: Tensor, ends: Tensor) -> Tensor:
        """Distance to the nearest real thing but the ends, over the typical one, `[P]`.

        Args:
            frames: `[P, *shape]`, one of each way.
            ends: where the ends of each way stand among the kept items, `[P, 2]`.
        """
        apart = squared_distances(self.features(frames).double(), self.hidden)
        own = (self.places[None, :, None] == ends[:, None, :]).any(-1)
        return apart.masked_fill(own, torch.inf).amin(1).sqrt() / self.typical

    def classify(self, frames: Tensor) -> Tensor:
        """The commonest class of the nearest real things, `[N]`."""
        assert self.labels is not None
        known = self.labels >= 0
        apart = squared_distances(self.features(frames).double(), self.hidden[known])
        near = apart.topk(min(NEAREST, apart.shape[1]), largest=False).indices
        return self.labels[known][near].mode(dim=1).values


def real_things(space: Space, features: Features) -> Real:
    """Kept items of a space, 2,048 at most, in features."""
    places = torch.arange(len(space.items))[:: -(-len(space.items) // MOST_REAL)]
    hidden = features(space.modality.prepare(space.items[places])).double()
    apart = squared_distances(hidden, hidden).fill_diagonal_(torch.inf)
    labels = None
    if space.labels is not None:
        found = torch.from_numpy(space.labels[space.kept[places].numpy()]).long()
        labels = found if (found >= 0).any() else None
    return Real(places, features, hidden, apart.amin(1).sqrt().median().item(), labels)


def _figures(
    frames: Tensor, ends: Tensor, real: Real, classify: Classify | None
) -> tuple[Figure, ...]:
    """The figures of ways `[P, T, *shape]`."""
    number, steps = frames.shape[:2]
    path = real.features(frames.flatten(0, 1)).unflatten(0, (number, steps))
    moves = _moves(path)
    figures = [
        _mean("evenness", evenness(path)[moves], "ratio"),
        _mean("stretch", stretch(path)[moves], "ratio"),
    ]
    if classify is None:
        figures.append(undefined("class changes", "changes"))
        figures.append(undefined("exactly one class change", "share"))
    else:
        classes = classify(frames.flatten(0, 1)).unflatten(0, (number, steps))
        changes = class_changes(classes).double()
        figures.append(_mean("class changes", changes, "changes"))
        figures.append(_mean("exactly one class change", (changes == 1).double(), "share"))
    known = real.typical > 0 and len(real.hidden) > 2
    for name, places in (("middle", [steps // 2]), ("ends", [0, -1])):
        name = f"{name} to the nearest real thing"
        if not known:
            figures.append(undefined(name, "ratio"))
            continue
        away = torch.stack([real.distance(frames[:, place], ends) for place in places])
        figures.append(_mean(name, away.mean(0), "ratio"))
    return tuple(figures)


def _faded(space: Space, frames: Tensor, t: Tensor) -> Tensor:
    """The ends of ways `[P, T, *shape]` mixed without a model; rows as numbers, then made whole."""
    first, last = frames[:, 0], frames[:, -1]
    if space.modality.columns:
        wide = row_widening(space)
        first, last = wide.widen(first), wide.widen(last)
    t = t.view(1, -1, *[1] * (first.ndim - 1))
    mixed = (1 - t) * first[:, None] + t * last[:, None]
    if space.modality.columns:
        return wide.narrow(mixed.flatten(0, 1), whole=False).unflatten(0, mixed.shape[:2])
    return mixed


def _moves(path: Tensor) -> Tensor:
    """On which paths `[P, T, F]` something changes and the ends differ, `[P]`."""
    scale = STILL * path.norm(dim=-1).mean().clamp(min=STILL)
    longest = path.diff(dim=-2).norm(dim=-1).amax(-1)
    return (longest > scale) & ((path[:, -1] - path[:, 0]).norm(dim=-1) > scale)


def _mean(name: str, values: Tensor, unit: str) -> Figure:
    return mean(name, values, unit, "estimate") if len(values) else undefined(name, unit)


def _drawn_places(space: Space, most: int, seed: int) -> Tensor:
    places = measuring_places(space, len(space.items))
    generator = torch.Generator().manual_seed(seed)
    return places[torch.randperm(len(places), generator=generator)[:most]]


def _pairs(space: Space, most: int, seed: int) -> Tensor:
    """Where pairs of different items stand among the kept ones, of two classes where there are any.

    Returns:
        `[P, 2]`, P at most `most` and at least 1.
    """
    places = measuring_places(space, len(space.items))
    if len(places) < 2:
        places = torch.arange(len(space.items))
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(places), (64 * most, 2), generator=generator)
    drawn = places[drawn[drawn[:, 0] != drawn[:, 1]]]
    if space.labels is not None:
        labels = torch.from_numpy(space.labels)[space.kept[drawn]]
        unlike = drawn[(labels[:, 0] != labels[:, 1]) & (labels >= 0).all(1)]
        drawn = unlike if len(unlike) else drawn
    return drawn[:most]
