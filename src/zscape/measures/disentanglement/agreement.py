"""Do runs from different seeds agree, unit by unit? UDR, which needs no known factors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zscape.errors import ShapeError, SpecError, unknown
from zscape.measures.disentanglement.information import SCORE
from zscape.measures.figure import Figure

INFORMATIVE = 0.01  # nats of mean rate, above which a unit counts

_PENALTY = 0.1  # of the Lasso, on standardised units
_SOURCE = "Duan et al. 2020, eq. 3, arXiv:1905.12614"


@dataclass(frozen=True, slots=True)
class Udr:
    """One figure a model, the agreement of each pair `[M, M]`, and the index of the best model."""

    scores: tuple[Figure, ...]
    pairs: np.ndarray
    best: int


def udr(
    codes: Sequence[np.ndarray],
    *,
    rates: Sequence[np.ndarray] | None = None,
    method: str = "lasso",
) -> Udr:
    """Unsupervised disentanglement ranking: how far a model's units are those of the others.

    R_ab is how strongly unit a of one model goes with unit b of another; a pair scores
    (sum_b max_a R_ab^2 / sum_a R_ab + the same over a) / (D_a + D_b), over informative units
    only, and a model the median over all others. 1 where units agree up to order and sign. It
    ranks models of one recipe that differ by their seeds; a low score may also mean that the
    others are bad. The error is the standard error over the others.

    Args:
        codes: of the same examples in each model, `[N, D_m]`; two models at least.
        rates: mean rate of each unit in nats, `[D_m]` a model; units at or below 0.01 nat do not
            count. None: units whose variance is at most 0.01 do not.
        method: "lasso" (weights of a linear fit, the paper's choice) or "spearman".

    Raises:
        SpecError: an unknown method, or fewer than two models.
        ShapeError: codes of different examples.

    Source: Duan et al. 2020, eq. 3, arXiv:1905.12614.
    """
    relations = {"lasso": _lasso, "spearman": _spearman}
    if method not in relations:
        raise unknown("method", method, list(relations))
    if len(codes) < 2:
        raise SpecError(f"UDR must compare two models at least, got {len(codes)}. Train another.")
    if len({len(own) for own in codes}) != 1:
        raise ShapeError(
            f"The models must encode the same examples, got {[len(own) for own in codes]} codes. "
            "Encode one set of examples with each."
        )
    measure = [own.var(0) for own in codes] if rates is None else rates
    units = [
        _standard(np.asarray(own, dtype=np.float64)[:, np.asarray(says) > INFORMATIVE])
        for own, says in zip(codes, measure, strict=True)
    ]
    pairs = np.full((len(units), len(units)), np.nan)
    for i, own in enumerate(units):
        for j, other in enumerate(units):
            if i != j:
                pairs[i, j] = _agreement(relations[method](own, other))
    scores = tuple(_score(np.delete(row, i)) for i, row in enumerate(pairs))
    values = [0.0 if score.value is None else score.value for score in scores]
    return Udr(scores, pairs, int(np.argmax(values)))


def _agreement(relation: np.ndarray) -> float:
    """Relative strength of `[D_a, D_b]`: each unit's square of its best over its sum."""
    if not relation.size:
        return 0.0
    total = 0.0
    for axis in (0, 1):
        sums, best = relation.sum(axis), relation.max(axis)
        total += np.divide(best**2, sums, out=np.zeros_like(sums), where=sums > 0).sum()
    return float(total / sum(relation.shape))


def _lasso(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """|weight| of each unit of `own` in the sparse linear fit of each of `other`."""
    from sklearn.linear_model import Lasso

    if not own.size or not other.size:
        return np.zeros((own.shape[1], other.shape[1]))
    fitted = Lasso(alpha=_PENALTY).fit(own, other)
    return np.abs(np.atleast_2d(fitted.coef_)).T


def _spearman(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """|correlation of ranks| of each unit of `own` with each of `other`."""
    return np.abs(_standard(_ranks(own)).T @ _standard(_ranks(other))) / len(own)


def _ranks(x: np.ndarray) -> np.ndarray:
    """Ranks of each column `[N, D]`, equal numbers sharing the mean of theirs."""
    ranks = np.empty(x.shape)
    for d, column in enumerate(x.T):
        _, places, counts = np.unique(column, return_inverse=True, return_counts=True)
        ranks[:, d] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _standard(x: np.ndarray) -> np.ndarray:
    spread = x.std(0)
    standard: np.ndarray = (x - x.mean(0)) / np.where(spread > 0, spread, 1.0)
    return standard


def _score(others: np.ndarray) -> Figure:
    error = float(others.std(ddof=1) / len(others) ** 0.5) if len(others) > 1 else None
    return Figure("UDR", float(np.median(others)), SCORE, "estimate", error, _SOURCE)
