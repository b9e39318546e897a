"""Networks with a straight line beside them, for rows: what is linear is learned at once."""

from math import prod

import torch
from torch import Tensor, nn

from zscape.networks.mlp import mlp_decoder, mlp_encoder


class Beside(nn.Module):
    """Features of a network and the flat input itself, side by side.

    Args:
        network: `[..., *shape]` to `[..., features]`.
        ndims: how many dimensions form the event.
    """

    def __init__(self, network: nn.Module, ndims: int) -> None:
        super().__init__()
        self.network = network
        self.flat = nn.Flatten(-ndims)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., features + numbers]`."""
        return torch.cat([self.network(x), self.flat(x)], dim=-1)


class Sum(nn.Module):
    """A network and a linear map of the same code, added; in the beginning the map is all.

    Args:
        network: `[..., latent]` to `[..., *shape]`, whose last linear layer starts at 0.
        line: `[..., latent]` to `[..., numbers]`.
    """

    def __init__(self, network: nn.Module, line: nn.Linear) -> None:
        super().__init__()
        self.network = network
        self.line = line
        last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
        nn.init.zeros_(last.weight)

    def forward(self, z: Tensor) -> Tensor:
        """`[..., *shape]`."""
        made: Tensor = self.network(z)
        return made + self.line(z).view_as(made)


def skip_encoder(shape: tuple[int, ...], widths: tuple[int, ...]) -> tuple[nn.Module, int]:
    """`mlp_encoder`, with x beside what it says: a posterior linear in both is linear in x too."""
    network, features = mlp_encoder(shape, widths)
    return Beside(network, len(shape)), features + prod(shape)


def skip_decoder(latent: int, shape: tuple[int, ...], widths: tuple[int, ...]) -> nn.Module:
    """`mlp_decoder` and a linear map of the code, added."""
    return Sum(mlp_decoder(latent, shape, widths), nn.Linear(latent, prod(shape)))
