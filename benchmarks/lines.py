"""ACAI's lines: do frames between two lines stay lines, and does the angle turn evenly?

Two figures a model, lower is better: the mean cosine distance of the frames of decoded linear
interpolations to the closest true line, and the unevenness of the angle. Published (Berthelot
et al. 2018, arXiv:1807.07543): autoencoder 6.88e-3 / 0.44, VAE 1.21e-3 / 0.49.
"""

from collections.abc import Iterator

import numpy as np
import torch

import zscape as zs
from benchmarks.figures import Figure, Part, Settings, machine
from benchmarks.likelihood import standard_error
from zscape.worlds.lines import draw_lines, line_scores, lines

STEPS, PAIRS, CHUNK = 16, 512, 64
TEST_SEED = 10_000  # of the pairs that are scored; settings were chosen on those of another seed
OPTIONS = {
    "latent": 2,
    "network": "mlp:512,512",
    "likelihood": "bernoulli",
    "learning_rate": 3e-3,
    "patience": 0,
}
OWN = {"ae": {}, "vae": {"beta": 2.0}}
EPOCHS = 60


def interpolated(recipe: str) -> Part:
    """The part that trains a recipe from several seeds and scores its interpolations."""

    def part(settings: Settings) -> Iterator[Figure]:
        count, examples, epochs = (1, 1_000, 1) if settings.quick else (3, 10_000, EPOCHS)
        pairs = 64 if settings.quick else PAIRS
        seeds = range(settings.seed, settings.seed + count)
        options, scores = OPTIONS | OWN[recipe], []
        for seed in seeds:
            world = lines(32, n=examples, seed=seed)
            space = zs.fit(world.pictures, recipe=recipe, epochs=epochs, seed=seed, **options)
            scores.append(scored(decoded(space, seed=TEST_SEED, pairs=pairs)))
        protocol = (
            f"32x32 lines, {examples} rendered at random angles, recipe {recipe} {options}, "
            f"{epochs} epochs, seeds {list(seeds)}; {pairs} pairs of unseen lines, decoded linear "
            f"interpolations of {STEPS} frames against 10,000 true lines, error over seeds; "
            f"{machine()}"
        )
        yield from _two(recipe, np.array(scores), protocol)

    return part


def floors(settings: Settings) -> Iterator[Figure]:
    """Copying (a cross-fade of pixels), a linear map, and true lines against true lines."""
    pairs = 64 if settings.quick else PAIRS
    starts, ends = _ends(seed=TEST_SEED, pairs=pairs)
    fades = _between(draw_lines(starts), draw_lines(ends))
    pixels = lines(32, n=10_000, seed=settings.seed).pictures.reshape(-1, 1024) / 255
    strips = {
        "floor_cross_fade": ("cross-fade of the pixels of both ends", fades),
        "floor_pca": ("the same in the first 64 principal components", _projected(fades, pixels)),
        "floor_true_lines": ("true lines whose angle turns evenly", _turning(starts, ends)),
    }
    for name, (words, strip) in strips.items():
        protocol = f"{words}, {pairs} pairs, {STEPS} frames, 10,000 true lines; {machine()}"
        yield from _two(name, np.array([scored(strip)]), protocol)


PARTS = {"ae": interpolated("ae"), "vae": interpolated("vae"), "floors": floors}


def decoded(space: zs.Space, *, seed: int, pairs: int) -> np.ndarray:
    """Decoded linear interpolations `[pairs, STEPS, 32, 32]` between unseen lines."""
    starts, ends = _ends(seed=seed, pairs=pairs)
    pictures = [np.rint(255 * draw_lines(angles)).astype(np.uint8) for angles in (starts, ends)]
    return np.stack(
        [zs.interpolate(space, a, b, steps=STEPS) / 255 for a, b in zip(*pictures, strict=True)]
    )


def scored(strips: np.ndarray) -> tuple[float, float]:
    """Mean distance and smoothness of paths, in parts that fit in memory."""
    parts = [line_scores(strips[i : i + CHUNK]) for i in range(0, len(strips), CHUNK)]
    distance, smoothness = np.nanmean(parts, axis=0)
    return float(distance), float(smoothness)


def _two(name: str, scores: np.ndarray, protocol: str) -> Iterator[Figure]:
    for word, values in zip(("mean_distance", "smoothness"), scores.T, strict=True):
        error = standard_error(torch.from_numpy(values)) if len(values) > 1 else None
        yield Figure(f"{name}_{word}", float(values.mean()), "-", "measured", protocol, error)


def _ends(*, seed: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    starts, ends = np.random.default_rng(seed).uniform(0, 2 * np.pi, (2, pairs))
    return starts, ends


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    shares = np.linspace(0, 1, STEPS)[:, None, None]
    return (1 - shares) * a[:, None] + shares * b[:, None]


def _projected(strips: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    mean = pixels.mean(0)
    axes = np.linalg.eigh(np.cov(pixels.T))[1][:, -64:]
    flat = (strips.reshape(-1, 1024) - mean) @ axes @ axes.T + mean
    return flat.clip(0, 1).reshape(strips.shape)


def _turning(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    angles = np.linspace(starts, ends, STEPS, axis=1)
    return draw_lines(angles.ravel()).reshape(*angles.shape, 32, 32)
