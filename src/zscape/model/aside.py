"""What is known reaches the prior and nothing else, in a model that was trained without it."""

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import one_hot

from zscape.modalities.conditions import Conditions, Field
from zscape.model.level import Evidence, Level
from zscape.model.start import Start


class Classes(Start):
    """One class as a row of zeros with a one, or of zeros alone where it is not known.

    Args:
        field: of the class.
    """

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.known = Conditions((field,))
        self.count = len(field.names)

    def forward(self, context: Tensor | None, like: Tensor) -> Tensor:
        """`[B, K]` from numbers of classes `[B, 1]`, nan where one is not known."""
        if context is None:
            return like.new_zeros(like.shape[0], self.count, dtype=torch.float32)
        unknown = context.isnan()
        ids = context.masked_fill(unknown, 0).long()[..., 0]
        return one_hot(ids, self.count).float().masked_fill(unknown, 0)


class Aside(Level):
    """A flat level whose prior alone sees the state: posterior and decoder are as without it."""

    def infer(self, state: Tensor, evidence: Evidence, p: Distribution) -> Distribution:
        """The posterior of the evidence `[..., H]` alone."""
        assert isinstance(evidence, Tensor), "a flat level has evidence of one place"
        return self.posterior.forward(evidence)

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """The code `[..., D]`."""
        return z
