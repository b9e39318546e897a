"""Classes from a few labels: MNIST with 100, chest X-rays with 20, 50 and 100; 5 draws of labels.

Every draw is a part of its own, `mnist:0` to `mnist:4` and `pneumonia:1` to `pneumonia:5`, that can
run anywhere; each gives its numbers beside those of the same pipeline without the VAE and those of
floors without a network. `merge` makes the figures of the kept lines of all draws.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

import zscape as zs
from benchmarks.data import file_of
from benchmarks.figures import Figure, NotRunError, Part, Settings, machine, read
from zscape.measures.prediction import Predictor, fit_predictor, predict
from zscape.measures.prediction.propagation import nearest_graph, poisson_learning
from zscape.measures.prediction.student import student, train_student
from zscape.measures.prediction.views import seen

DRAWS = {"mnist": range(5), "pneumonia": range(1, 6)}  # the test part saw a trial of draw 0
LABELS = 100
FEW = (20, 50, 100)
VAE = {"recipe": "shift_vae", "latent": 32, "network": "conv:16", "learning_rate": 2e-3}
EPOCHS = {"mnist": 6, "pneumonia": 40}
ERROR, AUROC = "error_percent", "auroc"


def digits(draw: int) -> Part:
    """The part of one draw of 100 labels of MNIST."""

    def part(settings: Settings) -> Iterator[Figure]:
        x, y, test, wanted = _mnist(settings.quick)
        places = draw_labels(y, LABELS, seed=draw)
        labels = _known(y, places)
        began = time.process_time()
        space = _trained(x, labels, "mnist", draw, settings)
        whole = fit_predictor(space, seed=draw)
        error = _error(whole, test, wanted)
        spent = time.process_time() - began
        words = _protocol("MNIST, 60,000 pictures", LABELS, draw, spent)
        notes = "; ".join(whole.notes)
        yield _figure(f"mnist:{draw} {ERROR}", error, "%", f"{words} {notes}")
        calibration = _calibration(whole, test, wanted)
        yield _figure(f"mnist:{draw} calibration_error", calibration, "share", words)
        yield _figure(f"mnist:{draw} cpu_seconds", spent, "s", words)
        bare = fit_predictor(space, codes=False, seed=draw)
        yield _figure(
            f"mnist:{draw} without_vae_{ERROR}",
            _error(bare, test, wanted),
            "%",
            f"{words} The same without the codes, in which labels spread too.",
        )
        for name, error in _digit_floors(x, test, y, wanted, places).items():
            yield _figure(f"mnist:{draw} floor_{name}_{ERROR}", error, "%", words)

    return part


def x_rays(draw: int) -> Part:
    """The part of one draw of 20, 50 and 100 labels of the chest X-rays."""

    def part(settings: Settings) -> Iterator[Figure]:
        x, y, test, wanted = _pneumonia(settings.quick)
        space = _trained(x, None, "pneumonia", draw, settings)
        for count in FEW[1:2] if settings.quick else FEW:
            places = draw_labels(y, count, seed=draw)
            labels = _known(y, places)
            words = _protocol("PneumoniaMNIST (balanced cut), 2,428 pictures", count, draw)
            whole = fit_predictor(space, labels, seed=draw)
            scores = {"": predict(whole, test).probabilities[:, 1]}
            bare = fit_predictor(space, labels, codes=False, seed=draw)
            scores["without_vae_"] = predict(bare, test).probabilities[:, 1]
            alone = _labels_alone(space, x, y, places, draw)
            scores["augmented_"] = predict(alone, test).probabilities[:, 1]
            turned = gradients(np.concatenate([x, test]) / 255)
            scores["floor_hog_"] = regression(turned[: len(x)], turned[len(x) :], y, places)
            flat = np.concatenate([x, test]).reshape(-1, 784) / 255
            scores["floor_pixels_"] = regression(flat[: len(x)], flat[len(x) :], y, places)
            for name, score in scores.items():
                value = area(score, wanted)
                yield _figure(f"pneumonia:{draw} {count} {name}{AUROC}", value, "-", words)

    return part


def merge(settings: Settings) -> Iterator[Figure]:
    """The figures, from the kept lines of all draws."""
    kept = {line["figure"]: line for line in read("semisup")}

    def over(form: str) -> np.ndarray:
        names = [form.format(draw) for draw in DRAWS[form.partition(":")[0]]]
        missing = [name for name in names if kept.get(name, {}).get("value") is None]
        if missing:
            raise NotRunError(f"all draws must have been run, got none of {missing[0]!r}")
        return np.array([kept[name]["value"] for name in names])

    error, bare = over(f"mnist:{{}} {ERROR}"), over(f"mnist:{{}} without_vae_{ERROR}")
    words = (
        "5 draws of 10 labels a class, mean and standard error over draws; "
        + kept[f"mnist:0 {ERROR}"]["protocol"]
    )
    yield _mean("mnist_100_error_percent", error, "%", words)
    yield _mean("mnist_100_vae_increment_points", bare - error, "points", f"paired; {words}")
    yield _mean("mnist_100_cpu_seconds", over("mnist:{} cpu_seconds"), "s", words)
    yield _mean("mnist_100_calibration_error", over("mnist:{} calibration_error"), "share", words)
    for name in ("hog_graph", "nearest_neighbour", "logistic"):
        values = over(f"mnist:{{}} floor_{name}_{ERROR}")
        yield _mean(f"mnist_100_floor_{name}_error_percent", values, "%", words)
    for count in FEW:
        words = kept[f"pneumonia:1 {count} {AUROC}"]["protocol"]
        found = over(f"pneumonia:{{}} {count} {AUROC}")
        yield _mean(f"pneumonia_{count}_auroc", found, "-", words)
        for name in ("augmented", "without_vae", "floor_hog", "floor_pixels"):
            other = over(f"pneumonia:{{}} {count} {name}_{AUROC}")
            yield _mean(f"pneumonia_{count}_{name}_auroc", other, "-", words)
            gain = 100 * (found - other)
            yield _mean(f"pneumonia_{count}_gain_over_{name}_points", gain, "points", words)


PARTS: dict[str, Part] = {
    **{f"mnist:{draw}": digits(draw) for draw in DRAWS["mnist"]},
    **{f"pneumonia:{draw}": x_rays(draw) for draw in DRAWS["pneumonia"]},
    "merge": merge,
}


def draw_labels(y: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Places of labels, as many of each class, in random order."""
    rng, classes = np.random.default_rng(seed), np.unique(y)
    members = [np.flatnonzero(y == k) for k in classes]
    return np.concatenate([rng.choice(m, count // len(classes), replace=False) for m in members])


def gradients(x: np.ndarray, *, cell: int = 4, bins: int = 8) -> np.ndarray:
    """Histograms of oriented gradients of pictures `[N, 28, 28]` in [0, 1], `[N, F]`.

    Source: Dalal and Triggs 2005, doi:10.1109/CVPR.2005.177; signed directions, 2x2 blocks.
    """
    edge = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.float32)
    across = edge[:, 1:-1, 2:] - edge[:, 1:-1, :-2]
    along = edge[:, 2:, 1:-1] - edge[:, :-2, 1:-1]
    turned = np.arctan2(along, across) % (2 * np.pi) * bins / (2 * np.pi)
    size, low = np.hypot(across, along), np.floor(turned)
    count, side = len(x), x.shape[1] // cell
    cells = np.zeros((count, side, side, bins), np.float32)
    for k in range(bins):
        share = (low % bins == k) * (1 - turned + low) + ((low + 1) % bins == k) * (turned - low)
        cells[..., k] = (size * share).reshape(count, side, cell, side, cell).mean((2, 4))
    corners = [cells[:, i : i + side - 1, j : j + side - 1] for i in (0, 1) for j in (0, 1)]
    blocks = np.concatenate(corners, -1)
    for limit in (0.2, 1.0):
        blocks = blocks / (np.linalg.norm(blocks, axis=-1, keepdims=True) + 1e-2)
        blocks = np.minimum(blocks, limit)
    return blocks.reshape(count, -1)


def upright(x: np.ndarray) -> np.ndarray:
    """Digits `[N, 28, 28]` in [0, 1] centred and deskewed by their moments."""
    from scipy.ndimage import affine_transform

    made = np.empty_like(x)
    rows, columns = np.mgrid[: x.shape[1], : x.shape[2]]
    for n, ink in enumerate(x):
        mass = ink.sum()
        centre = np.array([(ink * rows).sum(), (ink * columns).sum()]) / mass
        down, right = rows - centre[0], columns - centre[1]
        slant = (ink * down * right).sum() / (ink * down * down).sum()
        by = np.array([[1, 0], [slant, 1]])
        made[n] = affine_transform(ink, by, centre - by @ np.array([13.5, 13.5]), order=1)
    return made


def regression(x: np.ndarray, test: np.ndarray, y: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The probability of the second class of two by logistic regression on labelled things."""
    from sklearn.linear_model import LogisticRegression

    mean = x.mean(0)
    length = np.linalg.norm(x - mean, axis=1).mean()
    # Of strengths from 0.1 to 1000 this one was best on held-out training pictures.
    line = LogisticRegression(C=10.0, max_iter=2000).fit((x[places] - mean) / length, y[places])
    return line.predict_proba((test - mean) / length)[:, 1]


def area(scores: np.ndarray, wanted: np.ndarray) -> float:
    """The area under the curve of true against false positives."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(wanted, scores))


def _digit_floors(
    x: np.ndarray, test: np.ndarray, y: np.ndarray, wanted: np.ndarray, places: np.ndarray
) -> dict[str, float]:
    """Error in % without any network: a graph by gradients, the test part among its things, and
    the nearest neighbour and logistic regression on 50 components."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    both = np.concatenate([x, test]) / np.float32(255)
    turned = PCA(64, random_state=0).fit_transform(gradients(upright(both)))
    graph = nearest_graph(torch.from_numpy(turned).float())
    spread = poisson_learning(graph, places, y[places], 10).argmax(1)[len(x) :]
    flat = PCA(50, random_state=0).fit_transform(both.reshape(len(both), -1))
    told, asked = flat[places], flat[len(x) :]
    guesses = {
        "hog_graph": spread,
        "nearest_neighbour": KNeighborsClassifier(1).fit(told, y[places]).predict(asked),
        "logistic": LogisticRegression(max_iter=2000).fit(told, y[places]).predict(asked),
    }
    return {name: 100 * float((guess != wanted).mean()) for name, guess in guesses.items()}


def _labels_alone(
    space: zs.Space, x: np.ndarray, y: np.ndarray, places: np.ndarray, seed: int
) -> Predictor:
    """The same network under the same moves and lights, trained on the labels alone."""
    shown = seen(space, space.modality.encode(x[places]))
    torch.manual_seed(seed)
    network = student(tuple(shown.shape[1:]), 2)
    train_student(network, shown, torch.from_numpy(y[places]), seed=seed, shaded=True)
    return Predictor(space, ("0", "1"), network, 1.0)


def _trained(
    x: np.ndarray, labels: list[int | None] | None, name: str, seed: int, settings: Settings
) -> zs.Space:
    epochs = 1 if settings.quick else EPOCHS[name]
    return zs.fit(x, labels=labels, epochs=epochs, seed=seed, patience=0, validation=0.05, **VAE)


def _mnist(quick: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    stored = np.load(file_of("mnist.npz"))
    x, y = stored["train_images"], stored["train_labels"].astype(np.int64)
    if quick:  # whatever is tried out looks at training digits alone
        return x[:3000], y[:3000], x[-500:], y[-500:]
    return x, y, stored["test_images"], stored["test_labels"].astype(np.int64)


def _pneumonia(quick: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    stored, judges = np.load(file_of("pneumoniamnist.npz")), "val" if quick else "test"
    y, wanted = (stored[f"{part}_labels"].ravel().astype(np.int64) for part in ("train", judges))
    return stored["train_images"], y, stored[f"{judges}_images"], wanted


def _known(y: np.ndarray, places: np.ndarray) -> list[int | None]:
    told = set(places.tolist())
    return [int(k) if n in told else None for n, k in enumerate(y)]


def _error(predictor: Predictor, test: np.ndarray, wanted: np.ndarray) -> float:
    guess = predict(predictor, test).probabilities.argmax(1)
    return 100 * float((guess != wanted).mean())


def _calibration(predictor: Predictor, test: np.ndarray, wanted: np.ndarray) -> float | None:
    from zscape.measures.prediction.calibration import calibration_error

    shares: Tensor = torch.from_numpy(predict(predictor, test).probabilities)
    return calibration_error(shares, torch.from_numpy(wanted)).value


def _protocol(data: str, count: int, draw: int, seconds: float = 0.0) -> str:
    spent = f", {seconds:.0f} CPU-s for VAE and predictor" if seconds else ""
    return (
        f"{data} of the training part, {count} labels, as many of each class, draw {draw}; "
        f"{VAE}; judged on the whole test part, which chose nothing{spent}; {machine()}."
    )


def _figure(name: str, value: float | None, unit: str, protocol: str) -> Figure:
    return Figure(name, value, unit, "measured", protocol)


def _mean(name: str, values: np.ndarray, unit: str, protocol: str) -> Figure:
    error = float(values.std(ddof=1) / len(values) ** 0.5)
    each = ", ".join(f"{value:.4g}" for value in values)
    return Figure(
        name, float(values.mean()), unit, "measured", f"each draw: {each}; {protocol}", error
    )
