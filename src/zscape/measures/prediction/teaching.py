"""Who tells the classes of the unlabelled: the best of several ways by labels kept from it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zscape.measures.figure import Figure
from zscape.measures.prediction.calibration import temperature
from zscape.measures.prediction.propagation import Graph, nearest_graph, poisson_learning
from zscape.measures.row import Row

Scores = Callable[[np.ndarray, np.ndarray], Tensor]  # labelled places and ids to scores [N, K]

FOLDS, MOST_JUDGED, STRENGTH = 5, 2000, 10.0
ACCURACY, SPENT = "accuracy of held-out labels", "log loss of held-out labels"


@dataclass(frozen=True, slots=True)
class Teacher:
    """Guesses of all classes, from labels.

    Attributes:
        name: of the way that was best.
        scores: of the classes, `[N, K]`, at a temperature at which they are calibrated.
        graph: of neighbours by gradients or columns, and codes.
        rows: each way with its figures.
    """

    name: str
    scores: Tensor
    graph: Graph
    rows: tuple[Row, ...]


def teach(
    inputs: Tensor, plain: Tensor, places: np.ndarray, ids: np.ndarray, classes: int, *, seed: int
) -> Teacher:
    """Spreads labels to all things in the way that guesses labels best that were kept from it.

    Ways: propagation and logistic regression on `inputs`, and, as floors, logistic regression and
    the nearest neighbour on `plain`. Each is judged in 5 parts of the labels by the log loss, with
    a temperature of its own; a floor must be better by more than a standard error. A class of one
    label cannot be judged, and propagation is taken.

    Args:
        inputs: gradients or columns beside codes, `[N, F]`.
        plain: components of the data alone, `[N, P]`.
        places: of the labelled things, `[M]`.
        ids: their classes, `[M]`.
        classes: K.
        seed: of the parts.
    """
    graph = nearest_graph(inputs)
    ways = {
        "propagation": lambda p, i: torch.from_numpy(poisson_learning(graph, p, i, classes)),
        "logistic regression": _regression(inputs, classes),
        "logistic regression without the model": _regression(plain, classes),
        "nearest neighbour without the model": _nearest(plain, classes),
    }
    judged = _judged(ids, seed)
    found = {name: _held_out(way, places, ids, judged) for name, way in ways.items()}
    rows = [Row(name, figures) for name, (_, _, figures) in found.items()]
    best = _best({name: spent for name, (_, spent, _) in found.items()})
    scores = ways[best](places, ids).float() / found[best][0]
    return Teacher(best, scores, graph, tuple(rows))


def _best(spent: dict[str, Tensor]) -> str:
    """The way of the lowest loss; a floor must be lower by more than its standard error."""
    if not min(map(len, spent.values())):
        return next(iter(spent))
    means = {name: float(values.mean()) for name, values in spent.items()}
    *own, _, _ = means
    ours, best = min(own, key=means.__getitem__), min(means, key=means.__getitem__)
    gain = spent[ours] - spent[best]
    return best if gain.mean() > gain.std() / len(gain) ** 0.5 else ours


def _judged(ids: np.ndarray, seed: int) -> np.ndarray:
    """The part in which each label is kept back, `[M]`; -1: in none."""
    rng, parts = np.random.default_rng(seed), np.full(len(ids), -1)
    fewest = int(np.bincount(ids).min())
    folds = min(FOLDS, fewest)
    if folds < 2:
        return parts
    for k in np.unique(ids):
        members = rng.permutation(np.flatnonzero(ids == k))
        members = members[: max(MOST_JUDGED // len(np.unique(ids)), folds)]
        parts[members] = np.arange(len(members)) % folds
    return parts


def _held_out(
    way: Scores, places: np.ndarray, ids: np.ndarray, parts: np.ndarray
) -> tuple[float, Tensor, tuple[Figure, ...]]:
    """The temperature of a way, what each label costs that was kept from it, and the figures."""
    if parts.max() < 0:
        nothing = (Figure(name, None, "", "undefined") for name in (ACCURACY, SPENT))
        return 1.0, torch.zeros(0), tuple(nothing)
    scores, truth = [], []
    for part in range(parts.max() + 1):
        kept = parts == part
        scores.append(way(places[~kept], ids[~kept])[places[kept]])
        truth.append(ids[kept])
    guessed, wanted = torch.cat(scores).double(), torch.from_numpy(np.concatenate(truth))
    scale = temperature(guessed, wanted)
    spent = torch.nn.functional.cross_entropy(guessed / scale, wanted, reduction="none")
    right = (guessed.argmax(1) == wanted).double()
    return scale, spent, (_mean(ACCURACY, right, "share"), _mean(SPENT, spent, "nats"))


def _regression(x: Tensor, classes: int) -> Scores:
    """Logistic regression on things `[N, F]` of length about 1."""
    x = x - x.mean(0)
    flat = (x / x.norm(dim=1).mean().clamp(min=1e-12)).double().numpy()

    def scores(places: np.ndarray, ids: np.ndarray) -> Tensor:
        from sklearn.linear_model import LogisticRegression

        # Every class is among the labels, as each part leaves some of all.
        line = LogisticRegression(C=STRENGTH, max_iter=1000).fit(flat[places], ids)
        return torch.from_numpy(line.predict_log_proba(flat)).clamp(min=-50)

    return scores


def _nearest(x: Tensor, classes: int) -> Scores:
    """Minus the squared distance to the nearest labelled thing of each class."""
    scale = x.square().sum(1).mean().clamp(min=1e-12)

    def scores(places: np.ndarray, ids: np.ndarray) -> Tensor:
        told = x[torch.from_numpy(places)]
        near = torch.full((len(x), classes), torch.inf)
        for k in range(classes):
            apart = torch.cdist(x, told[torch.from_numpy(ids == k)])
            near[:, k] = apart.amin(1).square()
        return -near / scale

    return scores


def _mean(name: str, values: Tensor, unit: str) -> Figure:
    error = float(values.std() / len(values) ** 0.5)
    return Figure(name, float(values.mean()), unit, "estimate", error)
