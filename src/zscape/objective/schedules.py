"""Schedules, `step -> float`: the value of a weight or a rate at a training step."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def at(value: float | Schedule, step: int) -> float:
    """The value at a step of a number or a schedule."""
    return value(step) if callable(value) else value


def linear(start: float, stop: float, *, steps: int) -> Schedule:
    """From `start` to `stop` in `steps` steps, then `stop`."""

    def value(step: int) -> float:
        share = min(step / steps, 1.0) if steps else 1.0
        return start + (stop - start) * share

    return value


def cyclical(stop: float, *, period: int, ramp: float = 0.5) -> Schedule:
    """From 0 to `stop` in the first `ramp` of every period, then `stop` to its end.

    Source: Fu et al. 2019, eq. 6, arXiv:1903.10145.
    """

    def value(step: int) -> float:
        return stop * min((step % period) / (period * ramp), 1.0)

    return value


def stepped(start: float, *, milestones: tuple[int, ...], factor: float) -> Schedule:
    """`start`, multiplied by `factor` at every milestone that was passed."""

    def value(step: int) -> float:
        return float(start * factor ** sum(step >= milestone for milestone in milestones))

    return value


def cosine(top: float, *, steps: int, rise: float = 0.01) -> Schedule:
    """Up to `top` in the first `rise` of the steps, then half a cosine down to 0, and 0 after it.

    Source: Loshchilov and Hutter 2017, eq. 5 (without restarts), arXiv:1608.03983.
    """
    rising = max(int(rise * steps), 1)

    def value(step: int) -> float:
        share = min(max(step - rising, 0) / max(steps - rising, 1), 1.0)
        return top * min((step + 1) / rising, 1.0) * 0.5 * (1 + math.cos(math.pi * share))

    return value
