"""Anomalies in tables: the 24 sets of ADBench that the data folder holds, beside floors.

Half of the normals train, the rest and all anomalies test, standardised by the training part.
Every seed is a part of its own (`seed:0` to `seed:4`, 3 CPU minutes each), as is PyOD's VAE
(`pyod:0`); `merge` makes the figures of the kept lines. Settings are those that were known before
the first run; nothing is chosen on anomalies.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

import zscape as zs
from benchmarks.data import anomaly_tables
from benchmarks.figures import Figure, NotRunError, Part, Settings, machine, read
from benchmarks.likelihood import standard_error
from benchmarks.peers import ask

SEEDS, FEWEST_SEEDS = range(5), 2
FOLDS = 4
STEPS, LARGEST_BATCH, SMALLEST_BATCH = 500, 128, 16
EXPLAINED, FEWEST_UNITS, MOST_UNITS = 0.9, 2, 16  # the size of the code is a rank of PCA
OPTIONS = {
    "network": "skip:64,64",
    "likelihood": "gaussian_learned",
    "learning_rate": 3e-3,
    "patience": 0,
    "validation": 1 / FOLDS,
}
PARTS_SCORED = ("neighbours", "taxicab_neighbours", "code_neighbours")
OURS, NEAREST = "auroc", "2nn"
PART_OF = "One seed of what `mean_auroc` and the figures beside it are made of."
QUICK = ("14_glass", "15_Hepatitis")
MOST_OF_PYOD = 10_000  # rows that train PyOD's VAE, which makes 30 passes in batches of 32

Split = tuple[np.ndarray, np.ndarray, np.ndarray]  # training rows, test rows, which are anomalies


def of_seed(seed: int) -> Part:
    """The part of one seed: all sets, ours and the floors."""

    def part(settings: Settings) -> Iterator[Figure]:
        found: dict[str, list[float]] = {}
        began = time.process_time()
        for name, (train, test, strange) in splits(seed, quick=settings.quick):
            scores = our_scores(train, test, seed=seed)
            whole = scores.surprise.numpy()
            ours, near = area(whole, strange), area(distances(train, test, 2), strange)
            yield _figure(f"seed:{seed} {name} {OURS}", ours, PART_OF)
            yield _figure(f"seed:{seed} {name} {NEAREST}", near, PART_OF)
            found.setdefault(OURS, []).append(ours)
            for word in PARTS_SCORED:
                alone = area(scores[word].values.numpy(), strange)
                found.setdefault(word, []).append(alone)
        spent = time.process_time() - began
        for _, (train, test, strange) in splits(seed, quick=settings.quick):
            for word, floor in FLOORS.items():
                value = area(floor(train, test), strange)
                found.setdefault(f"floor_{word}", []).append(value)
        for word, values in found.items():
            name = "mean" if word == OURS else word
            yield _figure(f"seed:{seed} {name} over sets", float(np.mean(values)), PART_OF)
        yield Figure(f"seed:{seed} cpu_seconds", spent, "s", "measured", _protocol(seed))

    return part


def pyod(seed: int) -> Part:
    """The part of PyOD's VAE by its own defaults, on the splits of one seed."""

    def part(settings: Settings) -> Iterator[Figure]:
        found = []
        for _, (train, test, strange) in splits(seed, quick=settings.quick):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "rows.npz"
                np.savez(path, train=train[:MOST_OF_PYOD], test=test)
                scores = ask("pyod", {"rows": str(path), "seed": seed}, task="score")["scores"]
            found.append(area(np.array(scores), strange))
        words = f"PyOD's VAE by its defaults, {MOST_OF_PYOD:,} training rows at most; "
        name = f"floor_pyod_vae_seed_{seed}_mean_auroc"
        yield _figure(name, float(np.mean(found)), words + _protocol(seed))

    return part


def merge(settings: Settings) -> Iterator[Figure]:
    """The figures, from the kept lines of the seeds that were run; the protocol says which."""
    kept = {line["figure"]: line["value"] for line in read("tables")}
    names = [name.split()[1] for name in kept if name.startswith("seed:0 ") and OURS in name]
    seeds = [seed for seed in SEEDS if f"seed:{seed} cpu_seconds" in kept]
    if len(seeds) < FEWEST_SEEDS:
        raise NotRunError(f"at least {FEWEST_SEEDS} seeds must have been run, got {len(seeds)}")

    def all_of(word: str) -> np.ndarray:
        return np.array([[kept[f"seed:{s} {name} {word}"] for name in names] for s in seeds])

    ours, near = all_of(OURS), all_of(NEAREST)
    gains = ours - near
    words = f"mean over {len(names)} sets and seeds {seeds}, error over seeds; {_protocol()}"
    yield _over("mean_auroc", ours.mean(1), words)
    yield _over("mean_auroc_minus_2nn", gains.mean(1), f"paired; {words}")
    worst = int(gains.mean(0).argmin())
    yield _over("worst_set_minus_2nn", gains[:, worst], f"{names[worst]}; {words}")
    wilt = [n for n, name in enumerate(names) if "Wilt" in name]
    others = np.delete(gains, wilt, axis=1).mean(1)
    yield _over("mean_auroc_minus_2nn_without_wilt", others, f"paired; {words}")
    for word in (*PARTS_SCORED, *(f"floor_{word}" for word in FLOORS)):
        values = np.array([kept[f"seed:{seed} {word} over sets"] for seed in seeds])
        yield _over(f"{word}_mean_auroc", values, words)
    seconds = np.array([kept[f"seed:{seed} cpu_seconds"] for seed in seeds])
    yield Figure("cpu_seconds_a_seed", float(seconds.mean()), "s", "measured", words)
    for n, name in enumerate(names):
        yield _over(f"{name}_minus_2nn", gains[:, n], f"2-NN {near[:, n].mean():.4f}; {words}")


def splits(seed: int, *, quick: bool) -> Iterator[tuple[str, Split]]:
    """Every set, standardised by its training part."""
    for name, x, strange in anomaly_tables():
        if quick and name not in QUICK:
            continue
        normals = np.random.default_rng(seed).permutation(np.flatnonzero(~strange))
        half = len(normals) // 2
        rest = np.concatenate([normals[half:], np.flatnonzero(strange)])
        mean, scale = x[normals[:half]].mean(0), x[normals[:half]].std(0)
        scale = np.where(scale > 1e-12 * np.maximum(np.abs(mean), 1), scale, 1.0)
        rows = ((x - mean) / scale).astype(np.float32)
        yield name, (rows[normals[:half]], rows[rest], strange[rest])


def our_scores(train: np.ndarray, test: np.ndarray, *, seed: int) -> zs.Scores:
    """Scores by four small VAEs, each of which held another quarter of the training rows out."""
    spectrum = np.linalg.eigvalsh(np.cov(train.T))[::-1].clip(0)
    rank = int(np.searchsorted(spectrum.cumsum() / spectrum.sum(), EXPLAINED)) + 1
    latent = min(max(rank, FEWEST_UNITS), MOST_UNITS)
    count = len(train) * (FOLDS - 1) // FOLDS
    batch = min(LARGEST_BATCH, max(count // 5, SMALLEST_BATCH))
    plan = {"latent": latent, "batch_size": batch, "epochs": max(round(STEPS * batch / count), 1)}
    spaces = [zs.fit(train, seed=seed, fold=k, **plan, **OPTIONS) for k in range(FOLDS)]
    return zs.score(spaces, test, parts=PARTS_SCORED)


def area(scores: np.ndarray, strange: np.ndarray) -> float:
    """The area under the curve of hits over false alarms."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(strange, scores))


def distances(train: np.ndarray, test: np.ndarray, k: int) -> np.ndarray:
    """The mean distance to the k nearest training rows, clipped at ten standard deviations."""
    from sklearn.neighbors import NearestNeighbors

    low, high = train.clip(-10, 10), test.clip(-10, 10)
    return NearestNeighbors(n_neighbors=k).fit(low).kneighbors(high)[0].mean(1)


def residuals(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """What principal components that explain 90 % leave, squared."""
    values, axes = np.linalg.eigh(np.cov(train.T))
    share = values[::-1].clip(0).cumsum() / values.clip(0).sum()
    kept = axes[:, ::-1][:, : int(np.searchsorted(share, EXPLAINED)) + 1]
    centred = test - train.mean(0)
    return np.square(centred - centred @ kept @ kept.T).sum(1)


def forest(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """An isolation forest by scikit-learn's defaults."""
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(random_state=0).fit(train).score_samples(test)


def tails(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """ECOD: -log of the empirical tails of each column, added up; the largest of three sums.

    Source: Li et al. 2022, section 3, arXiv:2201.00382.
    """
    ordered, count = np.sort(train, axis=0), len(train)
    left, right = np.empty_like(test, dtype=float), np.empty_like(test, dtype=float)
    for d in range(train.shape[1]):
        below = np.searchsorted(ordered[:, d], test[:, d], side="right")
        above = count - np.searchsorted(ordered[:, d], test[:, d], side="left")
        left[:, d], right[:, d] = (-np.log((1 + n) / (1 + count)) for n in (below, above))
    centred = train - train.mean(0)
    skewed = np.where(np.power(centred, 3).mean(0) < 0, left, right)
    return np.max([side.sum(1) for side in (left, right, skewed)], axis=0)


FLOORS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "2nn": lambda train, test: distances(train, test, 2),
    "5nn": lambda train, test: distances(train, test, 5),
    "pca_residual": residuals,
    "isolation_forest": forest,
    "ecod": tails,
}


def _figure(name: str, value: float, protocol: str) -> Figure:
    return Figure(name, value, "-", "measured", protocol)


def _over(name: str, values: np.ndarray, protocol: str) -> Figure:
    error = standard_error(torch.from_numpy(values))
    return Figure(name, float(values.mean()), "-", "measured", protocol, error)


def _protocol(seed: int | None = None) -> str:
    own = "" if seed is None else f"seed {seed}; "
    return (
        f"{own}half of the normals train, the rest and all anomalies test; {FOLDS} folds of vae "
        f"{OPTIONS}, {STEPS} steps, latent the PCA rank at {EXPLAINED:.0%} ({FEWEST_UNITS} to "
        f"{MOST_UNITS}), zs.score of {', '.join(PARTS_SCORED)}; {machine()}"
    )


PARTS: dict[str, Part] = {
    **{f"seed:{seed}": of_seed(seed) for seed in SEEDS},
    **{f"pyod:{seed}": pyod(seed) for seed in SEEDS},
    "merge": merge,
}
