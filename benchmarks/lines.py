"""ACAI's lines: do frames between two lines stay lines, and does the angle turn evenly?

Two figures a model, lower is better: the mean cosine distance of the frames of decoded
interpolations to the closest true line, and the unevenness of the angle. Published for linear ones
(Berthelot et al. 2018, arXiv:1807.07543): autoencoder 6.88e-3 / 0.44, VAE 1.21e-3 / 0.49, ACAI
0.24e-3 / 0.10. Geodesics have a model of their own: round a hole, a wider code does no harm.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch

import zscape as zs
from benchmarks.figures import Figure, Part, Settings, machine
from benchmarks.likelihood import standard_error
from zscape.space.geodesics import decoder_around, geodesic, neighbour_graph
from zscape.space.paths import straight
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
FOR_GEODESICS = OPTIONS | {"latent": 8}
GEODESIC_EPOCHS, GEODESIC_PAIRS = 60, 256


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


def geodesics(settings: Settings) -> Iterator[Figure]:
    """Geodesics of one model through all of its codes, and the straight ways of the same model."""
    count, examples, epochs = (1, 1_000, 1) if settings.quick else (3, 10_000, GEODESIC_EPOCHS)
    pairs = 16 if settings.quick else GEODESIC_PAIRS
    seeds = range(settings.seed, settings.seed + count)
    scores, minutes = dict[str, list[tuple[float, float]]](), 0.0
    for seed in seeds:
        start = time.process_time()
        world = lines(32, n=examples, seed=seed)
        space = zs.fit(world.pictures, recipe="vae", epochs=epochs, seed=seed, **FOR_GEODESICS)
        minutes += (time.process_time() - start) / 60 / count
        for name, strips in _ways(space, pairs).items():
            scores.setdefault(name, []).append(scored(strips))
    protocol = (
        f"32x32 lines, {examples} rendered at random angles, vae {FOR_GEODESICS}, {epochs} epochs "
        f"({minutes:.1f} CPU minutes), seeds {list(seeds)}; {pairs} pairs of unseen lines, {STEPS} "
        f"frames against 10,000 true lines, error over seeds; {machine()}"
    )
    words = {"geodesic": "geodesics", "geodesic_model_linear": "linear interpolations"}
    for name, found in scores.items():
        by_seed = ", ".join(f"{smooth:.3f}" for _, smooth in found)
        said = f"decoded {words[name]}, smoothness by seed {by_seed}; {protocol}"
        yield from _two(name, np.array(found), said)


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


PARTS = {
    "ae": interpolated("ae"),
    "vae": interpolated("vae"),
    "geodesic": geodesics,
    "floors": floors,
}


def decoded(space: zs.Space, *, seed: int, pairs: int) -> np.ndarray:
    """Decoded linear interpolations `[pairs, STEPS, 32, 32]` between unseen lines."""
    starts, ends = _pictures(*_ends(seed=seed, pairs=pairs))
    return np.stack(
        [zs.interpolate(space, a, b, steps=STEPS) / 255 for a, b in zip(starts, ends, strict=True)]
    )


def _ways(space: zs.Space, pairs: int) -> dict[str, np.ndarray]:
    """Geodesic and linear ways `[pairs, STEPS, 32, 32]`; the graph is made once for all."""
    starts, ends = (space.encode(some).flat for some in _pictures(*_ends(TEST_SEED, pairs)))
    decode = decoder_around(space, space.codes[0], range(space.codes.flat.shape[1]))
    graph, t = neighbour_graph(space.codes.flat, decode), torch.linspace(0, 1, STEPS)
    ways = {"geodesic": [], "geodesic_model_linear": []}
    for a, b in zip(starts.split(1), ends.split(1), strict=True):
        ways["geodesic"].append(geodesic(decode, graph, a, b, steps=STEPS))
        ways["geodesic_model_linear"].append(straight(a, b, t))
    made = {name: space.decode_tensor(torch.cat(codes)) for name, codes in ways.items()}
    return {name: x.reshape(pairs, STEPS, 32, 32).numpy() for name, x in made.items()}


def scored(strips: np.ndarray) -> tuple[float, float]:
    """Mean distance and smoothness of paths, in parts that fit in memory."""
    parts = [line_scores(strips[i : i + CHUNK]) for i in range(0, len(strips), CHUNK)]
    distance, smoothness = np.nanmean(parts, axis=0)
    return float(distance), float(smoothness)


def _two(name: str, scores: np.ndarray, protocol: str) -> Iterator[Figure]:
    for word, values in zip(("mean_distance", "smoothness"), scores.T, strict=True):
        error = standard_error(torch.from_numpy(values)) if len(values) > 1 else None
        yield Figure(f"{name}_{word}", float(values.mean()), "-", "measured", protocol, error)


def _ends(seed: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    starts, ends = np.random.default_rng(seed).uniform(0, 2 * np.pi, (2, pairs))
    return starts, ends


def _pictures(*angles: np.ndarray) -> list[np.ndarray]:
    return [np.rint(255 * draw_lines(some)).astype(np.uint8) for some in angles]


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
