"""Clusters of the codes: how many there are, which, and how surely; one is a possible answer."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from zscape.errors import SpecError
from zscape.space.space import Space

COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40)  # of Gaussians that are tried
PATIENCE = 3  # counts without a better one before the search ends
SHAPES = ("full", "tied", "diag")  # of their covariances
STARTS = 2
MOST_AXES, KEPT = 10, 0.95  # principal axes of the codes, and their share of the variance
PER_AXIS = 20  # codes for each axis
TAUGHT, MEDOID = 5_000, 2000  # codes that teach a mixture, and of which a medoid is found
DEPTH = np.log(2)  # a valley: the density falls to half
STEPS = 21  # along the line between two middles


@dataclass(frozen=True, slots=True)
class Cluster:
    """Examples whose codes lie together.

    Attributes:
        members: indices into the data, `[n]`: first the medoid, which has the least mean distance
            to the others, then those nearest to it.
        label: of most members, where labels are known; -1 where none is.
        share: of the members with a known label that have it.
        valley: how far the density falls on the way to the nearest other cluster, as a share of
            the lower of both peaks: 0.1 is a deep valley, 1 none; None where there is no other.
    """

    members: np.ndarray
    label: int
    share: float | None
    valley: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Clusters:
    """The clusters of a space, and what speaks for them.

    Attributes:
        clusters: the largest first.
        assigned: which cluster each example belongs to, `[N]`.
        evidence: BIC in nats per example, by the number of Gaussians: the least decided.
        gaussians: how many that was; those without a valley between them are one cluster.
        stability: adjusted Rand index between what two halves of the data say of all of it: 1 is
            the same, 0 chance.
        agreement: the same between clusters and known labels; None where no labels are known.
    """

    clusters: tuple[Cluster, ...]
    assigned: np.ndarray
    evidence: dict[int, float]
    gaussians: int
    stability: float
    agreement: float | None

    def __repr__(self) -> str:
        """How many, and how stable."""
        return f"Clusters({len(self.clusters)}, stability {self.stability:.2f})"


def clusters(space: Space, number: int | None = None, *, seed: int = 0) -> Clusters:
    """The clusters of the codes of the data, as many as the evidence says, or as are asked for.

    Mixtures of 1 to 40 Gaussians are fitted to the principal axes of the codes, and BIC says how
    many describe them best. A cluster need not be a Gaussian, so those between whose middles the
    density never falls below half of the lower peak are one: a bent or skewed cloud takes several
    Gaussians and has no valley. One cluster is what codes without valleys give. With `number`
    there are as many Gaussians, and each is a cluster.

    Args:
        space: a space.
        number: of clusters; none: by the evidence.
        seed: of the starts.

    Raises:
        SpecError: a number that cannot be.

    Source: Fraley and Raftery 2002, doi:10.1198/016214502760047131 (BIC); Ray and Lindsay 2005,
    eq. 4 (the ridge between two Gaussians), doi:10.1214/009053605000000417; Hennig 2010 (merging
    by the valley on it), doi:10.1007/s11634-010-0058-3.
    """
    most = max(len(space.codes) // 2, 1)
    if number is not None and not 1 <= number <= most:
        raise SpecError(
            f"number must be from 1 to {most}, half of the examples, got {number}. Leave it out "
            "to let the evidence say."
        )
    axes = _axes(space)
    mixture, evidence = _mixture(_some(axes, seed), (number,) if number else COUNTS, seed)
    falls = _falls(mixture)
    group = np.arange(len(falls)) if number else _groups(falls)
    names, assigned = _by_size(group[mixture.predict(axes)])
    found = [
        _cluster(space, np.flatnonzero(assigned == k), _valley(falls, group, name))
        for k, name in enumerate(names)
    ]
    return Clusters(
        clusters=tuple(found),
        assigned=assigned,
        evidence=evidence,
        gaussians=len(falls),
        stability=_stability(axes, len(falls), seed, joined=number is None),
        agreement=None if space.labels is None else _alike(assigned, space.labels),
    )


def _axes(space: Space) -> np.ndarray:
    """Codes along their first principal axes, `[N, A]`, as many as a covariance can be had of."""
    codes = space.codes.flat.double()
    centred = codes - codes.mean(0)
    _, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
    shares = lengths.square().cumsum(0) / lengths.square().sum().clamp(min=1e-30)
    enough = int((shares < KEPT).sum()) + 1
    count = max(min(enough, MOST_AXES, len(codes) // PER_AXIS), 1)
    found: np.ndarray = (centred @ axes[:count].T).numpy()
    return found


def _some(axes: np.ndarray, seed: int) -> np.ndarray:
    if len(axes) <= TAUGHT:
        return axes
    return axes[np.random.default_rng(seed).permutation(len(axes))[:TAUGHT]]


def _mixture(axes: np.ndarray, counts: Sequence[int], seed: int) -> tuple[Any, dict[int, float]]:
    """The mixture of the least BIC, and for each number of Gaussians the least BIC it has."""
    evidence: dict[int, float] = {}
    best, least = None, np.inf
    for count in counts:
        if count > max(len(axes) // 2, 1):
            break
        fitted = [_fitted(axes, count, shape, seed) for shape in SHAPES]
        found = [mixture.bic(axes) / (2 * len(axes)) for mixture in fitted]
        evidence[count] = float(min(found))
        if evidence[count] < least:
            best, least = fitted[int(np.argmin(found))], evidence[count]
        tried = list(evidence)
        if len(tried) - tried.index(min(evidence, key=evidence.__getitem__)) > PATIENCE:
            break
    return best, evidence


def _fitted(axes: np.ndarray, count: int, shape: str, seed: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a slow fit is still a fit
        return GaussianMixture(
            count,
            covariance_type=shape,
            reg_covar=max(1e-3 * float(axes.var()), 1e-12),
            n_init=STARTS if count > 1 else 1,
            random_state=seed,
        ).fit(axes)


def _falls(mixture: Any) -> np.ndarray:
    """How many nats the log-density falls below both sides between two middles, `[K, K]`.

    Along the ridge, which two elongated Gaussians of a bent cloud meet on, and along the straight
    line: the shallower of both.
    """
    count, axes = mixture.means_.shape
    sharpness = _precisions(mixture, axes)
    drawn = np.einsum("kij,kj->ki", sharpness, mixture.means_)
    shares = np.linspace(0, 1, STEPS)
    falls = np.zeros((count, count))
    for a in range(count):
        for b in range(a):
            line = np.outer(1 - shares, mixture.means_[a]) + np.outer(shares, mixture.means_[b])
            weights = np.multiply.outer(1 - shares, sharpness[a])
            weights += np.multiply.outer(shares, sharpness[b])
            pulled = np.outer(1 - shares, drawn[a]) + np.outer(shares, drawn[b])
            ridge = np.linalg.solve(weights, pulled[..., None])[..., 0]
            falls[a, b] = falls[b, a] = min(_fall(mixture, line), _fall(mixture, ridge))
    return falls


def _fall(mixture: Any, way: np.ndarray) -> float:
    height = mixture.score_samples(way)
    rising = np.maximum.accumulate(height)
    falling = np.maximum.accumulate(height[::-1])[::-1]
    return float((np.minimum(rising, falling) - height).max())


def _precisions(mixture: Any, axes: int) -> np.ndarray:
    """The inverse covariance of each Gaussian, `[K, A, A]`."""
    told: np.ndarray = mixture.precisions_
    if mixture.covariance_type == "diag":
        told = told[:, :, None] * np.eye(axes)
    return np.broadcast_to(told, (mixture.n_components, axes, axes))


def _groups(falls: np.ndarray) -> np.ndarray:
    """Which cluster each Gaussian belongs to, `[K]`: those without a valley between are one."""
    group = np.arange(len(falls))
    for a, b in zip(*np.nonzero(falls < DEPTH), strict=True):
        group[group == group[a]] = group[b]
    return group


def _by_size(assigned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The groups that have members, the largest first, and the place of each example's group."""
    names, places, sizes = np.unique(assigned, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    return names[order], np.argsort(order)[places]


def _valley(falls: np.ndarray, group: np.ndarray, name: int) -> float | None:
    """What is left of the density in the shallowest valley around a cluster."""
    around = falls[group == name][:, group != name]
    return float(np.exp(-around.min())) if around.size else None


def _cluster(space: Space, members: np.ndarray, valley: float | None) -> Cluster:
    codes = space.codes.flat[members].double()
    some = codes[torch.linspace(0, len(codes) - 1, min(len(codes), MEDOID)).long()]
    medoid = int(torch.cdist(some, some).mean(1).argmin())
    order = (codes - some[medoid]).norm(dim=1).argsort(stable=True).numpy()
    known = np.array([]) if space.labels is None else space.labels[members]
    labels, counts = np.unique(known[known >= 0], return_counts=True)
    return Cluster(
        members=members[order],
        label=int(labels[counts.argmax()]) if len(labels) else -1,
        share=float(counts.max() / counts.sum()) if len(labels) else None,
        valley=valley,
    )


def _stability(axes: np.ndarray, count: int, seed: int, *, joined: bool) -> float:
    """How alike the groupings of all codes are that two halves of them teach."""
    told = []
    for half in np.array_split(np.random.default_rng(seed).permutation(len(axes)), 2):
        mixture, _ = _mixture(_some(axes[half], seed), (count,), seed)
        given = mixture.predict(axes)
        told.append(_groups(_falls(mixture))[given] if joined else given)
    return _alike(*told)


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """The adjusted Rand index of two groupings, over what both know.

    Source: Hubert and Arabie 1985, doi:10.1007/BF01908075.
    """
    from sklearn.metrics import adjusted_rand_score

    known = (one >= 0) & (other >= 0)
    return float(adjusted_rand_score(one[known], other[known]))
