"""One latent group: its prior, its posterior, and how the walk's state takes its code in."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zscape.probability.conditional import Conditional

Evidence = Tensor | Mapping[int, Tensor]  # of one place, or by the number of the place


class Level(nn.Module, ABC):
    """One latent group of a model."""

    def __init__(self, name: str, *, prior: Conditional, posterior: Conditional) -> None:
        super().__init__()
        self.name = name
        self.prior = prior
        self.posterior = posterior

    @abstractmethod
    def infer(self, state: Tensor, evidence: Evidence, p: Distribution) -> Distribution:
        """The posterior q(z | state, evidence), beside the prior `p` at that state."""

    @abstractmethod
    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """The state after this level's code was chosen."""


class Flat(Level):
    """A level whose code is a vector and whose state is the concatenation of all so far."""

    def infer(self, state: Tensor, evidence: Evidence, p: Distribution) -> Distribution:
        """The posterior of a state `[..., F]` beside evidence `[..., H]`."""
        assert isinstance(evidence, Tensor), "a flat level has evidence of one place"
        return self.posterior.forward(_concatenate(state, evidence))

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """`[..., F + D]` from `[..., F]` and `[..., D]`."""
        return _concatenate(state, z)


class Choice(Level):
    """A level whose code is a class, and whose state before it says which, where that is known."""

    def infer(self, state: Tensor, evidence: Evidence, p: Distribution) -> Distribution:
        """The posterior of evidence `[..., H]` beside a state `[..., F]`."""
        assert isinstance(evidence, Tensor), "a choice has evidence of one place"
        return self.posterior.forward(_concatenate(evidence, state))

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """The code alone, `[..., K]`: nothing below it needs to know what was told."""
        return z


def _concatenate(left: Tensor, right: Tensor) -> Tensor:
    if left.shape[-1] == 0:
        return right
    lead = torch.broadcast_shapes(left.shape[:-1], right.shape[:-1])
    return torch.cat([left.expand(*lead, -1), right.expand(*lead, -1)], dim=-1)
