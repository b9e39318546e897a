"""From scores to p-values and alarms, by what normal things score; knows no space and no model.

A score is a number that is higher the stranger a thing is. Its surprise is -log p in nats, p the
share of normal things that score as high. Scores are added and set in order as they are
`extrapolated`; what is told of one is its `surprise`, which believes the tail only so far.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.errors import DataError, SpecError

TAIL = 0.1  # share of the normals whose excesses say how p falls beyond
FEWEST_IN_TAIL = 10
FEWEST_NORMALS = 5
LEAST_P = 1e-300  # p is never 0
LEAST_TOLD = 1e-9  # below it p says only that a thing is far
FAR = -math.log(LEAST_TOLD)  # nats to which the tail is believed: no more than so many normals say

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Combined:
    """Several scores of the same things as one.

    Attributes:
        surprises: of each score, `[N]` by its name, in nats.
        leading: which score is the most surprised, an index into the names, `[N]`.
        surprise: of the whole, `[N]`: -log p where p is again uniform on normals.
        normal_surprise: likewise of the normals, `[M]`; nan where one of their scores is.
    """

    surprises: Mapping[str, Tensor]
    leading: Tensor
    surprise: Tensor
    normal_surprise: Tensor

    def flagged(self, threshold: float) -> Tensor:
        """Which things are as strange as a share `threshold` of normals, bool `[N]`."""
        return p_of(self.surprise) <= threshold

    def false_alarms(self, threshold: float) -> Tensor:
        """Which of the normals that have all scores would be flagged, bool `[M']`."""
        known = self.normal_surprise[~self.normal_surprise.isnan()]
        return p_of(known) <= threshold


def surprise(normals: Tensor, values: Tensor) -> Tensor:
    """-log p of values in nats, `[N]`: p is the share of normals that score as high.

    Up to the 90th percentile of the normals p is their share, itself counted in; beyond, it falls
    as the exponential whose mean is that of the excesses there, so that it goes on where no normal
    was. With few normals the tail begins earlier: at ten of them, or half. Below 1e-9, of which no
    number of normals says anything, p falls as one over the nats beyond: what is stranger still
    has the lower p, and none is past reading.

    Args:
        normals: scores of normal things that fitted nothing, `[M]`; nan ones are left out.
        values: scores of the things, `[N]`; nan stays nan.

    Raises:
        DataError: fewer than 5 normals with a score.

    Source: Laxhammar and Falkman 2014, eq. 2, doi:10.1109/TPAMI.2013.172; Pickands 1975, section 2
    (the tail; here with shape 0, then 1), doi:10.1214/aos/1176343003.
    """
    return believed(extrapolated(normals, values))


def extrapolated(normals: Tensor, values: Tensor) -> Tensor:
    """-log p as `surprise`, had the exponential no end, `[N]`; to add and to sort, not to tell.

    Raises:
        DataError: fewer than 5 normals with a score.
    """
    known = normals.double()[~normals.isnan()].sort().values
    count = len(known)
    if count < FEWEST_NORMALS:
        raise DataError(
            f"A score must be calibrated on at least {FEWEST_NORMALS} normal things, got {count}. "
            "Train with more examples, or with a larger --validation."
        )
    tail = max(round(TAIL * count), min(FEWEST_IN_TAIL, count // 2))
    start = known[count - tail - 1]
    above = (known[count - tail :] - start).mean()
    # Where the largest normals are all one value, whatever exceeds it is beyond them all.
    scale = above.clamp(min=1e-9 * max(float(start.abs()), 1e-30))
    found = values.double()
    as_high = count - torch.searchsorted(known, found.contiguous())
    within = -((1 + as_high) / (1 + count)).log()
    beyond = (found - start) / scale - math.log((1 + tail) / (1 + count))
    return torch.where(found > start, beyond, within).where(~found.isnan(), torch.nan)


def believed(nats: Tensor) -> Tensor:
    """Extrapolated surprises as far as they mean something, in the same order.

    The same up to -log 1e-9, about 20.7 nats; of what is d beyond, log(1 + d).
    """
    return nats.where(~(nats > FAR), FAR + (nats - FAR).clamp(min=0).log1p())


def combine(parts: Mapping[str, Pair], *, weights: Mapping[str, float] | None = None) -> Combined:
    """Scores as one: the largest surprise among them, or their sum, calibrated on normals again.

    Every score is first calibrated by itself, so that they may have any unit. The largest of
    several surprises is large by chance more often than one; how often, the normals say.

    Args:
        parts: by the name of a score, its values on normals `[M]` and on things `[N]`. A normal
            is the same in every score; nan where a score has none that is out of sample.
        weights: of a sum of the surprises, 1 where none is given, which sees what is a little
            strange in every way; None: the largest counts, which sees what is strange in one.

    Raises:
        SpecError: no scores.
        DataError: fewer than 5 normals with all scores.

    Source: Tippett 1931 (the least of several p-values); Fisher 1932, section 21.1 (their product).
    """
    if not parts:
        raise SpecError("At least one score must be combined, got none. Name some.")
    each = {name: extrapolated(normals, values) for name, (normals, values) in parts.items()}
    weight = torch.tensor([(weights or {}).get(name, 1.0) for name in parts]).double()[:, None]
    things = weight * torch.stack(list(each.values()))
    own = weight * torch.stack([extrapolated(normals, normals) for normals, _ in parts.values()])
    whole, normal = (s.amax(0) if weights is None else s.sum(0) for s in (things, own))
    told = {name: believed(nats) for name, nats in each.items()}
    return Combined(told, things.argmax(0), surprise(normal, whole), surprise(normal, normal))


def p_of(surprise: Tensor) -> Tensor:
    """The p-values of surprises in nats; what has one of at most a threshold is flagged.

    Below 1 / (normals + 1) it is extrapolated, see `surprise`; it is at least 1e-300.
    """
    return (-surprise).exp().clamp(min=LEAST_P)


def p_words(p: float, normals: int) -> str:
    """A p-value for people: `0.024`, `~0.0031` where that is extrapolated, `<1e-9` far beyond.

    Args:
        p: of a thing.
        normals: how many calibrated it; none of them is as strange where p is extrapolated.
    """
    if p < LEAST_TOLD:
        return "<1e-9"
    return f"{p:.2g}" if p * (normals + 1) > 1 - 1e-9 else f"~{p:.2g}"


def few_normals(normals: int, threshold: float) -> tuple[str, ...]:
    """A sentence where so many normals are few for a threshold; else none."""
    if normals * threshold >= 1:
        return ()
    return (
        f"{normals:,} held-out normals are few for a threshold of {threshold:g}: it rests "
        "on how their scores fall off",
    )


def require_threshold(threshold: float) -> float:
    """The same threshold, where it is a share.

    Raises:
        SpecError: it is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise SpecError(
            f"A threshold must be a share of normals between 0 and 1, got {threshold}. "
            "0.01 flags what is as strange as one in a hundred."
        )
    return threshold
