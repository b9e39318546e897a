"""Which units predict which factor: DCI (disentanglement, completeness, informativeness) and SAP.

Both fit predictors on two thirds of the rows and measure them on the others.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from zscape.measures.disentanglement.factors import Labelled, labelled
from zscape.measures.disentanglement.information import SCORE
from zscape.measures.figure import Figure, undefined

TREES = 10

_FITTED = 2 / 3  # of the rows, as 10,000 are of 15,000 in published figures
_DEPTH = 7  # deeper trees spread importance over units that only fit noise
_DCI = "Eastwood and Williams 2018, section 2, openreview By-7dz-AZ"
_SAP = "Kumar et al. 2018, section 3, arXiv:1711.00848"


@dataclass(frozen=True, slots=True)
class Dci:
    """Disentanglement, completeness and informativeness, and the `importance` `[D, F]` behind."""

    disentanglement: Figure
    completeness: Figure
    informativeness: Figure
    importance: np.ndarray


def dci(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> Dci:
    """How well trees tell factors from units, and how evenly they use them; three from 0 to 1.

    With R_df the importance of unit d for factor f: disentanglement is the mean over units of
    1 - H_F(R_d. / sum) weighted by the unit's importance, 1 where each serves one factor;
    completeness is the same over factors, 1 where each is served by one unit; informativeness is
    the accuracy on rows that were not fitted. Importances are the impurity decreases of a forest of
    ten trees of depth 7 that weigh every unit at each split: over 50 times cheaper than the
    gradient boosting of published figures, and within about 0.1 of its scores where both
    were run. Disentanglement is undefined for one factor, completeness for one unit.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        seed: of the trees and of the rows they are fitted on.

    Raises:
        DataError: factors that cannot be used, see `labelled`.

    Source: Eastwood and Williams 2018, section 2, openreview By-7dz-AZ.
    """
    table = labelled(codes, factors)
    fitted, rest = _parts(table, seed)
    found = [_trees(table, classes, fitted, rest, seed) for classes in table.classes.T]
    importance = np.stack([own for own, _ in found], 1)
    hits = np.stack([right for _, right in found], 1).mean(1)
    error = float(hits.std() / len(hits) ** 0.5)
    return Dci(
        _unevenness("DCI disentanglement", importance),
        _unevenness("DCI completeness", importance.T),
        Figure("DCI informativeness", float(hits.mean()), SCORE, "estimate", error, _DCI),
        importance,
    )


def sap(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> Figure:
    """Separated attribute predictability: mean over factors of (best - second unit's accuracy).

    The accuracy is that of a linear support vector classifier on one unit, on rows that were not
    fitted. It is low whenever the classes of a factor lie along a line, as a place does: a good
    code of many-valued factors scores near 0.1. The second of a single unit counts as 0.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        seed: of the rows that are fitted.

    Raises:
        DataError: factors that cannot be used, see `labelled`.

    Source: Kumar et al. 2018, section 3, arXiv:1711.00848; C = 0.01 as Locatello et al. 2019,
    arXiv:1811.12359.
    """
    table = labelled(codes, factors)
    fitted, rest = _parts(table, seed)
    gaps = []
    for classes in table.classes.T:
        right = [_accuracy(unit[:, None], classes, fitted, rest) for unit in table.codes.T]
        best, second = sorted([*right, 0.0], reverse=True)[:2]
        gaps.append(best - second)
    return Figure("SAP", float(np.mean(gaps)), SCORE, "estimate", source=_SAP)


def _parts(table: Labelled, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(table.codes))
    cut = max(int(len(order) * _FITTED), 1)
    return order[:cut], order[cut:]


def _trees(
    table: Labelled, classes: np.ndarray, fitted: np.ndarray, rest: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Importances of the units `[D]` for a factor, and which of the other rows were told right."""
    from sklearn.ensemble import RandomForestClassifier

    trees = RandomForestClassifier(
        TREES, max_features=None, max_depth=_DEPTH, random_state=seed, n_jobs=1
    )
    trees.fit(table.codes[fitted], classes[fitted])
    return trees.feature_importances_, trees.predict(table.codes[rest]) == classes[rest]


def _accuracy(unit: np.ndarray, classes: np.ndarray, fitted: np.ndarray, rest: np.ndarray) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        line = LinearSVC(C=0.01, class_weight="balanced", dual=False, random_state=0)
        line.fit(unit[fitted], classes[fitted])
    return float((line.predict(unit[rest]) == classes[rest]).mean())


def _unevenness(name: str, importance: np.ndarray) -> Figure:
    """1 - H(row) / log C of each row of `[R, C]`, weighted by the rows' sums."""
    if importance.shape[1] < 2:
        return undefined(name, SCORE, _DCI)
    sums = importance.sum(1, keepdims=True)
    shares = np.divide(
        importance, sums, out=np.full(importance.shape, 1 / importance.shape[1]), where=sums > 0
    )
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    per_row = 1 + (shares * logs).sum(1) / np.log(importance.shape[1])
    weights = sums[:, 0] / sums.sum() if sums.sum() > 0 else np.full(len(sums), 1 / len(sums))
    return Figure(name, float(per_row @ weights), SCORE, "estimate", source=_DCI)
