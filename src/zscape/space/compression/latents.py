"""Codes on grids: where their points lie, and the tables by which they are coded there.

A unit is coded in the units of its prior, u = (z - mean) / scale where the prior is a Gaussian that
the state tells, so that the prior of u is the same for every example. The points of a grid are two
standard deviations of the posterior apart: sums of a Gaussian over such points are still nearly its
integrals, and few bits are drawn from a chain that has none yet.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zscape.probability.distributions import GaussianMixture
from zscape.space.compression.chains import Chains, Tables, shares
from zscape.space.compression.exact import settle
from zscape.space.compression.reading import bell, exponential, inverse

WINDOW = 32  # points around its mean that a posterior can reach
STEPS = np.unique(np.round(2.0 ** (np.arange(3 * 16, 12 * 16 + 1) / 16))).astype(np.int64)
MOST = 512  # points on either side of zero
PART = 16  # components that tables are made for at a time


@dataclass(frozen=True, slots=True)
class Grid:
    """The points (j - reach) * step of each unit of a level, j = 0 .. 2 reach.

    Attributes:
        step: float64 `[D]`, multiples of 2^-10.
        reach: how many points lie on either side of zero.
    """

    step: np.ndarray
    reach: int

    @property
    def points(self) -> int:
        """How many there are."""
        return 2 * self.reach + 1

    def values(self, places: np.ndarray) -> np.ndarray:
        """The points `[..., D]` of places `[..., D]`."""
        return np.asarray((places - self.reach) * self.step)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """The places of the points nearest to values `[..., D]`."""
        places = np.rint(values / self.step) + self.reach
        return np.asarray(places.clip(0, self.points - 1), dtype=np.int64)

    def of_gaussian(self, mean: np.ndarray, per_scale: np.ndarray) -> Tables:
        """Tables `[..., D, points]` of Gaussians, by mean and 1 / scale `[..., D]`."""
        points = self.values(np.arange(self.points)[:, None]).T
        t = (points - mean[..., None]) * per_scale[..., None]
        return shares(bell(t), self.nearest(mean))


@dataclass(frozen=True, slots=True)
class Belief:
    """A posterior on a grid: tables `[C, D, W]` of the places from `first` `[C, D]` on."""

    first: np.ndarray
    tables: Tables

    @classmethod
    def on(cls, grid: Grid, mean: np.ndarray, log_scale: Tensor) -> "Belief":
        """That of a Gaussian of mean and log-scale `[C, D]`."""
        width = min(WINDOW, grid.points)
        middle = grid.nearest(mean)
        first = (middle - width // 2).clip(0, grid.points - width)
        points = grid.values((first[..., None] + np.arange(width)).swapaxes(-1, -2))
        per_scale = inverse(log_scale)[..., None]
        t = (points.swapaxes(-1, -2) - mean[..., None]) * per_scale
        return cls(first, shares(bell(t), middle - first))

    def pop(self, chains: Chains) -> np.ndarray:
        """Places `[C, D]`, drawn by the bits of the chains."""
        return self.first + chains.pop_rows(self.tables, len(self.first))

    def push(self, chains: Chains, places: np.ndarray) -> None:
        """Gives those bits back."""
        chains.push(self.tables, places - self.first)


class Plain:
    """A standard Gaussian on a grid."""

    def __init__(self, grid: Grid) -> None:
        zeros = np.zeros(len(grid.step))
        self.tables = grid.of_gaussian(zeros, zeros + 1)

    def push(self, chains: Chains, places: np.ndarray, *, first: bool) -> None:
        """Puts places `[C, D]` on the chains."""
        chains.push(self.tables, places)

    def pop(self, chains: Chains, count: int, *, first: bool) -> np.ndarray:
        """Takes them off again."""
        return chains.pop_rows(self.tables, count)


class Components:
    """A mixture of Gaussians on a grid: a component, which is a code of its own, and then a point.

    The component is drawn by bits that come back, as likely as the point makes it, so that a point
    costs what the mixture says.
    """

    def __init__(self, grid: Grid, mixture: GaussianMixture) -> None:
        loc, log_scale = mixture.loc, mixture.log_scale
        weights = settle(mixture.logits.reshape(-1, len(loc))[0])
        per_scale = torch.from_numpy(inverse(log_scale))
        self.grid = grid
        parts = zip(loc.split(PART), per_scale.split(PART), strict=True)
        self.tables = np.concatenate([grid.of_gaussian(m.numpy(), s.numpy()) for m, s in parts])
        self.chosen = shares(exponential((weights - weights.max()).numpy()))[None]
        # log w - |(z - m) / s|^2 / 2 - log s, as a product of matrices of whole numbers.
        precision = settle(per_scale.square())
        self.square, self.line = -0.5 * precision.T, settle(precision * loc).T
        self.level = weights - settle(0.5 * precision * loc.square() + log_scale).sum(-1)

    def push(self, chains: Chains, places: np.ndarray, *, first: bool) -> None:
        """Puts places `[C, D]` on the chains; the first things of empty chains draw nothing."""
        by = self._likely(places)
        drawn = by.argmax(-1) if first else chains.pop_rows(by, len(places))
        chains.push(self.tables[drawn[:, 0]], places)
        chains.push(self.chosen, drawn)

    def pop(self, chains: Chains, count: int, *, first: bool) -> np.ndarray:
        """Takes them off again."""
        drawn = chains.pop_rows(self.chosen, count)
        places = chains.pop_rows(self.tables[drawn[:, 0]], count)
        if not first:
            chains.push(self._likely(places), drawn)
        return places

    def _likely(self, places: np.ndarray) -> Tables:
        """Tables `[C, 1, K]` of the component that a point is of."""
        z = torch.from_numpy(self.grid.values(places))
        nats = (settle(z.square()) @ self.square + z @ self.line + self.level).numpy()
        return shares(exponential(nats - nats.max(-1, keepdims=True)))[:, None]
