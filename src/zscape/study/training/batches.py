"""The resident feed: data held once in its small type, cut into batches and cast in the step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice

import torch
from torch import Tensor

from zscape.model.batch import Batch


class Feed(ABC):
    """The batches of any epoch, from any of them on; the same epoch has the same batches."""

    @abstractmethod
    def __len__(self) -> int:
        """Batches an epoch; 0 where that is not known."""

    @abstractmethod
    def of(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches, x float32, of an epoch (the first is 1), `start` left out."""


class Batches(Feed):
    """Batches of a tensor that stays where it is, freshly shuffled for every epoch.

    The order depends on `seed` and the epoch alone. The ragged last batch is left out (another
    epoch shuffles it in), unless there is no other. One of several processes gets its share of
    every batch: every `world`-th row of it.

    Args:
        x: stored examples `[N, ...]`, uint8 where values allow.
        size: B, over all processes.
        seed: of the order.
        prepare: casts a stored batch to what a model sees.
        rank: of this process.
        world: how many processes there are.
        context: what is known of each example, `[N, F]`, or None.
        paired: whether two by two are of one class of the first thing known, where a class has
            two left; one process gets both.
    """

    def __init__(
        self,
        x: Tensor,
        *,
        size: int = 128,
        seed: int = 0,
        prepare: Callable[[Tensor], Tensor] = Tensor.float,
        rank: int = 0,
        world: int = 1,
        context: Tensor | None = None,
        paired: bool = False,
    ) -> None:
        self.x = x
        self.context = context
        self.classes = context[:, 0].cpu() if paired and context is not None else None
        self.size = min(size, len(x))
        self.seed = seed
        self.prepare = prepare
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return len(self.x) // self.size

    def of(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch."""
        order = permutation(len(self.x), seed=self.seed, epoch=epoch - 1)
        order = (order if self.classes is None else in_pairs(order, self.classes)).to(self.x.device)
        beside = 1 if self.classes is None else 2
        for batch in range(start, len(self)):
            whole = order[batch * self.size : (batch + 1) * self.size]
            rows = torch.cat(whole.split(beside)[self.rank :: self.world])
            context = None if self.context is None else self.context.index_select(0, rows)
            yield Batch(self.prepare(self.x.index_select(0, rows)), context)


class Repeated(Feed):
    """Batches that can only be iterated, from their start: the same for every epoch."""

    def __init__(self, batches: Iterable[Tensor | Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches) if isinstance(self.batches, Sized) else 0

    def of(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """One more pass over the batches."""
        return map(as_batch, islice(self.batches, start, None))


class InOrder:
    """All of a tensor in its own order, the ragged last batch included: for measuring."""

    def __init__(
        self,
        x: Tensor,
        *,
        size: int = 512,
        prepare: Callable[[Tensor], Tensor] = Tensor.float,
        context: Tensor | None = None,
    ) -> None:
        self.x = x
        self.size = size
        self.prepare = prepare
        self.context = context

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.x), self.size):
            rows = slice(start, start + self.size)
            context = None if self.context is None else self.context[rows]
            yield Batch(self.prepare(self.x[rows]), context)


def as_batch(batch: Tensor | Batch) -> Batch:
    """A batch, also of x alone."""
    return Batch(batch) if isinstance(batch, Tensor) else batch


def in_pairs(order: Tensor, classes: Tensor) -> Tensor:
    """The same examples, two by two of a class, those that are left over at the end.

    Args:
        order: in which examples come, `[N]`.
        classes: of each, `[N]`, nan where unknown.
    """
    by_class = order[classes[order].argsort(stable=True)]
    of = classes[by_class]
    changes = torch.cat([torch.ones(1, dtype=torch.bool), of[1:] != of[:-1]])
    starts = changes.nonzero().flatten()
    sizes = torch.diff(starts, append=torch.tensor([len(order)]))
    within = torch.arange(len(order)) - starts.repeat_interleave(sizes)
    last_alone = (within % 2 == 0) & (within + 1 == sizes.repeat_interleave(sizes))
    pairs, alone = by_class[~last_alone].view(-1, 2), by_class[last_alone]
    # As random as the order that was given: a pair comes where its first example came.
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return torch.cat([pairs[place[pairs[:, 0]].argsort()].flatten(), alone])


def permutation(n: int, *, seed: int, epoch: int) -> Tensor:
    """The order of `n` examples in an epoch, the same on every machine."""
    # Large odd multiplier: neighbouring seeds and epochs must not share streams.
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(n, generator=generator)
