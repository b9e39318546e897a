"""Disentanglement on rendered dSprites: do single units follow single factors?

`ica_vae` from five seeds with fixed settings, trained on random rendered pictures and judged by
posterior means of others, and of the published pictures halved to 32x32. Settings were chosen on
seeds from 100 on, with one exception that the README names. The decoder builds place in
(networks/coordinate.py), which other figures for dSprites do not. The error is over seeds.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch

import zscape as zs
from benchmarks.data import sprites_grid
from benchmarks.figures import Figure, NotRunError, Part, Settings, machine
from benchmarks.likelihood import standard_error
from zscape.measures.disentanglement import dci, factor_vae_score, infomec, mig, sap, udr
from zscape.space.units import unit_rates
from zscape.worlds.sprites import sprites

GRID = 737_280  # pictures of the world
JUDGED = 10_000  # points of every measure, with 20 bins and 10,000 / 5,000 votes
GROUPS = 100_000  # pictures that the groups of the votes are drawn from
TEST_SEED = 10_000
SEEDS = 5
EXAMPLES = 64_000
TRAINING = {"epochs": 3, "batch_size": 32, "learning_rate": 2e-3, "patience": 0, "validation": 0.0}
OPTIONS = {"latent": 6, "beta": 0.3, "final_beta": 1.0, "steps": 3000}
PLAIN = {"latent": 6, "beta": 1.0, "network": "coordinate"}

Scores = Mapping[str, float]


def seeds(settings: Settings) -> Iterator[Figure]:
    """Five seeds of `ica_vae`: means, the run that UDR picks, and the published pictures."""
    numbers = range(settings.seed, settings.seed + (2 if settings.quick else SEEDS))
    training = TRAINING | ({"epochs": 1} if settings.quick else {})
    options = OPTIONS | ({"steps": 50} if settings.quick else {})
    spaces, seconds = [], []
    for seed in numbers:
        start = time.process_time()
        spaces.append(_trained("ica_vae", seed, settings, training | options))
        seconds.append(time.process_time() - start)
    protocol = _protocol(f"ica_vae {options}, {training}", settings, list(numbers))
    yield Figure("cpu_seconds_a_seed", float(np.mean(seconds)), "s", "measured", protocol)
    yield from _judged_seeds(spaces, protocol, settings)


def plain(settings: Settings) -> Iterator[Figure]:
    """A plain VAE with the same decoder and as many steps, from one seed."""
    training = TRAINING | ({"epochs": 1} if settings.quick else {})
    space = _trained("vae", settings.seed, settings, training | PLAIN)
    protocol = _protocol(f"vae {PLAIN}, {training}", settings, [settings.seed])
    yield from _figures("plain_vae_", [_judged(*_rendered(space, settings))], protocol)


def floors(settings: Settings) -> Iterator[Figure]:
    """Codes without a network: principal components, the true factors, and those rotated."""
    world = _world(_groups(settings))
    pixels = world.pictures.reshape(len(world.pictures), -1) / np.float32(255)
    centred = pixels - pixels.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, -10:]
    truth = (world.values - world.values.mean(0)) / world.values.std(0)
    turn = np.linalg.qr(np.random.default_rng(settings.seed).normal(size=(5, 5)))[0]
    for name, words, codes in (
        ("floor_pca_", "the first 10 principal components of the pixels", centred @ axes),
        ("floor_rotated_truth_", "the five true factors under a random rotation", truth @ turn),
        ("ceiling_truth_", "the five true factors themselves", truth),
    ):
        protocol = _protocol(words, settings, [settings.seed])
        yield from _figures(name, [_judged(codes, world.classes)], protocol)


def at_64(settings: Settings) -> Iterator[Figure]:
    """The same at 64x64, which takes too long on a processor."""
    if not torch.cuda.is_available():
        raise NotRunError("64x64 pictures must have a GPU, got none")
    numbers = range(settings.seed, settings.seed + SEEDS)
    training = TRAINING | OPTIONS
    with ProcessPoolExecutor(SEEDS, mp_context=get_context("spawn")) as pool:
        scores = list(pool.map(partial(_judged_at_64, settings, training), numbers))
    protocol = _protocol(
        f"ica_vae {training} on a {torch.cuda.get_device_name()}", settings, list(numbers), 64
    )
    yield from _figures("", scores, protocol, suffix="_mean_64")


def beside_64(settings: Settings) -> Iterator[Figure]:
    """Told by `at_64` where there is a GPU."""
    if not torch.cuda.is_available():
        raise NotRunError("64x64 pictures must have a GPU, got none")
    yield from ()


PARTS: dict[str, Part] = {
    "seeds": seeds,
    "floors": floors,
    "plain": plain,
    "mig_mean_64": at_64,
    "factor_vae_score_mean_64": beside_64,
}


def _judged_seeds(spaces: list[zs.Space], protocol: str, settings: Settings) -> Iterator[Figure]:
    codes = [_rendered(space, settings) for space in spaces]
    scores = [_judged(*pair) for pair in codes]
    yield from _figures("", scores, protocol, suffix="_mean")
    rates = [_rates(space) for space in spaces]
    ranked = udr([own[:JUDGED] for own, _ in codes], rates=rates)
    values = ", ".join(f"{score.value:.3f}" for score in ranked.scores)
    chosen = f"UDR (Lasso) a seed: {values}; index {ranked.best} is picked. {protocol}"
    yield Figure("udr_of_pick", ranked.scores[ranked.best].value, "-", "estimate", chosen)
    yield from _figures("", [scores[ranked.best]], chosen, suffix="_of_udr_pick")
    units = [float((rate > 0.01).sum()) for rate in rates]
    yield Figure("awake_units_mean", float(np.mean(units)), "units", "measured", protocol)
    pictures, classes = sprites_grid()
    halved = _halved(pictures)
    words = (
        "the same runs on the published dSprites (grid of 46,080, 64x64, means of 2x2 pixels cut "
        f"at a half), groups of rows that share a value. {protocol}"
    )
    real = [_judged(space.encode(halved).flat.numpy(), classes, shuffle=True) for space in spaces]
    yield from _figures("published_", real, words, suffix="_mean")


def _judged_at_64(settings: Settings, training: Mapping, seed: int) -> Scores:
    torch.set_num_threads(1)
    space = _trained("ica_vae", seed, settings, training, size=64)
    return _judged(*_rendered(space, settings, size=64))


def _trained(
    recipe: str, seed: int, settings: Settings, asked: Mapping, size: int = 32
) -> zs.Space:
    count = 6_400 if settings.quick else EXAMPLES
    rows = np.random.default_rng(seed).choice(GRID, count, replace=False)
    return zs.fit(_world(rows, size=size).pictures, recipe=recipe, seed=seed, **asked)


def _world(rows: np.ndarray, size: int = 32):
    return sprites(size, packed=False, indices=rows)


def _groups(settings: Settings) -> np.ndarray:
    count = JUDGED if settings.quick else GROUPS
    return np.random.default_rng(TEST_SEED + settings.seed).choice(GRID, count, replace=False)


def _rendered(space: zs.Space, settings: Settings, size: int = 32):
    world = _world(_groups(settings), size=size)
    return space.encode(world.pictures).flat.numpy(), world.classes


def _judged(codes: np.ndarray, classes: np.ndarray, *, shuffle: bool = False) -> Scores:
    """Votes by all rows, the rest by the first 10,000, which are random already or shuffled."""
    order = np.random.default_rng(0).permutation(len(codes)) if shuffle else np.arange(len(codes))
    few = order[:JUDGED]
    by_trees = dci(codes[few], classes[few])
    by_information = infomec(codes[few], classes[few])
    figures = {
        "mig": mig(codes[few], classes[few]),
        "factor_vae_score": factor_vae_score(codes, classes),
        "infom": by_information.infom,
        "infoe": by_information.infoe,
        "infoc": by_information.infoc,
        "dci_d": by_trees.disentanglement,
        "dci_c": by_trees.completeness,
        "dci_i": by_trees.informativeness,
        "sap": sap(codes[few], classes[few]),
    }
    return {name: figure.value or 0.0 for name, figure in figures.items()}


def _figures(
    before: str, scores: list[Scores], protocol: str, *, suffix: str = ""
) -> Iterator[Figure]:
    for name in scores[0]:
        values = torch.tensor([score[name] for score in scores], dtype=torch.float64)
        error = standard_error(values) if len(values) > 1 else None
        listed = f"a seed: {', '.join(f'{value:.3f}' for value in values)}; {protocol}"
        words = listed if len(values) > 1 else protocol
        yield Figure(f"{before}{name}{suffix}", values.mean().item(), "-", "estimate", words, error)


def _rates(space: zs.Space) -> np.ndarray:
    rates = unit_rates(space)
    assert rates is not None
    return rates.numpy()


def _halved(pictures: np.ndarray) -> np.ndarray:
    blocks = pictures.reshape(len(pictures), 32, 2, 32, 2).mean((2, 4))
    return np.where(blocks >= 0.5, np.uint8(255), np.uint8(0))


def _protocol(words: str, settings: Settings, numbers: list[int], size: int = 32) -> str:
    count = JUDGED if settings.quick else GROUPS
    return (
        f"{size}x{size} rendered sprites, {words}, {EXAMPLES:,} random training pictures, "
        f"seeds {numbers}; five factors (shape, scale, orientation in 40 classes, x, y); "
        f"{JUDGED:,} random pictures, posterior means, MIG with 20 bins, DCI by forests, "
        f"FactorVAE score by 10,000 "
        f"and 5,000 votes of groups of 64 out of {count:,} pictures; {machine()}"
    )
