"""What a family of runs says of one option: a rate-distortion curve, its knee and its best value.

Reads figures that were measured elsewhere; trains nothing and draws nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from zscape.measures.figure import Figure

Value = bool | int | float | str

FIRM = 2.0  # standard errors that the bend of a curve must be away from none


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a family: the value of the option, the seed, and its held-out figures."""

    value: Value
    seed: int
    elbo: Figure
    rate: Figure
    distortion: Figure
    active: Figure


@dataclass(frozen=True, slots=True)
class Point:
    """One value of the option: every figure over its seeds (see `over_seeds`)."""

    value: Value
    seeds: tuple[int, ...]
    elbo: Figure
    rate: Figure
    distortion: Figure
    active: Figure


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that was chosen, or None, and why, in a sentence."""

    value: Value | None
    reason: str


def over_seeds(figures: Sequence[Figure]) -> Figure:
    """The mean of one figure over seeds with its standard error over seeds, std / sqrt(seeds).

    A single one stays as it is, and its error is then the one over examples.
    """
    values = [figure.value for figure in figures if figure.value is not None]
    if len(figures) == 1 or len(values) < len(figures):
        return figures[0]
    return replace(figures[0], value=fmean(values), error=stdev(values) / math.sqrt(len(values)))


def points(measured: Sequence[Measured]) -> tuple[Point, ...]:
    """One point per value, in the order in which the values come."""
    values = list(dict.fromkeys(run.value for run in measured))
    groups = [[run for run in measured if run.value == value] for value in values]
    return tuple(_point(group) for group in groups)


def knee(measured: Sequence[Measured]) -> Choice:
    """The value at which the rate-distortion curve bends the most.

    The curve runs over the seeds' means in the order of their rates; both axes are brought to
    0..1 between its two ends, and the knee lies farthest below the straight line that joins them:
    the largest 1 - x - y. So it depends on the range that was swept. There is none where the curve
    has fewer than three values, where distortion does not fall as the rate grows, or where the
    bend is within two standard errors (over the seeds' own curves) of none.

    Source: Satopaa et al. 2011, section 2 (Kneedle), doi:10.1109/ICDCSW.2011.20.
    """
    curve = _curve(points(measured))
    if len(curve) < 3:
        return Choice(None, "A knee needs at least three values with a rate.")
    gaps = _gaps(curve)
    if gaps is None:
        return Choice(None, "Distortion does not fall as the rate grows, so there is no trade.")
    gap, place = max((gap, n) for n, gap in enumerate(gaps))
    value, own = curve[place].value, _gaps_by_seed(measured, curve[place].value)
    error = stdev(own) / math.sqrt(len(own)) if len(own) > 1 else 0.0
    if gap <= FIRM * error or gap <= 0:
        return Choice(None, "The curve is straight within the noise of its seeds: it has no knee.")
    return Choice(value, f"{_bend(curve, place)} {_agreement(measured, value)}")


def sweet_spot(measured: Sequence[Measured]) -> Choice:
    """The value of the smallest rate whose ELBO is within one standard error of the best ELBO.

    The standard error is of the shortfall, paired by seed, since seeds share their ups and downs
    (each has its own split). Of values that cannot be told apart the one with the cheapest code is
    taken; with one seed there is no such error, and the highest ELBO is.

    Source: Breiman et al. 1984, section 3.4.3 (the one-standard-error rule; pairing is ours).
    """
    known = [point for point in points(measured) if point.elbo.value is not None]
    if not known:
        return Choice(None, "The rate is undefined (the code is a point), and so is the ELBO.")
    best = max(known, key=lambda point: point.elbo.value or 0.0)
    near = [point for point in known if _is_near(measured, point.value, best.value)]
    chosen = min(near, key=lambda point: point.rate.value or 0.0)
    return Choice(chosen.value, _why(chosen, best, known))


def told(value: Value) -> str:
    """A value of an option in few characters, such as `0.1`, `16` or `mlp:400`."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_near(measured: Sequence[Measured], value: Value, best: Value) -> bool:
    """Whether the ELBO of a value falls short of the best by at most one standard error."""
    reached = {run.seed: run.elbo.value or 0.0 for run in measured if run.value == value}
    top = {run.seed: run.elbo.value or 0.0 for run in measured if run.value == best}
    short = [top[seed] - reached[seed] for seed in top if seed in reached]
    if value == best or len(short) < 2:
        return value == best
    return fmean(short) <= stdev(short) / math.sqrt(len(short))


def _point(runs: Sequence[Measured]) -> Point:
    return Point(
        value=runs[0].value,
        seeds=tuple(run.seed for run in runs),
        elbo=over_seeds([run.elbo for run in runs]),
        rate=over_seeds([run.rate for run in runs]),
        distortion=over_seeds([run.distortion for run in runs]),
        active=over_seeds([run.active for run in runs]),
    )


def _curve(found: Sequence[Point]) -> list[Point]:
    known = [point for point in found if point.rate.value is not None]
    return sorted(known, key=lambda point: point.rate.value or 0.0)


def _gaps(curve: Sequence[Point]) -> list[float] | None:
    """How far each point lies below the line between the ends; None where nothing is traded."""
    rates = [point.rate.value or 0.0 for point in curve]
    spent = [point.distortion.value or 0.0 for point in curve]
    wide, high = rates[-1] - rates[0], spent[0] - spent[-1]
    if wide <= 0 or high <= 0:
        return None
    return [
        1 - (r - rates[0]) / wide - (d - spent[-1]) / high
        for r, d in zip(rates, spent, strict=True)
    ]


def _curves_by_seed(measured: Sequence[Measured]) -> list[list[Point]]:
    """The curve of every seed that ran all values."""
    count = len({run.value for run in measured})
    seeds = sorted({run.seed for run in measured})
    curves = [_curve(points([run for run in measured if run.seed == seed])) for seed in seeds]
    return [curve for curve in curves if len(curve) == count]


def _gaps_by_seed(measured: Sequence[Measured], value: Value) -> list[float]:
    found = []
    for curve in _curves_by_seed(measured):
        gaps = _gaps(curve)
        place = [point.value for point in curve].index(value)
        found.append(0.0 if gaps is None else gaps[place])
    return found


def _bend(curve: Sequence[Point], place: int) -> str:
    low, at, high = curve[0], curve[place], curve[-1]
    return (
        f"Up to here ({at.rate.value:.1f} nats of rate) a further nat of rate saved "
        f"{_slope(low, at):.2f} nats of distortion; beyond, only {_slope(at, high):.2f}."
    )


def _slope(low: Point, high: Point) -> float:
    saved = (low.distortion.value or 0.0) - (high.distortion.value or 0.0)
    return saved / ((high.rate.value or 0.0) - (low.rate.value or 0.0))


def _agreement(measured: Sequence[Measured], value: Value) -> str:
    curves = _curves_by_seed(measured)
    if len(curves) < 2:
        return "One seed alone: how firm that is, more seeds would say."
    same = 0
    for curve in curves:
        gaps = _gaps(curve) or [0.0]
        same += curve[gaps.index(max(gaps))].value == value
    return f"{same} of {len(curves)} seeds alone have their knee there."


def _why(chosen: Point, best: Point, known: Sequence[Point]) -> str:
    over = "seeds" if len(best.seeds) > 1 else "examples"
    error = f" ± {best.elbo.error:.2g} (over {over})" if best.elbo.error else ""
    words = f"The best held-out ELBO is {best.elbo.value:.2f}{error} nats, at {told(best.value)}"
    if chosen is not best:
        words += (
            f"; {told(chosen.value)} ({chosen.elbo.value:.2f}) falls short of it by less than the "
            f"standard error of that difference, and its code is cheaper: {chosen.rate.value:.1f} "
            f"nats against {best.rate.value:.1f}"
        )
    words += "." if len(best.seeds) > 1 else "; one seed alone: how firm that is, more would say."
    if best in (known[0], known[-1]) and len(known) > 1 and not isinstance(best.value, str | bool):
        words += " It stands at the end of the range: sweep further that way."
    return words
