"""Which examples train and which only measure."""

import math

import numpy as np
import torch
from torch import Tensor

from zscape.study.training.batches import permutation

FEWEST = 20  # examples below which all train and none measure
MOST = 10_000  # examples that measure, at most


def split(
    n: int, *, share: float, seed: int, labels: np.ndarray | None = None, fold: int = 0
) -> tuple[Tensor, Tensor]:
    """Indices that train and that measure, each rising; by class where labels are known.

    Those without a label are parted like a class.
    Every class of at least two examples is in both parts, a class of one trains.

    Args:
        n: how many examples there are; below 20 all of them train.
        share: of the examples that measure, 0 to 1; 10,000 at most.
        seed: repeats the same split.
        labels: class of each example `[n]`, -1 where unknown.
        fold: which part measures, 0 the first; 1 / `share` of them are all examples.
    """
    order = permutation(n, seed=seed, epoch=2**31)
    wanted = min(round(n * share), MOST)
    if n < FEWEST or wanted == 0:
        return torch.arange(n), torch.arange(0)
    if labels is None:
        measuring = order.roll(-fold * wanted)[:wanted]
    else:
        measuring = _by_class(order, torch.from_numpy(labels), wanted / n, fold)
    mask = torch.zeros(n, dtype=torch.bool)
    mask[measuring] = True
    return (~mask).nonzero().flatten(), mask.nonzero().flatten()


def repeated(training: Tensor, context: Tensor | None, share: float) -> Tensor:
    """The same indices, those of labelled examples so often that they make up `share` of all.

    Args:
        training: indices of the examples that train, rising.
        context: what is known of all, `[N, F]`; an example is labelled where its first field is.
        share: least share, 0 to below 1.
    """
    if context is None or share == 0:
        return training
    known = training[~context[:, 0].isnan().cpu()[training]]
    others = len(training) - len(known)
    if not len(known) or len(known) >= share * len(training):
        return training
    times = math.ceil(share * others / ((1 - share) * len(known)))
    return torch.cat([training, known.repeat(times - 1)]).sort().values


def _by_class(order: Tensor, labels: Tensor, share: float, fold: int) -> Tensor:
    parts = []
    for label in labels.unique():
        members = order[labels[order] == label]
        wanted = min(max(round(len(members) * share), 1), len(members) - 1)
        parts.append(members.roll(-fold * wanted)[:wanted])
    return torch.cat(parts)
