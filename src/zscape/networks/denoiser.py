"""Networks that say which way a noisy code moves, given the time and what is known beside it."""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

FREQUENCIES = 16
WIDEST_MAP = 64  # channels of the network of maps
KNOWN = 64  # width in which time and context are told to the blocks


def denoiser(
    shape: tuple[int, ...], *, known: int = 0, width: int = 256, depth: int = 3
) -> nn.Module:
    """A network (z `[N, *shape]`, time `[N]`, known `[N, F]`) to velocities `[N, *shape]`.

    Vectors get residual layers of `width`, maps `[C, H, W]` residual 3x3 convolutions of at most
    64 channels. Both are told the time and what is known in every block, and start at velocity 0.
    About 0.5 M parameters at the defaults.

    Args:
        shape: of a code.
        known: F, numbers that are known beside it; 0: none.
        width: of the layers.
        depth: blocks.

    Source: Perez et al. 2018, eq. 2 (how they are told), arXiv:1709.07871.
    """
    if len(shape) == 3:
        return _Denoiser(shape, known, min(width, WIDEST_MAP), 2 * depth, on_map=True)
    return _Denoiser((prod(shape),), known, width, depth, on_map=False)


class _Denoiser(nn.Module):
    frequencies: Tensor

    def __init__(
        self, shape: tuple[int, ...], known: int, width: int, depth: int, *, on_map: bool
    ) -> None:
        super().__init__()
        grown = torch.logspace(-1, 1.5, FREQUENCIES)
        self.register_buffer("frequencies", grown, persistent=False)
        self.known = nn.Linear(2 * FREQUENCIES + known, KNOWN)
        self.first = _layer(shape[0], width, on_map=on_map)
        self.blocks = nn.ModuleList(_Block(width, on_map=on_map) for _ in range(depth))
        self.last = _layer(width, shape[0], on_map=on_map)
        nn.init.zeros_(self.last.weight)
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    def forward(self, z: Tensor, time: Tensor, known: Tensor | None = None) -> Tensor:
        angles = time[:, None] * self.frequencies
        told = [angles.sin(), angles.cos(), *([] if known is None else [known])]
        beside = silu(self.known(torch.cat(told, dim=1)))
        hidden = self.first(z)
        for block in self.blocks:
            hidden = block(hidden, beside)
        velocity: Tensor = self.last(silu(hidden))
        return velocity


class _Block(nn.Module):
    """x + layer(silu(scale * layer(silu(norm(x))) + shift)), where time and context say the two."""

    def __init__(self, width: int, *, on_map: bool) -> None:
        super().__init__()
        # Over channels and places of one code: never over the batch.
        self.norm = nn.GroupNorm(1, width)
        self.first = _layer(width, width, on_map=on_map)
        self.last = _layer(width, width, on_map=on_map)
        self.film = nn.Linear(KNOWN, 2 * width)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        film = self.film(known)
        scale, shift = film.reshape(*film.shape, *[1] * (x.ndim - 2)).chunk(2, dim=1)
        hidden: Tensor = self.first(silu(self.norm(x)))
        return x + self.last(silu(hidden * (1 + scale) + shift))


def _layer(before: int, after: int, *, on_map: bool) -> nn.Linear | nn.Conv2d:
    if on_map:
        return nn.Conv2d(before, after, 3, padding=1)
    return nn.Linear(before, after)
