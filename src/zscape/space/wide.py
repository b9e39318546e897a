"""Rows as plain numbers in which distances mean something, and back; no network is asked here."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from zscape.space.space import Space

Kinds = tuple[tuple[str, int], ...]

COUNTS = ("negative_binomial", "poisson", "zero_inflated_negative_binomial", "log_logistic")
CHOICES = ("bernoulli", "categorical")


@dataclass(frozen=True, slots=True)
class Wide:
    """How rows `[N, C]` become plain numbers `[N, F]` and come back.

    Numbers are standardised, counts are standardised logarithms, truths and categories are one
    number per class. Missing cells (NaN) stand at the mean, or at no class.

    Attributes:
        kinds: (likelihood word, number of classes or 1) per column.
        mean: per column, `[C]`; 0 where it holds classes.
        scale: per column, `[C]`; 1 where it holds classes or never changes.
    """

    kinds: Kinds
    mean: Tensor
    scale: Tensor

    def widen(self, x: Tensor) -> Tensor:
        """`[N, F]` from rows `[N, C]`; the chance of a truth is shared between its two classes."""
        plain = ((_logged(x, self.kinds) - self.mean) / self.scale).nan_to_num(nan=0.0)
        parts = []
        for column, (word, classes) in enumerate(self.kinds):
            cells = x[:, column]
            chosen = plain[:, column : column + 1]
            if word == "bernoulli":
                chosen = torch.stack([1 - cells, cells], dim=1).nan_to_num()
            elif word == "categorical":
                ids = cells.nan_to_num().round().long()
                chosen = one_hot(ids, classes).float() * ~cells.isnan()[:, None]
            parts.append(chosen)
        return torch.cat(parts, dim=1)

    def narrow(self, wide: Tensor, *, whole: bool) -> Tensor:
        """The row `[N, C]` of `[N, F]`; categories are the class of the largest number.

        Args:
            wide: `[N, F]`.
            whole: whether counts and truths are rounded too, so that the row can be a real one.
        """
        cells, start = [], 0
        for column, (word, classes) in enumerate(self.kinds):
            size = {"bernoulli": 2, "categorical": classes}.get(word, 1)
            part = wide[:, start : start + size]
            start += size
            value = part[:, 0] * self.scale[column] + self.mean[column]
            if word == "categorical":
                value = part.argmax(1).float()
            elif word == "bernoulli":
                value = ((1 + part[:, 1] - part[:, 0]) / 2).clamp(0, 1)
            elif word in COUNTS:
                value = value.expm1().clamp(min=0)
            counted = whole and word in (*COUNTS, "bernoulli")
            cells.append(value.round() if counted else value)
        return torch.stack(cells, dim=1)


def widening(x: Tensor, kinds: Kinds) -> Wide:
    """A `Wide` with the means and deviations of rows `[N, C]`; missing cells do not count."""
    logged = _logged(x, kinds)
    there = ~logged.isnan()
    number = there.sum(0).clamp(min=1)
    mean = logged.nan_to_num().sum(0) / number
    scale = ((logged - mean).nan_to_num().square().sum(0) / number).sqrt()
    choice = torch.tensor([word in CHOICES for word, _ in kinds])
    still = choice | (scale <= 1e-6 * mean.abs())
    return Wide(kinds, mean.masked_fill(choice, 0.0), scale.masked_fill(still, 1.0))


def row_widening(space: Space) -> Wide:
    """How the things of a space, laid flat, become plain numbers, standardised by its items."""
    x = space.modality.prepare(space.items).flatten(1)
    # Coins that are all of one kind need no number per side.
    word = space.modality.likelihood.replace("bernoulli", "gaussian")
    return widening(x, space.modality.columns or ((word, 1),) * x.shape[1])


def _logged(x: Tensor, kinds: Kinds) -> Tensor:
    counted = torch.tensor([word in COUNTS for word, _ in kinds])
    return torch.where(counted, x.clamp(min=0).log1p(), x)
