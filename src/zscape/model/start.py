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
        return like.new_full((like.shape[0], self.known.width), torch.nan, dtype=torch.float32)


class Told(Start):
    """What a network makes of the context, of which training withholds parts at random.

    So any part of a condition may be absent later. Each field is withheld from a share `drop` of
    the examples, and as large a share is told nothing at all.
    Source: Ho and Salimans 2022, algorithm 1 (all at once), arXiv:2207.12598.

    Args:
        known: the fields of a context.
        network: a context `[..., F]`, nan where nothing is known, to a state `[..., features]`.
        drop: the share, 0 to below 1.
    """

    owners: Tensor

    def __init__(self, known: Conditions, network: nn.Module, *, drop: float) -> None:
        super().__init__()
        self.known = known
        self.network = network
        self.drop = drop
        owners = [f for f, field in enumerate(known.fields) for _ in range(field.width)]
        self.register_buffer("owners", torch.tensor(owners), persistent=False)

    def forward(self, context: Tensor | None, like: Tensor) -> Tensor:
        """`[B, features]`."""
        if context is None:
            shape = (like.shape[0], self.known.width)
            context = torch.full(shape, torch.nan, device=like.device)
        if self.training and self.drop:
            context = self.withheld(context)
        # States are summed over and measured, which half precision would blur.
        state: Tensor = self.network(context).float()
        return state

    def withheld(self, context: Tensor, *, whole: bool = True) -> Tensor:
        """The same context `[B, F]`, parts of it nan at random, as training has it.

        Args:
            context: what is known.
            whole: whether all of it may be withheld at once.
        """
        # One number an example more than there are fields: the last withholds all of them.
        drawn = torch.rand(len(context), len(self.known) + 1, device=context.device) < self.drop
        gone, all_gone = drawn[:, :-1], drawn[:, -1:]
        gone = gone | all_gone if whole else gone & ~gone.all(1, keepdim=True)
        return context.masked_fill(gone.index_select(1, self.owners), torch.nan)
