"""The aggregate posterior q(z) against the prior p(z): where the codes of data lie, and draws.

Every figure says its unit and its kind. Functions draw under a seed of their own and leave the
caller's randomness as it was.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zscape.measures.figure import NATS, Figure, mean, undefined
from zscape.measures.likelihood import BATCH, STREAM
from zscape.model.bound import has_rate, sum_rates
from zscape.model.model import Model
from zscape.model.trace import Trace

MOST = 1024  # examples in the mixture that stands for q(z); pairs of them are compared
HIDDEN, STEPS, RATE, DECAY = 64, 200, 1e-2, 1e-2  # of the two-sample classifier


@dataclass(frozen=True, slots=True)
class Draws:
    """Codes drawn from q(z | x), one per example, and as many from the prior, both `[N, D]`."""

    codes: Tensor
    prior: Tensor


@torch.inference_mode()
def draw_codes(model: Model, x: Tensor, *, seed: int = 0) -> Draws:
    """One code per example from its posterior, and as many from the prior.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`.
        seed: of the draws.
    """
    codes, prior = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        for part in _batches(x):
            codes.append(_flat(model(part), lead=2))
            prior.append(_flat(model.generate(len(part)), lead=1))
    return Draws(torch.cat(codes), torch.cat(prior))


@torch.inference_mode()
def mutual_information(
    model: Model, x: Tensor, *, most: int = MOST, seed: int = 0
) -> tuple[Figure, Figure]:
    """I_q(x; z) from below, and KL(q(z) || p(z)) = rate - I_q from above; nats per example.

    q(z) is the mixture of the posteriors of M examples, the example's own among them, so the first
    cannot pass log M: near that it says "at least", and the second says nothing. Costs M^2
    densities. Both are undefined where the code is a point or has more than one level.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`.
        most: M at most.
        seed: of the draws, one per example.

    Source: Hoffman and Johnson 2016, eq. 9 (surgery); Poole et al. 2019, eq. 12 (the bound),
    arXiv:1905.06922.
    """
    x = x[:most]
    source = "Hoffman and Johnson 2016, eq. 9"
    names = _information_names(len(x))
    posteriors: list[Distribution] = []
    codes, own, rates = [], [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        for part in _batches(x):
            trace = model(part)
            q = trace.latents[0].q
            if q is None or not has_rate(trace) or len(trace.latents) > 1:
                return undefined(names[0], NATS, source), undefined(names[1], NATS, source)
            posteriors.append(q)
            codes.append(trace.latents[0].z[0])
            own.append(q.log_prob(codes[-1]))
            rates.append(sum_rates(trace).expand(1, len(part))[0])
    aggregate = _log_mixture(posteriors, torch.cat(codes)) - math.log(len(x))
    ratio = (torch.cat(own) - aggregate).double()
    return (
        _at_least_zero(mean(names[0], ratio, NATS, "bound", source)),
        _at_least_zero(mean(names[1], torch.cat(rates).double() - ratio, NATS, "bound", source)),
    )


def moments_gap(draws: Draws) -> tuple[list[Figure], list[Figure]]:
    """How far the mean and the variance of q(z) are from the prior's, unit by unit.

    In standard deviations of the prior and in its variances; 0 where they agree.
    """
    scale = draws.prior.std(0, correction=0).clamp(min=1e-12)
    centre = draws.prior.mean(0)
    codes = (draws.codes - centre) / scale
    spread = codes - codes.mean(0)
    unit = "prior standard deviations"
    means = [mean(f"mean of unit {d}", column, unit, "estimate") for d, column in _columns(codes)]
    variances = [
        mean(f"variance of unit {d} over the prior's, less 1", column.square() - 1, "", "estimate")
        for d, column in _columns(spread)
    ]
    return means, variances


def two_sample_test(codes: Tensor, prior: Tensor, *, seed: int = 0) -> Figure:
    """How often a small classifier tells codes from prior draws: 0.5 means it cannot.

    Half of both trains a network of two hidden layers, the other half is judged. It finds what
    samples of the prior suffer from: gaps, holes, and directions that are too wide. Grows with the
    number of examples and of units, so compare at the same ones.

    Args:
        codes: draws of the aggregate posterior, `[N, D]`.
        prior: draws of the prior, `[N, D]`.
        seed: of the split and the classifier.

    Source: Lopez-Paz and Oquab 2017, section 3, arXiv:1610.06545.
    """
    both = torch.cat([codes, prior]).float()
    labels = torch.cat([torch.ones(len(codes)), torch.zeros(len(prior))])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        order = torch.randperm(len(both))
        train, judged = order[: len(order) // 2], order[len(order) // 2 :]
        both = (both - both[train].mean(0)) / both[train].std(0).clamp(min=1e-6)
        network = _classifier(both[train].clone(), labels[train])
    with torch.no_grad():
        right = (network(both[judged].clone())[:, 0] > 0) == labels[judged].bool()
    name = f"codes told from prior draws (two-sample test, {len(codes):,} of each)"
    source = "Lopez-Paz and Oquab 2017, section 3"
    return mean(name, right.double(), "accuracy", "estimate", source)


def _at_least_zero(figure: Figure) -> Figure:
    """Neither information nor a divergence is below 0, though the mean of few draws may be."""
    return replace(figure, value=max(figure.value or 0.0, 0.0))


def _information_names(count: int) -> tuple[str, str]:
    of = f"of {count:,} examples"
    return (
        f"mutual information of data and code ({of}: at least this, at most {math.log(count):.1f})",
        f"KL of the aggregate posterior from the prior ({of}: at most this)",
    )


@torch.inference_mode(False)
def _classifier(x: Tensor, labels: Tensor) -> nn.Module:
    network = nn.Sequential(
        nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
    ).append(nn.Linear(HIDDEN, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    with torch.enable_grad():
        for _ in range(STEPS):
            loss = nn.functional.binary_cross_entropy_with_logits(network(x)[:, 0], labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def _log_mixture(posteriors: list[Distribution], codes: Tensor) -> Tensor:
    """Log sum_j q(z_i | x_j) of each code, `[N]`."""
    parts = []
    for rows in codes.split(BATCH):
        each = []
        for q in posteriors:
            pairs = rows[:, None].expand(-1, q.batch_shape[0], *rows.shape[1:])
            each.append(q.log_prob(pairs).logsumexp(1))
        parts.append(torch.stack(each).logsumexp(0))
    return torch.cat(parts)


def _flat(trace: Trace, *, lead: int) -> Tensor:
    """The codes of a walk side by side, `[N, D]`; of several draws the first."""
    return torch.cat([latent.z.flatten(lead) for latent in trace.latents], dim=-1).flatten(
        0, lead - 1
    )


def _columns(values: Tensor) -> Iterator[tuple[int, Tensor]]:
    return enumerate(values.unbind(1))


def _batches(x: Tensor) -> Iterator[Tensor]:
    return (x[start : start + BATCH] for start in range(0, len(x), BATCH))
