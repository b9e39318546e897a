"""The likelihood of a picture pixel by pixel, each given those before it and a context.

The network that sees only what came before is passed in; this module knows no network.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zscape.probability.conditional import Conditional
from zscape.probability.distributions.shapes import (
    Shape,
    at_least_float32,
    broadcast_shape,
)


class Autoregressive(Conditional):
    """p(x | context) = prod_i p(x_i | x_before i, context), over pixels i in raster order.

    A decoder strong enough to need no code: without a remedy the code often dies. `log_prob`
    costs one pass; a draw, or a mean, one short step per pixel.
    Source: Gulrajani et al. 2017, section 3, arXiv:1611.05013.

    Args:
        network: from pictures `[N, C, H, W]` and contexts `[N, F, H, W]` to `[N, outputs, H, W]`,
            a pixel's outputs depending only on pixels before it; its `unroll(context, choose)`
            makes a picture pixel by pixel.
        shape: (C, H, W).
        pixel: from C to the likelihood of one pixel of shape (C, 1, 1), or of a picture.
        levels: how many values a channel takes in [0, 1].
        context: F.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        *,
        pixel: Callable[[tuple[int, ...]], Conditional],
        levels: int,
        context: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.shape = shape
        self.features = (context, *shape[1:])
        self.whole = pixel(shape)
        self.one = pixel((shape[0], 1, 1))
        self.levels = levels

    def forward(self, context: Tensor) -> "Pixels":
        """The distribution of x given a context `[..., F, H, W]`."""
        return Pixels(at_least_float32(context), self)


class Pixels(Distribution):
    """Pictures whose pixels follow one another in raster order."""

    has_rsample = False

    def __init__(self, context: Tensor, conditional: Autoregressive) -> None:
        self.context = context
        self.conditional = conditional
        super().__init__(context.shape[:-3], torch.Size(conditional.shape), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The mean of each pixel given those before it, `[..., C, H, W]`, the same at every call.

        No mean of the pictures, which would be a blur, but one picture for each context. Each pixel
        counts for later ones as its mean, rounded up or down by noise that is the same for every
        picture: rounded to the nearest, a picture goes dark from its first pixels on.
        """
        steps = self.conditional.levels - 1
        noise = _noise(self.conditional.shape).to(self.context.device)
        rows = iter(noise.flatten(1).T)

        def choose(said: Tensor) -> tuple[Tensor, Tensor]:
            mean = self._pixel(said).mean.flatten(1)
            return mean, (mean * steps + next(rows)).floor() / steps

        return self._unroll(self.context, choose)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Exact draws `[*sample_shape, ..., C, H, W]`."""

        def choose(said: Tensor) -> tuple[Tensor, Tensor]:
            drawn = self._pixel(said).sample().flatten(1)
            return drawn, drawn

        lead = (*sample_shape, *self.context.shape)
        return self._unroll(self.context.expand(lead), choose)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the pixels; the past is seen in its levels."""
        lead = broadcast_shape(value[..., 0, 0, 0], self.context[..., 0, 0, 0])
        picture, told = value.shape[-3:], self.context.shape[-3:]
        x = value.expand(*lead, *picture).reshape(-1, *picture)
        context = self.context.expand(*lead, *told).reshape(-1, *told)
        said = at_least_float32(self.conditional.network(self._rounded(x), context))
        return self.conditional.whole(said).log_prob(x).reshape(lead)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Pixels":
        """The same pictures with leading dims `batch_shape`, as a view."""
        return Pixels(self.context.expand(*batch_shape, *self.context.shape[-3:]), self.conditional)

    def _rounded(self, x: Tensor) -> Tensor:
        # Grey pictures of binary levels are learned from as they will be drawn: black and white.
        steps = self.conditional.levels - 1
        return (x * steps).round() / steps

    def _pixel(self, said: Tensor) -> Distribution:
        distribution: Distribution = self.conditional.one(at_least_float32(said)[..., None, None])
        return distribution

    def _unroll(self, context: Tensor, choose: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        flat = context.reshape(-1, *context.shape[-3:])
        picture: Tensor = self.conditional.network.unroll(flat, choose)  # type: ignore[operator]
        return picture.reshape(*context.shape[:-3], *picture.shape[1:])


def _noise(shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))
