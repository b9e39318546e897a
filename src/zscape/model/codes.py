"""Named code tensors of the same examples, and their flat view."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import ShapeError, unknown


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of N examples: `tensors[name]` is `[N, ...]`, one name per level.

    `codes["z"]` is one level, `codes[3]` and `codes[2:5]` are examples, `codes.flat` is `[N, D]`,
    and `numpy.asarray(codes)` is the flat view.
    """

    tensors: Mapping[str, Tensor]

    @property
    def flat(self) -> Tensor:
        """All levels side by side, `[N, D]`."""
        parts = [tensor.flatten(1) for tensor in self.tensors.values()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def like(self, flat: Tensor) -> "Codes":
        """Codes of these levels from a flat `[M, D]`.

        Raises:
            ShapeError: D is not the size of these codes.
        """
        sizes = [tensor[0].numel() for tensor in self.tensors.values()]
        if flat.ndim != 2 or flat.shape[1] != sum(sizes):
            raise ShapeError(
                f"Codes must be [N, {sum(sizes)}], got {list(flat.shape)}. "
                "Encode things of this study to get codes that fit."
            )
        parts = flat.split(sizes, dim=1)
        pairs = zip(self.tensors.items(), parts, strict=True)
        return Codes({n: part.reshape(-1, *t.shape[1:]) for (n, t), part in pairs})

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key not in self.tensors:
                raise unknown("level", key, list(self.tensors))
            return self.tensors[key]
        if isinstance(key, int | np.integer):
            key = [int(key)]
        return Codes({name: tensor[key] for name, tensor in self.tensors.items()})

    def __iter__(self) -> Iterator["Codes"]:
        return (self[n] for n in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.flat.numpy(), dtype=dtype)


def concatenate(parts: list[Codes]) -> Codes:
    """The codes of all parts, one after the other."""
    return Codes({n: torch.cat([part[n] for part in parts]) for n in parts[0].tensors})
