"""Things as points between which distances say how unlike they are, and the nearest of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from zscape.modalities.image import Image
from zscape.space.space import Space
from zscape.space.wide import Wide, row_widening

NEAREST = 2  # neighbours whose mean distance counts
QUERIES = 4096  # at a time
FURTHEST = 10.0  # standard deviations, beyond which a number is no stranger
BLUR = (1.0, 4.0, 6.0, 4.0, 1.0)  # binomial: a standard deviation of one pixel


@dataclass(frozen=True, slots=True)
class Likeness:
    """How the things of a space become points.

    Rows are standardised by the space's items, categories one number per class. Pictures are
    blurred and scaled to unit length, so that a shift by a pixel and fainter ink are near.

    Attributes:
        wide: of rows; None for pictures.
    """

    wide: Wide | None

    def points(self, x: Tensor) -> Tensor:
        """`[N, F]` of what a model sees, `[N, *shape]`."""
        if self.wide is None:
            soft = blurred(x).flatten(1)
            return soft / soft.norm(dim=1, keepdim=True).clamp(min=1e-6)
        return self.wide.widen(x.flatten(1)).clamp(-FURTHEST, FURTHEST)

    def residuals(self, x: Tensor, made: Tensor) -> Tensor:
        """What is left of things when what the model makes of them is taken away, `[N, F]`.

        Args:
            x: what the model saw, `[N, *shape]`, nan where a cell is missing.
            made: the centres of its likelihoods, likewise.
        """
        if self.wide is None:
            return blurred(x - made).flatten(1)
        known = x.where(~x.isnan(), made)
        return self.wide.widen(known.flatten(1)) - self.wide.widen(made.flatten(1))


def likeness(space: Space) -> Likeness:
    """How the things of a space become points."""
    return Likeness(None if isinstance(space.modality, Image) else row_widening(space))


def blurred(x: Tensor) -> Tensor:
    """Pictures `[N, C, H, W]` blurred by about a pixel, as if the border went on."""
    kernel = torch.tensor(BLUR) / sum(BLUR)
    channels = x.shape[1]
    edge = len(BLUR) // 2
    across = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    wide = pad(x, (edge, edge, edge, edge), mode="replicate")
    return conv2d(conv2d(wide, across, groups=channels), across.mT, groups=channels)


def mean_distances(
    bank: Tensor, queries: Tensor, *, own: Tensor | None = None, taxicab: bool = False
) -> Iterator[Tensor]:
    """The mean distance to the two nearest points of a bank, a part `[B]` of the queries at a time.

    Args:
        bank: `[N, F]`.
        queries: `[Q, F]`.
        own: where each query stands in the bank, `[Q]`, -1: nowhere; it is then no neighbour of
            itself.
        taxicab: the sum of absolute differences, not Euclid's.

    Source: Ramaswamy et al. 2000, section 2, doi:10.1145/342009.335437; Angiulli and Pizzuti 2002
    (the mean over neighbours).
    """
    from sklearn.neighbors import NearestNeighbors

    places = torch.full((len(queries),), -1) if own is None else own
    some = min(NEAREST, len(bank) - 1)
    metric = "manhattan" if taxicab else "euclidean"
    tree = NearestNeighbors(n_neighbors=some + 1, metric=metric).fit(bank.double().numpy())
    for part, rows in zip(queries.split(QUERIES), places.split(QUERIES), strict=True):
        far, found = (torch.from_numpy(side) for side in tree.kneighbors(part.double().numpy()))
        others = found != rows[:, None]
        # Where it is not among them, the last one is one too many.
        others[:, -1] &= ~others.all(1)
        yield far[others].view(len(part), some).mean(1)
