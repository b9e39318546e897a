"""One latent group: its prior, its posterior, and how the walk's state takes its code in."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from zscape.probability.conditional import Conditional


class Level(nn.Module, ABC):
    """One latent group of a model."""

    def __init__(self, name: str, *, prior: Conditional, posterior: Conditional) -> None:
        super().__init__()
        self.name = name
        self.prior = prior
        self.posterior = posterior

    @abstractmethod
    def join(self, state: Tensor, evidence: Tensor) -> Tensor:
        """What the posterior sees, `[..., F]`, from the state and the evidence."""

    @abstractmethod
    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """The state after this level's code was chosen."""


class Flat(Level):
    """A level whose code is a vector and whose state is the concatenation of all so far."""

    def join(self, state: Tensor, evidence: Tensor) -> Tensor:
        """`[..., F + H]` from `[..., F]` and `[..., H]`."""
        return _concatenate(state, evidence)

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """`[..., F + D]` from `[..., F]` and `[..., D]`."""
        return _concatenate(state, z)


class Choice(Level):
    """A level whose code is a class, and whose state before it says which, where that is known."""

    def join(self, state: Tensor, evidence: Tensor) -> Tensor:
        """`[..., H + F]` from `[..., F]` and `[..., H]`."""
        return _concatenate(evidence, state)

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """The code alone, `[..., K]`: nothing below it needs to know what was told."""
        return z


def _concatenate(left: Tensor, right: Tensor) -> Tensor:
    if left.shape[-1] == 0:
        return right
    lead = torch.broadcast_shapes(left.shape[:-1], right.shape[:-1])
    return torch.cat([left.expand(*lead, -1), right.expand(*lead, -1)], dim=-1)
