"""Calibrated probabilities of classes from the few labels of a space."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zscape.errors import SpecError
from zscape.measures.figure import Figure
from zscape.measures.prediction.calibration import calibration_error, temperature
from zscape.measures.prediction.propagation import agreement
from zscape.measures.prediction.student import answers, student, train_student
from zscape.measures.prediction.teaching import Teacher, Way, teach
from zscape.measures.prediction.views import is_shaded, joined, plain, seen
from zscape.measures.row import Row
from zscape.modalities.labels import UNKNOWN, code_labels
from zscape.space.space import Space, seeded

HELD_OUT = 0.1  # of the things, from which the student's temperature is found
MANY = 500  # labels, from which some are kept from the student to calibrate it


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probabilities of the classes of N things, `[N, K]`; rows sum to 1."""

    names: tuple[str, ...]
    probabilities: np.ndarray

    @property
    def classes(self) -> list[str]:
        """The likeliest class of each thing."""
        return [self.names[k] for k in self.probabilities.argmax(1)]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A network of classes beside the space that it belongs to.

    Attributes:
        space: whose modality and codes it uses.
        names: of the classes.
        network: from what `views.seen` makes of things to logits.
        temperature: that the logits are divided by.
        figures: how well what taught the network guesses held-out labels, and how far the network's
            own confidence is from its accuracy; each with its kind.
        rows: the ways of telling classes that were tried on held-out labels, floors among them.
        notes: how it was made, a line each.
        codes: whether the network sees the codes of rows.
    """

    space: Space
    names: tuple[str, ...]
    network: nn.Module
    temperature: float
    figures: tuple[Figure, ...] = ()
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    codes: bool = True


def fit_predictor(
    space: Space, labels: Any = None, *, codes: bool = True, seed: int = 0
) -> Predictor:
    """Learns to tell classes from the labels of some of a space's things, and from all the others.

    Labels spread over a graph of neighbours, by oriented gradients or columns beside the codes, in
    the way that guesses held-out labels best (plain regression and nearest neighbours are among
    them); a network then learns, under small moves, the classes on which all neighbours agree.
    Calibrated by a temperature: on held-out labels from 500 of them on, else on held-out things
    with guessed classes. Seconds for a thousand things, minutes for 60,000 pictures.

    Args:
        space: of whose kept things some have labels.
        labels: one for each of its things, None where unknown; None: those it has.
        codes: whether the codes are used beside gradients or columns; without them nothing of the
            model is, which says what it adds. Codes that labels taught (`m2_vae`) never are.
        seed: of all draws.

    Raises:
        SpecError: no labels, or of fewer than two classes.
        DataError: not one label per thing.

    Source: Calder et al. 2020, arXiv:2006.11184; Lee 2013 (pseudo-labels); Guo et al. 2017,
    arXiv:1706.04599.
    """
    ids, names = _known(space, labels)
    places = np.flatnonzero(ids >= 0)
    x = seen(space, space.items, codes=codes)
    teacher = teach(
        joined(space, space.items, x, codes=codes),
        plain(space, space.items),
        places,
        ids[places],
        len(names),
        network=_network(x, len(names), is_shaded(space), seed),
        seed=seed,
    )
    guesses = teacher.scores.argmax(1)
    guesses[places] = torch.from_numpy(ids[places])
    agreed = torch.from_numpy(agreement(teacher.graph, guesses.numpy()) == 1)
    agreed[places] = True
    apart, kind = _apart(ids, seed)
    taught = agreed & ~apart
    with seeded(seed):
        network = student(tuple(x.shape[1:]), len(names))
    train_student(network, x[taught], guesses[taught], seed=seed, shaded=is_shaded(space))
    scale, error = _calibrated(answers(network, x[apart]), guesses[apart], kind)
    return Predictor(
        space,
        names,
        network,
        scale,
        figures=(*_of_the_teacher(teacher), error),
        rows=teacher.rows,
        notes=_notes(space, teacher, ids, agreed, guesses[apart], kind),
        codes=codes,
    )


def predict(predictor: Predictor, things: Any) -> Prediction:
    """Calibrated probabilities of the classes of things of the space's kind.

    Raises:
        ShapeError: things of another size.
        DataError: values that these things cannot have.
    """
    stored = predictor.space.modality.encode(things)
    shown = seen(predictor.space, stored, codes=predictor.codes)
    logits = answers(predictor.network, shown).double()
    shares = (logits / predictor.temperature).softmax(1)
    return Prediction(predictor.names, shares.numpy())


def _network(x: Tensor, classes: int, shaded: bool, seed: int) -> Way:
    """The way that trains a student on the labels alone."""

    def scores(places: np.ndarray, ids: np.ndarray, asked: np.ndarray) -> Tensor:
        with seeded(seed):
            network = student(tuple(x.shape[1:]), classes)
        told = torch.from_numpy(places)
        train_student(network, x[told], torch.from_numpy(ids), seed=seed, shaded=shaded)
        return answers(network, x[torch.from_numpy(asked)])

    return scores


def _known(space: Space, labels: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class ids of the kept things, `[M]`, -1 where unknown, and the names of classes there are."""
    if labels is None and space.labels is None:
        raise SpecError(
            "A predictor must have some labels, got none. Pass labels, or train the study on data "
            "that have them."
        )
    if labels is None:
        assert space.labels is not None
        ids, names = space.labels, space.label_names
    else:
        ids, names = code_labels(labels, len(space.codes))
    kept = ids[space.kept.numpy()]
    there = [k for k in range(len(names)) if (kept == k).any()]
    if len(there) < 2:
        got = f"only {names[there[0]]!r}" if there else "none among the kept things"
        raise SpecError(
            f"A predictor must have labels of at least two classes, got {got}. Label some more."
        )
    # Classes of which no thing was kept cannot be told.
    order = np.full(len(names) + 1, UNKNOWN)
    order[there] = np.arange(len(there))
    return order[kept], tuple(names[k] for k in there)


def _apart(ids: np.ndarray, seed: int) -> tuple[Tensor, str]:
    """Which things calibrate the student, bool `[M]`, and the kind of figure that they give."""
    rng, apart = np.random.default_rng(seed), np.zeros(len(ids), dtype=bool)
    known = np.flatnonzero(ids >= 0)
    if len(known) >= MANY:
        apart[rng.choice(known, round(HELD_OUT * len(known)), replace=False)] = True
        return torch.from_numpy(apart), "estimate"
    others = np.flatnonzero(ids < 0)
    if not len(others):  # few things, all labelled: their own classes, which flatters
        number = min(max(round(HELD_OUT * len(known)), 2), len(known) - 1)  # one must teach
        apart[rng.choice(known, number, replace=False)] = True
        return torch.from_numpy(apart), "estimate"
    apart[rng.choice(others, -(-len(others) // 10), replace=False)] = True
    return torch.from_numpy(apart), "surrogate"


def _calibrated(logits: Tensor, ids: Tensor, kind: str) -> tuple[float, Figure]:
    """The temperature by one half of held-out things, and the error that is left on the other."""
    half = len(ids) // 2
    scale = temperature(logits[:half].double(), ids[:half]) if half else 1.0
    shares = (logits[half:].double() / scale).softmax(1)
    return scale, calibration_error(shares, ids[half:], kind=kind)


def _of_the_teacher(teacher: Teacher) -> tuple[Figure, ...]:
    """What held-out labels say of the way that spread the others, not of the network it taught."""
    row = next(row for row in teacher.rows if row.name == teacher.name)
    by = f"by what taught the network, {teacher.name}"
    return tuple(replace(figure, name=f"{figure.name} {by}") for figure in row.figures)


def _notes(
    space: Space, teacher: Teacher, ids: np.ndarray, agreed: Tensor, apart: Tensor, kind: str
) -> tuple[str, ...]:
    known = int((ids >= 0).sum())
    by = "their labels" if kind == "estimate" else "guesses of their classes, not labels"
    notes = [
        f"{known:,} of {len(ids):,} things are labelled",
        f"labels were spread by {teacher.name}, the best on held-out labels",
        f"neighbours agree on {float(agreed.double().mean()):.1%} of the things, which teach",
        f"calibrated on {len(apart):,} things that did not teach, by {by}",
    ]
    if space.taught_by_labels:
        notes.append("the codes are not used: labels taught them, so none could be held out")
    elif "without" in teacher.name:
        notes.append("warning: the codes of this study do not help to tell these classes")
    return tuple(notes)
