"""Fully connected networks, for rows and small pictures."""

from itertools import pairwise
from math import prod

from torch import nn


def mlp_encoder(shape: tuple[int, ...], widths: tuple[int, ...]) -> tuple[nn.Module, int]:
    """A network `[..., *shape]` to `[..., features]`, and its features.

    Every layer is followed by a ReLU, so `widths=(400,)` is Linear-ReLU. No widths: chosen from
    the size of the input.
    """
    widths = widths or _default_widths(prod(shape))
    layers: list[nn.Module] = [nn.Flatten(-len(shape))]
    for before, after in pairwise((prod(shape), *widths)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers), widths[-1]


def mlp_decoder(latent: int, shape: tuple[int, ...], widths: tuple[int, ...]) -> nn.Module:
    """A network `[..., latent]` to `[..., *shape]`: widths in reverse, then a linear layer."""
    widths = widths or _default_widths(prod(shape))
    layers: list[nn.Module] = []
    for before, after in pairwise((latent, *reversed(widths))):
        layers += [nn.Linear(before, after), nn.ReLU()]
    layers += [nn.Linear(widths[0], prod(shape)), nn.Unflatten(-1, shape)]
    return nn.Sequential(*layers)


def _default_widths(size: int) -> tuple[int, ...]:
    return (256, 256) if size <= 256 else (512, 512)
