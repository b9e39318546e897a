"""How raw rows enter a network: numbers, categories, counts and missing cells as features."""

import torch
from torch import Tensor, nn

_COUNT_WORDS = (
    "poisson",
    "negative_binomial",
    "zero_inflated_negative_binomial",
    "log_logistic",
    "multinomial",
)


class Cells(nn.Module):
    """Turns rows of mixed columns, nan where a cell is missing, into features free of nan.

    The features are, in this order: each number, 0 where missing; log(1 + count) of each count,
    0 where missing; one-hot classes of each category, all 0 where missing; and one bit per column
    that says the cell is missing.
    """

    numbers: Tensor
    counts: Tensor
    owners: Tensor
    classes: Tensor

    def __init__(self, columns: tuple[tuple[str, int], ...]) -> None:
        super().__init__()
        words = [word for word, _ in columns]
        numbers = [i for i, word in enumerate(words) if word not in (*_COUNT_WORDS, "categorical")]
        counts = [i for i, word in enumerate(words) if word in _COUNT_WORDS]
        classes = [
            (i, k)
            for i, (word, num) in enumerate(columns)
            if word == "categorical"
            for k in range(num)
        ]
        # Derived from the columns, so not part of the stored weights.
        self.register_buffer("numbers", _indices(numbers), persistent=False)
        self.register_buffer("counts", _indices(counts), persistent=False)
        self.register_buffer("owners", _indices([i for i, _ in classes]), persistent=False)
        self.register_buffer("classes", _indices([k for _, k in classes]), persistent=False)
        self.features = len(numbers) + len(counts) + len(classes) + len(columns)

    def forward(self, x: Tensor) -> Tensor:
        """Features `[..., features]` of rows `[..., C]`."""
        missing = x.isnan()
        known = x.masked_fill(missing, 0.0)
        one_hot = x[..., self.owners] == self.classes
        return torch.cat(
            [
                known[..., self.numbers],
                known[..., self.counts].log1p(),
                one_hot.to(x.dtype),
                missing.to(x.dtype),
            ],
            -1,
        )


class LogCounts(nn.Module):
    """log(1 + x) of raw counts, so that a few large ones do not drown the rest."""

    def forward(self, x: Tensor) -> Tensor:
        """`[...]` to `[...]`."""
        return x.log1p()


def _indices(indices: list[int]) -> Tensor:
    return torch.tensor(indices, dtype=torch.long)
