"""What a likelihood says of the symbols of things, as tables for the chains.

Symbols are whole numbers from 0 in `[C, n]`, flat: a coin, a class, a level of grey, the number of
a cell among the values of its column. A coder codes those of them that are `active`, `[C, n]`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from torch import Tensor

from zscape.space.compression.chains import Chains, coins, shares
from zscape.space.compression.reading import exponential, logistic
from zscape.space.compression.tables import TOTAL


class Coder(ABC):
    """How symbols `[C, n]` are put on chains and taken off."""

    @abstractmethod
    def push(self, chains: Chains, symbols: np.ndarray, active: np.ndarray) -> None:
        """Puts the active symbols on the first C chains."""

    @abstractmethod
    def pop(self, chains: Chains, active: np.ndarray) -> np.ndarray:
        """Takes them off, int64 `[C, n]`, 0 where none is active."""


class Coins(Coder):
    """Zeros and ones, from log-odds `[C, n]`."""

    def __init__(self, logits: Tensor) -> None:
        self.ones = logistic(logits.numpy())

    def push(self, chains: Chains, symbols: np.ndarray, active: np.ndarray) -> None:
        """Puts the active symbols on the first C chains."""
        chains.push(coins(self.ones[active]), symbols[active], active.sum(-1))

    def pop(self, chains: Chains, active: np.ndarray) -> np.ndarray:
        """Takes them off."""
        return _spread(chains.pop(coins(self.ones[active]), active.sum(-1)), active)


class Classes(Coder):
    """Class numbers, from logits `[C, K, n]`."""

    def __init__(self, logits: Tensor) -> None:
        nats = np.moveaxis(logits.numpy(), 1, -1)
        self.weights = exponential(nats - nats.max(-1, keepdims=True))

    def push(self, chains: Chains, symbols: np.ndarray, active: np.ndarray) -> None:
        """Puts the active symbols on the first C chains."""
        chains.push(shares(self.weights[active]), symbols[active], active.sum(-1))

    def pop(self, chains: Chains, active: np.ndarray) -> np.ndarray:
        """Takes them off."""
        return _spread(chains.pop(shares(self.weights[active]), active.sum(-1)), active)


class Ordered(Coder):
    """Numbers in order, halved again and again: is it above the middle? And again.

    Args:
        below: 2^24 times the chance, whole, of symbols below `edge[m]` at the flat place `at[m]`;
            it never falls.
        count: how many symbols each place has, `[n]` or one number.
        halve: from the ends `[m]` of a range to where it is cut.
    """

    def __init__(
        self,
        below: Callable[[np.ndarray, np.ndarray], np.ndarray],
        count: np.ndarray | int,
        halve: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        self.below, self.count, self.halve = below, count, halve

    def push(self, chains: Chains, symbols: np.ndarray, active: np.ndarray) -> None:
        """Puts the active symbols on the first C chains, the last halving first."""
        rounds = []
        flat = symbols.reshape(-1)

        def told(ones: np.ndarray, at: np.ndarray, cut: np.ndarray) -> np.ndarray:
            above = flat[at] >= cut
            rounds.append((coins(ones), above, at))
            return above

        self._halved(active, told)
        for table, above, at in reversed(rounds):
            chains.push(table, above, _per_chain(at, active))

    def pop(self, chains: Chains, active: np.ndarray) -> np.ndarray:
        """Takes them off."""

        def told(ones: np.ndarray, at: np.ndarray, cut: np.ndarray) -> np.ndarray:
            return chains.pop(coins(ones), _per_chain(at, active)) > 0

        return self._halved(active, told)

    def _halved(
        self,
        active: np.ndarray,
        told: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """The symbols, once `told` answers whether each place is above its cut."""
        count = np.broadcast_to(self.count, active.shape)
        at = np.flatnonzero(active & (count > 1))  # the only symbol of a place needs no bit
        result = np.zeros(active.size, dtype=np.int64)
        low = np.zeros(len(at), dtype=np.int64)
        high = count.reshape(-1)[at].astype(np.int64)
        under, over = self._mass(low, at), self._mass(high, at)
        while len(at):
            cut = self.halve(low, high)
            middle = self._mass(cut, at)
            ones = np.floor((over - middle) * float(TOTAL) / (over - under))
            above = told(ones, at, cut)
            low, under = np.where(above, cut, low), np.where(above, middle, under)
            high, over = np.where(above, high, cut), np.where(above, over, middle)
            done = high - low == 1
            result[at[done]] = low[done]
            at, low, high, under, over = (a[~done] for a in (at, low, high, under, over))
        return result.reshape(active.shape)

    def _mass(self, edge: np.ndarray, at: np.ndarray) -> np.ndarray:
        # One more for each symbol, so that none is impossible.
        return self.below(edge, at) + edge


def _spread(found: np.ndarray, active: np.ndarray) -> np.ndarray:
    result = np.zeros(active.shape, dtype=np.int64)
    result[active] = found
    return result


def _per_chain(at: np.ndarray, active: np.ndarray) -> np.ndarray:
    """How many of the flat places `at`, rising, are of each chain."""
    return np.bincount(at // active.shape[1], minlength=len(active))
