"""Nearest neighbours in the space, by exact search.

What is told of pairs and groups of neighbours stands beside this: `duplicates`, `clusters`,
`label_errors`.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.modalities.extras import is_installed, optional
from zscape.space.space import Space, all_codes_of, are_indices, examples

CHUNK = 1024  # queries at a time
LARGE = 10**8  # pairs of point and query above which faiss pays, where it is installed
SPARE = 8  # candidates more than are asked for, of which single precision may mistake the order


@dataclass(frozen=True, slots=True, repr=False)
class Neighbours:
    """The neighbours of Q things among the data of a space.

    Attributes:
        places: indices into the data, the nearest first, `[Q, k]`.
        distances: Euclidean between codes, `[Q, k]`.
        things: of each of the Q its k neighbours, as the person's own kind of thing; an example
            that the study did not keep stands as the space makes it of its code.
    """

    places: np.ndarray
    distances: np.ndarray
    things: tuple[Any, ...]

    def __repr__(self) -> str:
        """How many of how many."""
        return "Neighbours({1} of each of {0})".format(*self.places.shape)


def neighbours(space: Space, things: Any, k: int = 10, *, level: str | None = None) -> Neighbours:
    """The `k` examples of the data whose codes lie nearest to those of things: an exact search.

    An example that is asked for by its index is no neighbour of its own.

    Args:
        space: a space.
        things: indices into the space's data, codes or things, one or many.
        k: how many.
        level: by the codes of this level alone; none: of all, side by side.

    Raises:
        SpecError: a number of neighbours or a level that there is not.
        DataError: there is no such index.
    """
    codes = all_codes_of(space, things)
    own = _own_places(space, things, len(codes))
    most = len(space.codes) - int((own >= 0).any())
    if not 1 <= k <= most:
        raise SpecError(
            f"k must be from 1 to {most}, as many examples as there are, got {k}. 10 is usual."
        )
    base = space.codes.flat if level is None else space.codes[level].flatten(1)
    asked = codes.flat if level is None else codes[level].flatten(1)
    extra = int((own >= 0).any())
    distances, places = nearest(base, asked, k + extra)
    # A thing itself goes last, and then out; were it not found among its equals, one of them does.
    order = (places == own[:, None]).int().argsort(dim=1, stable=True)[:, :k]
    distances, places = distances.gather(1, order), places.gather(1, order)
    shown = tuple(space.modality.decode(examples(space, row)) for row in places)
    return Neighbours(places.numpy(), distances.numpy(), shown)


def nearest(points: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` points nearest to each query: Euclidean distances and places, `[Q, k]` each.

    Exact; nearest first, equally near ones in the order of the points. The squares are computed in
    double precision, since the expansion |a|^2 - 2 ab + |b|^2 loses the distances of near
    duplicates in single. Where there are many, faiss finds the candidates if it is installed (4
    times faster), and the same is said of them.

    Args:
        points: `[N, D]`, N at least `k`.
        queries: `[Q, D]`; a query that is itself a point finds itself among the nearest.
        k: how many.
    """
    if len(points) * len(queries) > LARGE and is_installed("faiss"):
        return _of_candidates(points, queries, _candidates(points, queries, k + SPARE), k)
    base, lengths = points.double(), points.double().square().sum(1)
    found = []
    for some in queries.double().split(CHUNK):
        far = some.square().sum(1, keepdim=True) - 2 * some @ base.T + lengths
        squares, places = far.topk(k, dim=1, largest=False)
        found.append(_in_order(squares.clamp(min=0).sqrt().to(points.dtype), places))
    return torch.cat([far for far, _ in found]), torch.cat([places for _, places in found])


def _own_places(space: Space, things: Any, count: int) -> Tensor:
    """The index of each thing that was asked for by it, `[Q]`; -1 for the others."""
    if isinstance(things, int | np.integer):
        return torch.tensor([int(things)])
    if isinstance(things, list | tuple | range) or are_indices(things):
        own = [int(one) if isinstance(one, int | np.integer) else -1 for one in things]
        return torch.tensor(own)
    return torch.full((count,), -1)


def _candidates(points: Tensor, queries: Tensor, k: int) -> Tensor:
    """Places `[Q, k]` of the nearest points, in single precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the wrapper that faiss is made by
        faiss = optional("faiss", "index")
    faiss.omp_set_num_threads(torch.get_num_threads())
    middle = points.mean(0)  # numbers near zero lose least
    index = faiss.IndexFlatL2(points.shape[1])
    index.add((points - middle).float().numpy())
    _, places = index.search((queries - middle).float().numpy(), min(k, len(points)))
    return torch.from_numpy(places)


def _of_candidates(
    points: Tensor, queries: Tensor, candidates: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    found = []
    for some, places in zip(queries.split(CHUNK), candidates.split(CHUNK), strict=True):
        far = (points[places].double() - some[:, None].double()).norm(dim=2)
        near, order = far.topk(k, dim=1, largest=False)
        found.append(_in_order(near.to(points.dtype), places.gather(1, order)))
    return torch.cat([far for far, _ in found]), torch.cat([places for _, places in found])


def _in_order(distances: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest first, and of equally near ones the first of the data."""
    places, order = places.sort(dim=1)
    distances, again = distances.gather(1, order).sort(dim=1, stable=True)
    return distances, places.gather(1, again)
