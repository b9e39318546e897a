"""What a walk starts from: the only place where context enters a model."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from zscape.modalities.conditions import Conditions


class Start(nn.Module, ABC):
    """Context to the first state.

    Attributes:
        known: the fields of a context; without any, training gives none.
    """

    known: Conditions

    @abstractmethod
    def forward(self, context: Tensor | None, like: Tensor) -> Tensor:
        """The first state `[B, ...]`.

        Args:
            context: what is known, `[B, F]`, nan where it is not; None: nothing is.
            like: a tensor of B on the same device: x where something was observed.
        """


class Plain(Start):
    """The context itself; nan where there is none.

    Args:
        known: the fields of a context; without any the state is empty.
    """

    def __init__(self, known: Conditions | None = None) -> None:
        super().__init__()
        self.known = known or Conditions()

    def forward(self, context: Tensor | None, like: Tensor) -> Tensor:
        """`[B, F]`."""
        if context is not None:
            return context
        return like.new_full((len(like), len(self.known)), torch.nan, dtype=torch.float32)
