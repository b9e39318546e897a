"""The likelihood of table rows whose columns are of different kinds."""

import torch
from torch import Tensor, nn

from zscape.errors import unknown
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    NegativeBinomial,
    Poisson,
    Row,
)
from zscape.probability.distributions.rows import Cells, Order
from zscape.probability.distributions.shapes import at_least_float32, soft_clamp

COLUMN_WORDS = ("gaussian", "bernoulli", "poisson", "negative_binomial", "categorical")
_NEVER = -1e30  # a logit for classes that a column lacks; finite, so that gradients are


class Columns(Conditional):
    """Independent columns given the code, each with its own kind of likelihood.

    Numeric columns learn one standard deviation each, not below `floor`, which bounds the density
    of a constant column; negative binomial ones learn one dispersion each. Missing cells (NaN)
    cost nothing.
    Source: Nazabal et al. 2020, section 2.2, arXiv:1807.03653.

    Args:
        kinds: (word, number of classes or 1) per column; words are gaussian, bernoulli, poisson,
            negative_binomial and categorical.
        floor: smallest standard deviation of a gaussian column, in the unit of x.

    Raises:
        SpecError: a column's word is not one of them.
    """

    grouped: Tensor
    back: Tensor
    class_index: Tensor
    absent: Tensor

    def __init__(self, kinds: tuple[tuple[str, int], ...], floor: float = 1e-2) -> None:
        super().__init__()
        self.kinds = kinds
        self.floor = floor
        self.shape = (len(kinds),)
        columns = _columns_by_word(kinds)
        self.sizes = [len(columns[word]) for word in COLUMN_WORDS[:-1]]
        classes = [kinds[column][1] for column in columns["categorical"]]
        self.features = (sum(self.sizes) + sum(classes),)
        self.log_scale = _parameter(len(columns["gaussian"]))
        self.log_dispersion = _parameter(len(columns["negative_binomial"]))
        grouped = torch.tensor([column for word in COLUMN_WORDS for column in columns[word]])
        class_index, absent = _class_table(classes)
        self.register_buffer("grouped", grouped, persistent=False)
        self.register_buffer("back", grouped.argsort(), persistent=False)
        self.register_buffer("class_index", class_index, persistent=False)
        self.register_buffer("absent", absent, persistent=False)

    def forward(self, context: Tensor) -> Row:
        """The distribution of a row given `[..., *features]`."""
        sizes = [*self.sizes, self.features[0] - sum(self.sizes)]
        parts = at_least_float32(context).split_with_sizes(sizes, -1)
        mean, logits, log_rate, log_mean, classes = parts
        groups: list[Cells] = []
        if self.log_scale is not None:
            variance = (2 * self.log_scale.clamp(max=10.0)).exp() + self.floor**2
            groups.append(DiagonalGaussian(mean, 0.5 * variance.log()))
        if logits.shape[-1]:
            groups.append(Bernoulli(logits))
        if log_rate.shape[-1]:
            groups.append(Poisson(log_rate.clamp(-20, 20)))
        if self.log_dispersion is not None:
            log_dispersion = soft_clamp(self.log_dispersion, -7, 7)
            groups.append(NegativeBinomial(log_mean.clamp(-20, 20), log_dispersion))
        if classes.shape[-1]:
            padded = classes.index_select(-1, self.class_index)
            padded = torch.unflatten(padded, -1, self.absent.shape).masked_fill(self.absent, _NEVER)
            groups.append(Categorical(padded))
        return Row(tuple(groups), Order(self.grouped, self.back))


def _parameter(size: int) -> nn.Parameter | None:
    # A parameter without elements would never see a gradient.
    return nn.Parameter(torch.zeros(size)) if size else None


def _columns_by_word(kinds: tuple[tuple[str, int], ...]) -> dict[str, list[int]]:
    columns: dict[str, list[int]] = {word: [] for word in COLUMN_WORDS}
    for column, (word, _) in enumerate(kinds):
        if word not in columns:
            raise unknown("column likelihood", word, list(COLUMN_WORDS))
        columns[word].append(column)
    return columns


def _class_table(classes: list[int]) -> tuple[Tensor, Tensor]:
    # Where the logits of each column's classes lie, `[K * C]`, padded to the largest K; and which
    # of them are padding, `[K, C]`.
    largest, index, start = max(classes, default=1), [], 0
    for size in classes:
        index.append([start + min(k, size - 1) for k in range(largest)])
        start += size
    table = torch.tensor(index, dtype=torch.long).reshape(-1, largest).T.flatten()
    absent = torch.arange(largest)[:, None] >= torch.tensor(classes, dtype=torch.long)
    return table, absent
