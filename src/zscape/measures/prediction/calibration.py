"""Scores as probabilities that mean what they say, and how far they are from it."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from zscape.measures.figure import Figure, undefined

BINS = 15


def temperature(scores: Tensor, ids: Tensor) -> float:
    """T at which softmax(scores / T) gives the classes the highest likelihood.

    Fit it on scores of things whose classes taught nothing.
    Source: Guo et al. 2017, section 4.2, arXiv:1706.04599; Platt 1999 (doubt).

    Args:
        scores: `[N, K]`.
        ids: classes, `[N]`.
    """
    # As if two more had been guessed by chance: few things, all right, prove no certainty.
    doubt = 2 / (len(ids) + 2)

    def spent(log_t: float) -> float:
        given = scores / np.exp(log_t)
        return float(torch.nn.functional.cross_entropy(given, ids, label_smoothing=doubt))

    return float(np.exp(minimize_scalar(spent, bounds=(-6, 6), method="bounded").x))


def calibration_error(probabilities: Tensor, ids: Tensor, *, kind: str = "estimate") -> Figure:
    """Mean distance of confidence and accuracy over 15 bins of confidence, as a share.

    Above 0 by chance where things are few. Undefined without any.
    Source: Guo et al. 2017, eq. 3 (ECE), arXiv:1706.04599.

    Args:
        probabilities: `[N, K]`.
        ids: classes, `[N]`.
        kind: "estimate" against labels, "surrogate" against guesses of them.
    """
    name = "expected calibration error"
    if not len(ids):
        return undefined(name, "share", "Guo et al. 2017, eq. 3")
    sure, guess = probabilities.double().max(1)
    right = (guess == ids).double()
    bins = (sure * BINS).long().clamp(max=BINS - 1)
    sums = torch.zeros(2, BINS, dtype=torch.double)
    sums[0].index_add_(0, bins, sure)
    sums[1].index_add_(0, bins, right)
    return Figure(
        name, float((sums[0] - sums[1]).abs().sum() / len(ids)), "share", kind, None, "Guo 2017"
    )
