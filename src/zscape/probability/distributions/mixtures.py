"""Mixtures of Gaussians with full covariances, and any distribution in other units."""

import math

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from zscape.probability.distributions.shapes import Shape, expand_batch


class FullGaussianMixture(Distribution):
    """sum_k w_k N(loc_k, L_k L_k') over vectors; its rate has no closed form.

    Only the weights have batch dimensions: the components are the same everywhere, so that a batch
    costs one matrix product a component.

    Args:
        logits: unnormalised log-weights `[..., K]`.
        loc: means `[K, D]`.
        scale_tril: the lower triangular L of each covariance, `[K, D, D]`.
    """

    def __init__(self, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> None:
        self.logits = logits
        self.loc = loc
        self.scale_tril = scale_tril
        super().__init__(logits.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The weighted mean of the component means, `[..., D]`."""
        return self.logits.softmax(-1) @ self.loc

    @property
    def variance(self) -> Tensor:
        """The variance of each unit, within and between components, `[..., D]`."""
        second = self.scale_tril.square().sum(-1) + self.loc.square()
        return self.logits.softmax(-1) @ second - self.mean.square()

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., D]`."""
        with torch.no_grad():
            lead = (*sample_shape, *self._batch_shape)
            weights = self.logits.softmax(-1).expand(*lead, -1).reshape(-1, len(self.loc))
            return self.sample_of(torch.multinomial(weights, 1)[:, 0]).reshape(*lead, -1)

    def sample_of(self, chosen: Tensor) -> Tensor:
        """A draw `[N, D]` of the component of each number in `chosen` `[N]`."""
        with torch.no_grad():
            noise = torch.randn(len(chosen), self.loc.shape[-1], device=self.loc.device)
            drawn = torch.empty_like(noise)
            for k in chosen.unique().tolist():
                own = chosen == k
                drawn[own] = self.loc[k] + noise[own] @ self.scale_tril[k].T
            return drawn

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event."""
        return (self.logits.log_softmax(-1) + self.log_components(value)).logsumexp(-1)

    def log_components(self, value: Tensor) -> Tensor:
        """The log-density in nats of each component alone, `[..., K]`."""
        size = self.loc.shape[-1]
        flat = value.reshape(-1, size)
        # A small inverse once is faster than a triangular solve of every example.
        eye = torch.eye(size, dtype=flat.dtype, device=flat.device)
        white = torch.linalg.solve_triangular(
            self.scale_tril, eye.expand_as(self.scale_tril), upper=False
        )
        shift = torch.einsum("kij,kj->ki", white, self.loc)
        standard = (flat @ white.reshape(-1, size).T).unflatten(-1, shift.shape) - shift
        constant = self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = constant + 0.5 * size * math.log(2 * math.pi)
        found = -0.5 * standard.square().sum(-1) - constant
        return found.reshape(*value.shape[:-1], -1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "FullGaussianMixture":
        """The same mixture with leading dims `batch_shape`; the weights become a view."""
        return FullGaussianMixture(
            expand_batch(self.logits, batch_shape, 1), self.loc, self.scale_tril
        )


class Moved(Distribution):
    """What shift + scale * z follows when z follows `base`: its units, and its shape, are others.

    Args:
        base: over vectors `[D]`, or over `[*event]` itself.
        shift: `[*event]`.
        scale: `[*event]`, positive.
    """

    def __init__(self, base: Distribution, shift: Tensor, scale: Tensor) -> None:
        self.base = base
        self.shift = shift
        self.scale = scale
        self.has_rsample = base.has_rsample
        super().__init__(base.batch_shape, shift.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The moved mean `[..., *event]`."""
        return self._outside(self.base.mean)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., *event]`."""
        return self._outside(self.base.sample(Size(sample_shape)))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw through which gradients flow, where the base allows it."""
        return self._outside(self.base.rsample(Size(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event."""
        standard = (value - self.shift) / self.scale
        lead = standard.shape[: standard.ndim - self.shift.ndim]
        inside: Tensor = self.base.log_prob(standard.reshape(*lead, *self.base.event_shape))
        return inside - self.scale.log().sum()

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Moved":
        """The same distribution with leading dims `batch_shape`."""
        return Moved(self.base.expand(Size(batch_shape)), self.shift, self.scale)

    def _outside(self, inside: Tensor) -> Tensor:
        lead = inside.shape[: inside.ndim - len(self.base.event_shape)]
        return self.shift + self.scale * inside.reshape(*lead, *self.shift.shape)
