"""Logistic distributions cut into the levels of a digital picture, and their mixtures.

Values lie on the grid k / (levels - 1) in [0, 1]; parameters live on [-1, 1], as in PixelCNN++.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import logsigmoid, softplus

from zscape.probability.distributions.shapes import Shape, expand_batch, sum_event


class DiscretizedLogistic(Distribution):
    """The mass of a logistic in each of `levels` bins; the outer bins take the tails. Nats.

    Source: Kingma et al. 2016, eq. 14, arXiv:1606.04934; Salimans et al. 2017, eq. 2,
    arXiv:1701.05517.

    Args:
        loc: centres on [-1, 1], `[..., *event]`.
        log_scale: logarithms of the scales on [-1, 1], `[..., *event]`.
        levels: how many values there are.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, levels: int, ndims: int = 1) -> None:
        self.loc = loc
        self.log_scale = log_scale
        self.levels = levels
        split = loc.ndim - ndims
        super().__init__(loc.shape[:split], loc.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means in [0, 1], `[..., *event]`; within half a level."""
        return _mean(self.loc, self.log_scale)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Values on the grid, `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            lead = (*sample_shape, *self.loc.shape)
            return _draw(self.loc.expand(lead), self.log_scale.expand(lead), self.levels)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        return _log_mass(value, self.loc, self.log_scale, self.levels)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "DiscretizedLogistic":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        ndims = len(self._event_shape)
        return DiscretizedLogistic(
            expand_batch(self.loc, batch_shape, ndims),
            expand_batch(self.log_scale, batch_shape, ndims),
            self.levels,
            ndims,
        )


class DiscretizedLogisticMixture(Distribution):
    """A mixture of discretized logistics in each pixel, in nats.

    With `coupling` the three channels of a pixel share the component, and the centres of green and
    blue move linearly with the channels before them; without, channels are independent.
    Source: Salimans et al. 2017, section 2.2, arXiv:1701.05517.

    Args:
        logits: unnormalised log-weights `[..., K, C or 1, ...]`.
        loc: centres on [-1, 1], `[..., K, *event]`.
        log_scale: logarithms of the scales on [-1, 1], `[..., K, *event]`.
        coupling: coefficients red->green, red->blue, green->blue, `[..., K, 3, H, W]`, or None.
        levels: how many values there are.
        ndims: how many of the last dimensions form the event; its first one is the channel.
    """

    def __init__(
        self,
        logits: Tensor,
        loc: Tensor,
        log_scale: Tensor,
        coupling: Tensor | None,
        levels: int,
        ndims: int = 3,
    ) -> None:
        self.logits = logits
        self.loc = loc
        self.log_scale = log_scale
        self.coupling = coupling
        self.levels = levels
        split = loc.ndim - ndims - 1
        super().__init__(loc.shape[:split], loc.shape[split + 1 :], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means in [0, 1], `[..., *event]`; exact to half a level where nothing is clipped."""
        channel = -len(self._event_shape)
        if self.coupling is None:
            means = _mean(self.loc, self.log_scale)
        else:
            means = torch.cat(self._channels(_mean), channel)
        return (self.logits.softmax(channel - 1) * means).sum(channel - 1)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Values on the grid, `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            chosen = self._choose((*sample_shape, *self._batch_shape))
            if chosen.coupling is None:
                drawn = _draw(chosen.loc, chosen.log_scale, self.levels)
            else:
                channels = chosen._channels(lambda loc, s: _draw(loc, s, self.levels))
                drawn = torch.cat(channels, -len(self._event_shape))
            return drawn.squeeze(-len(self._event_shape) - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        ndims = len(self._event_shape)
        x, loc = value.unsqueeze(-ndims - 1), self.loc
        if self.coupling is not None:
            loc = _couple(loc, self.coupling, 2 * x - 1)
        mass = _log_mass(x, loc, self.log_scale, self.levels)
        if self.coupling is not None:
            mass = mass.sum(-ndims, keepdim=True)
        joint = self.logits.log_softmax(-ndims - 1) + mass
        return sum_event(joint.logsumexp(-ndims - 1), ndims)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "DiscretizedLogisticMixture":
        """The same mixture with leading dims `batch_shape`; parameters become views."""
        ndims = len(self._event_shape)
        coupling = self.coupling
        return DiscretizedLogisticMixture(
            expand_batch(self.logits, batch_shape, ndims + 1),
            expand_batch(self.loc, batch_shape, ndims + 1),
            expand_batch(self.log_scale, batch_shape, ndims + 1),
            None if coupling is None else expand_batch(coupling, batch_shape, ndims + 1),
            self.levels,
            ndims,
        )

    def _channels(self, pick: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
        # Red, then green given red, then blue given both: each `[..., K, 1, H, W]` in [0, 1].
        assert self.coupling is not None
        channel = -len(self._event_shape)
        locs, scales, weights = (
            part.tensor_split(3, channel) for part in (self.loc, self.log_scale, self.coupling)
        )
        red = pick(locs[0], scales[0])
        green = pick(locs[1] + weights[0] * (2 * red - 1), scales[1])
        pull = weights[1] * (2 * red - 1) + weights[2] * (2 * green - 1)
        return [red, green, pick(locs[2] + pull, scales[2])]

    def _choose(self, lead: tuple[int, ...]) -> "DiscretizedLogisticMixture":
        # The mixture of the one component that each pixel drew.
        ndims = len(self._event_shape)
        expanded = self.expand(lead)
        noise = -torch.empty_like(expanded.logits).exponential_().log()
        chosen = (expanded.logits + noise).argmax(-ndims - 1, keepdim=True)

        def take(part: Tensor) -> Tensor:
            shape = [*part.shape]
            shape[-ndims - 1] = 1
            return part.gather(-ndims - 1, chosen.expand(shape))

        return DiscretizedLogisticMixture(
            take(expanded.logits),
            take(expanded.loc),
            take(expanded.log_scale),
            None if expanded.coupling is None else take(expanded.coupling),
            self.levels,
            ndims,
        )


def _couple(loc: Tensor, coupling: Tensor, y: Tensor) -> Tensor:
    # Channel dim is the third from the right; y is x on [-1, 1], `[..., 1, 3, H, W]`.
    red, green = y[..., 0:1, :, :], y[..., 1:2, :, :]
    first, second, third = coupling.tensor_split(3, -3)
    green_pull, blue_pull = first * red, second * red + third * green
    return loc + torch.cat([torch.zeros_like(green_pull), green_pull, blue_pull], -3)


def _log_mass(x: Tensor, loc: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no difference of near
    # equals. The lowest bin has b = -inf and the highest a = inf, which leaves one factor each.
    half = 1 / (levels - 1)
    inverse = (-log_scale).exp()
    offset = 2 * x - 1 - loc
    below = logsigmoid((offset + half) * inverse)
    above = logsigmoid((half - offset) * inverse)
    width = torch.log(-torch.expm1(-2 * half * inverse))
    lowest, highest = x < 0.5 * half, x > 1 - 0.5 * half
    inner = torch.where(highest, above, below + above + width)
    return torch.where(lowest, below, inner)


def _mean(loc: Tensor, log_scale: Tensor) -> Tensor:
    # sum_k P(K >= k) by the midpoint rule; exact to far less than a level unless the scale is
    # below one, where it is the clipped centre instead of the nearest level. Far to the right it
    # would be a difference of near equals, so it is taken on the left and mirrored.
    inverse = (-log_scale).exp()
    right = loc > 0
    left = torch.where(right, -loc, loc)
    mean = 0.5 * (softplus((1 + left) * inverse) - softplus((left - 1) * inverse)) / inverse
    return torch.where(right, 1 - mean, mean)


def _draw(loc: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    y = loc + log_scale.exp() * torch.logit(torch.rand_like(loc), eps=1e-7)
    return (0.5 * (y + 1) * (levels - 1)).round().clamp(0, levels - 1) / (levels - 1)
