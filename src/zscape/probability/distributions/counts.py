"""Distributions of counts: how many times something happened, as raw numbers 0, 1, 2, ..."""

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import logsigmoid, softplus

from zscape.probability.distributions.gamma import log_gamma
from zscape.probability.distributions.shapes import Shape, expand_batch, sum_event

MOST_LOG_COUNT = 20.0  # of a draw: 5e8


class Poisson(Distribution):
    """Counts with variance equal to their mean, in nats.

    Args:
        log_rate: logarithms of the means `[..., *event]`.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, log_rate: Tensor, ndims: int = 1) -> None:
        self.log_rate = log_rate
        split = log_rate.ndim - ndims
        super().__init__(log_rate.shape[:split], log_rate.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The rates `[..., *event]`."""
        return self.log_rate.exp()

    @property
    def variance(self) -> Tensor:
        """The rates `[..., *event]`."""
        return self.log_rate.exp()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Counts `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            return torch.poisson(self.mean.expand(*sample_shape, *self.log_rate.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        return value * self.log_rate - self.log_rate.exp() - torch.lgamma(value + 1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Poisson":
        """The same distribution with leading dims `batch_shape`, as a view."""
        ndims = len(self._event_shape)
        return Poisson(expand_batch(self.log_rate, batch_shape, ndims), ndims)


class NegativeBinomial(Distribution):
    """Counts with mean m and variance m + m^2 / theta, in nats; theta -> inf is Poisson.

    Source: Lopez et al. 2018, doi:10.1038/s41592-018-0229-2.

    Args:
        log_mean: logarithms of the means `[..., *event]`.
        log_dispersion: logarithms of theta, `[*event]` or `[..., *event]`.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, log_mean: Tensor, log_dispersion: Tensor, ndims: int = 1) -> None:
        self.log_mean = log_mean
        self.log_dispersion = log_dispersion
        split = log_mean.ndim - ndims
        super().__init__(log_mean.shape[:split], log_mean.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means `[..., *event]`."""
        return self.log_mean.exp()

    @property
    def variance(self) -> Tensor:
        """The variances m + m^2 / theta, `[..., *event]`."""
        return self.mean + (2 * self.log_mean - self.log_dispersion).exp()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Counts `[*sample_shape, ..., *event]`: a Poisson whose rate is Gamma distributed."""
        with torch.no_grad():
            lead = (*sample_shape, *self.log_mean.shape)
            dispersion = self.log_dispersion.exp()
            gamma = torch._standard_gamma(dispersion.expand(lead).contiguous())
            return torch.poisson(gamma / dispersion * self.mean)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        # theta log(theta / (theta + m)) + x log(m / (theta + m)), both from the log-ratio.
        dispersion = self.log_dispersion.exp()
        ratio = self.log_mean - self.log_dispersion
        odds = softplus(ratio)
        total = value + dispersion
        choose = log_gamma(total) - log_gamma(dispersion) - torch.lgamma(value + 1)
        return torch.addcmul(torch.addcmul(choose, value, ratio), total, odds, value=-1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "NegativeBinomial":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        ndims, log_dispersion = len(self._event_shape), self.log_dispersion
        if log_dispersion.ndim > ndims:
            log_dispersion = expand_batch(log_dispersion, batch_shape, ndims)
        log_mean = expand_batch(self.log_mean, batch_shape, ndims)
        return NegativeBinomial(log_mean, log_dispersion, ndims)


class ZeroInflatedNegativeBinomial(Distribution):
    """A negative binomial that is silenced to 0 with probability sigmoid(zero_logits), in nats.

    Source: Lopez et al. 2018, doi:10.1038/s41592-018-0229-2.

    Args:
        counts: the negative binomial of what was not silenced.
        zero_logits: log-odds of being silenced, `[..., *event]`.
    """

    def __init__(self, counts: NegativeBinomial, zero_logits: Tensor) -> None:
        self.counts = counts
        self.zero_logits = zero_logits
        super().__init__(counts.batch_shape, counts.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means (1 - pi) m, `[..., *event]`."""
        return (-self.zero_logits).sigmoid() * self.counts.mean

    @property
    def variance(self) -> Tensor:
        """The variances (1 - pi) (v + pi m^2) from m and v of the counts, `[..., *event]`."""
        kept, mean = (-self.zero_logits).sigmoid(), self.counts.mean
        return kept * (self.counts.variance + (1 - kept) * mean.square())

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Counts `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            kept = (-self.zero_logits).sigmoid().expand(*sample_shape, *self.zero_logits.shape)
            return torch.bernoulli(kept) * self.counts.sample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        counted = logsigmoid(-self.zero_logits) + self.counts.log_prob_per_unit(value)
        silent = torch.logaddexp(logsigmoid(self.zero_logits), counted)
        return torch.where(value < 0.5, silent, counted)

    def expand(
        self, batch_shape: Shape, _instance: object = None
    ) -> "ZeroInflatedNegativeBinomial":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        zero_logits = expand_batch(self.zero_logits, batch_shape, len(self._event_shape))
        return ZeroInflatedNegativeBinomial(self.counts.expand(batch_shape), zero_logits)


class LogLogistic(Distribution):
    """Counts as a logistic over log(1 + count), cut half-way between whole numbers, in nats.

    It may be far narrower than Poisson's, as where something happens exactly three times, and its
    tail is a power, so that no count is impossible. `mean` is its centre, a median.

    Args:
        loc: centres of log(1 + count), `[..., *event]`.
        log_scale: logarithms of the scales, `[..., *event]`.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, ndims: int = 1) -> None:
        self.loc = loc
        self.log_scale = log_scale
        split = loc.ndim - ndims
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The centres exp(loc) - 1, not below 0, `[..., *event]`."""
        return self.loc.expm1().clamp(min=0)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Counts `[*sample_shape, ..., *event]`, by the inverse of the distribution function."""
        with torch.no_grad():
            chance = torch.rand(*sample_shape, *self.loc.shape, device=self.loc.device)
            drawn = self.loc + self.log_scale.exp() * chance.clamp(1e-7, 1 - 1e-7).logit()
            return (drawn.clamp(max=MOST_LOG_COUNT).exp() - 0.5).floor().clamp(min=0)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        # s(b) - s(a) = s(b) s(-a) (1 - exp(a - b)) for the logistic s: no digits are lost.
        scale = self.log_scale.exp()
        above = ((value + 1.5).log() - self.loc) / scale
        width = (1 / (value + 0.5)).log1p() / scale
        inside = logsigmoid(width - above) + (-(-width).expm1()).log()
        return logsigmoid(above) + torch.where(value < 0.5, 0.0, inside)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "LogLogistic":
        """The same distribution with leading dims `batch_shape`, as a view."""
        ndims = len(self._event_shape)
        loc = expand_batch(self.loc, batch_shape, ndims)
        return LogLogistic(loc, expand_batch(self.log_scale, batch_shape, ndims), ndims)


class Multinomial(Distribution):
    """How often each of K things was chosen, coefficient included, in nats.

    `log_prob` is conditional on the number of choices in the value; draws make `total`.
    Source: Liang et al. 2018, eq. 2, arXiv:1802.05814.

    Args:
        logits: unnormalised log-probabilities `[..., *event]`, over the last dimension.
        total: how many choices a draw makes.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, logits: Tensor, total: int, ndims: int = 1) -> None:
        self.logits = logits
        self.total = total
        split = logits.ndim - ndims
        super().__init__(logits.shape[:split], logits.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The total times the probabilities, `[..., *event]`."""
        return self.total * self.logits.softmax(-1)

    @property
    def variance(self) -> Tensor:
        """The variances total p (1 - p), `[..., *event]`."""
        probabilities = self.logits.softmax(-1)
        return self.total * probabilities * (1 - probabilities)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Counts that sum to `total`, `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            lead = (*sample_shape, *self.logits.shape)
            probabilities = self.logits.softmax(-1).expand(lead).reshape(-1, lead[-1])
            chosen = torch.multinomial(probabilities, self.total, replacement=True)
            counts = torch.zeros_like(probabilities)
            counts.scatter_add_(-1, chosen, torch.ones_like(chosen, dtype=counts.dtype))
            return counts.reshape(lead)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        coefficient = torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
        chosen = (value * self.logits.log_softmax(-1)).sum(-1)
        rows = len(self._event_shape) - 1
        return sum_event(coefficient + chosen, rows) if rows else coefficient + chosen

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Multinomial":
        """The same distribution with leading dims `batch_shape`, as a view."""
        ndims = len(self._event_shape)
        return Multinomial(expand_batch(self.logits, batch_shape, ndims), self.total, ndims)
