"""Pruning: how few units carry the bits, what leaving out the others costs, and what it saves.

A VAE with many more units than it needs is trained on MNIST digits and on sprites. `prune` leaves
out the units that say the least and trains the smaller network further; the larger one is trained
further as long, so that nothing is gained by training alone. Beside it the cost without further
training, with the draws of the larger network. Both decode the same codes in turn.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from torch import Tensor

import zscape as zs
from benchmarks.data import binarized_digits, sprites
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import standard_error
from zscape.model.bound import elbo
from zscape.space.pruning import Pruned
from zscape.space.space import seeded
from zscape.space.stages import outcome
from zscape.space.tuning import measured_places, tuning

LATENT = 128
OPTIONS = {"latent": LATENT, "network": "mlp", "batch_size": 128, "patience": 0}
EPOCHS = 16
EXAMPLES = 6_000
SHARES = {"at_90": 0.90, "at_99": 0.99}
UPDATES = 1_000  # steps of further training, of the smaller network and of the larger one
ROUNDS, DECODED = 60, 256


def digits() -> np.ndarray:
    """Binarized MNIST, uint8 0 or 1, `[N, 28, 28]`."""
    return binarized_digits()["train"][:EXAMPLES].reshape(-1, 28, 28)


def small_sprites() -> np.ndarray:
    """Sprites at 32x32, uint8 0 or 1, `[N, 32, 32]`: every second pixel."""
    return sprites()[:EXAMPLES, 0, ::2, ::2]


WORLDS: dict[str, Callable[[], np.ndarray]] = {"mnist": digits, "sprites": small_sprites}


def both(settings: Settings) -> Iterator[Figure]:
    """Each world, and the larger of both losses."""
    losses: dict[str, list[Figure]] = {word: [] for word in SHARES}
    for name in WORLDS:
        for figure in _pruned(name, settings):
            yield figure
            for word, found in losses.items():
                found += [figure] * (figure.figure == f"{name}_{word}_elbo_change_percent")
    for word, found in losses.items():
        worst = max(found, key=lambda figure: figure.value or 0.0)
        name = "elbo_change_percent" if word == "at_90" else f"{word}_elbo_change_percent"
        yield replace(worst, figure=name, protocol=f"the worse of both: {worst.protocol}")


PARTS = {"prune": both}


def _pruned(name: str, settings: Settings) -> Iterator[Figure]:
    """A VAE of one world, pruned to each share of its rate."""
    x = WORLDS[name]()[: 500 if settings.quick else EXAMPLES]
    options = OPTIONS | {"epochs": 1 if settings.quick else EPOCHS}
    space = zs.fit(x, seed=settings.seed, **options)
    told = (
        f"{len(x):,} {name} of 0 and 1, {x.shape[1]}x{x.shape[2]}, vae {options}, seed "
        f"{settings.seed}; measured on the held-out part of them; {machine()}"
    )
    updates = 20 if settings.quick else UPDATES
    longer = _elbo(_tuned(space, updates))
    for word, share in SHARES.items():
        plain = zs.prune(space, share)
        yield from _figures(f"{name}_{word}", space, plain, told)
        pruned = zs.prune(space, share, updates=updates)
        yield from _changes(f"{name}_{word}", pruned, longer, told)
    yield Figure(f"{name}_floor_pca_units_at_90", _components(x), "units", "exact", _FLOOR)


_FLOOR = (
    "principal components that carry 90 % of the bits 1/2 log2(variance / noise), the noise being "
    f"the mean variance of those after the first {LATENT}"
)


def _tuned(space: zs.Space, updates: int) -> zs.Space:
    return outcome(tuning(space, updates=updates))


@torch.inference_mode()
def _elbo(space: zs.Space) -> Tensor:
    """ELBO of each held-out example that further training did not look at, `[N]`."""
    with seeded(0):
        parts = space.items[measured_places(space)].split(64)
        return torch.cat(
            [elbo(space.model(space.modality.prepare(x), draws=32)).mean(0) for x in parts]
        )


def _changes(name: str, pruned: Pruned, longer: Tensor, told: str) -> Iterator[Figure]:
    """What pruning with further training lost, against the larger network trained as long."""
    ours = _elbo(pruned.space)
    lost, size = longer - ours, float(longer.mean().abs())
    about = (
        f"{len(pruned.units)} of {LATENT} units, which carry {pruned.share:.1%} of the rate, "
        f"trained further by {pruned.updates} steps: {float(ours.mean()):.2f} nats; all units, as "
        f"long: {float(longer.mean()):.2f}; before {pruned.before:.2f}; {len(ours)} held-out "
        f"examples that further training did not look at, 32 draws of each; {told}"
    )
    value = 100 * float(lost.mean()) / size
    error = 100 * standard_error(lost) / size
    yield Figure(f"{name}_elbo_change_percent", value, "%", "estimate", about, error)


def _figures(name: str, space: zs.Space, pruned: Pruned, told: str) -> Iterator[Figure]:
    units, lost = len(pruned.units), -100 * pruned.change / abs(pruned.before)
    about = (
        f"{units} of {LATENT} units, which carry {pruned.share:.1%} of the rate; ELBO before "
        f"{pruned.before:.2f} nats; {told}"
    )
    error = 100 * pruned.error / abs(pruned.before)
    how = f"without further training, same draws: {about}"
    yield Figure(f"{name}_plain_elbo_change_percent", lost, "%", "estimate", how, error)
    yield Figure(f"{name}_units", float(units), "units", "exact", about)
    smaller, larger = pruned.weights
    yield Figure(f"{name}_weights_ratio", larger / smaller, "ratio", "exact", about)
    ratio = _decode_ratio(space, pruned)
    how = f"median of {ROUNDS} decodings of {DECODED} codes each, in turn, CPU time; {about}"
    yield Figure(f"{name}_decode_time_ratio", ratio, "ratio", "measured", how)


def _decode_ratio(space: zs.Space, pruned: Pruned) -> float:
    """CPU time of decoding with the smaller network over that with the larger one."""
    both = [(s, s.codes[:DECODED]) for s in (pruned.space, space)]
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for spent, (one, codes) in zip(times, both, strict=True):
            begin = time.process_time()
            one.decode_tensor(codes)
            spent.append(time.process_time() - begin)
    return median(times[0]) / median(times[1])


def _components(x: np.ndarray) -> float:
    flat = torch.from_numpy(x).float().flatten(1)
    centred: Tensor = flat - flat.mean(0)
    variances = torch.linalg.eigvalsh(centred.T @ centred / len(centred)).flip(0)
    noise = variances[LATENT:].mean()
    bits = (0.5 * (variances[:LATENT] / noise).log2()).clamp(min=0)
    return float((bits.cumsum(0) < 0.9 * bits.sum()).sum() + 1)
