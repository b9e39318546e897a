"""From 3 to 8 on MNIST: does a path change its class exactly once, and what lies in its middle?

Pairs of unseen digits, straight, spherical and geodesic ways between their codes, with and without
the details of both ends that fade by the middle. An independent classifier says of which class
each frame is. What a geodesic costs is set beside one that forms the decoder's Jacobians.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import zscape as zs
from benchmarks.data import mnist
from benchmarks.figures import Figure, Settings, machine
from benchmarks.levels import classifier
from benchmarks.likelihood import standard_error
from zscape.measures.features import Features, pixel_features, trained_features
from zscape.measures.linear import components
from zscape.measures.samples.distances import frechet
from zscape.measures.smoothness import class_changes, evenness
from zscape.space.geodesics import (
    REFINEMENTS,
    Decode,
    Graph,
    decoder_around,
    energy,
    evenly,
    geodesic,
    neighbour_graph,
    shortest_way,
)
from zscape.space.nearby import of_classes
from zscape.space.paths import spherical, straight
from zscape.space.space import Space

FROM, TO, PAIRS, STEPS = 3, 8, 500, 17
APART = 5_000  # training pictures at the end that train no model; settings are chosen on them
OPTIONS = {"recipe": "vae", "latent": 8, "network": "mlp:512,512", "patience": 0}
EPOCHS = 10
COST_PAIRS = 3  # on which the clocks are read
SURE = 0.9
STREAM = 0x9A78


@dataclass(frozen=True, slots=True)
class Bench:
    """A trained space, its judge, and pairs of pictures that neither was trained on.

    Attributes:
        space: of the model; its codes are those of training pictures.
        judge: pictures `[N, 1, 28, 28]` to logits.
        ends: the pairs, `[2, P, 1, 28, 28]` in [0, 1].
        codes: theirs, `[2, P, D]`.
        real: unseen pictures of both classes.
        features: in which Frechet distances are had.
        about: how all of it came about.
    """

    space: Space
    judge: nn.Module
    ends: Tensor
    codes: Tensor
    real: Tensor
    features: Features
    about: str

    @property
    def decode(self) -> Decode:
        """Codes `[T, D]` to flat pictures."""
        return decoder_around(self.space, self.space.codes[0], range(self.codes.shape[-1]))


def ways(settings: Settings) -> Iterator[Figure]:
    """Ways of the same model between the same pairs.

    Straight and spherical ones; the ways of a graph of codes of both classes, as they are and
    refined; and refined ones through the codes of all digits, as if no label were known.
    """
    bench = prepared(settings)
    graph = neighbour_graph(of_classes(bench.space, [], [FROM, TO]), bench.decode)
    of_all = neighbour_graph(bench.space.codes.flat, bench.decode)
    t = torch.linspace(0, 1, STEPS)

    def drawn(between: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        codes = [between(a[None], b[None]) for a, b in zip(*bench.codes, strict=True)]
        with torch.inference_mode():
            made = torch.cat([bench.decode(way) for way in codes])
        return made.unflatten(0, (-1, STEPS)).unflatten(2, bench.ends.shape[2:])

    found = {
        "linear": drawn(lambda a, b: straight(a, b, t)),
        "spherical": drawn(lambda a, b: spherical(a, b, t)),
        "graph_alone": drawn(
            lambda a, b: evenly(bench.decode, shortest_way(bench.decode, graph, a, b), STEPS)
        ),
        "geodesic": drawn(lambda a, b: geodesic(bench.decode, graph, a, b, steps=STEPS)),
        "without_labels": drawn(lambda a, b: geodesic(bench.decode, of_all, a, b, steps=STEPS)),
    }
    yield from _figures(bench, found)
    yield from _cost(bench, graph, number=2 if settings.quick else COST_PAIRS)


def floors(settings: Settings) -> Iterator[Figure]:
    """Cross-fades of pixels, and straight lines in principal components."""
    x, _ = mnist("train")
    judge, right = classifier(settings)
    ends, _ = pairs(settings)
    t = torch.linspace(0, 1, STEPS)[:, None]
    number = int(OPTIONS["latent"])
    fitted = components(_unit(x[:-APART]).flatten(1), number)
    axes = fitted.axes
    for name, words in (
        ("cross_fade", "pixels of both ends mixed"),
        ("pca", f"straight lines in {number} principal components of the training pictures"),
    ):
        flat = ends.flatten(2)
        if name == "pca":
            flat = ((flat - fitted.mean) @ axes.T @ axes + fitted.mean).clamp(0, 1)
        frames = (1 - t) * flat[0][:, None] + t * flat[1][:, None]
        share = _changes(judge, frames.unflatten(2, ends.shape[2:])) == 1
        said = f"{words}; {_said(len(share), right)}; {machine()}"
        yield _share(f"floor_{name}_one_class_change_share", share.double(), said)


PARTS = {"ways": ways, "floors": floors}


def pairs(settings: Settings) -> tuple[Tensor, Tensor]:
    """Pairs of unseen pictures, `[2, P, 1, 28, 28]`, and all unseen ones of both classes."""
    x, labels = mnist("test")
    number = 20 if settings.quick else PAIRS
    generator = np.random.default_rng(STREAM + settings.seed)
    drawn = [generator.choice(np.flatnonzero(labels == k), number) for k in (FROM, TO)]
    real = x[np.isin(labels, (FROM, TO))]
    return _unit(x[np.stack(drawn).ravel()]).unflatten(0, (2, -1)), _unit(real)


def prepared(settings: Settings) -> Bench:
    """The model, its judge, the pairs and the features."""
    x, labels = mnist("train")
    own, apart = slice(0, 3_000 if settings.quick else -APART), slice(-APART, None)
    epochs = 1 if settings.quick else EPOCHS
    start = time.process_time()
    space = zs.fit(
        x[own], labels=labels[own].astype(int), epochs=epochs, seed=settings.seed, **OPTIONS
    )
    minutes = (time.process_time() - start) / 60
    judge, right = classifier(settings)
    features = trained_features(_unit(x[apart]), torch.from_numpy(labels[apart]).long(), seed=0)
    ends, real = pairs(settings)
    codes = space.encode((ends.flatten(0, 1)[:, 0] * 255).round().byte().numpy()).flat
    about = (
        f"MNIST, {OPTIONS}, {epochs} epochs on {len(space.codes):,} training pictures "
        f"({minutes:.1f} CPU minutes), seed {settings.seed}; {_said(ends.shape[1], right)}"
    )
    return Bench(space, judge, ends, codes.unflatten(0, (2, -1)), real, features, about)


def _cost(bench: Bench, graph: Graph, *, number: int) -> Iterator[Figure]:
    """CPU seconds of a geodesic by the decoder's Jacobians over those of ours."""
    t, seconds, energies = torch.linspace(0, 1, STEPS), dict[str, list](), dict[str, list]()
    for a, b in zip(
        bench.codes[0, :number].split(1), bench.codes[1, :number].split(1), strict=True
    ):
        line = straight(a, b, t)
        for name, found in (
            ("ours", partial(geodesic, bench.decode, graph, a, b, steps=STEPS)),
            ("jacrev", partial(by_jacobians, bench.decode, line, torch.func.jacrev)),
            ("jacfwd", partial(by_jacobians, bench.decode, line, torch.func.jacfwd)),
        ):
            start = time.process_time()
            way = found()
            seconds.setdefault(name, []).append(time.process_time() - start)
            energies.setdefault(name, []).append(energy(bench.decode(way)).item())
    own = torch.tensor(seconds["ours"])
    for title, name in (("", "jacrev"), ("forward_", "jacfwd")):
        ratios = torch.tensor(seconds[name]) / own
        said = (
            f"{bench.about}; {number} pairs, {STEPS} frames: {own.mean():.3f} CPU seconds for the "
            f"way of the graph and its refinement, {np.mean(seconds[name]):.2f} for as many steps "
            f"down sum dz' J' J dz from the straight line, J by torch.func.{name} (decoded "
            f"energies {np.mean(energies['ours']):.1f} and {np.mean(energies[name]):.1f}; ours "
            f"keeps to the data); the graph is made once for all; {machine()}"
        )
        mean, error = ratios.mean().item(), standard_error(ratios)
        yield Figure(f"faster_than_{title}jacobians", mean, "ratio", "measured", said, error)


def by_jacobians(decode: Decode, way: Tensor, jacobian: Callable[..., Any]) -> Tensor:
    """`refine` by the metric J' J of the decoder's Jacobians, as it is usually written."""
    bend = torch.zeros_like(way[1:-1]).requires_grad_()
    descent = torch.optim.LBFGS([bend], max_iter=REFINEMENTS, line_search_fn="strong_wolfe")
    jacobians = torch.func.vmap(jacobian(lambda z: decode(z[None])[0]))

    def bent() -> Tensor:
        return torch.cat([way[:1], way[1:-1] + bend, way[-1:]])

    def closure() -> Tensor:
        z = bent()
        moved = torch.einsum("tfd,td->tf", jacobians(z[:-1]), z.diff(dim=0))
        value = moved.square().sum()
        bend.grad = torch.autograd.grad(value, bend)[0].contiguous()
        return value

    descent.step(closure)
    return bent().detach()


@torch.inference_mode()
def _figures(bench: Bench, found: dict[str, Tensor]) -> Iterator[Figure]:
    fade = (1 - 2 * torch.linspace(0, 1, STEPS).view(-1, 1, 1, 1)).abs()
    first = torch.arange(STEPS).view(-1, 1, 1, 1) < STEPS // 2
    shares = dict[str, Tensor]()
    said = f"{bench.about}; {machine()}"
    for name, frames in found.items():
        sure = (bench.judge(frames[:, STEPS // 2]).softmax(1).amax(1) > SURE).double()
        more = f"middle frames of which the network is {SURE:.0%} sure; {said}"
        yield _share(f"{name}_middle_sure_share", sure, more)
        missing = bench.ends.transpose(0, 1) - frames[:, [0, -1]]
        carried = fade * torch.where(first, missing[:, :1], missing[:, 1:])
        for word, shown in (("", (frames + carried).clamp(0, 1)), ("_plain", frames)):
            changes = _changes(bench.judge, shown)
            shares[name + word] = (changes == 1).double()
            more = "with the ends' details, which fade by the middle" if not word else "as decoded"
            title = f"{name}{word}_one_class_change_share"
            yield _share(title.removeprefix("geodesic_"), shares[name + word], f"{more}; {said}")
        even = evenness(frames.flatten(2))
        yield Figure(
            f"{name}_evenness", even.mean().item(), "ratio", "measured", said, standard_error(even)
        )
    for word, floor in (("", "linear_plain"), ("_with_details", "linear")):
        gains = 100 * (shares["geodesic"] - shares[floor])
        more = f"geodesic with details over {floor.replace('_', ' ')}, paired"
        mean, error = gains.mean().item(), standard_error(gains)
        name = f"gain_over_linear{word}_points"
        yield Figure(name, mean, "points", "measured", f"{more}; {said}", error)
    for word, features in (("", bench.features), ("_in_pixels", pixel_features())):
        yield from _middles(bench, found, features, said, word)


def _middles(
    bench: Bench, found: dict[str, Tensor], features: Features, said: str, word: str
) -> Iterator[Figure]:
    """Frechet distances of middle frames, over that of as many reconstructions."""
    frames, real = found["linear"], features(bench.real)
    half = len(frames) // 2
    ends = torch.cat([frames[:half, 0], frames[half:, -1]])
    beside = torch.cat([bench.ends[0, :half], bench.ends[1, half:]])
    base = frechet(real, features(ends))
    said = (
        f"middle frames over as many reconstructions ({base.value:.2f}), to {len(real)} unseen "
        f"pictures of both classes, in features of {features.name}; {said}"
    )
    shown = {name: frames[:, STEPS // 2] for name, frames in found.items()} | {"real": beside}
    for name, pictures in shown.items():
        away = frechet(real, features(pictures))
        ratio = away.value / base.value
        error = ratio * ((away.error / away.value) ** 2 + (base.error / base.value) ** 2) ** 0.5
        middle = "" if name == "real" else "_middle"
        title = f"{name}{middle}_frechet_over_reconstruction{word}".removeprefix("geodesic_")
        yield Figure(title, ratio, "ratio", "estimate", said, error)


@torch.inference_mode()
def _changes(judge: nn.Module, frames: Tensor) -> Tensor:
    """How often the class changes along each of `[P, T, 1, 28, 28]`."""
    parts = [judge(part).argmax(1) for part in frames.flatten(0, 1).split(1000)]
    return class_changes(torch.cat(parts).unflatten(0, frames.shape[:2]))


def _share(name: str, values: Tensor, said: str) -> Figure:
    mean = values.mean().item()
    return Figure(name, mean, "share", "measured", said, standard_error(values))


def _said(number: int, right: float) -> str:
    return (
        f"{number} pairs of unseen digits {FROM} and {TO}, {STEPS} frames, classes by a network "
        f"of its own ({right:.2%} right on the test pictures), error over pairs"
    )


def _unit(pictures: np.ndarray) -> Tensor:
    """Grey bytes `[N, 28, 28]` as `[N, 1, 28, 28]` in [0, 1]."""
    return torch.from_numpy(pictures)[:, None].float() / 255
