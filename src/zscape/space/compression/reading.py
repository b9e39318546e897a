"""Chances read from integer tables, as float64 that holds whole numbers of 2^24ths."""

import numpy as np
from torch import Tensor

from zscape.space.compression import tables
from zscape.space.compression.exact import exp
from zscape.space.compression.tables import END, FINE, UNIT, WIDE

NATS = 2**6  # parts of a nat in which weights are told
LEAST = 24  # nats below which a weight is nothing


def bell(t: np.ndarray) -> np.ndarray:
    """2^24 exp(-t^2 / 2)."""
    place = np.rint(np.abs(t) * (1 << FINE)).clip(0, WIDE << FINE).astype(np.int64)
    return np.asarray(_BELL[place])


def exponential(nats: np.ndarray) -> np.ndarray:
    """2^24 exp(x) of x <= 0."""
    place = np.rint(-nats * NATS).clip(0, LEAST * NATS).astype(np.int64)
    return np.asarray(_FALLING[place])


def logistic(x: np.ndarray) -> np.ndarray:
    """2^24 / (1 + exp(-x))."""
    return _between(_LOGISTIC, (x + END) * UNIT)


def gaussian(t: np.ndarray) -> np.ndarray:
    """2^24 times the chance that a standard Gaussian is below t."""
    return _between(_GAUSSIAN, (t + WIDE) * (1 << FINE))


def inverse(log_scale: Tensor) -> np.ndarray:
    """1 / scale."""
    return np.asarray(exp(-log_scale).numpy())


def _between(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    """A table at any place, by straight lines between its entries: it never falls."""
    place = place.clip(0, len(table) - 1)
    left = place.astype(np.int64)
    low = table[left]
    high = table[np.minimum(left + 1, len(table) - 1)]
    return np.asarray(low + np.floor((high - low) * (place - left)))


_BELL = tables.density().astype(np.float64)
_LOGISTIC = tables.sigmoid().astype(np.float64)
_GAUSSIAN = tables.cumulative().astype(np.float64)
_FALLING = (tables.decaying(np.arange(LEAST * NATS + 1), 6) >> 6).astype(np.float64)
