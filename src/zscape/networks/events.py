"""Networks of sessions: how one enters a network, and what comes next in it.

What their outputs mean is the business of probability.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, pad, silu


class Tally(nn.Module):
    """Turns sessions into log(1 + count) of each event, and a sum over pairs of neighbours.

    A pair adds the product of what its two events are worth, wherever in the session it stands:
    told by places, an order is too much to learn and draws codes apart that belong together.

    Args:
        events: K.
        width: numbers that a pair adds to.
    """

    def __init__(self, events: int, *, width: int = 32) -> None:
        super().__init__()
        self.events = events
        self.features = events + width
        # Row 0 is the time before the first event, and after the last.
        self.before = nn.Parameter(0.3 * torch.randn(events + 1, width))
        self.after = nn.Parameter(0.3 * torch.randn(events + 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Features `[..., K + width]` of counts and order, `[..., K + T]`."""
        counts, order = x[..., : self.events], x[..., self.events :].long()
        first = embedding(pad(order, (1, 0)), self.before)
        pairs = (first * embedding(pad(order, (0, 1)), self.after)).sum(-2)
        return torch.cat([counts.log1p(), pairs / order.shape[-1] ** 0.5], -1)


class NextEvent(nn.Module):
    """Maps the events just before, counts of those still to come and a context to logits `[N, K]`.

    It begins as nothing: all logits are 0, whatever it sees.

    Args:
        events: K.
        context: F, features of the context.
        past: how many events before the next one are seen.
        width: numbers between layers.
    """

    def __init__(self, events: int, *, context: int, past: int = 2, width: int = 48) -> None:
        super().__init__()
        self.events, self.past = events, past
        # Row 0 of each is for the time before the first event.
        self.before = nn.Parameter(torch.randn(past, events + 1, width) / past**0.5)
        self.left = nn.Linear(events, width)
        self.told = nn.Linear(context, width, bias=False)
        self.mixed = nn.Linear(width, width)
        self.head = nn.Linear(width, events)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, before: Tensor, left: Tensor, context: Tensor) -> Tensor:
        """Logits `[N, T, K]` of the next event at T places each.

        Args:
            before: the last events, the latest first, `[N, T, past]`; 0: none, else 1 + event.
            left: how many of each event are still to come, `[N, T, K]`.
            context: `[N, F]`.
        """
        hidden = self.left(left.log1p()) + self.told(context)[:, None]
        for ago in range(self.past):
            hidden = hidden + embedding(before[..., ago], self.before[ago])
        hidden = silu(hidden)
        logits: Tensor = self.head(hidden + silu(self.mixed(hidden)))
        return logits
