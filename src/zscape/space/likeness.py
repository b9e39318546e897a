"""Things as points between which distances say how unlike they are, and the nearest of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.modalities.image import Image
from zscape.space.space import Space, seeded
from zscape.space.units import some_items
from zscape.space.wide import Wide, row_widening

NEAREST = 2  # neighbours whose mean distance counts
QUERIES = 4096  # at a time
FURTHEST = 10.0  # standard deviations, beyond which a number is no stranger
BLUR = (1.0, 4.0, 6.0, 4.0, 1.0)  # binomial: a standard deviation of one pixel
AXES, MOST_LOOKED_AT = 100, 3000  # principal axes of pictures, and pictures that say which
MOVES = [(down, across) for down in (0, -1, 1) for across in (0, -1, 1)]  # pixels


@dataclass(frozen=True, slots=True)
class Likeness:
    """How the things of a space become points.

    Rows are standardised by the space's items, categories one number per class. Pictures are
    blurred and scaled to unit length, so that fainter ink is near; then what they are along the
    principal axes of the items, and how much is left beside these.

    Attributes:
        wide: of rows; None for pictures.
        middle: of pictures, the mean of the items, `[F]`.
        axes: of pictures, `[F, A]`.
    """

    wide: Wide | None
    middle: Tensor
    axes: Tensor

    def points(self, x: Tensor) -> Tensor:
        """`[N, F]` of what a model sees, `[N, *shape]`."""
        if self.wide is not None:
            return self.wide.widen(x.flatten(1)).clamp(-FURTHEST, FURTHEST)
        centred = soft(x) - self.middle
        along = centred @ self.axes
        left = centred.square().sum(1, keepdim=True) - along.square().sum(1, keepdim=True)
        return torch.cat([along, left.clamp(min=0).sqrt()], dim=1)

    def moved(self, x: Tensor) -> list[Tensor]:
        """The points of things `[N, *shape]`; of pictures those of each move by a pixel too."""
        if self.wide is not None:
            return [self.points(x)]
        return [self.points(x.roll(move, (2, 3))) for move in MOVES]

    def residuals(self, x: Tensor, made: Tensor) -> Tensor:
        """What is left of things when what the model makes of them is taken away, `[N, F]`.

        Args:
            x: what the model saw, `[N, *shape]`, nan where a cell is missing.
            made: the centres of its likelihoods, likewise.
        """
        if self.wide is None:
            return self.points(x) - self.points(made)
        known = x.where(~x.isnan(), made)
        return self.wide.widen(known.flatten(1)) - self.wide.widen(made.flatten(1))

    def errors(self, x: Tensor, made: Tensor) -> Tensor:
        """Squared differences of pictures, blurred once more and of unit length, summed, `[N]`."""
        return (soft(blurred(x)) - soft(blurred(made))).square().sum(1)


def likeness(space: Space) -> Likeness:
    """How the things of a space become points."""
    if not isinstance(space.modality, Image):
        return Likeness(row_widening(space), torch.empty(0), torch.empty(0))
    items = soft(space.modality.prepare(some_items(space, MOST_LOOKED_AT)))
    middle = items.mean(0)
    with seeded(0):
        axes = torch.svd_lowrank(items - middle, min(AXES, *items.shape))[2]
    return Likeness(None, middle, axes)


def soft(x: Tensor) -> Tensor:
    """Pictures `[N, C, H, W]` blurred and of unit length, flat."""
    flat = blurred(x).flatten(1)
    return flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-6)


def blurred(x: Tensor) -> Tensor:
    """Pictures `[N, C, H, W]` blurred by about a pixel, as if the border went on."""
    down, across = (_blurring(side).to(x) for side in x.shape[2:])
    # Products of matrices are several times as fast as convolutions of one channel.
    return down @ (x @ across.mT)


def _blurring(side: int) -> Tensor:
    """What blurs a column of a picture, `[side, side]`."""
    taps = torch.tensor(BLUR) / sum(BLUR)
    offsets = torch.arange(len(BLUR)) - len(BLUR) // 2
    places = (torch.arange(side)[:, None] + offsets).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add(1, places, taps.expand(side, -1))


def mean_distances(
    bank: Tensor, queries: Sequence[Tensor], *, own: Tensor | None = None, taxicab: bool = False
) -> Iterator[Tensor]:
    """The mean distance to the two nearest points of a bank, a part `[B]` of the queries at a time.

    Args:
        bank: `[N, F]`.
        queries: `[Q, F]`, or several of the same things, of which the nearest counts.
        own: where each query stands in the bank, `[Q]`, -1: nowhere; it is then no neighbour of
            itself.
        taxicab: the sum of absolute differences, not Euclid's.

    Source: Ramaswamy et al. 2000, section 2, doi:10.1145/342009.335437; Angiulli and Pizzuti 2002
    (the mean over neighbours).
    """
    from sklearn.neighbors import NearestNeighbors

    count = len(queries[0])
    places = torch.full((count,), -1) if own is None else own
    some = min(NEAREST, len(bank) - 1)
    metric = "manhattan" if taxicab else "euclidean"
    tree = NearestNeighbors(n_neighbors=some + 1, metric=metric).fit(bank.double().numpy())
    for start in range(0, count, QUERIES):
        rows, found = slice(start, start + QUERIES), list[Tensor]()
        for some_queries in queries:
            near = tree.kneighbors(some_queries[rows].double().numpy())
            far, which = (torch.from_numpy(side) for side in near)
            others = which != places[rows, None]
            # Where it is not among them, the last one is one too many.
            others[:, -1] &= ~others.all(1)
            found.append(far[others].view(-1, some).mean(1))
        yield torch.stack(found).amin(0)
