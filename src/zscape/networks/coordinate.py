"""The coordinate network: a decoder that is asked pixel by pixel what stands at a place.

Every pixel goes through the same small network of the code and its own coordinates, so moving a
thing is a shift of the code against the coordinates: place is built in, not learned.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from zscape.networks.mlp import scale_weights

Shape = tuple[int, ...]

_WIDTHS = (32, 32, 32)
_FEATURES = 256
_SHARPNESS = 2.0  # of the first layer along the coordinates, which run from -1 to 1


def coordinate_encoder(shape: Shape, widths: Shape) -> tuple[nn.Module, int]:
    """A network `[..., C, H, W]` to `[..., features]`: one layer of 256, whatever the widths."""
    body = nn.Sequential(nn.Flatten(-3), nn.Linear(prod(shape), _FEATURES), nn.SiLU())
    scale_weights(body[1], fan_in=prod(shape))  # type: ignore[arg-type]
    return body, _FEATURES


def coordinate_decoder(latent: int, shape: Shape, widths: Shape) -> nn.Module:
    """A network `[..., latent]` to `[..., C, H, W]`: one layer a width at every pixel.

    The code enters once, by a linear layer. Cost grows with the pixels times the widths squared:
    32x32 pictures cost about as much as a small convolutional decoder, 64x64 four times that.
    On rendered sprites it is what separates place from shape; on photographs it blurs.

    Args:
        latent: size of the code.
        shape: channels, height and width.
        widths: of the layers; 32, 32, 32 where none are given.

    Source: Watters et al. 2019, section 2, arXiv:1901.07017.
    """
    return _CoordinateDecoder(latent, shape, widths or _WIDTHS)


class _CoordinateDecoder(nn.Module):
    grid: Tensor

    def __init__(self, latent: int, shape: Shape, widths: Shape) -> None:
        super().__init__()
        channels, *self.size = shape
        self.codes = nn.Linear(latent, widths[0])
        self.places = nn.Linear(2, widths[0], bias=False)
        nn.init.normal_(self.places.weight, std=_SHARPNESS)
        self.register_buffer("grid", _grid(*self.size), persistent=False)
        layers: list[nn.Module] = [nn.ReLU()]
        for before, after in pairwise(widths):
            # A convolution of one pixel is a linear layer that processors run faster.
            layers += [nn.Conv2d(before, after, 1), nn.ReLU()]
            scale_weights(layers[-2], fan_in=before)  # type: ignore[arg-type]
        layers += [nn.Conv2d(widths[-1], channels, 1)]
        self.body = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, z: Tensor) -> Tensor:
        """Features `[..., C, H, W]` of codes `[..., latent]`."""
        codes: Tensor = self.codes(z.reshape(-1, z.shape[-1]))
        hidden = codes[:, None, None] + self.places(self.grid)
        features: Tensor = self.body(hidden.permute(0, 3, 1, 2))
        return features.reshape(*z.shape[:-1], *features.shape[1:])


def _grid(height: int, width: int) -> Tensor:
    """Coordinates (x, y) of each pixel from -1 to 1, `[H, W, 2]`."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    return torch.stack([x, y], dim=-1)
