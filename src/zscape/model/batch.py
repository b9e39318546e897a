"""Examples that go through a model together, with what is known of them."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """x `[B, *shape]` and what is known beside it, `context` `[B, F]`, nan where it is not."""

    x: Tensor
    context: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice) -> "Batch":
        return Batch(*(tensor[rows] for tensor in self.tensors))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors that there are."""
        return (self.x,) if self.context is None else (self.x, self.context)

    def to(self, device: str, *, non_blocking: bool = False) -> "Batch":
        """The same batch on a device."""
        return Batch(*(tensor.to(device, non_blocking=non_blocking) for tensor in self.tensors))

    def clone(self) -> "Batch":
        """The same batch in memory of its own."""
        return Batch(*(tensor.clone() for tensor in self.tensors))

    def parts(self, number: int) -> list["Batch"]:
        """The same examples in so many batches."""
        split = [tensor.tensor_split(number) for tensor in self.tensors]
        return [Batch(*tensors) for tensors in zip(*split, strict=True)]


def joined(batches: list[Batch]) -> Batch:
    """The examples of all batches, one after the other."""
    each = zip(*(batch.tensors for batch in batches), strict=True)
    return Batch(*(torch.cat(tensors) for tensors in each))
