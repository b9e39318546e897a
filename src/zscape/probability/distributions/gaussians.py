"""Gaussians with independent units, their mixtures, and the point that has no density at all."""

import math
from collections.abc import Callable

import torch
from torch import Size, Tensor
from torch.distributions import Distribution
from torch.nn.functional import mse_loss

from zscape.errors import SpecError
from zscape.probability.distributions.shapes import (
    Shape,
    broadcast_shape,
    expand_batch,
    sum_event,
)

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class DiagonalGaussian(Distribution):
    """N(loc, exp(log_scale)^2) with independent units; log-probabilities in nats.

    Args:
        loc: means `[..., *event]`.
        log_scale: logarithms of the standard deviations, of the same shape, or of a shape without
            batch dimensions that the event broadcasts.
        ndims: how many of the last dimensions form the event.
    """

    has_rsample = True

    def __init__(self, loc: Tensor, log_scale: Tensor, ndims: int = 1) -> None:
        self.loc = loc
        self.log_scale = log_scale
        self.scale = log_scale.exp()
        split = loc.ndim - ndims
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means `[..., *event]`."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most likely point, which is the mean."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """The standard deviations `[..., *event]`."""
        return self.scale.expand_as(self.loc)

    @property
    def variance(self) -> Tensor:
        """The squared standard deviations `[..., *event]`."""
        return self.stddev.square()

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., *event]` through which gradients reach loc and log_scale."""
        noise = torch.randn(
            (*sample_shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device
        )
        return torch.addcmul(self.loc, self.scale, noise)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event."""
        ndims = len(self._event_shape)
        if self.log_scale.ndim == 0 and value.dtype == self.loc.dtype:
            return self._log_prob_of_one_scale(value)
        standard = (value - self.loc) / self.scale
        constant = (self.log_scale + _HALF_LOG_TWO_PI).expand(self._log_scale_shape())
        return -0.5 * sum_event(standard.square(), ndims) - sum_event(constant, ndims)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-density in nats of each unit, `[..., *event]`."""
        standard = (value - self.loc) / self.scale
        return -0.5 * standard.square() - self.log_scale - _HALF_LOG_TWO_PI

    def entropy(self) -> Tensor:
        """The differential entropy in nats, summed over the event."""
        constant = (self.log_scale + (0.5 + _HALF_LOG_TWO_PI)).expand_as(self.loc)
        return sum_event(constant, len(self._event_shape))

    def expand(self, batch_shape: Shape, _instance: object = None) -> "DiagonalGaussian":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        ndims, log_scale = len(self._event_shape), self.log_scale
        if log_scale.ndim > ndims:
            log_scale = expand_batch(log_scale, batch_shape, ndims)
        return DiagonalGaussian(expand_batch(self.loc, batch_shape, ndims), log_scale, ndims)

    def _log_prob_of_one_scale(self, value: Tensor) -> Tensor:
        # The same in half the operations: one scale can wait until the squares are summed.
        shape = broadcast_shape(self.loc, value)
        loc = self.loc if self.loc.shape == shape else self.loc.expand(shape)
        squares = mse_loss(loc, value.expand(shape), reduction="none")
        summed = sum_event(squares, len(self._event_shape))
        constant = self._event_shape.numel() * (self.log_scale + _HALF_LOG_TWO_PI)
        return summed * (-0.5 / self.scale.square()) - constant

    def _log_scale_shape(self) -> Size:
        # A log-scale without batch dimensions is summed once, not once per example.
        shared = self.log_scale.ndim <= len(self._event_shape)
        return self._event_shape if shared else self.log_scale.shape


class StandardGaussian(Distribution):
    """N(0, 1) in each unit: a `DiagonalGaussian` with nothing left to compute; nats.

    Args:
        zeros: zeros of shape `[..., D]`, usually a view.
    """

    has_rsample = True

    def __init__(self, zeros: Tensor) -> None:
        self.zeros = zeros
        super().__init__(zeros.shape[:-1], zeros.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Zeros `[..., D]`."""
        return self.zeros

    @property
    def mode(self) -> Tensor:
        """Zeros `[..., D]`."""
        return self.zeros

    @property
    def stddev(self) -> Tensor:
        """Ones `[..., D]`."""
        return torch.ones_like(self.zeros)

    @property
    def variance(self) -> Tensor:
        """Ones `[..., D]`."""
        return torch.ones_like(self.zeros)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., D]`."""
        shape = (*sample_shape, *self.zeros.shape)
        return torch.randn(shape, dtype=self.zeros.dtype, device=self.zeros.device)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event."""
        return -0.5 * value.square().sum(-1) - _HALF_LOG_TWO_PI * self._event_shape[-1]

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-density in nats of each unit, `[..., D]`."""
        return -0.5 * value.square() - _HALF_LOG_TWO_PI

    def entropy(self) -> Tensor:
        """The differential entropy in nats, summed over the event."""
        return torch.full_like(self.zeros, 0.5 + _HALF_LOG_TWO_PI).sum(-1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "StandardGaussian":
        """The same distribution with leading dims `batch_shape`, as a view."""
        return StandardGaussian(expand_batch(self.zeros, batch_shape, 1))


class OptimalGaussian(Distribution):
    """N(loc, sigma^2) whose one sigma is the most likely one of the batch that is measured.

    sigma^2 is the mean squared error over every element. `log_prob` reports it; draws use the
    one reported so far. For training only: an answer depends on its co-batch.
    Source: Rybkin et al. 2021, eq. 6, arXiv:2006.13202.

    Args:
        stored: the Gaussian with the sigma reported so far.
        floor: the smallest sigma.
        report: told the batch's variance at each `log_prob`.
    """

    def __init__(
        self, stored: DiagonalGaussian, floor: float, report: Callable[[Tensor], None]
    ) -> None:
        self.stored = stored
        self.floor = floor
        self.report = report
        super().__init__(stored.batch_shape, stored.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means `[..., *event]`."""
        return self.stored.loc

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., *event]` with the stored sigma."""
        return self.stored.sample(Size(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event, under the batch's sigma."""
        ndims = len(self._event_shape)
        squares = sum_event((value - self.stored.loc).square(), ndims)
        size = self._event_shape.numel()
        # At its optimum sigma has no gradient, so detaching it changes nothing but the cost.
        variance = (squares.detach().mean() / size).clamp(min=self.floor**2)
        self.report(variance)
        log_scale = 0.5 * variance.log()
        return -0.5 * squares / variance - size * (log_scale + _HALF_LOG_TWO_PI)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "OptimalGaussian":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        return OptimalGaussian(self.stored.expand(batch_shape), self.floor, self.report)


class GaussianMixture(Distribution):
    """sum_k w_k N(loc_k, exp(log_scale_k)^2) over vectors; its rate has no closed form.

    Args:
        logits: unnormalised log-weights `[..., K]`.
        loc: means `[..., K, D]`, or `[K, D]` where all share them, which is far cheaper.
        log_scale: logarithms of the standard deviations, of the same shape.
    """

    def __init__(self, logits: Tensor, loc: Tensor, log_scale: Tensor) -> None:
        self.logits = logits
        self.loc = loc
        self.log_scale = log_scale
        super().__init__(logits.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The weighted mean of the component means, `[..., D]`."""
        return (self.logits.softmax(-1)[..., None] * self.loc).sum(-2)

    @property
    def variance(self) -> Tensor:
        """The variance of each unit, within and between components, `[..., D]`."""
        weights = self.logits.softmax(-1)[..., None]
        second = (2 * self.log_scale).exp() + self.loc.square()
        return (weights * second).sum(-2) - self.mean.square()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., D]`."""
        with torch.no_grad():
            lead = (*sample_shape, *self._batch_shape)
            weights = self.logits.softmax(-1).expand(*lead, -1)
            chosen = torch.multinomial(weights.flatten(0, -2) if lead else weights, 1)
            index = chosen.reshape(*lead, 1, 1).expand(*lead, 1, self.loc.shape[-1])
            loc, log_scale = self.loc, self.log_scale
            loc = loc.expand(*lead, *loc.shape[-2:]).gather(-2, index).squeeze(-2)
            log_scale = log_scale.expand(*lead, *log_scale.shape[-2:]).gather(-2, index)
            return torch.addcmul(loc, log_scale.squeeze(-2).exp(), torch.randn_like(loc))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event."""
        shared = self.loc.ndim == 2 and value.device.type != "mps"  # which has no float64
        components = (
            self._log_prob_of_shared(value)
            if shared
            else DiagonalGaussian(self.loc, self.log_scale).log_prob(value[..., None, :])
        )
        return (self.logits.log_softmax(-1) + components).logsumexp(-1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "GaussianMixture":
        """The same mixture with leading dims `batch_shape`; parameters become views."""
        logits = expand_batch(self.logits, batch_shape, 1)
        if self.loc.ndim == 2:
            return GaussianMixture(logits, self.loc, self.log_scale)
        loc, log_scale = (expand_batch(t, batch_shape, 2) for t in (self.loc, self.log_scale))
        return GaussianMixture(logits, loc, log_scale)

    def _log_prob_of_shared(self, value: Tensor) -> Tensor:
        """Of each component, `[..., K]`: the squares written out, as two products of matrices.

        In float64, since the parts nearly cancel where a scale is small.
        """
        x, loc, log_scale = (t.double() for t in (value, self.loc, self.log_scale))
        precision = (-2 * log_scale).exp()
        constant = (loc.square() * precision).sum(-1) + 2 * log_scale.sum(-1)
        squares = x.square() @ precision.T - 2 * x @ (loc * precision).T + constant
        return (-0.5 * squares).to(value.dtype) - _HALF_LOG_TWO_PI * self._event_shape[-1]


class Delta(Distribution):
    """A point that is drawn every time; it has no density, so its rate is undefined.

    Args:
        loc: the points `[..., *event]`.
        ndims: how many of the last dimensions form the event.
    """

    has_rsample = True

    def __init__(self, loc: Tensor, ndims: int = 1) -> None:
        self.loc = loc
        split = loc.ndim - ndims
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The points `[..., *event]`."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The points `[..., *event]`."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Zeros `[..., *event]`."""
        return torch.zeros_like(self.loc)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """The points as a view `[*sample_shape, ..., *event]`."""
        return self.loc.expand(*sample_shape, *self.loc.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Never returns: a point has no density.

        Raises:
            SpecError: always.
        """
        raise SpecError(
            "The rate of a point code is undefined: a point has no density. "
            "Use a Gaussian posterior to measure it."
        )

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Delta":
        """The same points with leading dims `batch_shape`, as a view."""
        ndims = len(self._event_shape)
        return Delta(expand_batch(self.loc, batch_shape, ndims), ndims)
