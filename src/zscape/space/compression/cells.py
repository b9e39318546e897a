"""How the cells of rows are coded: coins, classes, and the place of a number among its column's.

A number is coded as its place among the values that its column holds, which the archive lists, by
the mass that the likelihood has between one value and the next.
"""

from collections.abc import Sequence

import numpy as np
import torch

from zscape.probability.distributions import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    NegativeBinomial,
    Row,
)
from zscape.space.compression.chains import Chains
from zscape.space.compression.exact import exp
from zscape.space.compression.reading import gaussian, inverse
from zscape.space.compression.symbols import Classes, Coder, Coins, Ordered
from zscape.space.compression.tables import TOTAL

MOST_COUNT = 1000  # a larger one is the largest here
LARGEST_MEAN = 500.0  # of counts: beyond it their chances would leave what float64 holds


class Cells(Coder):
    """Rows whose columns are of different kinds.

    Args:
        said: the likelihood.
        values: what a model sees where it sees the i-th value of a column, rising, per column.
    """

    def __init__(self, said: Row, values: Sequence[np.ndarray]) -> None:
        sizes = [group.event_shape[-1] for group in said.groups]
        self.places = np.split(said.order.grouped.numpy(), np.cumsum(sizes)[:-1])
        self.coders = [
            numbers(group, [values[column] for column in columns])
            for group, columns in zip(said.groups, self.places, strict=True)
        ]

    def push(self, chains: Chains, symbols: np.ndarray, active: np.ndarray) -> None:
        """Puts the active symbols on the first C chains, the last kind first."""
        for coder, columns in reversed(list(zip(self.coders, self.places, strict=True))):
            coder.push(chains, symbols[:, columns], active[:, columns])

    def pop(self, chains: Chains, active: np.ndarray) -> np.ndarray:
        """Takes them off."""
        result = np.zeros(active.shape, dtype=np.int64)
        for coder, columns in zip(self.coders, self.places, strict=True):
            result[:, columns] = coder.pop(chains, active[:, columns])
        return result


def numbers(said: object, values: Sequence[np.ndarray]) -> Coder:
    """The coder of columns of one kind, whose values `values` lists."""
    if isinstance(said, Bernoulli):
        return Coins(said.logits.flatten(1))
    if isinstance(said, Categorical):
        return Classes(said.logits.flatten(2))
    listed = _listed(values)
    count = np.array([len(each) for each in values])
    if isinstance(said, DiagonalGaussian):
        return Ordered(_Gaussians(said, listed, count).below, count, _middle)
    assert isinstance(said, NegativeBinomial), "alphabets know which likelihoods have coders"
    return Ordered(_Counts(said, listed, count).below, count, _middle)


class _Gaussians:
    """Gaussians at each flat place, cut between the values of its column."""

    def __init__(self, said: DiagonalGaussian, listed: np.ndarray, count: np.ndarray) -> None:
        loc, log_scale = torch.broadcast_tensors(said.loc, said.log_scale)
        self.loc, self.per_scale = loc.numpy().reshape(-1), inverse(log_scale).reshape(-1)
        self.listed, self.count = listed, count

    def below(self, edge: np.ndarray, at: np.ndarray) -> np.ndarray:
        """2^24 times the chance of less than the value of place `edge`."""
        column = at % len(self.listed)
        left = self.listed[column, np.maximum(edge - 1, 0)]
        right = self.listed[column, np.minimum(edge, self.listed.shape[1] - 1)]
        chance = gaussian(((left + right) / 2 - self.loc[at]) * self.per_scale[at])
        last = edge >= self.count[column]
        return np.where(edge <= 0, 0.0, np.where(last, float(TOTAL), chance))


class _Counts:
    """Negative binomials at each flat place, cut between the values of its column."""

    def __init__(self, said: NegativeBinomial, listed: np.ndarray, count: np.ndarray) -> None:
        log_mean, log_dispersion = torch.broadcast_tensors(said.log_mean, said.log_dispersion)
        mean = exp(log_mean).clamp(max=LARGEST_MEAN).numpy().reshape(-1, 1)
        size = exp(log_dispersion).numpy().reshape(-1, 1)
        most = int(listed.max(initial=0)) + 1
        k = np.arange(1, min(most, MOST_COUNT) + 1)
        # p(k) / p(k - 1), so that no logarithm of a gamma function is needed.
        ratios = (k - 1 + size) / k * (mean / (mean + size))
        masses = np.cumprod(np.concatenate([np.ones_like(mean), ratios], 1), 1)
        summed = np.cumsum(masses, 1)
        self.summed = np.floor(summed / summed[:, -1:] * TOTAL)
        self.listed, self.count = listed, count

    def below(self, edge: np.ndarray, at: np.ndarray) -> np.ndarray:
        """2^24 times the chance of less than the value of place `edge`."""
        column = at % len(self.listed)
        value = self.listed[column, np.minimum(edge, self.listed.shape[1] - 1)]
        under = value.clip(1, self.summed.shape[1]).astype(np.int64) - 1
        last = edge >= self.count[column]
        found = np.where(last, float(TOTAL), self.summed[at, under])
        return np.where(edge <= 0, 0.0, found)


def _listed(values: Sequence[np.ndarray]) -> np.ndarray:
    """The values of all columns, padded by their last ones, `[n, K]`."""
    longest = max((len(each) for each in values), default=1)
    return np.stack(
        [np.pad(each, (0, max(longest, 1) - len(each)), mode="edge") for each in values]
    )


def _middle(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (low + high) // 2
