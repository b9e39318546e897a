"""Fully connected networks, for rows and small pictures."""

from itertools import pairwise
from math import prod, sqrt

from torch import nn

from zscape.networks.transposed import Transposed


def mlp_encoder(shape: tuple[int, ...], widths: tuple[int, ...]) -> tuple[nn.Module, int]:
    """A network `[..., *shape]` to `[..., features]`, and its features.

    Widths given: plain layers as PyTorch makes them, each followed by a ReLU, so `(400,)` is
    Linear-ReLU as in most published comparisons. None given: two layers as wide as the input
    asks for, with SiLU and scaled weights, which learn faster at the same cost.
    """
    hidden = widths or _default_widths(shape)
    layers = _layers((prod(shape), *hidden), plain=bool(widths))
    return nn.Sequential(nn.Flatten(-len(shape)), *layers), hidden[-1]


def mlp_decoder(latent: int, shape: tuple[int, ...], widths: tuple[int, ...]) -> nn.Module:
    """A network `[..., latent]` to `[..., *shape]`: widths in reverse, then a linear layer."""
    hidden = (widths or _default_widths(shape))[::-1]
    layers = _layers((latent, *hidden), plain=bool(widths))
    last = [nn.Linear(hidden[-1], prod(shape))]
    shaped = [nn.Unflatten(-1, shape)] if len(shape) > 1 else []
    return nn.Sequential(*layers, *last, *shaped)


def scale_weights(layer: nn.Linear | nn.Conv2d | Transposed, *, fan_in: float) -> None:
    """Draws the weights of a hidden layer so that it keeps the variance of its input.

    PyTorch's own start shrinks it by about 6 a layer; deep networks then learn late.

    Source: He et al. 2015, eq. 10, arXiv:1502.01852.
    """
    nn.init.normal_(layer.weight, std=sqrt(2.0 / fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _layers(sizes: tuple[int, ...], *, plain: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        linear = nn.Linear(before, after)
        if not plain:
            scale_weights(linear, fan_in=before)
        layers += [linear, nn.ReLU(inplace=True) if plain else nn.SiLU()]
    return layers


def _default_widths(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (256, 256) if prod(shape) <= 256 else (512, 512)
