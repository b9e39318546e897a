"""A better prior for a trained VAE: how much nearer its samples come to real pictures.

Frechet distances between features of samples and of real test pictures, for the model's own N(0, I)
and for priors fitted to its codes, all else frozen; beside them real against real, and mixtures on
principal components of pixels, which need no model. Features: the 64 activations of a small
classifier (`measures.features.trained_features`), trained on pictures that nothing else sees.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import zscape as zs
from benchmarks.data import faces, file_of
from benchmarks.figures import Figure, Settings, machine
from zscape.measures.features import Features, trained_features
from zscape.measures.figure import Figure as Measured
from zscape.measures.linear import components as principal
from zscape.measures.samples.distances import frechet
from zscape.probability.expectation import fit_mixture
from zscape.space.candidates import Attempt, best
from zscape.space.refitting import draws_of, parts, refitting
from zscape.space.slot import top, with_prior
from zscape.space.space import Space, seeded

SAMPLES, CHUNK = 10_000, 500
FEATURES = 10_000  # training pictures that only the features have seen
LATENT, STEPS = 32, 8  # Heun steps of the diffusion: 16 evaluations of its network
DIGITS = {
    "latent": LATENT,
    "network": "conv",
    "likelihood": "gaussian_optimal",
    "epochs": 30,
    "schedule": "cosine",
    "patience": 0,
}
PHOTOGRAPHS = {"latent": 64, "network": "conv", "epochs": 25, "patience": 0}
FLOOR = 64  # components of the mixture on principal components

# Candidates by the word that figures carry: kind and options of `refitting`.
CANDIDATES: dict[str, tuple[str, dict]] = {
    "gaussian": ("mixture", {"components": 1}),
    "mixture": ("mixture", {}),
    "flow": ("flow", {}),
    "diffusion": ("diffusion", {"steps": STEPS}),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """A trained space, and what its samples are compared with, `[N, *shape]` in [0, 1]."""

    space: Space
    train: Tensor
    beside: Tensor
    test: Tensor
    features: Features
    about: str


def digits(settings: Settings) -> Iterator[Figure]:
    """MNIST at beta 1."""
    count = 3_000 if settings.quick else None
    stored = np.load(file_of("mnist.npz"))
    x, labels = stored["train_images"][:count], stored["train_labels"][:count].astype(int)
    order = np.random.default_rng(1).permutation(len(x))
    apart, own = np.split(order, [min(FEATURES, len(x) // 3)])
    features = trained_features(_unit(x[apart]), torch.from_numpy(labels[apart]), seed=0)
    options = DIGITS | ({"epochs": 1} if settings.quick else {})
    space = zs.fit(x[own], labels=labels[own], seed=settings.seed, **options)
    about = (
        f"MNIST, vae {options} at beta 1 on {len(own)} training pictures, the {len(apart)} others "
        f"trained the features: {features.name}. {features.note}"
    )
    train, test = _unit(x[own]), _unit(stored["test_images"][:count])
    beside = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(2))]
    yield from _figures("mnist", Bench(space, train, beside, test, features, about), settings)


def photographs(settings: Settings) -> Iterator[Figure]:
    """CelebA at 64x64; the classes of the features are man or woman, smiling or not."""
    x, labels = faces(1_000 if settings.quick else 10_000)
    order = np.random.default_rng(1).permutation(len(x))
    test, apart, own = np.split(order, [len(x) // 5, 2 * len(x) // 5])
    features = trained_features(_unit(x[apart]), torch.from_numpy(labels[apart]), seed=0)
    options = PHOTOGRAPHS | ({"epochs": 1} if settings.quick else {})
    space = zs.fit(x[own], seed=settings.seed, **options)
    about = (
        f"CelebA 64x64, vae {options} at beta 1 on {len(own)} pictures; {len(apart)} others "
        f"trained the features: {features.name}, averaged to 32x32. {features.note}"
    )
    train = _unit(x[own])
    bench = Bench(space, train, train[: len(test)], _unit(x[test]), features, about)
    yield from _figures("celeba", bench, settings, kinds=("gaussian", "mixture", "diffusion"))


PARTS = {"mnist": digits, "celeba": photographs}


def _figures(
    name: str, bench: Bench, settings: Settings, *, kinds: tuple[str, ...] = tuple(CANDIDATES)
) -> Iterator[Figure]:
    target, found = bench.features(bench.test), dict[str, Measured]()
    number = min(SAMPLES, len(bench.test), len(bench.beside))
    said = (
        f"{bench.about} Frechet distance of {number} samples to {len(bench.test)} test pictures; "
        "error by random halves"
    )

    def distance(word: str, draw: Callable[[int], Tensor], more: str = "") -> Figure:
        with seeded(settings.seed + 11):
            made = torch.cat([draw(CHUNK) for _ in range(-(-number // CHUNK))])[:number]
        found[word] = frechet(target, bench.features(made))
        value, error = found[word].value, found[word].error
        return Figure(
            f"{name}_frechet_{word}", value, "-", "estimate", f"{said}{more}; {machine()}", error
        )

    real = iter(bench.beside.split(CHUNK))
    yield distance("real", lambda size: next(real), "; training pictures in place of samples")
    yield distance("standard", lambda size: bench.space.sample_tensor(size), "; N(0, I)")
    for components in (1, FLOOR):
        floor = _floor(bench, components)
        words = f"; no model: {components} Gaussians on {_size(bench.space)} principal components"
        yield distance(f"floor_pca_{components}", floor, words)
    yield distance("reconstructed", _aggregate(bench), "; codes drawn from q: no prior is better")
    yield _rate(name, "standard", bench.space, settings)
    fitted = {}
    for word in kinds:
        kind, options = CANDIDATES[word]
        updates = 20 if settings.quick else 0
        options = options | ({"components": 2} if settings.quick else {})
        start = time.process_time()
        tries = refitting(bench.space, kind, updates=updates, seed=settings.seed, **options)
        fitted[word] = best(list(tries))
        seconds = time.process_time() - start
        after = _after(bench.space, fitted[word])
        more = f"; prior: {fitted[word].slot}, fitted in {seconds:.0f} CPU s"
        yield distance(word, lambda size, after=after: after.sample_tensor(size), more)
        yield _rate(name, word, after, settings)
    picked = min(fitted, key=lambda word: fitted[word].nats)
    yield from _ratios(name, found, picked, f"{said}; {machine()}")


def _ratios(name: str, found: dict[str, Measured], picked: str, said: str) -> Iterator[Figure]:
    """Gain and distance of the prior that held-out rate picked, and of the others."""
    words = f"; the prior that held-out rate picked, {picked}"
    yield _ratio(f"{name}_frechet_gain", found["standard"], found[picked], said + words)
    yield _ratio(f"{name}_frechet_over_real", found[picked], found["real"], said + words)
    yield _ratio(
        f"{name}_standard_over_floor", found["standard"], found[f"floor_pca_{FLOOR}"], said
    )
    yield _ratio(f"{name}_over_floor", found[picked], found[f"floor_pca_{FLOOR}"], said + words)
    both = "diffusion_over_mixture" if name == "mnist" else f"{name}_diffusion_over_mixture"
    told = f"{said}; diffusion in {STEPS} Heun steps, {2 * STEPS} evaluations"
    yield _ratio(both, found["diffusion"], found["mixture"], told)


def _ratio(name: str, above: Measured, below: Measured, said: str) -> Figure:
    assert above.value is not None and below.value is not None
    value = above.value / below.value
    errors = [(f.error or 0.0) / f.value for f in (above, below) if f.value]
    return Figure(name, value, "ratio", "estimate", said, value * float(np.hypot(*errors)))


@torch.no_grad()
def _rate(name: str, word: str, space: Space, settings: Settings) -> Figure:
    """The rate over the held-out examples that neither fitted nor picked a prior."""
    judging = parts(space, seed=settings.seed)[2]
    codes, density = draws_of(space, judging, 1, seed=settings.seed + 2)
    assert density is not None
    prior, rates = top(space.model).prior, []
    with seeded(settings.seed):
        for z, log_q in zip(codes[0].clone().split(CHUNK), density[0].split(CHUNK), strict=True):
            rates.append(log_q - prior.forward(z.new_zeros(len(z), 0)).log_prob(z))
    rate = torch.cat(rates)
    said = f"mean of log q - log p over one draw of {len(rate)} held-out examples; {machine()}"
    error = (rate.std() / len(rate) ** 0.5).item()
    return Figure(f"{name}_rate_{word}", rate.mean().item(), "nats", "estimate", said, error)


def _after(space: Space, attempt: Attempt) -> Space:
    assert attempt.prior is not None
    model = with_prior(space.model, attempt.slot, attempt.prior)
    return Space(
        model, space.modality, space.codes, space.items, space.kept, held_out=space.held_out
    )


def _aggregate(bench: Bench) -> Callable[[int], Tensor]:
    """Codes of training pictures, drawn from the posterior and decoded."""
    codes, _ = draws_of(bench.space, parts(bench.space)[0][:SAMPLES], 1, seed=3)
    each = iter(codes[0].clone().repeat(10, 1).split(CHUNK))
    return lambda size: bench.space.decode_tensor(next(each))


def _floor(bench: Bench, components: int) -> Callable[[int], Tensor]:
    """Draws of a mixture on as many principal components of pixels as the code has units."""
    x = bench.train.flatten(1)
    found = principal(x[:10_000], _size(bench.space))
    points = (x - found.mean) @ found.axes.T / found.scale
    *_, mixture = fit_mixture(points[:40_000], components)
    shape = bench.train.shape[1:]

    def draw(size: int) -> Tensor:
        pixels = found.mean + (mixture.sample((size,)) * found.scale) @ found.axes
        return pixels.clamp(0, 1).reshape(-1, *shape)

    return draw


def _size(space: Space) -> int:
    return space.codes.flat.shape[1]


def _unit(pictures: np.ndarray) -> Tensor:
    """`[N, C, H, W]` in [0, 1] from uint8 pictures."""
    x = torch.from_numpy(pictures).float() / 255
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()
