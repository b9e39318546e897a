"""Images per CPU second of training, ours over a peer's, interleaved in one run.

Every pair trains the same network on the same data with the same batch, one thread each, in a
fresh process; the first epoch is not counted, so neither are start-up and imports. The unit is
the CPU time of the training process with all its threads, which a busy machine disturbs less
than the wall clock.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks import peers
from benchmarks.data import binarized_digits, counts, sprites
from benchmarks.figures import Figure, NotRunError, Part, Settings, machine
from benchmarks.likelihood import standard_error

MEDIAN_TO_MEAN = 1.2533  # standard error of a normal sample's median over its mean's


@dataclass(frozen=True, slots=True)
class Setup:
    """One network, data set and batch size, asked alike of every library."""

    words: str
    data: Callable[[int], np.ndarray]
    examples: int
    epochs: int
    rounds: int
    request: dict


MLP = Setup(
    words="MLP 784-400-20 ReLU VAE, Bernoulli, static binarized MNIST train part, batch 128",
    data=lambda seed: binarized_digits()["train"],
    examples=20_000,
    epochs=4,
    rounds=7,
    request={
        "network": "mlp",
        "word": "mlp:400",
        "hidden": 400,
        "latent": 20,
        "batch": 128,
        "event": "bernoulli",
    },
)
CONV = Setup(
    words="conv VAE (32, 32, 64, 64 channels, 4x4, stride 2, ReLU; 256; latent 10), Bernoulli, "
    "random dSprites 64x64, batch 64",
    data=lambda seed: sprites(),
    examples=3_840,
    epochs=3,
    rounds=5,
    request={
        "network": "conv",
        "hidden": 256,
        "latent": 10,
        "batch": 64,
        "event": "bernoulli",
    },
)
TABLE = Setup(
    words="MLP 20-128-64-32-2 ReLU VAE without dropout, Gaussian of fixed scale, 5000 x 20 "
    "standard normal table, batch 32",
    data=lambda seed: np.random.default_rng(seed).standard_normal((5000, 20)).astype("float32"),
    examples=5_000,
    epochs=11,
    rounds=7,
    request={
        "word": "mlp:128,64,32",
        "widths": [128, 64, 32],
        "latent": 2,
        "batch": 32,
        "event": "gaussian",
    },
)

COUNTS = Setup(
    words="MLP 2000-128-10 ReLU VAE of log(1 + x), negative binomial with a dispersion a column, "
    "3000 x 2000 drawn counts, batch 128 (SCVI without batch normalisation and dropout, its idle "
    "heads not counted)",
    data=lambda seed: counts(3_000, seed=seed),
    examples=3_000,
    epochs=6,
    rounds=5,
    request={
        "word": "mlp:128",
        "hidden": 128,
        "latent": 10,
        "batch": 128,
        "event": "negative_binomial",
    },
)
REPLAY_BATCH, REPLAYED = 512, 40
ON_GPU = 2  # interleaved pairs


def over(peer: str, setup: Setup, figure: str, precision: str) -> Part:
    """The part that measures one ratio."""

    def part(settings: Settings) -> Iterator[Figure]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.npy"
            rows = 4 * setup.request["batch"] if settings.quick else setup.examples
            np.save(path, setup.data(settings.seed)[:rows])
            shared = setup.request | {
                "train": str(path),
                "epochs": 2 if settings.quick else setup.epochs,
                "learning_rate": 1e-3,
                "precision": precision,
            }
            yield from _compare(peer, setup, figure, shared, settings)

    return part


def _compare(
    peer: str, setup: Setup, figure: str, request: dict, settings: Settings
) -> Iterator[Figure]:
    ours, theirs, floors = [], [], []
    for number in range(1 if settings.quick else setup.rounds):
        asked = request | {"seed": settings.seed + number}
        ours.append(peers.ask("zscape", asked))
        theirs.append(peers.ask(peer, asked))
        floors.append(peers.ask("floor", asked | {"precision": ours[-1]["precision"]}))
    _refuse_unequal(ours[0]["parameters"], theirs[0]["parameters"])
    speeds = [[_speed(answer) for answer in answers] for answers in (ours, theirs, floors)]
    ratios = [our / their for our, their in zip(*speeds[:2], strict=True)]
    protocol = (
        f"{setup.words}, Adam 1e-3, {ours[0]['parameters']} parameters on both sides, ours by "
        f"`fit` in {ours[0]['precision']} with its default weight averaging, {peer} as its users "
        f"write it in float32; epochs 2 to {request['epochs']} of {ours[0]['images']} examples; "
        f"median of {len(ratios)} interleaved pairs of processes (ratios {min(ratios):.2f} to "
        f"{max(ratios):.2f}), CPU time; {ours[0]['versions']}, {theirs[0]['versions']}; {machine()}"
    )
    yield _median_of(figure, ratios, "ratio", protocol)
    yield _median_of(f"{figure}: ours", speeds[0], "examples/CPU-s", protocol)
    yield _median_of(f"{figure}: theirs", speeds[1], "examples/CPU-s", protocol)
    floor = (
        "the floor, a loop of plain torch with fused Adam, without average of weights, guard and "
        f"records, in the same precision as ours, interleaved with both; {protocol}"
    )
    yield _median_of(f"{figure}: floor", speeds[2], "examples/CPU-s", floor)


def replayed(settings: Settings) -> Iterator[Figure]:
    """Our step at a large batch over its matrix products alone, in float32."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.npy"
        np.save(path, MLP.data(settings.seed)[: 2 * REPLAY_BATCH if settings.quick else 20_000])
        own = {"train": str(path), "learning_rate": 1e-3, "precision": "float32"}
        own |= {"batch": REPLAY_BATCH, "epochs": 2 if settings.quick else 4, "size": 784}
        steps, replays, versions = [], [], ""
        for number in range(1 if settings.quick else MLP.rounds):
            asked = MLP.request | own | {"seed": settings.seed + number}
            answer = peers.ask("zscape", asked)
            steps.append(REPLAY_BATCH / _speed(answer))
            replays.append(peers.ask("floor", asked | {"replay": REPLAYED})["seconds"])
            versions = answer["versions"]
    ratios = [step / replay for step, replay in zip(steps, replays, strict=True)]
    protocol = (
        f"MLP 784-400-20 ReLU VAE, Bernoulli, static binarized MNIST, batch {REPLAY_BATCH}, "
        f"float32 on both sides: CPU time of our step by `fit` over that of its eleven matrix "
        f"products alone; median of {len(ratios)} interleaved pairs of processes (ratios "
        f"{min(ratios):.2f} to {max(ratios):.2f}); {versions}; {machine()}"
    )
    yield _median_of("step_over_gemm_replay_b512", ratios, "ratio", protocol)
    replay_ms = [1e3 * replay for replay in replays]
    yield _median_of("step_over_gemm_replay_b512: replay", replay_ms, "CPU-ms", protocol)


def on_gpu(settings: Settings) -> Iterator[Figure]:
    """Images per second over Pythae on a GPU, by the wall clock: needs one."""
    if not torch.cuda.is_available():
        raise NotRunError("images per second on a GPU must have one, got none")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.npy"
        np.save(path, MLP.data(settings.seed))
        asked = MLP.request | {"train": str(path), "learning_rate": 1e-3, "precision": "auto"}
        asked |= {"epochs": 6, "device": "cuda"}
        ours, theirs = [], []
        for number in range(ON_GPU):
            ours.append(peers.ask("zscape", asked | {"seed": settings.seed + number}))
            theirs.append(peers.ask("pythae", asked | {"seed": settings.seed + number}))
    _refuse_unequal(ours[0]["parameters"], theirs[0]["parameters"])
    speeds = [[_speed(answer) for answer in answers] for answers in (ours, theirs)]
    ratios = [our / their for our, their in zip(*speeds, strict=True)]
    protocol = (
        f"{MLP.words}, Adam 1e-3, {ours[0]['parameters']} parameters on both sides, ours by `fit` "
        f"in {ours[0]['precision']}, its steps recorded as a CUDA graph, Pythae as its users write "
        f"it; epochs 2 to 6 of {ours[0]['images']} examples, wall clock after the device is done; "
        f"median of {ON_GPU} interleaved pairs (ratios {min(ratios):.2f} to {max(ratios):.2f}); "
        f"{torch.cuda.get_device_name()}, {ours[0]['versions']}, {theirs[0]['versions']}"
    )
    yield _median_of("gpu_mlp_b128_over_pythae", ratios, "ratio", protocol)
    for name, speed in zip(("ours", "theirs"), speeds, strict=True):
        yield _median_of(f"gpu_mlp_b128_over_pythae: {name}", speed, "examples/s", protocol)


def _speed(answer: dict) -> float:
    """Examples per CPU second from the second epoch on."""
    marks = answer["marks"]
    return (len(marks) - 2) * answer["images"] / (marks[-1] - marks[1])


def _median_of(figure: str, values: list[float], unit: str, protocol: str) -> Figure:
    many = torch.tensor(values)
    error = MEDIAN_TO_MEAN * standard_error(many) if len(values) > 1 else None
    return Figure(figure, median(values), unit, "measured", protocol, error)


def _refuse_unequal(ours: int, theirs: int) -> None:
    if ours != theirs:
        raise NotRunError(f"both networks must be equal, got {ours} and {theirs} parameters")


PARTS: dict[str, Part] = {
    figure: over(peer, setup, figure, precision)
    for figure, peer, setup, precision in (
        ("mlp_b128_float32_over_pythae", "pythae", MLP, "float32"),
        ("mlp_b128_float32_over_lightning", "lightning", MLP, "float32"),
        ("mlp_b128_default_over_pythae", "pythae", MLP, "auto"),
        ("conv64_b64_default_over_pythae", "pythae", CONV, "auto"),
        ("counts_over_scvi", "scvi", COUNTS, "float32"),
        ("table_over_pyod", "pyod", TABLE, "float32"),
    )
} | {"step_over_gemm_replay_b512": replayed, "gpu_mlp_b128_over_pythae": on_gpu}
