"""Levels of ink on paper: black and white have chances of their own, the greys between a mixture.

Values lie on the grid k / (levels - 1) in [0, 1]; parameters live on [-1, 1].
"""

import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.probability.distributions.discretized import DiscretizedLogisticMixture
from zscape.probability.distributions.shapes import Shape, expand_batch, sum_event


class SpikedLogistic(Distribution):
    """Black or white by chances of their own, else a mixture of logistics over the greys between.

    The logistics' mass beyond the greys belongs to the outermost greys. Nats.

    Args:
        logits: of black, of white and of K logistics, `[..., 2 + K, *event]`.
        loc: centres on [-1, 1], which spans the greys, `[..., K, *event]`.
        log_scale: logarithms of the scales, of the same shape.
        levels: how many values there are, black and white among them.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(
        self, logits: Tensor, loc: Tensor, log_scale: Tensor, levels: int, ndims: int = 3
    ) -> None:
        self.logits = logits
        self.loc = loc
        self.log_scale = log_scale
        self.levels = levels
        split = loc.ndim - ndims - 1
        super().__init__(loc.shape[:split], loc.shape[split + 1 :], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means in [0, 1], `[..., *event]`; within half a level."""
        chance = self._chances().exp()
        _, white = chance.unbind(self._dim)
        return white + (1 - chance.sum(self._dim)) * self._spread(self._greys.mean)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Values on the grid, `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            grey = self._spread(self._greys.sample(sample_shape))
            pair = (*sample_shape, *self._batch_shape, 2, *self._event_shape)
            black, white = self._chances().exp().expand(pair).unbind(self._dim)
            where = torch.rand_like(grey)
            spiked = torch.where(where < black, 0.0, torch.where(where < black + white, 1.0, grey))
            return spiked.to(grey.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        black, white = self.logits.narrow(self._dim, 0, 2).unbind(self._dim)
        lead = torch.broadcast_shapes(black.shape, value.shape)
        value = value.expand(lead)
        half = 0.5 / (self.levels - 1)
        said = torch.where(value < half, black, white).expand(lead).flatten()
        # Most pixels are ink or paper, and the logistics are dear: they are asked at greys alone.
        at = ((value > half) & (value < 1 - half)).flatten().nonzero()[:, 0]
        said = said.index_put((at,), self._of_greys(value, at, lead))
        return said.view(lead) - self.logits.logsumexp(self._dim)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "SpikedLogistic":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        ndims = len(self._event_shape)
        parts = (self.logits, self.loc, self.log_scale)
        logits, loc, log_scale = (expand_batch(part, batch_shape, ndims + 1) for part in parts)
        return SpikedLogistic(logits, loc, log_scale, self.levels, ndims)

    @property
    def _dim(self) -> int:
        return -len(self._event_shape) - 1

    def _chances(self) -> Tensor:
        """Log-chances of black and of white, `[..., 2, *event]`."""
        return self.logits.log_softmax(self._dim).narrow(self._dim, 0, 2)

    @property
    def _inner(self) -> Tensor:
        """Log-weights of the logistics, `[..., K, *event]`."""
        return self.logits.narrow(self._dim, 2, self.loc.shape[self._dim])

    @property
    def _greys(self) -> DiscretizedLogisticMixture:
        ndims = len(self._event_shape)
        parts = (self._inner, self.loc, self.log_scale)
        return DiscretizedLogisticMixture(*parts, None, self.levels - 2, ndims)

    def _of_greys(self, value: Tensor, at: Tensor, lead: torch.Size) -> Tensor:
        """Log-probability of the greys at flat places `[m]`, `[m]`."""
        ndims = len(self._event_shape)
        split = len(lead) - ndims
        logits, loc, log_scale = (
            expand_batch(part, lead[:split], ndims + 1)
            .movedim(split, -1)
            .flatten(0, -2)
            .index_select(0, at)[..., None]
            for part in (self._inner, self.loc, self.log_scale)
        )
        x = (value.flatten()[at] * (self.levels - 1) - 1) / (self.levels - 3)
        mixture = DiscretizedLogisticMixture(logits, loc, log_scale, None, self.levels - 2, 1)
        return mixture.log_prob(x[:, None]) + logits[..., 0].logsumexp(-1)

    def _spread(self, greys: Tensor) -> Tensor:
        """Values among all levels from values in [0, 1] among the greys."""
        return (greys * (self.levels - 3) + 1) / (self.levels - 1)
