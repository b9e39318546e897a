"""Fitting mixtures of Gaussians with full covariances by expectation maximisation."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from zscape.probability.distributions.mixtures import FullGaussianMixture

CHUNK = 4096
MOST_STARTING = 20_000  # points that the start looks at
LLOYD = 8  # steps of k-means before EM
ROUNDS = 40  # of EM at most
LEAST_GAIN = 2e-3  # nats a point, below which EM ends

# Of points [n, D]: the share that each component has in each [n, K], and log-likelihoods [n].
Expect = Callable[[Tensor], tuple[Tensor, Tensor]]


def fit_mixture(
    points: Tensor, components: int, *, rounds: int = ROUNDS, strength: float = 1.0, seed: int = 0
) -> Iterator[FullGaussianMixture]:
    """A mixture of Gaussians, better after each round of EM.

    The start is k-means++ and some steps of k-means. Each covariance is drawn towards that of all
    points, shrunk as if the components shared its volume, by `strength` * D points: it stays
    regular where a component owns few. No round lowers the likelihood times this prior.

    Args:
        points: `[N, D]`, standardised.
        components: K; half as many as points at most.
        rounds: of EM at most; it ends where a round gains less than 2e-3 nats a point.
        strength: of the regularisation, in points a unit.
        seed: of the start.

    Source: Dempster, Laird and Rubin 1977, section 4.3; Arthur and Vassilvitskii 2007 (k-means++);
    Fraley and Raftery 2007, eq. 9 (the prior of the covariances).
    """
    size, components = points.shape[1], max(min(components, len(points) // 2), 1)
    weight = strength * size
    prior = weight * components ** (-2 / size) * _covariance(points)
    centers = _start(points, components, seed)

    def owned(part: Tensor) -> tuple[Tensor, Tensor]:
        return one_hot(_nearest(part, centers), components).float(), part.new_zeros(len(part))

    mixture, before = _maximised(points, owned, prior, weight)[0], -math.inf
    yield mixture
    for _ in range(rounds):
        mixture, likelihood = _maximised(points, _expected(mixture), prior, weight)
        yield mixture
        if likelihood - before < LEAST_GAIN:
            return
        before = likelihood


def _expected(mixture: FullGaussianMixture) -> Expect:
    def expect(part: Tensor) -> tuple[Tensor, Tensor]:
        joint = mixture.logits.log_softmax(-1) + mixture.log_components(part)
        total = joint.logsumexp(-1)
        return (joint - total[:, None]).exp(), total

    return expect


def _maximised(
    points: Tensor, expect: Expect, prior: Tensor, weight: float
) -> tuple[FullGaussianMixture, float]:
    """The mixture of these shares, and the mean log-likelihood of the one that gave them."""
    counts, first, second, likelihood = _sums(points, expect)
    counts = counts.clamp(min=1e-6)
    loc = first / counts[:, None]
    scatter = second - counts[:, None, None] * loc[:, :, None] * loc[:, None, :]
    covariance = (scatter + prior) / (counts + weight)[:, None, None]
    logits = (counts / counts.sum()).log()
    return FullGaussianMixture(logits, loc, _root(covariance)), likelihood


def _sums(points: Tensor, expect: Expect) -> tuple[Tensor, Tensor, Tensor, float]:
    """Counts `[K]`, sums `[K, D]` and second moments `[K, D, D]` of components, and a mean."""
    counts: Tensor | None = None
    for part in points.split(CHUNK):
        shares, likelihood = expect(part)
        if counts is None:
            size, number = part.shape[1], shares.shape[1]
            counts, total = shares.new_zeros(number), shares.new_zeros(())
            first, second = shares.new_zeros(number, size), shares.new_zeros(number, size, size)
        counts += shares.sum(0)
        first += shares.T @ part
        weighted = (shares.T[:, :, None] * part).transpose(1, 2)
        second += weighted @ part
        total = total + likelihood.double().sum()
    assert counts is not None, "no points"
    return counts, first, second, total.item() / len(points)


def _start(points: Tensor, components: int, seed: int) -> Tensor:
    """Centres `[K, D]` by k-means++ and some steps of k-means."""
    generator = torch.Generator().manual_seed(seed)
    some = points[torch.randperm(len(points), generator=generator)[:MOST_STARTING]]
    chosen = [torch.randint(len(some), (), generator=generator).item()]
    distance = (some - some[int(chosen[0])]).square().sum(1)
    for _ in range(components - 1):
        # Where all points are equal, any will do.
        chance = distance if distance.sum() > 0 else torch.ones_like(distance)
        chosen.append(torch.multinomial(chance, 1, generator=generator).item())
        distance = distance.minimum((some - some[int(chosen[-1])]).square().sum(1))
    centers = some[torch.tensor(chosen)].clone()
    for _ in range(LLOYD):
        owners = one_hot(_nearest(some, centers), components).float()
        counts = owners.sum(0)[:, None]
        centers = torch.where(counts > 0, owners.T @ some / counts.clamp(min=1), centers)
    return centers


def _nearest(points: Tensor, centers: Tensor) -> Tensor:
    return (centers.square().sum(1) - 2 * points @ centers.T).argmin(1)


def _covariance(points: Tensor) -> Tensor:
    centred = points - points.mean(0)
    found: Tensor = centred.T @ centred / max(len(points) - 1, 1)
    # Units that never vary, or follow from others, must not make the whole singular.
    return found + 1e-4 * torch.eye(len(found), device=points.device)


def _root(covariance: Tensor) -> Tensor:
    root: Tensor = torch.linalg.cholesky(covariance.double()).to(covariance.dtype)
    return root
