"""SMILEs faces: is the smile one unit found without labels, a direction found from 50 labels?

A VAE is trained without labels on 10,165 faces of 13,165 and their mirror images. The code of a
face is averaged with that of its mirror image, which takes the pose out; a unit is one of this
code, of its principal axes or of its independent components. All is judged on the 3,000 other
faces. The same is done with pixels: what does not beat that is no merit of the model.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import FastICA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import zscape as zs
from benchmarks.data import smiling_faces
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import standard_error

SIDE, TRAINING, AXES, LABELS, DRAWS = 32, 10_165, 12, 50, 20
MOST_AXES = 200
TRUST, WEIGHT, EM_STEPS = 0.75, 3.0, 5  # of the direction from few labels
OPTIONS = {"latent": 32, "network": "mlp", "epochs": 20, "patience": 0}


@dataclass(frozen=True, slots=True)
class Faces:
    """Grey pictures `[N, side, side]`, whether each smiles, and which train and which judge."""

    pictures: np.ndarray
    smiling: np.ndarray
    training: np.ndarray
    judging: np.ndarray


def smile(settings: Settings) -> Iterator[Figure]:
    """The figures of the model and, under the same name with `floor_pixels_`, those of pixels."""
    epochs, seeds = (1, [0]) if settings.quick else (OPTIONS["epochs"], [0, 1, 2])
    options = OPTIONS | {"epochs": epochs}
    scores: dict[str, list[float]] = {}
    for seed in (settings.seed + s for s in seeds):
        faces = _faces(seed, most=600 if settings.quick else None)
        for prefix, codes in (
            ("", _codes(faces, seed, options)),
            ("floor_pixels_", _pixels(faces)),
        ):
            for name, score in _scores(codes, faces, seed).items():
                scores.setdefault(prefix + name, []).append(score)
    protocol = (
        f"SMILEs, {SIDE}x{SIDE} grey, splits and models of seeds {seeds}, {TRAINING} train, the "
        f"rest judges; vae {options} trained without labels on faces and mirror images; codes "
        f"averaged with the mirror image's; unit: the best of its own, its principal axes and "
        f"independent components of {AXES} of these, chosen by the training labels; {DRAWS} draws "
        f"of {LABELS} labels, half of each class, logistic regression, then {EM_STEPS} steps of EM "
        f"over all training faces; from all labels by logistic regression; settings chosen on "
        f"splits and models of other seeds; error over seeds; {machine()}"
    )
    for name, values in scores.items():
        error = standard_error(torch.tensor(values)) if len(values) > 1 else None
        yield Figure(name, float(np.mean(values)), "-", "measured", protocol, error)


PARTS = {"smile": smile}


def _faces(seed: int, *, most: int | None) -> Faces:
    pictures, smiling = smiling_faces()
    order = np.random.default_rng(seed).permutation(len(smiling))[:most]
    step = pictures.shape[1] // SIDE
    blocks = pictures[order].reshape(-1, SIDE, step, SIDE, step).mean((2, 4))
    places, half = np.arange(len(order)), min(TRAINING, len(order) // 2) if most else TRAINING
    return Faces(np.rint(blocks).astype(np.uint8), smiling[order], places[:half], places[half:])


def _codes(faces: Faces, seed: int, options: dict) -> np.ndarray:
    """Codes averaged with those of the mirror image, `[N, D]`."""
    mirrored = faces.pictures[:, :, ::-1].copy()
    shown = np.concatenate([faces.pictures[faces.training], mirrored[faces.training]])
    space = zs.fit(shown, seed=seed, **options)
    return (np.asarray(space.encode(faces.pictures)) + np.asarray(space.encode(mirrored))) / 2


def _pixels(faces: Faces) -> np.ndarray:
    x = faces.pictures / 255.0
    return ((x + x[:, :, ::-1]) / 2).reshape(len(x), -1).astype(np.float32)


def _scores(codes: np.ndarray, faces: Faces, seed: int) -> dict[str, float]:
    axes, spread = _principal(codes, faces.training)
    generator = np.random.default_rng(seed)
    draws = [_draw(faces, generator) for _ in range(DRAWS)]
    found = [_auroc(_direction(axes, spread, faces, known), axes, faces) for known in draws]
    independent = _independent(axes[:, :AXES], faces, seed)
    return {
        "unsupervised_unit_auroc": _best_unit(np.hstack([codes, axes, independent]), faces),
        "own_unit_auroc": _best_unit(codes, faces),
        "principal_unit_auroc": _best_unit(axes, faces),
        "independent_unit_auroc": _best_unit(independent, faces),
        "direction_50_labels_auroc": float(np.mean(found)),
        "direction_all_labels_auroc": _auroc(_logistic(axes, faces, faces.training), axes, faces),
    }


def _independent(units: np.ndarray, faces: Faces, seed: int) -> np.ndarray:
    found = FastICA(units.shape[1], max_iter=2000, tol=1e-3, random_state=seed)
    return found.fit(units[faces.training]).transform(units)


def _principal(codes: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes along the principal axes of the training ones, in standard deviations, and these."""
    centred = codes - codes[training].mean(0)
    axes = np.linalg.svd(centred[training], full_matrices=False)[2][:MOST_AXES]
    turned = centred @ axes.T
    spread = turned[training].std(0)
    return turned / spread, spread


def _best_unit(units: np.ndarray, faces: Faces) -> float:
    smiling = faces.smiling[faces.training]
    scores = [roc_auc_score(smiling, unit) - 0.5 for unit in units[faces.training].T]
    best = int(np.argmax(np.abs(scores)))
    judged = units[faces.judging, best] * np.sign(scores[best])
    return float(roc_auc_score(faces.smiling[faces.judging], judged))


def _draw(faces: Faces, generator: np.random.Generator) -> np.ndarray:
    classes = [faces.training[faces.smiling[faces.training] == smiles] for smiles in (0, 1)]
    return np.concatenate([generator.choice(each, LABELS // 2, replace=False) for each in classes])


def _auroc(direction: np.ndarray, units: np.ndarray, faces: Faces) -> float:
    judged = units[faces.judging] @ direction
    return float(roc_auc_score(faces.smiling[faces.judging], judged))


def _logistic(units: np.ndarray, faces: Faces, known: np.ndarray) -> np.ndarray:
    found = LogisticRegression(max_iter=2000).fit(units[known], faces.smiling[known])
    return found.coef_[0]


def _direction(units: np.ndarray, spread: np.ndarray, faces: Faces, known: np.ndarray):
    """A direction from few labels; large axes are trusted more, and unlabelled faces help.

    From the logistic one, EM for two Gaussians of one covariance over all training faces, whose
    labels are given where known (Nigam et al. 2000); in units of variance 1 the covariance within
    is known from the means.
    """
    trust = (spread / spread[0]) ** TRUST
    direction = _logistic(units * trust, faces, known) * trust
    rest = np.setdiff1d(faces.training, known)
    labels, share = faces.smiling[known].astype(float), 0.5
    x, weights = units[np.r_[known, rest]], np.r_[np.full(len(known), WEIGHT), np.ones(len(rest))]
    scores = x @ direction / (x @ direction).std()
    ends = [scores[: len(known)][labels == smiles].mean() for smiles in (0, 1)]
    within = max(1 - share * (1 - share) * (ends[1] - ends[0]) ** 2, 0.3)
    odds = (ends[1] - ends[0]) / within * (scores[len(known) :] - sum(ends) / 2)
    for _ in range(EM_STEPS):
        chance = np.r_[labels, 1 / (1 + np.exp(-odds))]
        share = chance[len(known) :].mean()
        smiling = np.average(x, axis=0, weights=weights * chance)
        sober = np.average(x, axis=0, weights=weights * (1 - chance))
        direction = smiling - sober
        between = min(share * (1 - share) * direction @ direction, 0.9)
        slope = direction / (1 - between)
        middle = (smiling + sober) / 2
        odds = (x[len(known) :] - middle) @ slope + np.log(share / (1 - share))
    return direction
