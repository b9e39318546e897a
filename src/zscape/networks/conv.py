"""Convolutional networks for pictures of any size: strided, and residual for photographs.

Weights and pictures are kept channels-last, which convolutions on a CPU run about 1.4 times
faster. No batch normalisation: an example's code must not depend on its neighbours in the batch.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from zscape.networks.mlp import scale_weights
from zscape.networks.transposed import Transposed

Shape = tuple[int, ...]
Size = tuple[int, int]

_FEATURES = 256  # width of the fully connected layer between pictures and codes
_POOLED = 128  # and where features of all places are pooled first
_WIDEST_POOLED = 64  # channels that are pooled
_SMALLEST = 7  # a short side of at most this is not halved again
_WIDEST = 256  # channels of the residual network stop doubling here


def conv_encoder(shape: Shape, widths: Shape) -> tuple[nn.Module, int]:
    """A network `[..., C, H, W]` to `[..., features]`, and its features.

    3x3 convolutions of stride 2 down to a short side of 4 to 7, then one linear layer. One width
    is that of the first half of the convolutions, the others having twice as many channels
    (64x64: 32, 32, 64, 64); several widths are taken as they stand, one a convolution.
    """
    return _encoder(shape, _conv_channels(shape, widths), num_blocks=0), _FEATURES


def conv_decoder(latent: int, shape: Shape, widths: Shape) -> nn.Module:
    """A network `[..., latent]` to `[..., C, H, W]` that mirrors `conv_encoder`."""
    return _decoder(latent, shape, _conv_channels(shape, widths), num_blocks=0)


def residual_encoder(shape: Shape, widths: Shape) -> tuple[nn.Module, int]:
    """A network `[..., C, H, W]` to `[..., features]` for photographs, and its features.

    A residual block after each halving; channels double from the first width, 32 unless given,
    up to 256. Several widths are taken as they stand, one a halving.

    Source: He et al. 2016, figure 4e (pre-activation), arXiv:1603.05027.
    """
    return _encoder(shape, _residual_channels(shape, widths), num_blocks=1), _FEATURES


def residual_decoder(latent: int, shape: Shape, widths: Shape) -> nn.Module:
    """A network `[..., latent]` to `[..., C, H, W]` that mirrors `residual_encoder`."""
    return _decoder(latent, shape, _residual_channels(shape, widths), num_blocks=1)


def map_encoder(shape: Shape, widths: Shape) -> tuple[nn.Module, Shape]:
    """A network `[..., C, H, W]` to a map `[..., F, h, w]`, and the map's shape.

    Halvings as those of `residual_encoder`, down to a short side of 5 to 8, with two residual
    blocks behind the last; several widths are one halving each, so that they choose the size.
    """
    channels = _map_channels(shape, widths)
    layers: list[nn.Module] = [_ChannelsLast()]
    for before, after in pairwise((shape[0], *channels)):
        layers += [_halving(before, after), nn.SiLU()]
    blocks = [_Residual(channels[-1]), _Residual(channels[-1]), nn.SiLU()]
    body = _OverLeading(nn.Sequential(*layers, *blocks), event_dims=3)
    return body, (channels[-1], *_sizes(shape, len(channels))[-1])


def map_decoder(dimension: int, shape: Shape, widths: Shape) -> nn.Module:
    """A network `[..., dimension, h, w]` to `[..., C, H, W]` that mirrors `map_encoder`."""
    channels = _map_channels(shape, widths)
    first = nn.Conv2d(dimension, channels[-1], 3, padding=1)
    scale_weights(first, fan_in=9 * dimension)
    layers: list[nn.Module] = [_ChannelsLast(), first]
    layers += [_Residual(channels[-1]), _Residual(channels[-1])]
    targets = zip(
        pairwise((*reversed(channels), shape[0])),
        reversed(_sizes(shape, len(channels))[:-1]),
        strict=True,
    )
    for (before, after), size in targets:
        layers += [nn.SiLU(), _doubling(before, after, size)]
    return _OverLeading(nn.Sequential(*layers), event_dims=3)


def pooled_encoder(shape: Shape, widths: Shape) -> tuple[nn.Module, int]:
    """A network `[..., C, H, W]` to `[..., features]` that say nothing of places, and their number.

    Three halvings and one more convolution, of 1, 2, 3 and 3 times the first width, 24 unless
    given, but of 64 at most; what they find is averaged over all places and taken where it is most.

    Source: Huang et al. 2018, section 5.1 (a style by global pooling), arXiv:1804.04732.
    """
    first = (*widths, 24)[0]
    own = [min(times * first, _WIDEST_POOLED) for times in (1, 2, 3)]
    layers: list[nn.Module] = [_ChannelsLast()]
    for before, after in pairwise((shape[0], *own)):
        layers += [_halving(before, after), nn.SiLU()]
    layers += [_convolution(own[-1]), nn.SiLU(), _Pooled()]
    layers += [_linear(2 * own[-1], _POOLED), nn.SiLU()]
    return _OverLeading(nn.Sequential(*layers), event_dims=3), _POOLED


def _map_channels(shape: Shape, widths: Shape) -> Shape:
    if len(widths) > 1:
        return widths
    halvings = _num_halvings(shape, smallest=8)
    return _doubled((*widths, 32)[0], halvings)


def _conv_channels(shape: Shape, widths: Shape) -> Shape:
    if len(widths) > 1:
        return widths
    first, halvings = (*widths, 32)[0], _num_halvings(shape)
    return tuple(first * (1 + 2 * i // halvings) for i in range(halvings))


def _residual_channels(shape: Shape, widths: Shape) -> Shape:
    if len(widths) > 1:
        return widths
    return _doubled((*widths, 32)[0], _num_halvings(shape))


def _doubled(first: int, halvings: int) -> Shape:
    return tuple(min(first * 2**i, max(first, _WIDEST)) for i in range(halvings))


def _num_halvings(shape: Shape, *, smallest: int = _SMALLEST) -> int:
    """How many halvings bring the short side to `smallest` or less; one at least."""
    short, halvings = min(shape[1:]), 0
    while short > smallest or halvings == 0:
        short, halvings = (short + 1) // 2, halvings + 1
    return halvings


def _sizes(shape: Shape, halvings: int) -> list[Size]:
    """(H, W) before and after each halving, rounded up."""
    sizes = [(shape[1], shape[2])]
    for _ in range(halvings):
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


def _encoder(shape: Shape, channels: Shape, *, num_blocks: int) -> nn.Module:
    layers: list[nn.Module] = [_ChannelsLast()]
    for before, after in pairwise((shape[0], *channels)):
        layers += [_halving(before, after)]
        layers += [_Residual(after) for _ in range(num_blocks)]
        layers += [nn.SiLU()]
    size = _sizes(shape, len(channels))[-1]
    layers += [_Flatten(), _linear(channels[-1] * prod(size), _FEATURES), nn.SiLU()]
    return _OverLeading(nn.Sequential(*layers), event_dims=3)


def _decoder(latent: int, shape: Shape, channels: Shape, *, num_blocks: int) -> nn.Module:
    *sizes, smallest = _sizes(shape, len(channels))
    layers: list[nn.Module] = [_linear(latent, _FEATURES), nn.SiLU()]
    layers += [_linear(_FEATURES, channels[-1] * prod(smallest))]
    layers += [_Unflatten(channels[-1], smallest)]
    targets = zip(pairwise((*reversed(channels), shape[0])), reversed(sizes), strict=True)
    for (before, after), size in targets:
        layers += [_Residual(before) for _ in range(num_blocks)]
        layers += [nn.SiLU(), _doubling(before, after, size)]
    return _OverLeading(nn.Sequential(*layers), event_dims=1)


def _linear(before: int, after: int) -> nn.Module:
    layer = nn.Linear(before, after)
    scale_weights(layer, fan_in=before)
    return layer


def _halving(before: int, after: int) -> nn.Module:
    layer = nn.Conv2d(before, after, 3, stride=2, padding=1)
    scale_weights(layer, fan_in=9 * before)
    return layer


def _convolution(channels: int) -> nn.Module:
    layer = nn.Conv2d(channels, channels, 3, padding=1)
    scale_weights(layer, fan_in=9 * channels)
    return layer


def _doubling(before: int, after: int, size: Size) -> nn.Module:
    """The transpose of a 3x3 convolution of stride 2, to this exact size."""
    # A side of m came from 2m - 1 or 2m; the output padding tells which.
    odd = (1 - size[0] % 2, 1 - size[1] % 2)
    layer = Transposed(before, after, 3, output_padding=odd)
    # A pixel of the result sees 9 / 4 weights of each channel on average.
    scale_weights(layer, fan_in=9 / 4 * before)
    return layer


class _Residual(nn.Module):
    """x + conv(silu(conv(silu(x)))), the identity at the start of training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels)
        self.last = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.zeros_(self.last.weight)  # so that depth is stable without normalisation

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.last(silu(self.first(silu(x))))
        return x + hidden


class _OverLeading(nn.Module):
    """Lets a network of `[N, *event]` take any number of leading dimensions."""

    def __init__(self, body: nn.Module, *, event_dims: int) -> None:
        super().__init__()
        body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.body = body
        self.event_dims = event_dims

    def forward(self, x: Tensor) -> Tensor:
        leading, event = x.shape[: -self.event_dims], x.shape[-self.event_dims :]
        hidden: Tensor = self.body(x.reshape(-1, *event))
        return hidden.reshape(*leading, *hidden.shape[1:])


class _ChannelsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


class _Pooled(nn.Module):
    """Maps `[N, C, h, w]` to their averages and maxima `[N, 2 C]`."""

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2)
        return torch.cat([places.mean(-1), places.amax(-1)], -1)


class _Flatten(nn.Module):
    """`[N, C, H, W]` to `[N, H * W * C]`: channels last, so nothing is copied."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class _Unflatten(nn.Module):
    """`[N, H * W * C]` to `[N, C, H, W]`, the inverse of `_Flatten`."""

    def __init__(self, channels: int, size: Size) -> None:
        super().__init__()
        self.shape = (*size, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2)
