"""Distributions of class numbers, and of table rows whose columns are of different kinds."""

from dataclasses import dataclass

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from zscape.probability.distributions.binary import Bernoulli
from zscape.probability.distributions.counts import NegativeBinomial, Poisson
from zscape.probability.distributions.gaussians import DiagonalGaussian
from zscape.probability.distributions.shapes import (
    Shape,
    broadcast_shape,
    expand_batch,
    sum_event,
)


class Categorical(Distribution):
    """Independent class numbers 0, 1, ..., K - 1 as floats, in nats.

    Args:
        logits: unnormalised log-probabilities `[..., K, *event]`.
        ndims: how many of the last dimensions form the event.
    """

    def __init__(self, logits: Tensor, ndims: int = 1) -> None:
        self.logits = logits
        split = logits.ndim - ndims
        super().__init__(logits.shape[: split - 1], logits.shape[split:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The most likely classes, since an average of class numbers means nothing."""
        return self.mode

    @property
    def mode(self) -> Tensor:
        """The most likely classes, `[..., *event]`."""
        return self.logits.argmax(self._class_dim()).to(self.logits.dtype)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Class numbers `[*sample_shape, ..., *event]`: the largest logit after Gumbel noise."""
        with torch.no_grad():
            logits = self.logits.expand(*sample_shape, *self.logits.shape)
            noise = -torch.empty_like(logits).exponential_().log()
            return (logits + noise).argmax(self._class_dim()).to(logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, summed over the event."""
        return sum_event(self.log_prob_per_unit(value), len(self._event_shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each unit, `[..., *event]`."""
        dim = self._class_dim()
        index = value.long().unsqueeze(dim)
        logits = self.logits.log_softmax(dim)
        lead = broadcast_shape(logits.select(dim, 0), index.select(dim, 0))[: dim + 1]
        logits, index = expand_batch(logits, lead, -dim), expand_batch(index, lead, -dim)
        return logits.gather(dim, index).squeeze(dim)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Categorical":
        """The same distribution with leading dims `batch_shape`, as a view."""
        ndims = len(self._event_shape)
        return Categorical(expand_batch(self.logits, batch_shape, ndims + 1), ndims)

    def _class_dim(self) -> int:
        return -len(self._event_shape) - 1


Cells = Bernoulli | Categorical | DiagonalGaussian | NegativeBinomial | Poisson


@dataclass(frozen=True, slots=True)
class Order:
    """Where the columns of a row go when columns of one kind stand together, and back."""

    grouped: Tensor
    back: Tensor


class Row(Distribution):
    """A table row whose columns are independent given the code; missing cells (NaN) cost nothing.

    A missing cell is left out of the likelihood, so it contributes exactly 0 nats and no gradient.
    Source: Nazabal et al. 2020, eq. 3, arXiv:1807.03653.

    Args:
        groups: one distribution `[..., C of this kind]` for each kind of column present.
        order: the columns of the row in the order of the groups, and back.
    """

    def __init__(self, groups: tuple[Cells, ...], order: Order) -> None:
        self.groups = groups
        self.order = order
        event_shape = order.grouped.shape
        super().__init__(groups[0].batch_shape, event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The central row `[..., C]`: means, and the most likely value of coins and classes."""
        centers = [
            group.mode if isinstance(group, Bernoulli) else group.mean for group in self.groups
        ]
        return torch.cat(centers, -1).index_select(-1, self.order.back)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Complete rows `[*sample_shape, ..., C]`."""
        drawn = [group.sample(Size(sample_shape)) for group in self.groups]
        return torch.cat(drawn, -1).index_select(-1, self.order.back)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats of the cells that are present, summed over columns."""
        return self._grouped_log_prob(value).sum(-1)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each column, `[..., C]`; 0 where the cell is missing."""
        return self._grouped_log_prob(value).index_select(-1, self.order.back)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Row":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        groups = tuple(group.expand(Size(batch_shape)) for group in self.groups)
        return Row(groups, self.order)

    def _grouped_log_prob(self, value: Tensor) -> Tensor:
        value = value.index_select(-1, self.order.grouped)
        missing = value.isnan()
        # A zero stands in for a missing cell, so that no NaN enters the gradient.
        value = value.masked_fill(missing, 0.0)
        sizes = [group.event_shape[-1] for group in self.groups]
        parts = zip(self.groups, value.split_with_sizes(sizes, -1), strict=True)
        per_column = torch.cat([group.log_prob_per_unit(part) for group, part in parts], -1)
        return per_column.masked_fill(missing, 0.0)
