"""Reading one property off flat codes: a ridge regression, and how well it does on others."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError

FOLDS = 5
STRENGTHS = np.logspace(-3, 5, 17)  # of the ridge, tried by leaving one out
MOST = 20_000  # examples that teach
TWO = 2


@dataclass(frozen=True, slots=True)
class Readout:
    """A property as a linear function of flat codes.

    Attributes:
        name: of the property.
        weights: `[D]`.
        score: AUC or R2 over 5 folds, each judged by what the others taught; None: not judged.
        measure: which of the two.
        number: how many examples taught it.
    """

    name: str
    weights: Tensor
    score: float | None
    measure: str
    number: int


def read_out(codes: Tensor, values: np.ndarray, *, name: str, folds: int = FOLDS) -> Readout:
    """The read-out of a property from codes `[N, D]` and its values `[N]`, nan where unknown.

    Two different values are classes, each of which weighs as much as the other; more are a number.

    Args:
        codes: flat.
        values: of the property.
        name: of it.
        folds: that judge; 0: it is not judged.

    Raises:
        DataError: fewer than 5 known examples of either class, or of a number that varies.

    Source: Hoerl and Kennard 1970, doi:10.2307/1267351.
    """
    x, y = _known(codes, values)
    different = np.unique(y)
    is_class = len(different) == TWO
    rarest = min((y == different[0]).sum(), (y != different[0]).sum())
    if len(different) < TWO or (rarest < FOLDS and is_class) or len(y) < TWO * FOLDS:
        raise DataError(
            f"{name!r} must be known to differ, of at least {FOLDS} examples each way, and of "
            f"{len(y):,} known ones only {int(rarest):,} do. Give more, or choose another."
        )
    if is_class:
        y = (y == different[1]).astype(float)
    score = _judged(x, y, is_class=is_class, folds=folds) if folds else None
    weights = torch.from_numpy(_weights(x, y, is_class=is_class)).float()
    return Readout(name, weights, score, "AUC" if is_class else "R2", len(y))


def _known(codes: Tensor, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.flatnonzero(np.isfinite(values))
    if len(places) > MOST:
        places = places[np.linspace(0, len(places) - 1, MOST).round().astype(int)]
    return codes.double().numpy()[places], values[places].astype(float)


def _weights(x: np.ndarray, y: np.ndarray, *, is_class: bool) -> np.ndarray:
    from sklearn.linear_model import RidgeCV

    # Units that never vary teach nothing and must not be blown up.
    scale = np.maximum(x.std(0), 1e-6 * max(float(x.std()), 1e-12))
    share = y.mean()
    weigh = np.where(y > share, 0.5 / share, 0.5 / (1 - share)) if is_class else None
    ridge = RidgeCV(STRENGTHS).fit((x - x.mean(0)) / scale, y, sample_weight=weigh)
    weights: np.ndarray = ridge.coef_ / scale
    return weights


def _judged(x: np.ndarray, y: np.ndarray, *, is_class: bool, folds: int) -> float:
    from sklearn.metrics import r2_score, roc_auc_score
    from sklearn.model_selection import KFold, StratifiedKFold

    split = StratifiedKFold if is_class else KFold
    read = np.empty(len(y))
    for learn, judge in split(folds, shuffle=True, random_state=0).split(x, y):
        weights = _weights(x[learn], y[learn], is_class=is_class)
        told = (x[judge] - x[learn].mean(0)) @ weights
        # Of a class only the order counts, which must be comparable between folds.
        read[judge] = told / max((x[learn] @ weights).std(), 1e-12) if is_class else told
        if not is_class:
            read[judge] += y[learn].mean()
    return float(roc_auc_score(y, read) if is_class else r2_score(y, read))
