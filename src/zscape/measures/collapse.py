"""Is the code used? Units that repeat each other, decoders that do not listen, levels that died.

The rate of each unit and the number of active ones stand in `likelihood`, the aggregate posterior
against the prior in `aggregate`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.measures.figure import NATS, Figure, mean
from zscape.measures.likelihood import BATCH, STREAM
from zscape.model.bound import distortion
from zscape.model.model import Model
from zscape.probability.distributions.grids import Chosen
from zscape.space.units import ACTIVE

SAME = 0.95  # |correlation| of two units above which one repeats the other


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a code book is used.

    Attributes:
        perplexity: exp of the entropy of the codes; K when all are used alike, 1 when one is.
        used: the share of the K codes that occur at all.
        dead: how many of them do not.
        size: K.
        seen: how many codes were counted.
    """

    perplexity: Figure
    used: Figure
    dead: Figure
    size: int
    seen: int


@torch.inference_mode()
def code_gain(model: Model, x: Tensor, *, seed: int = 0) -> Figure:
    """What the decoder gains from an example's own code over that of another, in nats.

    The distortion with codes shuffled between examples less the distortion with their own, one
    draw each: 0 where the decoder ignores the code. It is no bound on the information in the code:
    a wrong code may cost more than none.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`, two at least.
        seed: of the draws and the shuffle.
    """
    names = [str(level.name) for level in model.levels]
    draws: list[list[Tensor]] = []
    own, other = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        for part in _batches(x):
            trace = model(part)
            own.append(distortion(trace)[0])
            draws.append([latent.z[0] for latent in trace.latents])
        codes = [torch.cat(level) for level in zip(*draws, strict=True)]
        order = torch.randperm(len(x))
        others = torch.empty_like(order)
        others[order] = order.roll(1)  # one long cycle, so that nobody keeps the own code
        for start in range(0, len(x), BATCH):
            rows = others[start : start + BATCH]
            given = {name: level[rows] for name, level in zip(names, codes, strict=True)}
            other.append(distortion(model(x[start : start + BATCH], given=given))[0])
    gain = torch.cat(other) - torch.cat(own)
    return mean("gain of the decoder from the code", gain, NATS, "estimate")


def duplicate_units(codes: Tensor, *, least: float = SAME) -> list[tuple[int, int, Figure]]:
    """Pairs of units whose posterior means say the same: |correlation| above `least`.

    Units that do not vary are left out: they are dead and no duplicates.

    Args:
        codes: posterior means, `[N, D]`.
        least: the correlation above which a pair is named.
    """
    centred = (codes - codes.mean(0)).double()
    spread = centred.square().mean(0).sqrt()
    alive = (spread.square() > ACTIVE).nonzero().flatten()
    standard = centred[:, alive] / spread[alive]
    correlation = standard.T @ standard / len(codes)
    pairs = (correlation.abs() > least).triu(1).nonzero().tolist()
    found = []
    for left, right in pairs:
        a, b, value = int(alive[left]), int(alive[right]), float(correlation[left, right])
        name = f"units {a} and {b}"
        found.append((a, b, Figure(name, value, "correlation", "estimate")))
    return found


def code_usage(codes: Tensor, size: int, *, name: str = "the codes") -> Usage:
    """The perplexity of integer codes, and how much of the code book occurs.

    All are of the sample: with few codes of many, perplexity reads low.

    Args:
        codes: whole numbers from 0 to `size` - 1, `[N, ...]`.
        size: K, how many codes there are.
        name: of the book, in the figures.

    Source: van den Oord et al. 2017, arXiv:1711.00937 (perplexity as reported).
    """
    counts = torch.bincount(codes.flatten().long(), minlength=size).double()
    shares = counts / counts.sum()
    entropy = -(shares * shares.clamp(min=1e-300).log()).sum()
    used = (shares > 0).double()
    of = "" if name == "the codes" else f" of {name}"
    return Usage(
        Figure(f"perplexity of {size} codes{of}", entropy.exp().item(), "codes", "estimate"),
        Figure(f"share of {name} that are used", used.mean().item(), "share", "estimate"),
        Figure(f"dead codes of {size}{of}", float(size - used.sum()), "codes", "estimate"),
        size,
        codes.numel(),
    )


@torch.inference_mode()
def book_usage(model: Model, x: Tensor) -> tuple[Usage, ...]:
    """How much of each code book is used over examples, level by level; none where none has one.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`.
    """
    found: dict[tuple[str, int], list[Tensor]] = {}
    sizes: dict[str, tuple[int, ...]] = {}
    for part in _batches(x):
        for latent in model.latents(part):
            if isinstance(latent.q, Chosen):
                sizes[latent.name] = latent.q.quantiser.sizes
                for book, indices in enumerate(latent.q.indices.unbind(-1)):
                    found.setdefault((latent.name, book), []).append(indices)
    usages = []
    for (level, book), parts in found.items():
        alone = len(found) == 1
        name = "the codes" if alone else f"book {book + 1} of {len(sizes[level])}"
        usages.append(code_usage(torch.cat(parts), sizes[level][book], name=name))
    return tuple(usages)


def dead_levels(rates: list[Figure]) -> Figure:
    """How many levels carry less than 0.01 nat.

    Args:
        rates: of each level, as `likelihood.rate_per_level` measures them.
    """
    count = float(sum((figure.value or 0.0) < ACTIVE for figure in rates))
    return Figure("dead levels", count, "levels", "estimate")


def _batches(x: Tensor) -> Iterator[Tensor]:
    return (x[start : start + BATCH] for start in range(0, len(x), BATCH))
