"""Draws of a simple distribution that an invertible transform has bent: what flows return."""

import torch
from torch import Size, Tensor
from torch.distributions import Distribution
from zuko.transforms import Transform

from zscape.probability.distributions.shapes import Shape


class Bent(Distribution):
    """The draws of `base`, bent by `push`; its density follows from the slope of the bend, in nats.

    The last draw is remembered with its log-density, which cost nothing more to have: where `push`
    is cheap one way and dear the other, a posterior is measured at its own draws the cheap way.
    Both ways are exact and give the same gradients.
    Source: Rezende and Mohamed 2015, eq. 5, arXiv:1505.05770.

    Args:
        base: of the noise.
        push: from noise to codes, a zuko transform; `push.inv` goes back.
    """

    has_rsample = True

    def __init__(self, base: Distribution, push: Transform) -> None:
        self.base = base
        self.push = push
        self._drawn: tuple[Tensor, Tensor] | None = None
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def middle(self) -> Tensor:
        """The mean of the noise, bent, `[..., D]`: a median-like point and not the mean."""
        return self.bend(self.base.mean)

    def bend(self, noise: Tensor) -> Tensor:
        """The codes `[..., D]` of noise `[..., D]`."""
        code: Tensor = self.push(noise)
        return code

    @torch.no_grad()
    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., D]`."""
        return self.bend(self.base.sample(Size(sample_shape)))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., D]` that gradients pass through, and that is remembered."""
        noise = self.base.rsample(Size(sample_shape))
        code, stretch = self.push.call_and_ladj(noise)
        self._drawn = code, self.base.log_prob(noise) - stretch
        return code

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, summed over the event."""
        if self._drawn is not None and value is self._drawn[0]:
            log_density = self._drawn[1]
            # Drawn without gradients, it tells none of the parameters.
            if log_density.requires_grad or not torch.is_grad_enabled():
                return log_density
        noise, stretch = self.push.inv.call_and_ladj(value)
        return self.base.log_prob(noise) + stretch

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Bent":
        """The same distribution with leading dims `batch_shape`."""
        return Bent(self.base.expand(Size(batch_shape)), self.push)
