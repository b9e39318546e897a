"""Does bfloat16 cost likelihood? The same runs in float32 and bfloat16, both measured in float32.

The floor is the spread between seeds in float32: a gap below it is not resolved.
"""

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.data import binarized_digits
from benchmarks.figures import Figure, Part, Settings, machine
from zscape.modalities.image import Image
from zscape.recipes import vae
from zscape.study.batches import Batches, InOrder
from zscape.study.training import fit
from zscape.study.validating import measure

EPOCHS, EXAMPLES, SEEDS = 10, 10_000, 2


def parity(network: str) -> Part:
    """The part that compares both precisions on one network."""

    def part(settings: Settings) -> Iterator[Figure]:
        count, epochs, examples = (1, 1, 1_000) if settings.quick else (SEEDS, EPOCHS, EXAMPLES)
        seeds = range(settings.seed, settings.seed + count)
        reached = {
            precision: np.array(
                [_elbo(network, precision, seed, epochs, examples) for seed in seeds]
            )
            for precision in ("float32", "bfloat16")
        }
        plain = reached["float32"]
        gaps = 100 * (plain - reached["bfloat16"]) / np.abs(plain)
        protocol = (
            f"static binarized MNIST, {examples} pictures, vae latent 16 network {network}, batch "
            f"128, {epochs} epochs, seeds {list(seeds)}; ELBO of 10,000 valid pictures in float32; "
            f"positive: bfloat16 is worse; float32 {plain.mean():.2f} nats; {machine()}"
        )
        name = network.replace(":", "_")
        error = gaps.std(ddof=1) / len(gaps) ** 0.5 if len(gaps) > 1 else None
        yield Figure(f"elbo_gap_percent_{name}", gaps.mean(), "%", "estimate", protocol, error)
        spread = 100 * plain.std(ddof=1) / abs(plain.mean()) if len(plain) > 1 else None
        yield Figure(f"floor_seed_spread_percent_{name}", spread, "%", "measured", protocol)

    return part


PARTS = {"conv": parity("conv"), "mlp": parity("mlp")}


def _elbo(network: str, precision: str, seed: int, epochs: int, examples: int) -> float:
    digits = {
        name: torch.from_numpy(x).reshape(-1, 1, 28, 28) for name, x in binarized_digits().items()
    }
    torch.manual_seed(seed)
    modality = Image(1, 28, 28, two_valued=True, num_examples=examples)
    model, objective = vae(modality, network=network)
    batches = Batches(digits["train"][:examples], seed=seed)
    for _ in fit(model, objective, batches, epochs=epochs, precision=precision):
        pass
    return measure(model, objective, InOrder(digits["valid"]), step=0)["validation_elbo"]
