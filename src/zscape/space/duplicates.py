"""Duplicates among the data of a space: the same thing twice, and nearly the same."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.space.neighbours import nearest
from zscape.space.space import Space

AROUND, FEWEST = 10, 2  # neighbours that say what distance is usual at a place
SAMPLE = 2048  # kept items that tell the spread of a column
BY_CHANCE = 1.0  # pairs that may be as near by chance, where codes have few dimensions


@dataclass(frozen=True, slots=True)
class Pair:
    """Two examples that are nearly the same.

    Attributes:
        first: index of one of them, the lower.
        second: of the other.
        codes: distance of their codes, in distances to the 10th neighbour there.
        things: distance of the things themselves, in those to their neighbours (the median of 10);
            None where one of both was not kept.
    """

    first: int
    second: int
    codes: float
    things: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Duplicates:
    """What stands in the data more than once.

    Attributes:
        exact: groups of indices of which the stored things are equal, the largest group first.
        near: pairs of further examples that are nearly the same, the nearest first.
        within: the share of the usual distance that decided: as asked, or lower where codes of so
            few dimensions come as near by chance.
        compared: how many examples were kept, and so compared as things.
    """

    exact: tuple[tuple[int, ...], ...]
    near: tuple[Pair, ...]
    within: float
    compared: int

    def __repr__(self) -> str:
        """How many of each kind."""
        return f"Duplicates({len(self.exact)} exact groups, {len(self.near)} near pairs)"


def duplicates(space: Space, *, within: float = 0.3) -> Duplicates:
    """The examples that stand in the data more than once: exactly, or nearly.

    Two are nearly the same if their codes lie nearer than `within` of what is usual at that place,
    the distance to the 10th neighbour, and so do the things themselves. Either alone errs: codes
    of a small latent meet by chance, and a dark picture is near to every dark picture. It finds a
    picture saved anew, dimmed or with noise on it, and none that was shifted or cropped. Where
    codes spread in d dimensions, a share r of the usual distance is reached by chance in about
    9 N r^d / 2 pairs; r is lowered until that is 1.

    Args:
        space: a space.
        within: below what share of the usual distance, above 0 and below 1.

    Raises:
        SpecError: a share that cannot be.

    Source: Levina and Bickel 2004, eq. 8 (the number of dimensions), NeurIPS 17.
    """
    if not 0 < within < 1:
        raise SpecError(f"within must be above 0 and below 1, got {within}. 0.3 is a usual share.")
    exact = _equal(space)
    again = [index for group in exact for index in group[1:]]
    single = torch.ones(len(space.codes), dtype=torch.bool)
    single[again] = False
    places = single.nonzero().flatten()
    codes, around = space.codes.flat[places], min(AROUND, len(places) - 1)
    if around < FEWEST:
        return Duplicates(exact, (), within, len(space.items))
    distances, beside = nearest(codes, codes, around + 1)
    least = min(within, _beyond_chance(distances))
    near = _near(space, places, distances, beside, least)
    return Duplicates(exact, near, least, len(space.items))


def _equal(space: Space) -> tuple[tuple[int, ...], ...]:
    groups: dict[bytes, list[int]] = {}
    for index, item in zip(space.kept.tolist(), space.items, strict=True):
        groups.setdefault(item.numpy().tobytes(), []).append(index)
    several = [tuple(group) for group in groups.values() if len(group) > 1]
    return tuple(sorted(several, key=lambda group: (-len(group), group)))


def _beyond_chance(distances: Tensor) -> float:
    """The share of the distance to the last neighbour that one pair may reach by chance."""
    far = distances[:, 1:].double().clamp(min=1e-30)
    dimensions = 1 / (far[:, -1:] / far[:, :-1]).log().mean(1).median().clamp(min=1e-3)
    expected = len(far) * far[:, :-1].shape[1] / 2
    return float((BY_CHANCE / expected) ** (1 / dimensions))


def _near(
    space: Space, single: Tensor, distances: Tensor, places: Tensor, within: float
) -> tuple[Pair, ...]:
    usual = distances[:, -1]
    # Of two places the one where neighbours are nearer: a loner is near to nothing.
    apart = distances / torch.minimum(usual[:, None], usual[places]).clamp(min=1e-30)
    rows, columns = ((apart < within) & (places > torch.arange(len(places))[:, None])).nonzero().T
    pairs = torch.stack([rows, places[rows, columns]], 1)
    things = _apart_as_things(space, single, pairs, places)
    found = []
    for n, (a, b) in enumerate(single[pairs].tolist()):
        thing = things[n]
        if thing is None or thing < within:
            found.append(Pair(a, b, float(apart[rows[n], columns[n]]), thing))
    return tuple(sorted(found, key=lambda pair: (pair.codes, pair.first)))


def _apart_as_things(
    space: Space, single: Tensor, pairs: Tensor, places: Tensor
) -> list[float | None]:
    """Distance of the things of each pair over that to their neighbours; None: not both kept."""
    kept = torch.full((len(space.codes),), -1)
    kept[space.kept] = torch.arange(len(space.kept))
    kept = kept[single]
    features, found = _Features(space), list[float | None]()
    for pair in pairs:
        if (kept[pair] < 0).any():
            found.append(None)
            continue
        first, second = (features.of(kept[place][None]) for place in pair)
        usual = []
        for place, thing in zip(pair, (first, second), strict=True):
            around = kept[places[place]]
            beside = features.of(around[(around >= 0) & (around != kept[place])])
            usual.append((beside - thing).norm(dim=1).median())
        found.append(float((first - second).norm() / torch.stack(usual).min().clamp(min=1e-30)))
    return found


class _Features:
    """Stored things as numbers of which the Euclidean distance means something."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.classes = [num for _, num in space.modality.columns]
        some = space.modality.prepare(space.items[:SAMPLE]).flatten(1)
        self.spread = some.nan_to_num().std(0, correction=0).clamp(min=1e-6)

    def of(self, places: Tensor) -> Tensor:
        """`[n, F]` of kept items: pictures as they are, cells in standard deviations."""
        x = self.space.modality.prepare(self.space.items[places]).flatten(1)
        if len(self.space.modality.shape) == 3:
            return x
        missing, cells = x.isnan(), x.nan_to_num()
        parts = [missing.float(), cells / self.spread]
        for column, num in enumerate(self.classes):
            if num > 1:  # two classes are 1 apart, whichever they are
                parts[1][:, column] = 0
                parts.append(torch.nn.functional.one_hot(cells[:, column].long(), num) / 2**0.5)
        return torch.cat(parts, 1)
