"""Who tells the classes of the unlabelled: the best of several ways by labels kept from it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zscape.measures.figure import Figure
from zscape.measures.prediction.calibration import temperature
from zscape.measures.prediction.propagation import Graph, nearest_graph, poisson_learning
from zscape.measures.row import Row

# Places and ids of labelled things, and places that are asked for, [Q], to scores [Q, K].
Way = Callable[[np.ndarray, np.ndarray, np.ndarray], Tensor]

FOLDS, MOST_JUDGED, STRENGTH = 5, 2000, 10.0
ACCURACY, SPENT = "accuracy of held-out labels", "log loss of held-out labels"


TOGETHER = "all of these together"
REGRESSION = "logistic regression without the model"
NEAREST = "nearest neighbour without the model"


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


@dataclass(frozen=True, slots=True)
class _Judged:
    """A way on held-out labels: its temperature, log-probabilities `[M, K]`, and their cost."""

    scale: float
    logits: Tensor
    ids: Tensor
    spent: Tensor
    figures: tuple[Figure, ...]


def teach(
    inputs: Tensor,
    plain: Tensor,
    places: np.ndarray,
    ids: np.ndarray,
    classes: int,
    *,
    network: Way | None = None,
    seed: int,
) -> Teacher:
    """Spreads labels to all things in the way that guesses labels best that were kept from it.

    Ways: propagation and logistic regression on `inputs`, a network on the labels alone, and the
    product of what these say; as floors, logistic regression and the nearest neighbour on `plain`.
    Each is judged in 5 parts of the labels by the log loss, with a temperature of its own; a floor
    must be better by more than a standard error. A class of one label cannot be judged, and
    propagation is taken.

    Args:
        inputs: gradients or columns beside codes, `[N, F]`.
        plain: components of the data alone, `[N, P]`.
        places: of the labelled things, `[M]`.
        ids: their classes, `[M]`.
        classes: K.
        network: the way that trains a network on labels; None: that is not tried.
        seed: of the parts.
    """
    graph, parts, everything = nearest_graph(inputs), _judged(ids, seed), np.arange(len(inputs))
    ways = {"propagation": _propagation(graph, classes), "logistic regression": _regression(inputs)}
    if network is not None:
        ways["a network on the labels alone"] = network
    found = {name: _held_out(way, places, ids, parts) for name, way in ways.items()}
    own = list(found)
    said = torch.stack([found[name].logits for name in own]).sum(0)
    found[TOGETHER] = _scored(said, found[own[0]].ids)
    floors = {REGRESSION: _regression(plain), NEAREST: _nearest(plain, classes)}
    ways |= floors
    found |= {name: _held_out(way, places, ids, parts) for name, way in floors.items()}
    best = _best(found, floors)
    chosen = own if best == TOGETHER else [best]
    each = [_logits(ways[n](places, ids, everything), found[n].scale) for n in chosen]
    scores = torch.stack(each).sum(0) / (found[best].scale if best == TOGETHER else 1.0)
    rows = tuple(Row(name, judged.figures) for name, judged in found.items())
    return Teacher(best, scores.float(), graph, rows)


def _best(found: dict[str, "_Judged"], floors: Collection[str]) -> str:
    """The way of the lowest loss; a floor must be lower by more than its standard error."""
    if not min(len(judged.spent) for judged in found.values()):
        return next(iter(found))
    means = {name: float(judged.spent.mean()) for name, judged in found.items()}
    ours = min((name for name in means if name not in floors), key=means.__getitem__)
    best = min(means, key=means.__getitem__)
    gain = found[ours].spent - found[best].spent
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


def _held_out(way: Way, places: np.ndarray, ids: np.ndarray, parts: np.ndarray) -> "_Judged":
    """How well a way guesses labels that were kept from it."""
    scores, truth = [torch.zeros(0, int(ids.max()) + 1)], [ids[:0]]
    for part in range(parts.max() + 1):
        kept = parts == part
        scores.append(way(places[~kept], ids[~kept], places[kept]))
        truth.append(ids[kept])
    return _scored(torch.cat(scores).double(), torch.from_numpy(np.concatenate(truth)))


def _scored(scores: Tensor, ids: Tensor) -> "_Judged":
    if not len(ids):
        nothing = tuple(Figure(name, None, "", "undefined") for name in (ACCURACY, SPENT))
        return _Judged(1.0, scores, ids, torch.zeros(0), nothing)
    scale = temperature(scores, ids)
    logits = _logits(scores, scale)
    spent = -logits.gather(1, ids[:, None])[:, 0]
    right = (logits.argmax(1) == ids).double()
    figures = (_mean(ACCURACY, right, "share"), _mean(SPENT, spent, "nats"))
    return _Judged(scale, logits, ids, spent, figures)


def _logits(scores: Tensor, scale: float) -> Tensor:
    """Scores as calibrated log-probabilities."""
    return (scores.double() / scale).log_softmax(1)


def _propagation(graph: Graph, classes: int) -> Way:
    def scores(places: np.ndarray, ids: np.ndarray, asked: np.ndarray) -> Tensor:
        return torch.from_numpy(poisson_learning(graph, places, ids, classes)[asked])

    return scores


def _regression(x: Tensor) -> Way:
    """Logistic regression on things `[N, F]`, brought to length 1."""
    x = x - x.mean(0)
    flat = (x / x.norm(dim=1).mean().clamp(min=1e-12)).double().numpy()

    def scores(places: np.ndarray, ids: np.ndarray, asked: np.ndarray) -> Tensor:
        from sklearn.linear_model import LogisticRegression

        # Every class is among the labels, as each part leaves some of all.
        line = LogisticRegression(C=STRENGTH, max_iter=1000).fit(flat[places], ids)
        return torch.from_numpy(line.predict_log_proba(flat[asked])).clamp(min=-50)

    return scores


def _nearest(x: Tensor, classes: int) -> Way:
    """Minus the squared distance to the nearest labelled thing of each class."""
    scale = x.square().sum(1).mean().clamp(min=1e-12)

    def scores(places: np.ndarray, ids: np.ndarray, asked: np.ndarray) -> Tensor:
        told, near = x[torch.from_numpy(places)], torch.full((len(asked), classes), torch.inf)
        for k in range(classes):
            apart = torch.cdist(x[torch.from_numpy(asked)], told[torch.from_numpy(ids == k)])
            near[:, k] = apart.amin(1).square()
        return -near / scale

    return scores


def _mean(name: str, values: Tensor, unit: str) -> Figure:
    error = float(values.std() / len(values) ** 0.5)
    return Figure(name, float(values.mean()), unit, "estimate", error)
