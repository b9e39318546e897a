"""Distributions over grids of codes: one that was chosen, and those that it may be drawn from."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from zscape.probability.distributions.shapes import Shape, broadcast_shape
from zscape.probability.quantisers import Quantiser


class Chosen(Distribution):
    """The grid of codes that was chosen for something: all the probability lies on it.

    Its entropy is 0, so KL(q || p) = -log p(code), in nats, exactly.

    Args:
        z: the codes `[..., *event]`, whose gradient goes straight through to `bounded`.
        indices: `[..., P, M]`, position by position and book by book.
        bounded: what was rounded, `[..., *event]`.
        quantiser: that chose.
    """

    has_rsample = True

    def __init__(self, z: Tensor, indices: Tensor, bounded: Tensor, quantiser: Quantiser) -> None:
        self.z, self.indices, self.bounded, self.quantiser = z, indices, bounded, quantiser
        split = indices.ndim - 2
        super().__init__(z.shape[:split], z.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The codes `[..., *event]`."""
        return self.z

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """The codes as a view `[*sample_shape, ..., *event]`."""
        return self.z.expand(*sample_shape, *self.z.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """0 where the value is this grid to the bit, else -inf."""
        same = (value == self.z).flatten(-len(self.event_shape)).all(-1)
        return torch.zeros_like(same, dtype=self.z.dtype).masked_fill(~same, -torch.inf)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Chosen":
        """The same grids with leading dims `batch_shape`, as a view."""
        z, bounded = (t.expand(*batch_shape, *self.event_shape) for t in (self.z, self.bounded))
        indices = self.indices.expand(*batch_shape, *self.indices.shape[-2:])
        return Chosen(z, indices, bounded, self.quantiser)


class Grid(Distribution, ABC):
    """A distribution over all grids that the codes of a quantiser can form.

    A value is read as the grid of its codes; one that is no code counts as a near one, which is
    how a grid between two others has a probability at all.
    """

    has_rsample = False

    def __init__(self, quantiser: Quantiser, batch_shape: Shape) -> None:
        self.quantiser = quantiser
        event = torch.Size(quantiser.layout.event)
        super().__init__(torch.Size(batch_shape), event, validate_args=False)

    @abstractmethod
    def log_prob_of(self, indices: Tensor) -> Tensor:
        """Log-probability of indices `[..., P, M]`, in nats, `[...]`."""

    @abstractmethod
    def draw(self, sample_shape: Shape) -> Tensor:
        """Indices drawn, `[*sample_shape, *batch_shape, P, M]`."""

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Codes drawn, `[*sample_shape, *batch_shape, *event]`."""
        return self.quantiser.layout.whole(self.quantiser.vectors(self.draw(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of the codes that values are, or are near to, in nats."""
        return self.log_prob_of(self.quantiser.read(self.quantiser.layout.rows(value)))


class UniformGrid(Grid):
    """Every grid is as likely: each code costs ln K nats."""

    def log_prob_of(self, indices: Tensor) -> Tensor:
        """-P sum_m ln K_m, for every grid."""
        lead = broadcast_shape(indices[..., 0, 0], torch.empty(self.batch_shape))
        return torch.full(lead, -self.quantiser.nats, device=indices.device)

    def draw(self, sample_shape: Shape) -> Tensor:
        """Indices `[*sample_shape, *batch_shape, P, M]`, each drawn by itself."""
        lead = (*sample_shape, *self.batch_shape, self.quantiser.layout.positions)
        device = next(self.quantiser.buffers()).device
        each = [torch.randint(size, lead, device=device) for size in self.quantiser.sizes]
        return torch.stack(each, -1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "UniformGrid":
        """The same with leading dims `batch_shape`."""
        return UniformGrid(self.quantiser, batch_shape)


def _kl(q: Chosen, p: Grid) -> Tensor:
    return -p.log_prob_of(q.indices)


register_kl(Chosen, Grid)(_kl)
