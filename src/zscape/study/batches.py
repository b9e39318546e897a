"""The resident feed: data held once in its small type, cut into batches and cast in the step."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


class Batches:
    """Batches of a tensor that stays where it is; every pass is a freshly shuffled epoch.

    The order depends on `seed` and the epoch alone. The ragged last batch is left out (another
    epoch shuffles it in), unless there is no other.

    Args:
        x: stored examples `[N, ...]`, uint8 where values allow.
        size: B.
        prepare: casts a stored batch to what a model sees.
    """

    def __init__(
        self,
        x: Tensor,
        *,
        size: int = 128,
        seed: int = 0,
        prepare: Callable[[Tensor], Tensor] = Tensor.float,
    ) -> None:
        self.x = x
        self.size = min(size, len(x))
        self.seed = seed
        self.prepare = prepare
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.x) // self.size

    def __iter__(self) -> Iterator[Tensor]:
        order = permutation(len(self.x), seed=self.seed, epoch=self.epoch).to(self.x.device)
        self.epoch += 1
        for rows in order[: len(self) * self.size].split(self.size):
            yield self.prepare(self.x.index_select(0, rows))


class InOrder:
    """All of a tensor in its own order, the ragged last batch included: for measuring."""

    def __init__(
        self,
        x: Tensor,
        *,
        size: int = 512,
        prepare: Callable[[Tensor], Tensor] = Tensor.float,
    ) -> None:
        self.x = x
        self.size = size
        self.prepare = prepare

    def __iter__(self) -> Iterator[Tensor]:
        for rows in self.x.split(self.size):
            yield self.prepare(rows)


def permutation(n: int, *, seed: int, epoch: int) -> Tensor:
    """The order of `n` examples in an epoch, the same on every machine."""
    # Large odd multiplier: neighbouring seeds and epochs must not share streams.
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(n, generator=generator)
