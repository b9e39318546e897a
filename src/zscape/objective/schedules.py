"""Schedules, `step -> float`: the value of a weight or a rate at a training step."""

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
