"""Fitting a conditional to codes by gradients; knows no model and no disk."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

DECAY = 0.999  # of the average of weights
WARM = 0.05  # share of the steps in which the rate of learning grows
LARGEST = 1.0  # norm of a gradient

CHUNK = 1024
RECORDS = 20

Loss = Callable[[Tensor, Tensor], Tensor]
Points = tuple[Tensor, Tensor]


def minimise(
    module: nn.Module,
    loss: Loss,
    points: Points,
    *,
    held: Points,
    steps: int,
    batch: int = 512,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Iterator[tuple[int, float]]:
    """Fits a module in place by Adam; yields, 20 times, its step and the loss of held-out points.

    The rate grows, then falls by a cosine to 0. What is measured, and what the module holds in the
    end, is an exponential average of its weights, where it was best. Its start counts too. A step
    that is not finite is left out.

    Args:
        module: its parameters that ask for gradients are fitted.
        loss: of points `[B, D]` and contexts `[B, F]`, `[B]`; may draw.
        points: `[N, D]`, and their contexts `[N, F]`.
        held: likewise, of which the best weights are picked.
        steps: how many.
        batch: B, drawn with replacement.
        learning_rate: the highest.
        seed: of the batches and of what is drawn for held-out points.
    """
    weights = [p for p in module.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in weights]
    best, lowest = [p.clone() for p in average], _measured(loss, held, seed)
    optimiser = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=1e-4, eps=1e-6)
    generator = torch.Generator().manual_seed(seed)
    every = max(steps // RECORDS, 1)
    for step in range(1, steps + 1):
        rows = torch.randint(len(points[0]), (batch,), generator=generator)
        optimiser.param_groups[0]["lr"] = learning_rate * _pace(step / steps)
        optimiser.zero_grad()
        with torch.enable_grad():  # whatever the taker wants of gradients, who goes on at a yield
            value = loss(points[0][rows], points[1][rows]).mean()
        value.backward()
        norm = nn.utils.clip_grad_norm_(weights, LARGEST)
        if value.isfinite() and norm.isfinite():
            optimiser.step()
        # Young averages follow sooner, or they would remember the start.
        decay = min(DECAY, (1 + step) / (10 + step))
        torch._foreach_lerp_(average, [p.detach() for p in weights], 1 - decay)
        if step % every == 0 or step == steps:
            with _holding(weights, average):
                found = _measured(loss, held, seed)
            if found < lowest:
                best, lowest = [p.clone() for p in average], found
            yield step, found
    _copy(weights, best)


@torch.no_grad()
def _measured(loss: Loss, held: Points, seed: int) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = zip(held[0].split(CHUNK), held[1].split(CHUNK), strict=True)
        found = torch.cat([loss(z, known) for z, known in parts]).mean().item()
    return found if math.isfinite(found) else math.inf


@contextmanager
def _holding(weights: Sequence[Tensor], others: Sequence[Tensor]) -> Iterator[None]:
    """A `with` in which the weights are others."""
    kept = [p.detach().clone() for p in weights]
    _copy(weights, others)
    yield
    _copy(weights, kept)


@torch.no_grad()
def _copy(weights: Sequence[Tensor], others: Sequence[Tensor]) -> None:
    for weight, other in zip(weights, others, strict=True):
        weight.copy_(other)


def _pace(share: float) -> float:
    return min(share / WARM, 0.5 + 0.5 * math.cos(math.pi * share))
