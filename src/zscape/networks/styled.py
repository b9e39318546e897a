"""Decoders of a code in two parts: the content says what stands where, the style how it looks.

The content alone enters the network; the style scales and shifts the features of its layers,
everywhere alike, so it can say nothing of places.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from zscape.networks.mlp import scale_weights
from zscape.networks.transposed import Transposed

Shape = tuple[int, ...]

_FEATURES = 128  # of what the style says before it meets the content
_WIDTHS = (256, 256)  # in which content finds its places: a limb's hang on each other
_COARSE = 8  # a short side of at most so many points is where content becomes a map
_CHANNELS = 32  # of that map


class Styled(nn.Module):
    """Codes `[..., skipped + content + style]` to features `[..., *shape]`.

    Args:
        layers: from content `[N, content]` on, the last one to the features or more of them.
        widths: of all layers but the last.
        sizes: of content and style.
        shape: of the features.
        skipped: numbers at the front of the code that are not read.

    Source: Perez et al. 2018, eq. 2 (features scaled and shifted), arXiv:1709.07871; Huang et al.
    2018, section 5.1 (a style that is nothing else), arXiv:1804.04732.
    """

    def __init__(
        self,
        layers: list[nn.Module],
        widths: Sequence[int],
        sizes: tuple[int, int],
        shape: Shape,
        *,
        skipped: int,
    ) -> None:
        super().__init__()
        self.skipped, (self.content, style) = skipped, sizes
        self.look = nn.Sequential(_linear(style, _FEATURES), nn.SiLU())
        *hidden, self.last = layers
        self.layers = nn.ModuleList(hidden)
        self.films = nn.ModuleList(nn.Linear(_FEATURES, 2 * width) for width in widths)
        self.shape = shape

    def forward(self, code: Tensor) -> Tensor:
        """The features, cut to the size of the picture."""
        flat = code.reshape(-1, code.shape[-1])[:, self.skipped :]
        hidden, look = flat[:, : self.content], self.look(flat[:, self.content :])
        for layer, film in zip(self.layers, self.films, strict=True):
            hidden = layer(hidden)
            gain, shift = film(look)[(...,) + (None,) * (hidden.ndim - 2)].chunk(2, dim=1)
            hidden = silu(hidden * (1 + gain) + shift)
        features: Tensor = self.last(hidden)
        if features.ndim == 4:
            features = features[..., : self.shape[-2], : self.shape[-1]]
        return features.reshape(*code.shape[:-1], *self.shape)


def styled_rows(sizes: tuple[int, int], shape: Shape, widths: Shape, *, skipped: int) -> Styled:
    """Fully connected layers of these widths, 256 and 256 where none are given."""
    chosen = widths or (256, 256)
    layers: list[nn.Module] = [_linear(*ends) for ends in pairwise((sizes[0], *chosen))]
    return Styled(
        [*layers, nn.Linear(chosen[-1], prod(shape))], chosen, sizes, shape, skipped=skipped
    )


def styled_pictures(sizes: tuple[int, int], shape: Shape, *, skipped: int) -> Styled:
    """A map that the content makes, doubled once; each of its points then paints a square.

    On a processor that costs half of doublings up to the picture, and learns faster.

    Args:
        sizes: of content and style.
        shape: `(C, H, W)`.
        skipped: numbers at the front of the code that are not read.
    """
    doublings = 0
    while min(shape[1:]) / 2**doublings > _COARSE:
        doublings += 1
    cut = 2 ** max(doublings - 1, 0)
    size = ceil(shape[1] / 2**doublings), ceil(shape[2] / 2**doublings)
    wide = 2 * _CHANNELS
    layers: list[nn.Module] = [
        _Place(sizes[0], _CHANNELS, size),
        _doubling(_CHANNELS, wide) if doublings else _same(_CHANNELS, wide),
        _same(wide, wide),
        nn.Sequential(nn.Conv2d(wide, shape[0] * cut**2, 3, padding=1), nn.PixelShuffle(cut)),
    ]
    network = Styled(layers, (_CHANNELS, wide, wide), sizes, shape, skipped=skipped)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class _Place(nn.Module):
    """Content `[N, D]` to a map `[N, C, h, w]`."""

    def __init__(self, content: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.shape = (*size, channels)
        layers: list[nn.Module] = []
        for ends in pairwise((content, *_WIDTHS)):
            layers += [_linear(*ends), nn.SiLU()]
        self.body = nn.Sequential(*layers, _linear(_WIDTHS[-1], channels * prod(size)))

    def forward(self, content: Tensor) -> Tensor:
        """The map, channels last."""
        points: Tensor = self.body(content)
        return points.reshape(-1, *self.shape).permute(0, 3, 1, 2)


def _linear(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    scale_weights(layer, fan_in=before)
    return layer


def _same(before: int, after: int) -> nn.Module:
    layer = nn.Conv2d(before, after, 3, padding=1)
    scale_weights(layer, fan_in=9 * before)
    return layer


def _doubling(before: int, after: int) -> nn.Module:
    layer = Transposed(before, after, 3, output_padding=(1, 1))
    scale_weights(layer, fan_in=9 / 4 * before)
    return layer
