"""Functions as tables of whole numbers, made by integer arithmetic: the same on every computer.

`exp` and its kin differ in the last bit between libraries and processors, and an entropy decoder
that reads one table otherwise than its encoder returns garbage. Here `decimal`, which rounds
correctly everywhere, gives a few hundred constants, and products of integers the rest.
"""

from decimal import Context, Decimal
from functools import cache

import numpy as np

BITS = 10  # a number of the codec is a multiple of 2^-BITS
UNIT = 1 << BITS
PRECISION = 24  # probabilities are multiples of 2^-PRECISION, as constriction's coders have them
TOTAL = 1 << PRECISION
FIXED = 30  # fraction bits of the tables while they are made
ONE = 1 << FIXED
END = 16  # beyond it every function here is flat or a straight line, to a unit
FINE = 8  # a Gaussian is told at every 2^-FINE standard deviations
WIDE = 8  # and up to so many of them

_DIGITS = Context(prec=30)


def decaying(numbers: np.ndarray, bits: int) -> np.ndarray:
    """round(2^30 exp(-n / 2^bits)) of whole numbers n >= 0, within 2 units; int64."""
    result = np.full(numbers.shape, ONE, dtype=np.int64)
    for place in range(0, int(numbers.max(initial=1)).bit_length(), 8):
        digits = (numbers >> place) & 255
        factors = _constants(place - bits)[digits]
        result = (result * factors + ONE // 2) >> FIXED
    return result


@cache
def sigmoid() -> np.ndarray:
    """2^24 / (1 + exp(-x)) at the multiples of 2^-10 from -16 to 16, int64 `[2^15 + 1]`."""
    half = decaying(np.arange(END * UNIT + 1), BITS)
    upper = (ONE * TOTAL) // (ONE + half)
    return np.concatenate([(TOTAL - upper)[:0:-1], upper])


@cache
def function(name: str) -> np.ndarray:
    """A function of numbers from -16 to 16, both in units of 2^-10, int64 `[2^15 + 1]`."""
    made = {"silu": _silu, "sigmoid": _unit_sigmoid, "tanh": _tanh, "softplus": _softplus}
    return made[name]()


@cache
def density() -> np.ndarray:
    """2^24 exp(-t^2 / 2) at the multiples of 2^-8 from 0 to 8, int64 `[2^11 + 1]`."""
    t = np.arange((WIDE << FINE) + 1)
    return decaying(t * t, 2 * FINE + 1) >> (FIXED - PRECISION)


@cache
def cumulative() -> np.ndarray:
    """2^24 times the chance that a standard Gaussian is below t, at 2^-8 from -8 to 8, int64."""
    t = np.arange((WIDE << FINE) + 1)
    heights = decaying(t * t, 2 * FINE + 1)
    # By the trapezoid rule, which is exact to more digits than these for a bell this wide.
    areas = np.concatenate([[0], np.cumsum(heights[:-1] + heights[1:])])
    upper = TOTAL // 2 + areas * (TOTAL // 2) // areas[-1]
    return np.concatenate([(TOTAL - upper)[:0:-1], upper])


@cache
def exponential() -> np.ndarray:
    """e^x at the multiples of 2^-10 from -16 to 16, rising, float64."""
    root = decaying(np.arange(END * UNIT + 1), BITS + 1) / ONE  # squared, it keeps more digits
    falling = root * root
    return np.concatenate([falling[::-1], 1 / falling[1:]])


@cache
def _constants(shift: int) -> np.ndarray:
    """round(2^30 exp(-d 2^shift)) of the digits d = 0 .. 255."""
    step = Decimal(2) ** shift
    each = [_DIGITS.exp(-d * step) * ONE for d in range(256)]
    return np.array([int(value.to_integral_value()) for value in each], dtype=np.int64)


def _whole() -> np.ndarray:
    return np.arange(-END * UNIT, END * UNIT + 1)


def _silu() -> np.ndarray:
    return _rounded(_whole() * sigmoid(), TOTAL)


def _unit_sigmoid() -> np.ndarray:
    return _rounded(sigmoid() * UNIT, TOTAL)


def _tanh() -> np.ndarray:
    twice = decaying(np.arange(END * UNIT + 1), BITS - 1)
    upper = _rounded((ONE - twice) * UNIT, ONE + twice)
    return np.concatenate([-upper[:0:-1], upper])


def _softplus() -> np.ndarray:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)."""
    falling = decaying(np.arange(END * UNIT + 1), BITS)
    tail = np.searchsorted(exponential(), 1 + falling / ONE) - END * UNIT
    return np.maximum(_whole(), 0) + np.concatenate([tail[:0:-1], tail])


def _rounded(numbers: np.ndarray, by: np.ndarray | int) -> np.ndarray:
    return (2 * numbers + by) // (2 * np.asarray(by))
