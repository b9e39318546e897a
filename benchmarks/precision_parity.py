"""Does bfloat16 cost likelihood? The same runs in float32 and bfloat16, both measured in float32.

The floor is the spread between seeds in float32: a gap below it is not resolved. Where the largest
gap is above 0.1 %, float32 stays the default (`resolve_precision`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.data import binarized_digits, counts, pen_digits, sprites
from benchmarks.figures import Figure, Part, Settings, machine
from zscape.recipes import vae
from zscape.study.data import Data, look
from zscape.study.training.batches import Batches, InOrder
from zscape.study.training.fitting import fit
from zscape.study.training.validating import measure

SEEDS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """Data with a network, how many examples train and measure, and how often they are seen."""

    words: str
    data: Callable[[int], Data]
    network: str
    train: int
    held: int
    epochs: int


CASES = {
    "mnist_mlp": Case(
        "static binarized MNIST", lambda n: _digits(n), "mlp", train=10_000, held=10_000, epochs=10
    ),
    "mnist_conv": Case(
        "static binarized MNIST", lambda n: _digits(n), "conv", train=10_000, held=10_000, epochs=10
    ),
    "sprites_conv": Case(
        "random dSprites 64x64", lambda n: look(sprites()[:n]), "conv", 8_000, held=4_000, epochs=8
    ),
    "table_mlp": Case(
        "ADBench pendigits, 16 columns",
        lambda n: look(pen_digits(n).astype("float32")),
        "mlp",
        train=5_000,
        held=1_800,
        epochs=40,
    ),
    "counts_mlp": Case(
        "counts of 2,000 columns", lambda n: look(counts(n)), "mlp:128", 3_000, 1_000, 40
    ),
}


def gaps(settings: Settings) -> Iterator[Figure]:
    """The gap of every case, the floor beside it, and the largest of the gaps."""
    means = {}
    for name, case in CASES.items():
        count = 1 if settings.quick else SEEDS
        if settings.quick:
            case = replace(case, train=500, held=300, epochs=1)
        seeds = range(settings.seed, settings.seed + count)
        data = case.data(case.train + case.held)
        reached = {
            precision: np.array([_elbo(case, data, precision, seed) for seed in seeds])
            for precision in ("float32", "bfloat16")
        }
        means[name], figures = _compared(name, case, reached, list(seeds))
        yield from figures
    worst = max(means, key=lambda name: means[name])
    told = ", ".join(f"{name} {gap:.3f}" for name, gap in means.items())
    protocol = f"the largest mean gap of all cases, that of {worst}; all: {told}; {machine()}"
    yield Figure("elbo_gap_percent_max", means[worst], "%", "estimate", protocol)


PARTS: dict[str, Part] = {"gaps": gaps}


def _compared(
    name: str, case: Case, reached: dict[str, np.ndarray], seeds: list[int]
) -> tuple[float, list[Figure]]:
    plain = reached["float32"]
    each = 100 * (plain - reached["bfloat16"]) / np.abs(plain)
    protocol = (
        f"{case.words}, {case.train} examples, vae latent 16 network {case.network}, batch 128, "
        f"{case.epochs} epochs, seeds {seeds}; ELBO of {case.held} others in float32; positive: "
        f"bfloat16 is worse; float32 {plain.mean():.2f} nats; {machine()}"
    )
    mean = float(each.mean())
    error = each.std(ddof=1) / len(each) ** 0.5 if len(each) > 1 else None
    spread = 100 * plain.std(ddof=1) / abs(plain.mean()) if len(plain) > 1 else None
    return mean, [
        Figure(f"elbo_gap_percent_{name}", mean, "%", "estimate", protocol, error),
        Figure(f"floor_seed_spread_percent_{name}", spread, "%", "measured", protocol),
    ]


def _digits(number: int) -> Data:
    parts = binarized_digits()
    some = np.concatenate([parts["train"], parts["valid"]])[:number]
    return look(some.reshape(-1, 1, 28, 28))


def _elbo(case: Case, data: Data, precision: str, seed: int) -> float:
    torch.manual_seed(seed)
    model, objective = vae(data.modality, network=case.network)
    train, held = data.x[: case.train], data.x[case.train :]
    prepare: Callable[[Tensor], Tensor] = data.modality.prepare
    batches = Batches(train, seed=seed, prepare=prepare)
    for _ in fit(model, objective, batches, epochs=case.epochs, precision=precision):
        pass
    return measure(model, objective, InOrder(held, prepare=prepare), step=0)["validation_elbo"]
