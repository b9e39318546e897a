"""One digit of MNIST is normal, the nine others are strange: each digit in turn, official parts.

Every digit is a part of its own (`digit:0` to `digit:9`, half a CPU minute each); `merge` makes the
figures of the kept lines. Settings were chosen within the training part: 600 to 1,000 of a digit's
pictures against 1,500 to 2,500 of the others, digits 2, 3, 4, 5, 8 and 9.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

import zscape as zs
from benchmarks.data import mnist
from benchmarks.figures import Figure, NotRunError, Part, Settings, machine, read
from benchmarks.likelihood import standard_error
from benchmarks.tables import area
from zscape.space.likeness import soft

OPTIONS = {
    "latent": 16,
    "network": "mlp:400",
    "learning_rate": 2e-3,
    "patience": 0,
    "validation": 0.1,
    "seed": 0,
}
EPOCHS = 20
SCORED = ("neighbours", "error")
WHOLE, ALONE, MOVED, FLOOR, PCA = "auroc", "error", "moved", "2nn", "pca"
PCA_AXES = 40


def of_digit(digit: int) -> Part:
    """The part in which one digit is normal."""

    def part(settings: Settings) -> Iterator[Figure]:
        (x, y), (test, found) = mnist("train"), mnist("test")
        normals, strange = x[y == digit], found != digit
        if settings.quick:
            normals, test, strange = normals[:400], test[:400], strange[:400]
        began = time.process_time()
        epochs = 1 if settings.quick else EPOCHS
        scores = zs.score(zs.fit(normals, epochs=epochs, **OPTIONS), test, parts=SCORED)
        spent = time.process_time() - began
        bank, asked = (torch.from_numpy(p[:, None]).float() / 255 for p in (normals, test))
        values = {
            WHOLE: scores.surprise,
            ALONE: scores["error"].values,
            MOVED: scores["neighbours"].values,
            FLOOR: _nearest(soft(bank), soft(asked)),
            PCA: _left(bank.flatten(1), asked.flatten(1)),
        }
        for word, value in values.items():
            name = f"digit:{digit} {word}"
            yield Figure(name, area(value.numpy(), strange), "-", "measured", "One digit of all.")
        yield Figure(f"digit:{digit} cpu_seconds", spent, "s", "measured", "One digit of all.")

    return part


def merge(settings: Settings) -> Iterator[Figure]:
    """The figures, from the kept lines of all digits."""
    kept = {line["figure"]: line["value"] for line in read("oneclass")}
    missing = [digit for digit in range(10) if f"digit:{digit} cpu_seconds" not in kept]
    if missing:
        raise NotRunError(f"all digits must have been run, got none of digit:{missing[0]}")
    words = (
        f"MNIST, each digit in turn the only normal, official parts; vae {OPTIONS}, {EPOCHS} "
        f"epochs; mean over the ten digits and its standard error over them; {machine()}"
    )
    told = {
        "mean_auroc": (WHOLE, "neighbours and half of the error; "),
        "vae_score_alone_mean_auroc": (ALONE, "the error of blurred pictures of unit length; "),
        "neighbours_moved_mean_auroc": (MOVED, "no model: nearest under moves by a pixel; "),
        "floor_2nn_mean_auroc": (FLOOR, "no model: 2-NN of blurred pictures of unit length; "),
        "floor_pca_residual_mean_auroc": (PCA, f"{PCA_AXES} principal components; "),
    }
    for name, (word, own) in told.items():
        values = torch.tensor([kept[f"digit:{digit} {word}"] for digit in range(10)])
        error = standard_error(values)
        yield Figure(name, float(values.double().mean()), "-", "measured", own + words, error)
    seconds = [kept[f"digit:{digit} cpu_seconds"] for digit in range(10)]
    yield Figure("cpu_seconds", float(np.sum(seconds)), "s", "measured", f"all ten; {words}")


def _nearest(bank: Tensor, asked: Tensor) -> Tensor:
    from sklearn.neighbors import NearestNeighbors

    tree = NearestNeighbors(n_neighbors=2).fit(bank.numpy())
    return torch.from_numpy(tree.kneighbors(asked.numpy())[0].mean(1))


def _left(bank: Tensor, asked: Tensor) -> Tensor:
    middle = bank.mean(0)
    axes = torch.linalg.eigh((bank - middle).T @ (bank - middle))[1][:, -PCA_AXES:]
    centred = asked - middle
    return (centred - centred @ axes @ axes.T).square().sum(1)


PARTS: dict[str, Part] = {
    **{f"digit:{digit}": of_digit(digit) for digit in range(10)},
    "merge": merge,
}
