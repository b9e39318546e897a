"""How levels of grey and of colour are coded, by the likelihoods of pictures."""

import numpy as np
import torch
from torch import Tensor

from zscape.probability.distributions import (
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    SpikedLogistic,
)
from zscape.space.compression.chains import Chains
from zscape.space.compression.exact import settle
from zscape.space.compression.reading import exponential, inverse, logistic
from zscape.space.compression.symbols import Coder, Ordered
from zscape.space.compression.tables import TOTAL

LEVELS = 256
BUCKETS = 64  # of log-odds, a quarter apart, that tones are counted in
SMOOTH = 1 / 16  # of a pixel that every tone was seen more often

Pixel = DiscretizedLogistic | DiscretizedLogisticMixture | SpikedLogistic


def pixels(said: Pixel) -> Coder:
    """The coder of levels, flat, that a likelihood of pictures gives."""
    if isinstance(said, SpikedLogistic):
        return Ordered(_Spiked(said).below, LEVELS, _ends_first)
    if isinstance(said, DiscretizedLogisticMixture) and said.coupling is not None:
        return _Coupled(said)
    if isinstance(said, DiscretizedLogisticMixture):
        return Ordered(_Logistics(said.logits, said.loc, said.log_scale).below, LEVELS, _middle)
    loc, log_scale = said.loc[:, None], said.log_scale[:, None]
    return Ordered(_Logistics(loc * 0, loc, log_scale).below, LEVELS, _middle)


class Tones:
    """How often each level came where coins had these log-odds: what a model of ink says of grey.

    Args:
        logits: of pixels that were counted, any shape.
        levels: of the same pixels.
    """

    def __init__(self, logits: np.ndarray, levels: np.ndarray) -> None:
        which = _bucket(logits) * LEVELS + levels
        counts = np.bincount(which.reshape(-1), minlength=BUCKETS * LEVELS).astype(np.float64)
        counts = counts.reshape(BUCKETS, LEVELS) + SMOOTH
        # Log-odds without pixels borrow those of all.
        counts += counts.sum(0) / counts.sum()
        summed = np.cumsum(counts, 1)
        shares = np.floor(summed * float(TOTAL) / summed[:, -1:])
        self.below = np.concatenate([np.zeros((BUCKETS, 1)), shares], 1)

    def coder(self, logits: Tensor) -> Coder:
        """The coder of levels where coins have log-odds `[C, n]`."""
        bucket = _bucket(logits.numpy()).reshape(-1)
        return Ordered(lambda edge, at: self.below[bucket[at], edge], LEVELS, _ends_first)


class _Logistics:
    """A mixture of logistics at each flat place, from parameters `[C, K, ...]`."""

    def __init__(
        self, logits: Tensor, loc: Tensor, log_scale: Tensor, levels: int = LEVELS
    ) -> None:
        weights = logits.expand(loc.shape).numpy()
        self.weights = _flat(exponential(weights - weights.max(1, keepdims=True)))
        self.loc, self.per_scale = _flat(loc.numpy()), _flat(inverse(log_scale))
        self.levels = levels

    def below(self, edge: np.ndarray, at: np.ndarray) -> np.ndarray:
        """2^24 times the chance of levels under `edge`."""
        weights = self.weights[:, at]
        mass = (weights * self.chances(edge, at)).sum(0)
        return np.floor(mass / weights.sum(0))

    def chances(self, edge: np.ndarray, at: np.ndarray) -> np.ndarray:
        """The same of each logistic, `[K, m]`."""
        place = (2 * edge - 1) / (self.levels - 1) - 1
        chance = logistic((place - self.loc[:, at]) * self.per_scale[:, at])
        return np.where(edge <= 0, 0.0, np.where(edge >= self.levels, float(TOTAL), chance))


class _Spiked:
    """Black, greys and white at each flat place."""

    def __init__(self, said: SpikedLogistic) -> None:
        logits = said.logits.numpy()
        weights = _flat(exponential(logits - logits.max(1, keepdims=True)))
        self.black, self.white, self.greys = weights[0], weights[1], weights[2:]
        self.all = weights.sum(0)
        self.inner = _Logistics(said.loc * 0, said.loc, said.log_scale, LEVELS - 2)

    def below(self, edge: np.ndarray, at: np.ndarray) -> np.ndarray:
        """2^24 times the chance of levels under `edge`."""
        mass = np.where(edge > 0, self.black[at] * TOTAL, 0.0)
        among = np.flatnonzero(edge > 1)  # nothing is asked of the logistics of plain paper
        own = at[among]
        mass[among] += (self.greys[:, own] * self.inner.chances(edge[among] - 1, own)).sum(0)
        mass += np.where(edge >= LEVELS, self.white[at] * TOTAL, 0.0)
        return np.floor(mass / self.all[at])


class _Coupled(Coder):
    """Red, then green given red, then blue given both, `[C, 3 n]` flat, the channels outermost."""

    def __init__(self, said: DiscretizedLogisticMixture) -> None:
        self.said = said

    def push(self, chains: Chains, symbols: np.ndarray, active: np.ndarray) -> None:
        """Puts the active symbols on the first C chains: blue first."""
        each = np.split(symbols, 3, 1)
        parts = zip(range(3), each, np.split(active, 3, 1), strict=True)
        for channel, own, which in reversed(list(parts)):
            self._coder(channel, each).push(chains, own, which)

    def pop(self, chains: Chains, active: np.ndarray) -> np.ndarray:
        """Takes them off."""
        each: list[np.ndarray] = []
        for channel, which in enumerate(np.split(active, 3, 1)):
            each.append(self._coder(channel, each).pop(chains, which))
        return np.concatenate(each, 1)

    def _coder(self, channel: int, before: list[np.ndarray]) -> Coder:
        said = self.said
        assert said.coupling is not None
        shape = said.loc[:, :, 0].shape
        loc = said.loc[:, :, channel].clone()
        # Red pulls green; red and green pull blue.
        for number, pull in enumerate({0: (), 1: (0,), 2: (1, 2)}[channel]):
            level = torch.from_numpy(before[number] * 2 / (LEVELS - 1) - 1)
            loc += said.coupling[:, :, pull] * level.reshape(len(loc), 1, *shape[2:])
        logits, log_scale = said.logits[:, :, 0], said.log_scale[:, :, channel]
        return Ordered(_Logistics(logits, settle(loc), log_scale).below, LEVELS, _middle)


def _flat(parameters: np.ndarray) -> np.ndarray:
    """`[K, C * n]` from `[C, K, ...]`."""
    return np.moveaxis(parameters, 1, 0).reshape(parameters.shape[1], -1)


def _bucket(logits: np.ndarray) -> np.ndarray:
    place = np.rint(logits * 4) + BUCKETS // 2
    return np.asarray(place.clip(0, BUCKETS - 1), dtype=np.int64)


def _middle(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (low + high) // 2


def _ends_first(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Is it black? Is it white? Then halves."""
    inner = np.where(high == LEVELS, LEVELS - 1, (low + high) // 2)
    return np.where(low == 0, 1, inner)
