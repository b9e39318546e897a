"""What codes are good for: telling classes, finding clusters, reading off attributes, rebuilding.

Always beside the data itself, its principal components and a guess that looks at nothing.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.measures.features import pixel_features, row_features
from zscape.measures.fidelity import psnr, ssim
from zscape.measures.figure import Figure, mean, undefined
from zscape.measures.halves import half_errors
from zscape.measures.linear import components
from zscape.measures.row import Row
from zscape.modalities.image import Image
from zscape.modalities.labels import class_ids
from zscape.space.space import Space, encode_stored

FEWEST_LABELLED = 10
MOST = 2000  # examples that train a probe, and that judge it
APART = 3  # one in so many judges where the space does not know what was held out
NEIGHBOURS = 5
KNN, PROBE, NMI = f"k-NN accuracy (k = {NEIGHBOURS})", "linear probe accuracy", "cluster NMI"


def usefulness(space: Space, labels: Any = None, *, seed: int = 0) -> tuple[Row, ...]:
    """What the codes of a space are good for, beside what it takes no model to do.

    Four rows with the same figures: the codes, as many principal components, the data itself, and a
    guess. Classifiers and regressions learn from items that trained the model and are judged on
    held-out ones; where none was held out, on a third kept apart from them (the model has seen it).
    Accuracy by 5 neighbours says whether like things lie together, by a linear probe whether a
    plane tells them apart, NMI whether clusters are the classes; it reads above 0 by chance where
    examples are few. One R2 for each attribute that the space knows; for pictures PSNR and SSIM of
    held-out reconstructions. Undefined without classes, with one class, or with fewer than 10
    labelled examples. At most 2,000 examples learn and 2,000 judge: a few seconds.

    Args:
        space: a space.
        labels: a class of each of its examples, `[N]`, of any type; NaN and numbers below 0 are
            unknown; none: the labels it has.
        seed: of the parts, the clusters and the halves that errors come from.

    Source: Alain and Bengio 2017 (linear probes), arXiv:1610.01644; Strehl and Ghosh 2002, eq. 3
    (NMI, here over the arithmetic mean of the entropies).
    """
    codes, data = space.codes.flat[space.kept], _data(space)
    ids = _class_ids(space.labels if labels is None else labels, space)
    learn, judge = _parts(space, ids, seed)
    axes = components(data[learn], codes.shape[1])
    inputs = {"codes": codes, "principal components": axes.encode(data), "data itself": data}
    sides = {
        name: _Side(x[learn].double().numpy(), x[judge].double().numpy())
        for name, x in inputs.items()
    }
    sides["guess"] = _Side(np.zeros((len(learn), 1)), np.zeros((len(judge), 1)))
    rebuilt = _reconstructions(space, judge)
    rows = []
    for name, side in sides.items():
        figures = [*_class_figures(side, ids[learn], ids[judge], seed)]
        for attribute, values in space.attributes.items():
            kept = np.asarray(values)[space.kept.numpy()]
            figures.append(_fit(attribute, side, kept[learn], kept[judge], seed))
        rows.append(Row(name, (*figures, *rebuilt.get(name, ()))))
    return tuple(rows)


def calibration(
    fitted: Tensor, held_out: Tensor, *, levels: tuple[float, ...] = (0.01, 0.05, 0.1)
) -> tuple[Figure, ...]:
    """Whether scores of normal things mean what they say: p-values of held-out ones are uniform.

    p is the share of fitted normals that score at least as high, itself counted in. First, for each
    level, the share of held-out normals with p at most that level, which should be the level: more
    means false alarms. Then the mean distance of the sorted p-values from even ones (calibration
    error) and the largest (Kolmogorov and Smirnov), both 0 at best; with N held-out things chance
    alone makes the last about 0.87 / sqrt(N).

    Args:
        fitted: scores of the normals that the score was fitted on, higher is stranger, `[M]`.
        held_out: scores of other normals, `[N]`.
        levels: p-levels at which an alarm would ring.

    Source: Laxhammar and Falkman 2014, eq. 2 (conformal p-values), doi:10.1109/TPAMI.2013.172.
    """
    source = "Laxhammar and Falkman 2014, eq. 2"
    fitted, held_out = fitted.double(), held_out.double()
    ordered = fitted.sort().values
    beyond = len(fitted) - torch.searchsorted(ordered, held_out)
    p = (1 + beyond) / (1 + len(fitted))
    figures = [
        mean(f"share with p <= {level:g}", (p <= level).double(), "share", "estimate", source)
        for level in levels
    ]

    def distances(some: Tensor) -> Tensor:
        ranked = p[some].sort().values
        even = torch.arange(1, len(some) + 1, dtype=torch.float64) / len(some)
        off = (ranked - even + 0.5 / len(some)).abs().mean()
        # Above the steps of the distribution function, and below them.
        largest = torch.maximum((ranked - even).abs(), (ranked - even + 1 / len(some)).abs()).max()
        return torch.stack([off, largest])

    errors = half_errors(distances, len(p), seed=0)
    for place, name in enumerate(("calibration error", "Kolmogorov-Smirnov distance")):
        error = None if errors is None else float(errors[place])
        value = float(distances(torch.arange(len(p)))[place])
        figures.append(Figure(name, value, "probability", "estimate", error, source))
    return tuple(figures)


@dataclass(frozen=True, slots=True)
class _Side:
    """Inputs that learn, `[M, F]`, and that judge, `[N, F]`."""

    learn: np.ndarray
    judge: np.ndarray

    def scaled(self) -> "_Side":
        """Both standardised by the part that learns."""
        middle, scale = self.learn.mean(0), self.learn.std(0)
        scale = np.where(scale > 0, scale, 1.0)
        return _Side((self.learn - middle) / scale, (self.judge - middle) / scale)


def _class_figures(
    side: _Side, taught: np.ndarray, asked: np.ndarray, seed: int
) -> tuple[Figure, Figure, Figure]:
    """k-NN and probe accuracy and NMI; ids below 0 are unknown."""
    known = _Side(side.learn[taught >= 0], side.judge[asked >= 0])
    taught, asked = taught[taught >= 0], asked[asked >= 0]
    classes = len(np.unique(taught))
    if len(taught) + len(asked) < FEWEST_LABELLED or classes < 2 or len(asked) == 0:
        return undefined(KNN, "share"), undefined(PROBE, "share"), undefined(NMI, "share")
    if not known.learn.any():
        # Nothing to look at: the commonest class, and one cluster.
        guesses = np.full(len(asked), np.bincount(taught).argmax())
        right = _accuracy(KNN, guesses, asked), _accuracy(PROBE, guesses, asked)
        return (*right, _information(np.zeros(len(asked), dtype=int), asked, seed))
    return (
        _accuracy(KNN, _by_neighbours(known, taught), asked),
        _accuracy(PROBE, _by_plane(known.scaled(), taught), asked),
        _information(_clusters(known, classes, seed), asked, seed),
    )


def _by_neighbours(side: _Side, taught: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import KNeighborsClassifier

    near = min(NEIGHBOURS, len(taught))
    model = KNeighborsClassifier(near, algorithm="brute").fit(side.learn, taught)
    return np.asarray(model.predict(side.judge))


def _by_plane(side: _Side, taught: np.ndarray) -> np.ndarray:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # A probe that was stopped early is a probe; how good it is, the held-out part says.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=200, tol=1e-3).fit(side.learn, taught)
    return np.asarray(model.predict(side.judge))


def _clusters(side: _Side, number: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    number = min(number, len(np.unique(side.learn, axis=0)))
    model = KMeans(number, n_init=4, random_state=seed).fit(side.learn)
    return np.asarray(model.predict(side.judge))


def _accuracy(name: str, guesses: np.ndarray, asked: np.ndarray) -> Figure:
    return mean(name, torch.from_numpy(guesses == asked), "share", "estimate")


def _information(clusters: np.ndarray, asked: np.ndarray, seed: int) -> Figure:
    from sklearn.metrics import normalized_mutual_info_score

    def shared(some: Tensor) -> Tensor:
        value = normalized_mutual_info_score(asked[some.numpy()], clusters[some.numpy()])
        return torch.tensor([float(value)])

    errors = half_errors(shared, len(asked), seed=seed)
    value = float(shared(torch.arange(len(asked))))
    error = None if errors is None else float(errors[0])
    return Figure(NMI, value, "share", "estimate", error, "Strehl and Ghosh 2002, eq. 3")


def _fit(name: str, side: _Side, taught: np.ndarray, asked: np.ndarray, seed: int) -> Figure:
    """R2 of a linear regression of an attribute on held-out things."""
    from sklearn.linear_model import Ridge

    name = f"R2 of {name}"
    there, here = np.isfinite(taught), np.isfinite(asked)
    target = torch.from_numpy(asked[here].astype(np.float64))
    if there.sum() + here.sum() < FEWEST_LABELLED or len(target) < 2 or target.std() == 0:
        return undefined(name, "share of variance")
    scaled = _Side(side.learn[there], side.judge[here]).scaled()
    model = Ridge(alpha=1.0).fit(scaled.learn, taught[there])
    missed = target - torch.from_numpy(np.asarray(model.predict(scaled.judge)))
    # What the mean of those that taught would miss.
    off = target - float(taught[there].mean())

    def explained(some: Tensor) -> Tensor:
        return (1 - missed[some].square().sum() / off[some].square().sum())[None]

    errors = half_errors(explained, len(target), seed=seed)
    error = None if errors is None else float(errors[0])
    value = float(explained(torch.arange(len(target))))
    return Figure(name, value, "share of variance", "estimate", error)


def _data(space: Space) -> Tensor:
    """The kept items themselves as plain numbers, `[M, F]`."""
    image = isinstance(space.modality, Image)
    features = pixel_features() if image else row_features(space)
    return features(space.modality.prepare(space.items))


def _reconstructions(space: Space, judge: np.ndarray) -> dict[str, tuple[Figure, ...]]:
    """PSNR and SSIM of pictures, by the name of the row."""
    if not isinstance(space.modality, Image):
        return {}
    learn = np.setdiff1d(np.arange(len(space.items)), judge)[:MOST]
    items = space.items[judge]
    x = space.modality.prepare(items)
    made = space.decode_tensor(encode_stored(space.model, space.modality, items))
    seen = space.modality.prepare(space.items[learn]).flatten(1)
    axes = components(seen, space.codes.flat.shape[1])
    linear = axes.decode(axes.encode(x.flatten(1))).clamp(0, 1).view_as(x)
    flat = seen.mean(0).view(1, *x.shape[1:]).expand_as(x)
    pictures = {"codes": made, "principal components": linear, "guess": flat}
    found = {name: (psnr(x, other), ssim(x, other)) for name, other in pictures.items()}
    return found | {"data itself": tuple(undefined(f.name, f.unit) for f in found["codes"])}


def _class_ids(labels: Any, space: Space) -> np.ndarray:
    """Class ids of the kept items, `[M]`; -1 where unknown."""
    if labels is None:
        return np.full(len(space.kept), -1)
    return class_ids(np.asarray(labels)[space.kept.numpy()])


def _parts(space: Space, ids: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the kept items stand that learn and that judge, in random order."""
    order = np.random.default_rng(seed).permutation(len(ids))
    held_out = space.held_out
    if held_out is not None and held_out.any() and not held_out.all():
        judges = held_out.numpy()[order]
        return order[~judges][:MOST], order[judges][:MOST]
    # Every third of each class.
    order = order[np.argsort(ids[order], kind="stable")]
    judges = np.arange(len(order)) % APART == 0
    learn, judge = order[~judges], order[judges]
    shuffle = np.random.default_rng(seed).permutation
    return shuffle(learn)[:MOST], shuffle(judge)[:MOST]
