"""Importance-weighted likelihood with 5,000 draws: ours over Pythae's `get_nll`, same weights.

One MLP VAE is trained, its weights are given to both, and both measure the same pictures in turn,
one thread each. The unit is CPU time of the measuring alone, without start-up and imports.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import standard_error
from benchmarks.mnist_vae import HIDDEN, LATENT, digits, trained
from benchmarks.train_speed import MEDIAN_TO_MEAN
from zscape.measures.likelihood import importance_weighted
from zscape.model.model import Model

ROUNDS, PICTURES, DRAWS, PEER_BATCH = 10, 100, 5_000, 100


def beside_pythae(settings: Settings) -> Iterator[Figure]:
    """Both on the same pictures, a round of each in turn."""
    data = digits(settings)
    rounds, draws, epochs = (2, 200, 1) if settings.quick else (ROUNDS, DRAWS, 10)
    model, _ = trained(data, epochs=epochs, seed=settings.seed)
    model.eval()
    spread = torch.linspace(0, len(data["test"]) - 1, rounds * PICTURES).round().long()
    parts = data["test"][spread].float().view(PICTURES, rounds, -1).unbind(1)  # all classes in each
    ratios, gaps, sizes, replays, versions = [], [], [], [], ""
    with tempfile.TemporaryDirectory() as folder:
        request = _request(model, Path(folder), draws=draws, seed=settings.seed)
        for number, x in enumerate(parts):
            np.save(request["x"], x.numpy())
            (nll, size), seconds = _measured(model, x, draws=draws, seed=number)
            answer = peers.ask("pythae", request, task="nll")
            versions = answer["versions"]
            ratios.append(answer["seconds"] / seconds)
            replays.append(seconds / _replayed(model, len(x) * draws))
            gaps.append((nll.value or 0.0) - answer["nll"])
            sizes.append(size.value or 0.0)
    protocol = (
        f"static binarized MNIST test part, {rounds * PICTURES} pictures in {rounds} "
        f"rounds, {draws} draws each, MLP 784-{HIDDEN}-{LATENT} trained {epochs} epochs, the same "
        f"weights in both, float32; Pythae by get_nll(n_samples={draws}, batch_size={PEER_BATCH}) "
        f"({versions}); interleaved; {machine()}"
    )
    yield Figure(
        "k5000_over_pythae",
        median(ratios),
        "ratio",
        "measured",
        f"CPU time, median of the rounds; {protocol}",
        MEDIAN_TO_MEAN * standard_error(torch.tensor(ratios)),
    )
    gap = torch.tensor(gaps)
    yield Figure(
        "difference_in_standard_errors",
        (gap.mean().abs() / standard_error(gap)).item(),
        "se",
        "estimate",
        f"mean difference {gap.mean():+.4f} nats, standard error over rounds; {protocol}",
    )
    yield Figure(
        "over_gemm_replay",
        median(replays),
        "ratio",
        "measured",
        f"CPU time over that of the decoder's matrix products alone (a floor); {protocol}",
    )
    said = f"mean over pictures; {protocol}"
    yield Figure("effective_sample_size", sum(sizes) / len(sizes), "draws", "estimate", said)


PARTS = {"k5000_over_pythae": beside_pythae}


def _measured(model: Model, x: Tensor, *, draws: int, seed: int):
    start = time.process_time()
    figures = importance_weighted(model, x, draws=draws, seed=seed)
    return figures, time.process_time() - start


def _replayed(model: Model, rows: int, *, chunk: int = 2_000) -> float:
    """CPU seconds of the decoder's matrix products for so many rows."""
    first, last = (layer.weight.detach().T for layer in _layers(model)[-2:])
    z = torch.randn(chunk, len(first))
    start = time.process_time()
    for _ in range(rows // chunk):
        torch.mm(torch.mm(z, first), last)
    return time.process_time() - start


def _layers(model: Model) -> list[torch.nn.Linear]:
    return [module for module in model.modules() if isinstance(module, torch.nn.Linear)]


def _request(model: Model, folder: Path, *, draws: int, seed: int) -> dict:
    hidden, posterior, back, out = _layers(model)
    mean, log_variance = (_halves(posterior, part) for part in (0, 1))
    arrays = {
        "encoder.hidden": (hidden.weight, hidden.bias),
        "encoder.mean": mean,
        "encoder.log_variance": log_variance,
        "decoder.hidden": (back.weight, back.bias),
        "decoder.out": (out.weight, out.bias),
    }
    named = {
        f"{name}.{part}": tensor.detach().numpy()
        for name, pair in arrays.items()
        for part, tensor in zip(("weight", "bias"), pair, strict=True)
    }
    np.savez(folder / "weights.npz", **named)
    return {
        "weights": str(folder / "weights.npz"),
        "x": str(folder / "x.npy"),
        "latent": LATENT,
        "hidden": HIDDEN,
        "draws": draws,
        "batch": PEER_BATCH,
        "seed": seed,
    }


def _halves(linear: torch.nn.Linear, part: int) -> tuple[Tensor, Tensor]:
    return linear.weight.chunk(2)[part], linear.bias.chunk(2)[part]
