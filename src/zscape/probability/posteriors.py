"""Conditionals that say where the code of something observed lies."""

from collections.abc import Callable

import torch
import zuko
from torch import Tensor, nn
from torch.distributions import AffineTransform
from zuko.transforms import ComposedTransform

from zscape.probability import flows
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import (
    Bent,
    Delta,
    DiagonalGaussian,
    OneHot,
    StandardGaussian,
)
from zscape.probability.distributions.shapes import at_least_float32, soft_log_scale


class Point(Conditional):
    """A single point: the posterior of an autoencoder. Its rate is undefined.

    Args:
        features: size of the context.
        latent: size of the code.
    """

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, latent)

    def forward(self, context: Tensor) -> Delta:
        """The point given a context `[..., features]`."""
        return Delta(at_least_float32(self.linear(context)))


class Gaussian(Conditional):
    """A diagonal Gaussian whose mean and log-variance are linear in the context.

    It serves as posterior and, given the state, as conditional prior.

    Args:
        features: size of the context.
        latent: size of the code.
    """

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2 * latent)

    def forward(self, context: Tensor) -> DiagonalGaussian:
        """The distribution of the code given a context `[..., features]`."""
        loc, log_variance = at_least_float32(self.linear(context)).chunk(2, dim=-1)
        return DiagonalGaussian(loc, soft_log_scale(log_variance))


class Classes(Conditional):
    """A class whose logits are linear in the context, or the one that its last number tells.

    In training K draws at once are the K classes in turn, so that a sum over them has no noise.

    Args:
        features: size of the context without what is told.
        classes: K.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)

    def forward(self, context: Tensor) -> OneHot:
        """The distribution of the class given a context `[..., features + 1]`."""
        features, told = context[..., :-1], context[..., -1]
        return OneHot(self.linear(features), told, in_turn=self.training)


class NormalisedGaussian(Conditional):
    """A diagonal Gaussian whose means have, over a batch, a fixed spread around a learned shift.

    The mean rate of a unit cannot fall below `mean_scale`^2 / 2 nats, so no unit dies: 0.6 grants
    0.18 nats a unit. In evaluation kept statistics are used, so that a code does not depend on its
    neighbours. Batches of one example have no spread and cannot be trained on.
    Source: Zhu et al. 2020, eqs. 6 to 8, arXiv:2004.12585.

    Args:
        features: size of the context.
        latent: size of the code.
        mean_scale: gamma, the standard deviation of a unit's means over the data.
    """

    def __init__(self, features: int, latent: int, *, mean_scale: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2 * latent)
        self.norm = nn.BatchNorm1d(latent, affine=False)
        self.shift = nn.Parameter(torch.zeros(latent))
        self.mean_scale = mean_scale

    def forward(self, context: Tensor) -> DiagonalGaussian:
        """The distribution of the code given a context `[..., features]`."""
        raw, log_variance = at_least_float32(self.linear(context)).chunk(2, dim=-1)
        normal = self.norm(raw.reshape(-1, raw.shape[-1])).reshape(raw.shape)
        loc = self.mean_scale * normal + self.shift
        return DiagonalGaussian(loc, soft_log_scale(log_variance))


class Flow(Conditional):
    """A Gaussian bent by coupling layers that also see the context.

    Drawing and measuring cost one pass of the same networks each, whatever the code's size. The
    rate has no closed form and is estimated from the draws.
    Source: Rezende and Mohamed 2015, arXiv:1505.05770; Dinh et al. 2017, arXiv:1605.08803.

    Args:
        features: size of the context.
        latent: size of the code.
        transforms: how many coupling layers; each bends every other unit.
        hidden: widths of the network in each layer.
    """

    def __init__(
        self,
        features: int,
        latent: int,
        *,
        transforms: int = 4,
        hidden: tuple[int, ...] = (64, 64),
    ) -> None:
        super().__init__()
        self.base = Gaussian(features, latent)
        flow = flows.coupling(latent, features, transforms=transforms, hidden=hidden)
        self.transform = flow.transform

    def forward(self, context: Tensor) -> Bent:
        """The distribution of the code given a context `[..., features]`."""
        context = at_least_float32(context)
        return Bent(self.base(context), self.transform(context).inv)


class BentGaussian(Conditional):
    """A diagonal Gaussian whose standard noise is bent first: z = mean + scale * push(noise).

    Only the way from noise to codes is walked to draw and to measure its own draws, so that a push
    may be one that is dear to invert. It begins as the Gaussian. The rate has no closed form and is
    estimated from the draws.

    Args:
        features: size of the context.
        latent: size of the code.
        push: from (latent, told) to the flow whose transform bends the noise, one of `flows`.
        told: how many numbers, linear in the context, the push sees.
    """

    def __init__(
        self,
        features: int,
        latent: int,
        *,
        push: Callable[[int, int], zuko.flows.Flow],
        told: int = 64,
    ) -> None:
        super().__init__()
        self.base = Gaussian(features, latent)
        self.tell = nn.Linear(features, told)
        self.push = push(latent, told).transform

    def forward(self, context: Tensor) -> Bent:
        """The distribution of the code given a context `[..., features]`."""
        base = self.base.forward(context)
        told = at_least_float32(self.tell(context))
        place = AffineTransform(base.loc, base.scale, event_dim=1)
        noise = StandardGaussian(torch.zeros_like(base.loc))
        return Bent(noise, ComposedTransform(self.push(told), place))
