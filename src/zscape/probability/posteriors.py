"""Conditionals that say where the code of something observed lies."""

from functools import partial

import torch
from torch import Tensor, nn
from zuko.distributions import NormalizingFlow
from zuko.flows import NICE
from zuko.transforms import MonotonicAffineTransform

from zscape.probability.conditional import Conditional
from zscape.probability.distributions import Delta, DiagonalGaussian, OneHot
from zscape.probability.distributions.shapes import at_least_float32, soft_log_scale
from zscape.probability.flows import in_full_precision

_SMALLEST_SLOPE = (
    0.05  # of a coupling layer; the slopes of all layers multiply, the base has its own
)


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
        flow = NICE(
            latent,
            features,
            transforms=transforms,
            hidden_features=hidden,
            univariate=partial(MonotonicAffineTransform, slope=_SMALLEST_SLOPE),
        )
        self.base = Gaussian(features, latent)
        self.transform = in_full_precision(flow).transform

    def forward(self, context: Tensor) -> NormalizingFlow:
        """The distribution of the code given a context `[..., features]`."""
        context = at_least_float32(context)
        return NormalizingFlow(self.transform(context), self.base(context))
