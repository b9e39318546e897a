"""Which unit keeps still when a factor does: the FactorVAE score and the beta-VAE score.

Both ask for groups of codes whose examples share one factor. A renderer can draw such groups; of
a table, rows with the same value of the factor are drawn instead, with replacement.
"""

from collections.abc import Callable

import numpy as np

from zscape.measures.disentanglement.factors import Labelled, labelled
from zscape.measures.disentanglement.information import SCORE
from zscape.measures.figure import Figure

Draw = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]

GROUP = 64
VOTES = (10_000, 5_000)

_STILL = 0.05  # standard deviation below which a unit has collapsed to the prior
_AT_ONCE = 500  # groups in memory at a time
_FACTOR = "Kim and Mnih 2018, section 4, arXiv:1802.05983"
_BETA = "Higgins et al. 2017, section 3, openreview Sy2fzU9gl"


def factor_vae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    *,
    draw: Draw | None = None,
    votes: tuple[int, int] = VOTES,
    group: int = GROUP,
    seed: int = 0,
) -> Figure:
    """Accuracy of a majority vote that tells the factor held fixed from the unit that varies least.

    Each vote draws a factor, and a group of examples that share a value of it; the unit with the
    least variance, over its variance in all the codes, votes for the factor. A unit may win
    several factors, but a factor without a unit of its own is told wrong: 1 / F is the floor, and
    it forgives a factor that is spread over units. Units with a standard deviation below 0.05
    have no vote.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`; without `draw`, groups are rows of this table: of a row drawn at
            random, and others with the same value. That is the original where the table is a
            random part of all combinations of factors.
        draw: (factors `[V]`, L, generator) to codes `[V, L, D]` of fresh examples, where the L of
            a group share a random value of its factor.
        votes: how many to learn from, and how many to measure on.
        group: L.
        seed: of the draws.

    Raises:
        DataError: factors that cannot be used, see `labelled`.

    Source: Kim and Mnih 2018, section 4, arXiv:1802.05983.
    """
    table = labelled(codes, factors)
    draw = rows_sharing(table) if draw is None else draw
    generator = np.random.default_rng(seed)
    variances = table.codes.var(0, ddof=1)
    awake = np.flatnonzero(variances >= _STILL**2)
    if not len(awake):
        return Figure("FactorVAE score", 0.0, SCORE, "estimate", source=_FACTOR)

    def counted(count: int) -> np.ndarray:
        cast = np.zeros((len(table.names), len(awake)))
        for size in _sizes(count):
            asked = generator.integers(0, len(table.names), size)
            local = draw(asked, group, generator)[..., awake].var(1, ddof=1)
            np.add.at(cast, (asked, (local / variances[awake]).argmin(1)), 1)
        return cast

    learned, measured = counted(votes[0]).argmax(0), counted(votes[1])
    right = measured[learned, np.arange(len(awake))].sum() / measured.sum()
    return _accuracy("FactorVAE score", float(right), votes[1], _FACTOR)


def beta_vae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    *,
    draw: Draw | None = None,
    votes: tuple[int, int] = VOTES,
    group: int = GROUP,
    seed: int = 0,
) -> Figure:
    """Accuracy of a linear classifier that tells the factor that pairs of examples share.

    Each point is the mean over a group of pairs of |z - z'|, where the two of a pair share a
    value of the factor. It is 1 already where factors lie along any separate directions of
    several units, so it is the most lenient of these scores.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        draw: as in `factor_vae_score`.
        votes: how many points to learn from, and how many to measure on.
        group: pairs a point.
        seed: of the draws.

    Raises:
        DataError: factors that cannot be used, see `labelled`.

    Source: Higgins et al. 2017, section 3, openreview Sy2fzU9gl.
    """
    from sklearn.linear_model import LogisticRegression

    table = labelled(codes, factors)
    if len(table.names) == 1:
        return _accuracy("beta-VAE score", 1.0, votes[1], _BETA)
    draw = rows_sharing(table) if draw is None else draw
    generator = np.random.default_rng(seed)

    def points(count: int) -> tuple[np.ndarray, np.ndarray]:
        parts, asked = [], generator.integers(0, len(table.names), count)
        for part in np.split(asked, np.cumsum(_sizes(count))[:-1]):
            pairs = draw(np.repeat(part, group), 2, generator)
            apart = np.abs(pairs[:, 0] - pairs[:, 1])
            parts.append(apart.reshape(len(part), group, -1).mean(1))
        return np.concatenate(parts), asked

    x, told = points(votes[0])
    scale = np.maximum(x.std(0), np.finfo(np.float64).tiny)
    classifier = LogisticRegression(max_iter=1000).fit(x / scale, told)
    x, told = points(votes[1])
    right = float((classifier.predict(x / scale) == told).mean())
    return _accuracy("beta-VAE score", right, votes[1], _BETA)


def rows_sharing(table: Labelled) -> Draw:
    """Groups of rows of a table that share the value of a factor.

    The value is that of a row drawn at random; values that only one row has are left out.
    """
    orders, starts, counts = [], [], []
    for classes in table.classes.T:
        sizes = np.bincount(classes)
        orders.append(np.argsort(classes, kind="stable"))
        starts.append(np.cumsum(sizes) - sizes)
        counts.append(sizes)
    shared = [
        np.flatnonzero(sizes[classes] > 1)
        for sizes, classes in zip(counts, table.classes.T, strict=True)
    ]

    def draw(asked: np.ndarray, group: int, generator: np.random.Generator) -> np.ndarray:
        rows = np.empty((len(asked), group), dtype=np.int64)
        for f, classes in enumerate(table.classes.T):
            own = asked == f
            value = classes[generator.choice(shared[f], int(own.sum()))]
            places = generator.integers(0, counts[f][value][:, None], (len(value), group))
            rows[own] = orders[f][starts[f][value][:, None] + places]
        found: np.ndarray = table.codes[rows]
        return found

    return draw


def _sizes(count: int) -> list[int]:
    whole, rest = divmod(count, _AT_ONCE)
    return [_AT_ONCE] * whole + ([rest] if rest else [])


def _accuracy(name: str, value: float, count: int, source: str) -> Figure:
    error = (value * (1 - value) / count) ** 0.5
    return Figure(name, value, SCORE, "estimate", error, source)
