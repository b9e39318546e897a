"""What each unit knows of each factor: MIG, modularity, and InfoM / InfoE / InfoC.

Codes are `[N, D]`, usually posterior means; factors are `[N, F]`, see `factors.labelled`.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from zscape.errors import SpecError
from zscape.measures.disentanglement.factors import Labelled, labelled
from zscape.measures.figure import Figure, undefined

BINS = 20
NEIGHBOURS = 10  # of the estimate of mutual information between a real unit and a class
SCORE = "score"  # the unit of what lies between 0 and 1

_ACTIVE_RANGE = 1 / 20  # of the widest unit's range, above which a unit counts
_MIG = "Chen et al. 2018, eq. 6, arXiv:1802.04942"
_MODULARITY = "Ridgeway and Mozer 2018, section 3, arXiv:1802.05312"
_INFO = "Hsu et al. 2023 (InfoMEC), arXiv:2305.18378"


@dataclass(frozen=True, slots=True)
class InfoMec:
    """InfoM (modularity), InfoE (explicitness) and InfoC (compactness), to be quoted together.

    InfoM rises when a code forgets factors, so its figure is named with the InfoE it was had at.
    `information` `[F, D]` is I(s_f; z_d) / H(s_f), and `active` `[D]` says which units counted.
    """

    infom: Figure
    infoe: Figure
    infoc: Figure
    information: np.ndarray
    active: np.ndarray


def mig(codes: np.ndarray, factors: np.ndarray, *, bins: int = BINS) -> Figure:
    """Mutual information gap: mean over factors of (best - second I(z_d; s_f)) / H(s_f).

    1 where each factor is known to one unit alone, 0 where two units know as much. A factor that
    needs two units, such as an angle, lowers it whatever the code. Units are cut into bins of
    equal width, which biases each information upward by about bins * classes / 2N nats, and most
    of that cancels in the gap. The error is over examples, by the influence of each on the gap;
    the seed of training matters far more.

    Args:
        codes: `[N, D]`; the second of a single unit is 0.
        factors: `[N, F]`.
        bins: per unit.

    Raises:
        DataError: factors that cannot be used, see `labelled`.

    Source: Chen et al. 2018, eq. 6, arXiv:1802.04942.
    """
    table = labelled(codes, factors)
    units = _binned(table.codes, bins)
    joint = _joint_counts(table, units, bins)
    gaps, influence = [], np.zeros(len(table.codes))
    for f, classes in enumerate(table.classes.T):
        known, entropy = _information(joint[f])
        best, second = _top_two(known)
        gap = (known[best] - (known[second] if second is not None else 0.0)) / entropy
        gaps.append(gap)
        ratio = _log_ratio(joint[f][best])[units[best], classes]
        if second is not None:
            ratio = ratio - _log_ratio(joint[f][second])[units[second], classes]
        surprise = -np.log(joint[f][0].sum(0) / len(classes))[classes]
        influence += (ratio - gap * surprise) / entropy
    error = float(influence.std() / len(gaps) / len(influence) ** 0.5)
    return Figure("MIG", float(np.mean(gaps)), SCORE, "estimate", error, _MIG)


def modularity(codes: np.ndarray, factors: np.ndarray, *, bins: int = BINS) -> Figure:
    """Mean over units of 1 - sum_(f not best) I_df^2 / (I_d,best^2 (F - 1)).

    1 where each unit knows one factor at most; it says nothing of what no unit knows. A unit that
    knows nothing counts 0. Undefined for a single factor.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        bins: per unit.

    Source: Ridgeway and Mozer 2018, section 3, arXiv:1802.05312.
    """
    table = labelled(codes, factors)
    if len(table.names) < 2:
        return undefined("modularity", SCORE, _MODULARITY)
    joint = _joint_counts(table, _binned(table.codes, bins), bins)
    squared = np.stack([_information(counts)[0] for counts in joint]) ** 2
    best = squared.max(0)
    # The estimate of a constant unit is 0 up to rounding.
    knows = best > 1e-20
    rest = (squared.sum(0) - best) / np.where(knows, best * (len(squared) - 1), 1.0)
    score = float(np.where(knows, 1 - rest, 0.0).mean())
    return Figure("modularity", score, SCORE, "estimate", source=_MODULARITY)


def infomec(codes: np.ndarray, factors: np.ndarray, *, neighbours: int = NEIGHBOURS) -> InfoMec:
    """How modular, explicit and compact a code is, by information; three figures from 0 to 1.

    InfoM: mean over active units of their best share of information among factors, so scaled
    that an even spread is 0. InfoC: the same over factors among units. InfoE: the share of a
    factor's entropy that a logistic regression on all units removes, mean over factors, fitted
    and measured on the same rows. Units whose range is below a twentieth of the widest are left
    out of InfoM and InfoC. InfoM is undefined for one factor, InfoC for one active unit.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        neighbours: of the estimate of mutual information, which has no bins.

    Raises:
        DataError: factors that cannot be used, see `labelled`.

    Source: Hsu et al. 2023 (InfoMEC), arXiv:2305.18378; Ross 2014 (mutual information),
    doi:10.1371/journal.pone.0087357.
    """
    if neighbours < 1:
        raise SpecError(f"neighbours must be at least 1, got {neighbours}. 10 is usual.")
    table = labelled(codes, factors)
    ranges = np.ptp(table.codes, axis=0)
    active = ranges > ranges.max() * _ACTIVE_RANGE
    known = np.array(
        [
            [neighbour_information(unit, classes, neighbours) for unit in table.codes.T]
            for classes in table.classes.T
        ]
    )
    known /= np.array([_entropy(classes) for classes in table.classes.T])[:, None]
    infoe = Figure("InfoE", _explicitness(table), SCORE, "estimate", source=_INFO)
    infom = _concentration(known[:, active].T, f"InfoM (at InfoE {infoe.value:.2f})")
    return InfoMec(infom, infoe, _concentration(known[:, active], "InfoC"), known, active)


def information(codes: np.ndarray, factors: np.ndarray, *, bins: int = BINS) -> np.ndarray:
    """I(z_d; s_f) / H(s_f) of binned units, `[F, D]`: which unit knows what."""
    table = labelled(codes, factors)
    joint = _joint_counts(table, _binned(table.codes, bins), bins)
    return np.stack([known / entropy for known, entropy in map(_information, joint)])


def _joint_counts(table: Labelled, units: np.ndarray, bins: int) -> list[np.ndarray]:
    """How many examples fall in each bin and class: per factor `[D, bins, classes]`."""
    counted = []
    for classes, count in zip(table.classes.T, table.counts, strict=True):
        cells = [np.bincount(unit * count + classes, minlength=bins * count) for unit in units]
        counted.append(np.stack(cells).reshape(len(units), bins, count))
    return counted


def neighbour_information(unit: np.ndarray, classes: np.ndarray, neighbours: int) -> float:
    """I(z; s) in nats of a real unit `[N]` and classes `[N]`, without bins, at least 0.

    Source: Ross 2014, eq. 2, doi:10.1371/journal.pone.0087357.
    """
    # An example alone in its class has no neighbour, and is left out.
    sizes = np.bincount(classes)
    ordered = np.sort(unit[sizes[classes] > 1])
    terms = []
    for number in np.flatnonzero(sizes > 1):
        own = np.sort(unit[classes == number])
        k = min(neighbours, len(own) - 1)
        # The reach is open by more than the sums round, but the same number is always near.
        rounding = 4 * np.finfo(np.float64).eps * np.abs(own).max()
        reach = np.maximum(_kth_distance(own, k) - rounding, 0.0)
        # k of its own class but where numbers repeat, which then count on both sides.
        among_own, among_all = _within(own, own, reach), _within(ordered, own, reach)
        terms.append(_digamma(among_own) - _digamma(among_all))
        terms[-1] -= _digamma(np.array([len(own)]))
    value = _digamma(np.array([len(ordered)]))[0] + np.concatenate(terms).mean()
    return max(0.0, float(value))


def _binned(codes: np.ndarray, bins: int) -> np.ndarray:
    """Bins of equal width of each unit, from its least to its largest value: `[D, N]`."""
    if bins < 2:
        raise SpecError(f"bins must be at least 2, got {bins}. 20 is usual.")
    units = np.ascontiguousarray(codes.T)
    least, most = units.min(1), units.max(1)
    edges = np.linspace(least, np.where(most > least, most, least + 1), bins + 1, axis=1)
    scale = bins / (edges[:, -1:] - least[:, None])
    places = ((units - least[:, None]) * scale).astype(np.int64).clip(0, bins - 1)
    # Rounding may put a number that lies on an edge beside it.
    places -= units < np.take_along_axis(edges, places, 1)
    places += (units >= np.take_along_axis(edges, places + 1, 1)) & (places < bins - 1)
    return places


def _information(counts: np.ndarray) -> tuple[np.ndarray, float]:
    """I(z_d; s) in nats of each unit `[D]`, and H(s), from counts `[D, bins, classes]`."""
    shares = counts / counts[0].sum()
    of_both = _negative_entropy(shares.reshape(len(counts), -1))
    of_unit, of_class = _negative_entropy(shares.sum(2)), _negative_entropy(shares[0].sum(0))
    return of_both - of_unit - of_class, -float(of_class)


def _negative_entropy(shares: np.ndarray) -> np.ndarray:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.einsum("...i,...i->...", shares, logs)


def _log_ratio(counts: np.ndarray) -> np.ndarray:
    """Log p(z, s) / (p(z) p(s)) of each cell `[bins, classes]`; 0 where there is no example."""
    independent = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    ratio = np.divide(counts, independent, out=np.ones(counts.shape), where=counts > 0)
    return np.log(ratio)


def _top_two(known: np.ndarray) -> tuple[int, int | None]:
    order = np.argsort(-known, kind="stable")
    return int(order[0]), int(order[1]) if len(order) > 1 else None


def _concentration(known: np.ndarray, name: str) -> Figure:
    """(mean over rows of max / sum - 1 / C) / (1 - 1 / C) of `[R, C]`; a row of zeros is even."""
    rows, columns = known.shape
    if columns < 2 or rows < 1:
        return undefined(name, SCORE, _INFO)
    sums = known.sum(1)
    share = np.divide(known.max(1), sums, out=np.full(rows, 1 / columns), where=sums > 0)
    value = (share.mean() - 1 / columns) / (1 - 1 / columns)
    return Figure(name, float(value), SCORE, "estimate", source=_INFO)


def _explicitness(table: Labelled) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    spread = table.codes.std(0)
    x = (table.codes - table.codes.mean(0)) / np.where(spread > 0, spread, 1.0)
    removed = []
    for classes in table.classes.T:
        with warnings.catch_warnings():
            # Classes that a plane separates have no best weights, only ever larger ones.
            warnings.simplefilter("ignore", ConvergenceWarning)
            predictor = LogisticRegression(C=np.inf, max_iter=100).fit(x, classes)
        chances = predictor.predict_proba(x)[np.arange(len(x)), classes]
        spent = -np.log(np.maximum(chances, np.finfo(np.float64).tiny)).mean()
        removed.append(1 - spent / _entropy(classes))
    return float(np.mean(removed))


def _entropy(classes: np.ndarray) -> float:
    return -float(_negative_entropy(np.bincount(classes) / len(classes)))


def _kth_distance(own: np.ndarray, k: int) -> np.ndarray:
    """Distance of each of sorted numbers to its k-th neighbour: the narrowest window of k + 1."""
    best = np.full(len(own), np.inf)
    windows = len(own) - k
    low, high = own[:windows], own[k:]
    for place in range(k + 1):
        middle = own[place : place + windows]
        reach = np.maximum(middle - low, high - middle)
        np.minimum(best[place : place + windows], reach, out=best[place : place + windows])
    return best


def _within(ordered: np.ndarray, points: np.ndarray, reach: np.ndarray | float) -> np.ndarray:
    """How many of sorted numbers lie within the reach of each point."""
    above = np.searchsorted(ordered, points + reach, side="right")
    return above - np.searchsorted(ordered, points - reach, side="left")


def _digamma(x: np.ndarray) -> np.ndarray:
    return torch.digamma(torch.from_numpy(x.astype(np.float64))).numpy()
