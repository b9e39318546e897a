"""Label errors: examples whose codes say another class than their label, with the evidence."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from zscape.errors import DataError, SpecError, unknown
from zscape.space.neighbours import nearest
from zscape.space.scatter import class_name
from zscape.space.space import Space

FOLDS = 5
VOTERS, COUNTED = 20, 10  # neighbours that vote, and that are counted as evidence
NEARBY = 0.1  # of the mean distance to a voter: nearer ones weigh no more
FEWEST, MOST_CLASSES = 2, 50  # different values of an attribute that is taken for a class


@dataclass(frozen=True, slots=True)
class Suspect:
    """An example whose label is probably wrong.

    Attributes:
        index: into the data.
        label: as it is.
        suggested: what its code says it is.
        probability: of the label, by a predictor that did not see the example.
        probability_suggested: of the suggestion.
        neighbours: of the 10 nearest, how many carry the label.
        neighbours_suggested: how many carry the suggestion.
    """

    index: int
    label: str
    suggested: str
    probability: float
    probability_suggested: float
    neighbours: int
    neighbours_suggested: int


@dataclass(frozen=True, slots=True, repr=False)
class LabelErrors:
    """The labels of a space that are probably wrong.

    Attributes:
        suspects: the surest first.
        share: of all known labels that are wrong, an estimate that is too high where codes mix
            classes; it counts more than the suspects.
        predictor: "neighbours" or "linear", whichever guessed more labels.
        accuracy: share of the labels that it guessed, each unseen.
        examined: how many labels are known.
    """

    suspects: tuple[Suspect, ...]
    share: float
    predictor: str
    accuracy: float
    examined: int

    def __repr__(self) -> str:
        """How many of how many."""
        return f"LabelErrors({len(self.suspects)} of {self.examined:,})"


def label_errors(space: Space, attribute: str = "") -> LabelErrors:
    """The examples whose labels are probably wrong, by confident learning on the codes.

    A predictor guesses each label from the code without having seen it: the 20 nearest neighbours
    by their nearness, or a logistic regression over 5 folds, whichever guesses more of them. An
    example is suspected where the guess for another class is at least as sure as it usually is of
    examples that carry that label. An error that is the rule in a class cannot be found.
    That an example is contradicted by a sure guess shows a wrong label only where sure guesses are
    right: of codes that mix classes, right labels are suspected too, and `share` counts them.

    Args:
        space: a space with labels.
        attribute: whose values are the labels; none: the labels of the data.

    Raises:
        SpecError: an attribute that there is not, or labels that taught the codes themselves.
        DataError: no labels, or fewer than two classes of at least 5 examples.

    Source: Northcutt et al. 2021, section 3.1 (the confident joint), arXiv:1911.00068.
    """
    if space.taught_by_labels:
        raise SpecError(
            "Label errors must be told by codes that no label taught, and labels taught these. "
            "Train 'vae' on the same data."
        )
    places, classes, names = _labels(space, attribute)
    codes = space.codes.flat[places]
    distances, beside = _others(codes)
    told = {
        "neighbours": _by_neighbours(distances, classes[beside], len(names)),
        "linear": _linear(codes.double().numpy(), classes),
    }
    hits = {name: float((chance.argmax(1) == classes).mean()) for name, chance in told.items()}
    best = max(hits, key=hits.__getitem__)
    chance, rows = told[best], np.arange(len(classes))
    guess, share = _confident(chance, classes)
    own, other = chance[rows, classes], chance[rows, guess]
    votes = classes[beside[:, :COUNTED]]
    like_own, like_other = ((votes == k[:, None]).sum(1) for k in (classes, guess))
    suspects = [
        Suspect(
            index=int(places[n]),
            label=names[classes[n]],
            suggested=names[guess[n]],
            probability=float(own[n]),
            probability_suggested=float(other[n]),
            neighbours=int(like_own[n]),
            neighbours_suggested=int(like_other[n]),
        )
        for n in np.argsort(own - other, kind="stable")
        if guess[n] != classes[n]
    ]
    return LabelErrors(tuple(suspects), share, best, hits[best], len(classes))


def _labels(space: Space, attribute: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Where labels are known, which class each is, and the names of the classes.

    Classes too small to be learnt are left out.
    """
    if attribute and attribute not in space.attributes:
        raise unknown("attribute", attribute, list(space.attributes))
    if not attribute and space.labels is None:
        raise DataError(
            "Label errors must be looked for among labels, and none are known of these data. "
            "Train with labels, or name an attribute."
        )
    values = np.asarray(space.attributes[attribute] if attribute else space.labels, float)
    known = np.isfinite(values) if attribute else values >= 0
    different, counts = np.unique(values[known], return_counts=True)
    different = different[counts >= FOLDS]
    if not FEWEST <= len(different) <= MOST_CLASSES:
        raise DataError(
            f"Label errors must be looked for among {FEWEST} to {MOST_CLASSES} classes of at least "
            f"{FOLDS} examples, got {len(different)}. Choose other labels."
        )
    places = np.flatnonzero(known & np.isin(values, different))
    classes = np.searchsorted(different, values[places])
    if attribute:
        return places, classes, tuple(f"{value:g}" for value in different)
    return places, classes, tuple(class_name(int(k), space.label_names) for k in different)


def _others(codes: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Distances and places of the nearest other codes, `[N, voters]` each."""
    voters = min(VOTERS, len(codes) - 1)
    distances, places = (found.numpy() for found in nearest(codes, codes, voters + 1))
    own = places == np.arange(len(codes))[:, None]
    own[~own.any(1), -1] = True  # one of many equals that was not found among them
    return distances[~own].reshape(-1, voters), places[~own].reshape(-1, voters)


def _by_neighbours(distances: np.ndarray, votes: np.ndarray, num_classes: int) -> np.ndarray:
    """The share of each class among the neighbours, the nearer ones weighing more, `[N, K]`."""
    weights = 1 / (distances + NEARBY * max(float(distances.mean()), 1e-12))
    chance = np.zeros((len(votes), num_classes))
    for column, weight in zip(votes.T, weights.T, strict=True):
        chance[np.arange(len(votes)), column] += weight
    return chance / chance.sum(1, keepdims=True)


def _linear(codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The chance of each class by a logistic regression that other folds taught, `[N, K]`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    # Units that never vary teach nothing and must not be blown up.
    x = (codes - codes.mean(0)) / np.maximum(codes.std(0), 1e-6 * max(float(codes.std()), 1e-12))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    reader = LogisticRegression(max_iter=1000)
    found: np.ndarray = cross_val_predict(reader, x, classes, cv=folds, method="predict_proba")
    return found


def _confident(chance: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, float]:
    """The class that each example is confidently of, or its label; the share that is wrong."""
    counts = np.arange(chance.shape[1])
    usual = np.array([chance[classes == k, k].mean() for k in counts])
    sure = chance >= usual
    guess = np.where(sure.any(1), np.where(sure, chance, -1.0).argmax(1), classes)
    joint = np.zeros((len(counts), len(counts)))
    np.add.at(joint, (classes[sure.any(1)], guess[sure.any(1)]), 1.0)
    joint *= (np.bincount(classes) / np.maximum(joint.sum(1), 1))[:, None]
    return guess, float(1 - np.trace(joint) / joint.sum())
