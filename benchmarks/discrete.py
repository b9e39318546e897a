"""Discrete codes at equal bits: what comes back, what they cost, how much of a codebook is used.

MNIST (static binarized) and faces of 64x64 as grids of codes: VQ with and without its remedies,
two residual books, rounding (FSQ), and, without any network, k-means on principal components of
patches. Bits before and after a prior of tokens are exact, as nothing is drawn.
"""

import time
from collections.abc import Iterator
from functools import cache
from math import log
from typing import Any

import numpy as np
import torch
from torch import Tensor

import zscape as zs
from benchmarks.data import binarized_digits, digit_classes, faces
from benchmarks.figures import Figure, Part, Settings, machine
from zscape.measures.collapse import book_usage
from zscape.measures.features import choose_features
from zscape.measures.linear import components
from zscape.measures.samples.quality import sample_quality
from zscape.model.bound import distortion, sum_rates
from zscape.probability.quantisers import clustered, nearest
from zscape.space.refitting import refit_prior
from zscape.space.space import CHUNK, Space

CODES = 256  # of a place, in every model: 8 bits
KEPT = 16  # principal components of a patch
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "vq": ("vq_vae", {"latent": 4, "codes": CODES}),
    "vq_bare": ("vq_vae", {"latent": 4, "codes": CODES, "revive": False, "start_at": 0}),
    "rvq": ("rvq_vae", {"latent": 4, "codes": 16, "books": 2}),
    "fsq": ("fsq_vae", {"latent": 4, "levels": 4}),
}
# Training pictures, test pictures, places on a side, epochs, and options of the model.
DIGITS = (5_000, 2_000, 4, 10, {"network": "conv:16,32,64", "likelihood": "bernoulli"})
FACES = (3_000, 1_000, 8, 4, {"network": "conv:16,32,64", "likelihood": "gaussian_optimal"})
SETS = {"mnist": DIGITS, "celeba": FACES}
TRAINING = {"batch_size": 64, "patience": 0, "learning_rate": 2e-3, "ema": 0.99}
UPDATES = {"mnist": 400, "celeba": 100}
SAMPLES = 500


def trained(data: str, model: str) -> Part:
    """The part that trains a model on some data and says what its codes bring and cost."""

    def part(settings: Settings) -> Iterator[Figure]:
        start = time.process_time()
        train, test, labels, _ = pictures(data, settings.quick)
        epochs, options = SETS[data][3:]
        recipe, own = MODELS[model]
        asked = {**own, **options, **TRAINING, "epochs": 1 if settings.quick else epochs}
        space = zs.fit(train, recipe=recipe, labels=labels, seed=settings.seed, **asked)
        spent = time.process_time() - start
        x = space.modality.prepare(space.modality.encode(test))
        seed = settings.seed
        words = f"{recipe} {asked}, seed {seed}, {len(train):,} training pictures of {data}"
        protocol = f"{words}; {len(x):,} test pictures; {machine()}"
        name = f"{data}_{model}"
        yield from _reconstructed(name, space, x, protocol)
        for usage in book_usage(space.model, x)[:1]:
            for word, figure in (("perplexity", usage.perplexity), ("used", usage.used)):
                yield Figure(f"{name}_{word}", figure.value, figure.unit, "exact", protocol)
        yield Figure(f"{name}_seconds", spent, "CPU s", "measured", protocol)
        if model != "vq_bare" and (data == "mnist" or model == "vq"):
            yield from _with_tokens(name, space, x, protocol, settings)

    return part


def floor(data: str) -> Part:
    """The part without a network: every patch by the nearest of 256 clusters, at the same bits."""

    def part(settings: Settings) -> Iterator[Figure]:
        train, test, _, side = pictures(data, settings.quick)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            made = by_patches(_unit(train), _unit(test), side)
        protocol = (
            f"k-means of {CODES} centres on {KEPT} principal components of the {side}x{side} "
            f"patches of {len(train):,} training pictures of {data}, {len(test):,} test pictures; "
            f"{machine()}"
        )
        yield Figure(f"{data}_floor_psnr", *psnr(_unit(test), made), protocol)
        if data == "mnist":
            sure = made.clamp(0.005, 0.995)
            x = _unit(test)
            nats = -(x * sure.log() + (1 - x) * (1 - sure).log()).flatten(1).sum(1)
            yield Figure(f"{data}_floor_distortion", nats.mean().item(), "nats", "exact", protocol)
        bits = side * side * log(CODES, 2)
        yield Figure(f"{data}_floor_bits", bits, "bits per picture", "exact", protocol)

    return part


PARTS = {f"{d}_{m}": trained(d, m) for d in SETS for m in MODELS} | {
    f"{d}_floor": floor(d) for d in SETS
}


@cache
def pictures(data: str, quick: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, int]:
    """Training and test pictures uint8, classes of the first or None, and places on a side."""
    count, judged, side = SETS[data][:3]
    if quick:
        count, judged = 400, 100
    if data == "mnist":
        whole = binarized_digits()
        generator = np.random.default_rng(0)
        chosen = generator.permutation(len(whole["train"]))[:count]
        tested = generator.permutation(len(whole["test"]))[:judged]
        train, test = whole["train"][chosen], whole["test"][tested]
        shape = (-1, 28, 28)
        classes = digit_classes()["train"][chosen]
        return 255 * train.reshape(shape), 255 * test.reshape(shape), classes, side
    found, classes = faces(count + judged)
    return found[:count], found[count:], classes[:count], side


def by_patches(train: Tensor, test: Tensor, side: int) -> Tensor:
    """Test pictures `[N, C, H, W]` whose patches are the nearest of clusters of training patches.

    Args:
        train: pictures `[M, C, H, W]` in [0, 1].
        test: likewise.
        side: how many patches stand side by side.
    """
    size = train.shape[-1] // side
    seen, asked = _patches(train, size), _patches(test, size)
    linear = components(seen, min(KEPT, seen.shape[1]))
    codes = linear.encode(seen).float()
    centres = clustered(codes[torch.randperm(len(codes))[:50_000]], CODES)
    chosen = centres[nearest(linear.encode(asked).float(), centres)]
    made = linear.decode(chosen).float().clamp(0, 1)
    channels, height = test.shape[1:3]
    grid = made.reshape(len(test), side, side, channels, size, size)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(len(test), channels, height, height)


def psnr(x: Tensor, made: Tensor) -> tuple[float, str, str]:
    """-10 log10 of the squared error, of each picture and then the mean, with unit and kind."""
    errors = (x - made).square().flatten(1).mean(1)
    return (-10 * errors.log10()).mean().item(), "dB", "exact"


@torch.inference_mode()
def _reconstructed(name: str, space: Space, x: Tensor, protocol: str) -> Iterator[Figure]:
    spent, rates, made = [], [], []
    for part in x.split(CHUNK):
        trace = space.model.encode(part)
        spent.append(distortion(trace))
        rates.append(sum_rates(trace))
        made.append(trace.likelihood.mean)
    yield Figure(f"{name}_psnr", *psnr(x, torch.cat(made)), protocol)
    nats = torch.cat(spent).mean().item()
    unit = "nats" if name.startswith("mnist") else "nats of a density"
    yield Figure(f"{name}_distortion", nats, unit, "exact", protocol)
    bits = torch.cat(rates).mean().item() / log(2)
    yield Figure(f"{name}_bits", bits, "bits per picture", "exact", protocol)


def _with_tokens(
    name: str, space: Space, x: Tensor, protocol: str, settings: Settings
) -> Iterator[Figure]:
    start = time.process_time()
    updates = 20 if settings.quick else UPDATES[name.partition("_")[0]]
    better = refit_prior(space, "tokens", updates=updates, seed=settings.seed)
    spent = time.process_time() - start
    said = f"a prior of tokens, {updates} updates, best of held-out rate; {protocol}"
    with torch.inference_mode():
        rates = torch.cat([sum_rates(better.model.encode(part)) for part in x.split(CHUNK)])
    error = rates.std().item() / len(rates) ** 0.5 / log(2)
    bits = rates.mean().item() / log(2)
    yield Figure(f"{name}_tokens_bits", bits, "bits per picture", "exact", said, error)
    yield Figure(f"{name}_tokens_seconds", spent, "CPU s", "measured", said)
    features = choose_features(space, seed=settings.seed)
    judged = f"{SAMPLES} samples and held-out pictures at most, features {features.name}; {said}"
    drawn = {"uniform": space, "tokens": better}
    for word, drawer in drawn.items():
        quality = sample_quality(drawer, n=SAMPLES, seed=settings.seed, features=features)
        rows = {row.name: row.figures[0] for row in quality.rows}
        found = rows["samples"]
        yield Figure(f"{name}_{word}_frechet", found.value, found.unit, "estimate", judged)
    real = rows["real against real"]
    yield Figure(f"{name}_real_frechet", real.value, real.unit, "estimate", judged)


def _patches(x: Tensor, size: int) -> Tensor:
    """All patches `[N * side * side, C * size * size]`, in raster order."""
    grid = x.unfold(2, size, size).unfold(3, size, size)
    return grid.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).flatten(1)


def _unit(stored: np.ndarray) -> Tensor:
    """uint8 `[N, H, W]` or `[N, H, W, 3]` to `[N, C, H, W]` in [0, 1]."""
    x = torch.from_numpy(np.ascontiguousarray(stored)).float() / 255
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
