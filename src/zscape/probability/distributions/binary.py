"""Distributions of values in {0, 1} and in [0, 1], from logits."""

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from zscape.probability.distributions.shapes import (
    Shape,
    broadcast_shape,
    expand_batch,
    sum_event,
)

_SMALL = 0.5  # below it the closed forms lose digits and four terms of their series are exact


class Bernoulli(Distribution):
    """Independent coins; for grey x in [0, 1] `-log_prob` is the usual cross entropy, in nats.

    Args:
        logits: log-odds of a one, `[..., *event]`.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, logits: Tensor, ndims: int = 1) -> None:
        self.logits = logits
        split = logits.ndim - ndims
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The probabilities of a one, `[..., *event]`."""
        return self.logits.sigmoid()

    @property
    def mode(self) -> Tensor:
        """Ones where a one is more likely, zeros elsewhere."""
        return (self.logits > 0).to(self.logits.dtype)

    @property
    def variance(self) -> Tensor:
        """The variances p (1 - p), `[..., *event]`."""
        return self.logits.sigmoid() * (-self.logits).sigmoid()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Zeros and ones `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            return torch.bernoulli(self.mean.expand(*sample_shape, *self.logits.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        ndims = len(self._event_shape)
        if not self.logits.requires_grad:
            # Without gradients this takes half the time of the loss that is fused for them.
            return sum_event(self.logits * value, ndims) - sum_event(softplus(self.logits), ndims)
        return -sum_event(self._cross_entropy(value), ndims)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        return -self._cross_entropy(value)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Bernoulli":
        """The same coins with leading dims `batch_shape`, as a view."""
        ndims = len(self._event_shape)
        return Bernoulli(expand_batch(self.logits, batch_shape, ndims), ndims)

    def _cross_entropy(self, value: Tensor) -> Tensor:
        logits = self.logits
        if value.shape != logits.shape:
            lead = broadcast_shape(logits, value)
            logits, value = logits.expand(lead), value.expand(lead)
        return binary_cross_entropy_with_logits(logits, value, reduction="none")


class ContinuousBernoulli(Distribution):
    """A density on [0, 1] proportional to exp(l x) in each unit, with l the logit; nats.

    Unlike the cross entropy of grey values it is normalised, so its ELBO bounds log p(x). Sums over
    bright and dark pictures can be positive: it is a density.
    Source: Loaiza-Ganem and Cunningham 2019, eq. 6 and 9, arXiv:1907.06845.

    Args:
        logits: natural parameters `[..., *event]`; 0 is uniform.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, logits: Tensor, ndims: int = 1) -> None:
        self.logits = logits
        split = logits.ndim - ndims
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means 1 / (1 - exp(-l)) - 1 / l, `[..., *event]`; not the sigmoid of l."""
        small, logits = self._split()
        exact = 1 / -torch.expm1(-logits) - 1 / logits
        square = torch.where(small, self.logits, 0.0).square()
        series = 0.5 + self.logits * (1 / 12 - square * (1 / 720 - square / 30240))
        return torch.where(small, series, exact)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Values in [0, 1], `[*sample_shape, ..., *event]`, by the inverse cumulative function."""
        with torch.no_grad():
            small, logits = self._split()
            uniform = torch.rand(
                (*sample_shape, *logits.shape), dtype=logits.dtype, device=logits.device
            )
            # exp(-|l|) cannot overflow; the density of the other sign is the mirror image.
            lower = torch.log1p(uniform * torch.expm1(-logits.abs())) / -logits.abs()
            exact = torch.where(logits > 0, 1 - lower, lower)
            series = uniform * (1 + 0.5 * self.logits * (1 - uniform))
            return torch.where(small, series, exact)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-density in nats of each unit, `[..., *event]`."""
        return (value - 0.5) * self.logits - self._log_normaliser()

    def expand(self, batch_shape: Shape, _instance: object = None) -> "ContinuousBernoulli":
        """The same distribution with leading dims `batch_shape`, as a view."""
        ndims = len(self._event_shape)
        return ContinuousBernoulli(expand_batch(self.logits, batch_shape, ndims), ndims)

    def _log_normaliser(self) -> Tensor:
        # log(sinh(l / 2) / (l / 2)), even in l; the quotient is 0 / 0 at l = 0.
        small, logits = self._split()
        size = logits.abs()
        exact = 0.5 * size + torch.log1p(-torch.exp(-size)) - torch.log(size)
        square = torch.where(small, self.logits, 0.0).square()
        series = square * (1 / 24 - square * (1 / 2880 - square / 181440))
        return torch.where(small, series, exact)

    def _split(self) -> tuple[Tensor, Tensor]:
        # Where the logit is small a series is used, and 1 stands in so that gradients stay finite.
        small = self.logits.abs() < _SMALL
        return small, torch.where(small, 1.0, self.logits)
