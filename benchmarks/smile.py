"""SMILEs faces: is the smile one unit found without labels, a direction found from 50 labels?

A VAE is trained without labels on 10,165 faces of 13,165 and their mirror images. The code of a
face is averaged with that of its mirror image, which takes the pose out, and turned to the
principal axes of such codes; a unit is one of the first eight of them. All is judged on the 3,000
other faces. The same is done with pixels: what does not beat that is no merit of the model.
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

SIDE, TRAINING, AXES, LABELS, DRAWS = 32, 10_165, 8, 50, 20
FEW, ALL = 1.0, 1.0  # inverse strength of the logistic regression's penalty
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
        f"averaged with the mirror image's, turned to their {AXES} principal axes; best unit "
        f"chosen by the training labels; directions by logistic regression, {DRAWS} draws of "
        f"{LABELS} labels, half of each class; settings chosen on a split of another seed; error "
        f"over seeds; {machine()}"
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
    axes = _principal(codes, faces.training)
    few = axes[:, :AXES]
    generator = np.random.default_rng(seed)
    found = [_direction(few, faces, _draw(faces, generator), FEW) for _ in range(DRAWS)]
    independent = FastICA(AXES, max_iter=1000, tol=1e-3, random_state=seed).fit(few[faces.training])
    return {
        "unsupervised_unit_auroc": _best_unit(few, faces),
        "unsupervised_ica_unit_auroc": _best_unit(independent.transform(few), faces),
        "direction_50_labels_auroc": float(np.mean(found)),
        "direction_all_labels_auroc": _direction(axes[:, :200], faces, faces.training, ALL),
    }


def _principal(codes: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Codes along the principal axes of the training ones, in standard deviations."""
    centred = codes - codes[training].mean(0)
    axes = np.linalg.svd(centred[training], full_matrices=False)[2]
    turned = centred @ axes.T
    spread = turned[training].std(0)
    return (turned / spread.clip(1e-9))[:, spread > 1e-6 * spread[0]]


def _best_unit(units: np.ndarray, faces: Faces) -> float:
    smiling = faces.smiling[faces.training]
    scores = [roc_auc_score(smiling, unit) - 0.5 for unit in units[faces.training].T]
    best = int(np.argmax(np.abs(scores)))
    judged = units[faces.judging, best] * np.sign(scores[best])
    return float(roc_auc_score(faces.smiling[faces.judging], judged))


def _draw(faces: Faces, generator: np.random.Generator) -> np.ndarray:
    classes = [faces.training[faces.smiling[faces.training] == smiles] for smiles in (0, 1)]
    return np.concatenate([generator.choice(each, LABELS // 2, replace=False) for each in classes])


def _direction(units: np.ndarray, faces: Faces, known: np.ndarray, strength: float) -> float:
    found = LogisticRegression(C=strength, max_iter=2000).fit(units[known], faces.smiling[known])
    judged = units[faces.judging] @ found.coef_[0]
    return float(roc_auc_score(faces.smiling[faces.judging], judged))
