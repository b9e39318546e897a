"""Binarized digits of which one, two or three quadrants are given: the nats of the rest.

The protocol of Sohn et al. 2015 (NeurIPS 28, section 5.1): -log p(rest | given) by importance
sampling, 100 draws. Published: 1 given 69 to 72 (a plain network 100), 2 given 51, 3 given 24.
"""

import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import zscape as zs
from benchmarks.data import binarized_digits
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import standard_error
from zscape.model.bound import log_weights

DRAWS, CHUNK = 100, 50
OPTIONS = {"latent": 32, "network": "mlp:500,500", "holes": "quadrants", "learning_rate": 1e-3}
EPOCHS, FLOOR_EPOCHS, BATCH = 20, 10, 128
# Which quadrants are given (lower left; the left half; all but the upper right), as published.
GIVEN = {1: (2,), 2: (0, 2), 3: (0, 2, 3)}


def completion(settings: Settings) -> Iterator[Figure]:
    """The nats of what is hidden, for each number of quadrants that are given."""
    train, test = _parts(settings)
    epochs = 1 if settings.quick else EPOCHS
    start = time.process_time()
    space = zs.fit(
        (train[:, 0] * 255).byte().numpy(), recipe="fill_vae", epochs=epochs, patience=0,
        seed=settings.seed, **OPTIONS,
    )  # fmt: skip
    seconds = time.process_time() - start
    said = (
        f"static binarized MNIST, fill_vae {OPTIONS}, {epochs} epochs of {len(train)} pictures, "
        f"{seconds:.0f} CPU s, one model for all holes; {DRAWS} draws, {len(test)} test pictures; "
        f"{machine()}"
    )
    for number in GIVEN:
        nats = _hidden_nats(space, test, number)
        yield Figure(
            f"quadrants_{number}_given", nats.mean().item(), "nats per example", "bound", said,
            standard_error(nats),
        )  # fmt: skip


def floor(settings: Settings) -> Iterator[Figure]:
    """The same of a plain network without a code, whose hidden pixels are independent."""
    train, test = _parts(settings)
    start = time.process_time()
    plain = _plain(train, epochs=1 if settings.quick else FLOOR_EPOCHS, seed=settings.seed)
    seconds = time.process_time() - start
    said = (
        f"a network of two layers of 500 from what is given to the probability of each pixel, "
        f"trained on the same pictures and holes, {seconds:.0f} CPU s; {len(test)} test pictures; "
        f"{machine()}"
    )
    for number in GIVEN:
        hidden = _hidden(number)
        nats = _pixel_nats(plain, test, hidden.expand(len(test), 1, 28, 28)).detach()
        yield Figure(
            f"floor_plain_{number}_given", nats.mean().item(), "nats per example", "exact", said,
            standard_error(nats),
        )  # fmt: skip


PARTS = {"quadrants": completion, "quadrants_floor": floor}


def _parts(settings: Settings) -> tuple[Tensor, Tensor]:
    """Training and test pictures, 0 or 1, `[N, 1, 28, 28]`."""
    data = binarized_digits()
    few = 1_000 if settings.quick else None
    train, test = (torch.from_numpy(data[part][:few]).float() for part in ("train", "test"))
    if settings.quick:
        test = test[:100]
    return train.reshape(-1, 1, 28, 28), test.reshape(-1, 1, 28, 28)


def _hidden(number: int) -> Tensor:
    """Which pixels are hidden where so many quadrants are given, `[28, 28]`."""
    hidden = torch.ones(2, 2, dtype=torch.bool)
    for quadrant in GIVEN[number]:
        hidden[quadrant // 2, quadrant % 2] = False
    return hidden.repeat_interleave(14, 0).repeat_interleave(14, 1)


@torch.inference_mode()
def _hidden_nats(space: zs.Space, x: Tensor, number: int) -> Tensor:
    """-log p(hidden | given) of each picture, `[N]`, by importance sampling."""
    context, found = x.masked_fill(_hidden(number), torch.nan).flatten(1), []
    for rows in torch.arange(len(x)).split(CHUNK):
        weights = log_weights(space.model(x[rows], context[rows], draws=DRAWS))
        found.append(torch.tensor(float(DRAWS)).log() - weights.logsumexp(0))
    return torch.cat(found)


def _plain(x: Tensor, *, epochs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(2 * 784, 500), nn.SiLU(), nn.Linear(500, 500), nn.SiLU(), nn.Linear(500, 784)
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            hides = torch.randint(1, 16, (len(rows), 1)) >> torch.arange(4) & 1
            hidden = hides.bool().reshape(-1, 1, 2, 2)
            hidden = hidden.repeat_interleave(14, 2).repeat_interleave(14, 3)
            optimiser.zero_grad()
            _pixel_nats(network, x[rows], hidden).mean().backward()
            optimiser.step()
    return network


def _pixel_nats(network: nn.Module, x: Tensor, hidden: Tensor) -> Tensor:
    """The cross entropy of hidden pixels, summed, `[B]`."""
    given = torch.cat([x.masked_fill(hidden, 0.0).flatten(1), hidden.flatten(1).float()], 1)
    each = binary_cross_entropy_with_logits(network(given), x.flatten(1), reduction="none")
    return each.where(hidden.flatten(1), 0.0).sum(1)
