"""A convolutional network over a picture in which every pixel sees only those before it.

Before means above, or left in the same row. What its outputs mean is the business of probability.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad, silu

from zscape.networks.mlp import scale_weights

KERNEL = 5
_REACH = KERNEL // 2


class Masked(nn.Module):
    """Maps pictures `[N, C, H, W]` and a context `[N, F, H, W]` to `[N, outputs, H, W]`.

    An output depends on the whole context of its own pixel and on the pixels before it, all their
    channels, but not on its own pixel or a later one. Masked 5x5 convolutions; a wedge above to
    the right is out of reach (the blind spot of plain masks).
    Source: van den Oord et al. 2016, section 3.4, arXiv:1601.06759; context in every layer as in
    Gulrajani et al. 2017, section 3.2, arXiv:1611.05013.

    Args:
        channels: C.
        outputs: channels of the result.
        context: F.
        depth: masked layers.
        width: channels of each.
        dropout: share of the pixels that are hidden from the network in training.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        context: int,
        depth: int = 4,
        width: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.dropout = dropout
        sizes = [channels] + [width] * (depth - 1)
        self.layers = nn.ModuleList(
            _Causal(before, width, own=number > 0) for number, before in enumerate(sizes)
        )
        # One product for all layers; each adds its part before its activation.
        self.enter = nn.Conv2d(context, width * depth, 1)
        self.last = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """What each pixel is told by the pixels before it and by the context."""
        hidden = _centred(x)
        if self.training and self.dropout:
            shown = torch.rand_like(hidden[:, :1]) >= self.dropout
            hidden = hidden * shown
        for number, (layer, told) in enumerate(zip(self.layers, self._told(context), strict=True)):
            new = silu(layer(hidden) + told)
            hidden = new if number == 0 else hidden + new
        outputs: Tensor = self.last(hidden)
        return outputs

    @torch.no_grad()
    def unroll(self, context: Tensor, choose: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        """A picture `[N, C, H, W]`, pixel by pixel; each layer is computed once at each pixel.

        Args:
            context: `[N, F, H, W]`.
            choose: from what a pixel is told, `[N, outputs]`, to its value in the result and the
                value that later pixels see, both `[N, C]`.
        """
        num, _, height, width = context.shape
        told = self._told(context)
        kernels = [layer.masked().flatten(1) for layer in self._causal()]
        # What each layer sees, with a border; zeros where nothing is known yet.
        border = (height + 2 * _REACH, width + 2 * _REACH)
        sizes = [layer.weight.shape[1] for layer in self._causal()]
        planes = [context.new_zeros(num, size, *border) for size in sizes]
        result = context.new_zeros(num, self.channels, height, width)
        for row in range(height):
            for column in range(width):
                here = [part[:, :, row, column] for part in told]
                hidden = self._at(row, column, planes, kernels, here)
                said = linear(hidden, self.last.weight.flatten(1), self.last.bias)
                result[:, :, row, column], seen = choose(said)
                planes[0][:, :, row + _REACH, column + _REACH] = _centred(seen)
        return result

    def _at(
        self, row: int, column: int, planes: list[Tensor], kernels: list[Tensor], told: list[Tensor]
    ) -> Tensor:
        """The last hidden features of one pixel, `[N, width]`; fills the planes there."""
        hidden = told[0]
        for number, layer in enumerate(self._causal()):
            if number > 0:
                planes[number][:, :, row + _REACH, column + _REACH] = hidden
            seen = planes[number][:, :, row : row + KERNEL, column : column + KERNEL].flatten(1)
            new = silu(linear(seen, kernels[number], layer.bias) + told[number])
            hidden = new if number == 0 else hidden + new
        return hidden

    def _told(self, context: Tensor) -> tuple[Tensor, ...]:
        return self.enter(context).chunk(len(self.layers), dim=1)

    def _causal(self) -> list["_Causal"]:
        return [layer for layer in self.layers if isinstance(layer, _Causal)]


class _Causal(nn.Module):
    """A convolution whose kernel is zero after its centre, and at it unless `own`."""

    mask: Tensor

    def __init__(self, before: int, after: int, *, own: bool) -> None:
        super().__init__()
        plain = nn.Conv2d(before, after, KERNEL)
        seen = KERNEL * KERNEL // 2 + own
        scale_weights(plain, fan_in=seen * before)
        self.weight, self.bias = plain.weight, plain.bias
        mask = (torch.arange(KERNEL * KERNEL) < seen).float().reshape(KERNEL, KERNEL)
        self.register_buffer("mask", mask, persistent=False)

    def masked(self) -> Tensor:
        """The weights that count."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(pad(x, [_REACH] * 4), self.masked(), self.bias)


def _centred(x: Tensor) -> Tensor:
    """From [0, 1] to [-1, 1], so that zero stands for an unknown pixel."""
    return 2 * x - 1
