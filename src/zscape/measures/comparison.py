"""Groups of trained models side by side: figures over seeds, and differences with intervals.

A group is one configuration trained with one seed or several. Every difference says how its
interval was had, because that decides what it is worth.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.measures.figure import Figure
from zscape.measures.likelihood import active_units, bound_of_examples, elbo
from zscape.measures.tradeoff import over_seeds
from zscape.model.model import Model
from zscape.space.space import Space
from zscape.space.units import measuring_items

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Examined:
    """One trained model on its held-out examples.

    Attributes:
        seed: that it was trained with.
        figures: ELBO, rate, distortion, active units.
        values: of each example, `[N]`, by the name of the figure; without those undefined.
        items: a digest of the examples; models with the same one can be compared one by one.
        held_out: whether the examples were held out of training.
    """

    seed: int
    figures: tuple[Figure, ...]
    values: Mapping[str, np.ndarray]
    items: str
    held_out: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Models that differ by their seed alone.

    Attributes:
        name: short, by what sets it apart.
        studies: their folders.
        settings: recipe, options and training, but for the seed.
        data: what they were trained on, for telling data apart.
        members: one per study.
    """

    name: str
    studies: tuple[str, ...]
    settings: Mapping[str, Any]
    data: str
    members: tuple[Examined, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures over seeds; of a single member its own."""
        columns = zip(*(member.figures for member in self.members), strict=True)
        return tuple(over_seeds(column) for column in columns)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of a group minus that of another.

    Attributes:
        figure: its name.
        value: in the figure's unit; None where it means nothing.
        low: the lower end of a 95 % interval, or None.
        high: the upper end.
        unit: of all three.
        how: how the interval was had, or why there is none.
    """

    figure: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    how: str


def examine(space: Space, *, seed: int) -> Examined:
    """The figures of a space on its held-out examples, in whole and one by one.

    Args:
        space: trained.
        seed: that it was trained with.
    """
    stored, held_out = measuring_items(space)
    x = space.modality.prepare(stored)
    by_rate, by_variance = active_units(space.model, x)
    used = by_variance if by_rate.value is None else by_rate
    figures = (*elbo(space.model, x), used)
    digest = sha256(stored.contiguous().numpy().tobytes()).hexdigest()
    return Examined(seed, figures, bound_values(space.model, x), digest, held_out)


@torch.inference_mode()
def bound_values(model: Model, x: Tensor, *, seed: int = 0) -> dict[str, np.ndarray]:
    """ELBO, rate and distortion of each example `[N]`, in nats, by name; draws as in `elbo`.

    ELBO and rate are left out where the code is a point.

    Args:
        model: in evaluation mode.
        x: prepared examples, `[N, *shape]`.
        seed: of the draws.
    """
    spent, rates, _ = bound_of_examples(model, x, seed=seed)
    lost = spent.double().numpy()
    if rates is None:
        return {"distortion": lost}
    cost = rates.double().numpy()
    return {"ELBO": -lost - cost, "rate": cost, "distortion": lost}


def differences(first: Group, other: Group) -> tuple[Difference, ...]:
    """Every figure of `other` minus that of `first`, each with a 95 % interval where one can be.

    Several seeds on both sides: a t interval over seeds, of the paired differences where the
    groups share seeds and held-out examples, else Welch's. Otherwise over examples: paired where
    two models share them, else not. An interval over examples says nothing about other seeds.

    Source: Welch 1947, doi:10.1093/biomet/34.1-2.28.
    """
    pairs = zip(first.figures, other.figures, strict=True)
    return tuple(_difference(first, other, a, b, n) for n, (a, b) in enumerate(pairs))


def _difference(first: Group, other: Group, a: Figure, b: Figure, place: int) -> Difference:
    if first.data != other.data:
        return Difference(b.name, None, None, None, b.unit, "other data")
    if a.value is None or b.value is None:
        return Difference(b.name, None, None, None, b.unit, "undefined")
    if a.unit != b.unit:
        return Difference(b.name, None, None, None, b.unit, f"other unit: {a.unit}, {b.unit}")
    if a.name != b.name:
        return Difference(b.name, None, None, None, b.unit, f"another figure: {a.name}")
    by_seed = _by_seed(first, other, place)
    if len(by_seed) > 1:
        return _interval(b, np.array(by_seed), f"paired, {len(by_seed)} seeds")
    if len(first.members) > 1 and len(other.members) > 1:
        return _welch(first, other, b, place)
    return _over_examples(first, other, a, b)


def _by_seed(first: Group, other: Group, place: int) -> list[float]:
    """Differences of the members that share seed and held-out examples."""
    there = {(member.seed, member.items): member for member in first.members}
    return [
        (member.figures[place].value or 0.0)
        - (there[member.seed, member.items].figures[place].value or 0.0)
        for member in other.members
        if (member.seed, member.items) in there
    ]


def _welch(first: Group, other: Group, figure: Figure, place: int) -> Difference:
    a, b = (
        np.array([member.figures[place].value for member in group.members], dtype=float)
        for group in (first, other)
    )
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    error = math.sqrt(sum(parts))
    value, how = float(b.mean() - a.mean()), f"Welch, {len(a)} and {len(b)} seeds"
    if error == 0:
        return Difference(figure.name, value, value, value, figure.unit, how)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    half = _quantile(freedom) * error
    return Difference(figure.name, value, value - half, value + half, figure.unit, how)


def _over_examples(first: Group, other: Group, a: Figure, b: Figure) -> Difference:
    for one in first.members:
        for two in other.members:
            if one.items == two.items and a.name in one.values and a.name in two.values:
                each = two.values[a.name] - one.values[a.name]
                return _interval(b, each, f"paired, {len(each):,} examples, one seed")
    value = (b.value or 0.0) - (a.value or 0.0)
    own, others = first.members[0].figures, other.members[0].figures
    place = [figure.name for figure in own].index(a.name)
    errors = own[place].error, others[place].error
    if errors[0] is None or errors[1] is None:
        return Difference(b.name, value, None, None, b.unit, "one seed: no interval")
    half = _quantile(math.inf) * math.hypot(errors[0], errors[1])
    how = "other examples each, one seed"
    return Difference(b.name, value, value - half, value + half, b.unit, how)


def _interval(figure: Figure, each: np.ndarray, how: str) -> Difference:
    """The mean with its t interval."""
    value = float(each.mean())
    half = _quantile(len(each) - 1) * float(each.std(ddof=1)) / math.sqrt(len(each))
    return Difference(figure.name, value, value - half, value + half, figure.unit, how)


def _quantile(freedom: float) -> float:
    """Student's t below which a share of (1 + level) / 2 lies."""
    from scipy.special import ndtri, stdtrit

    share = (1 + LEVEL) / 2
    return float(ndtri(share) if math.isinf(freedom) else stdtrit(freedom, share))


def settings_that_differ(groups: Sequence[Group]) -> dict[str, tuple[Any, ...]]:
    """The settings that are not the same in all groups, each with its value per group.

    A recipe that has no such option has None.
    """
    names = dict.fromkeys(name for group in groups for name in group.settings)
    values = {name: tuple(group.settings.get(name) for group in groups) for name in names}
    return {name: each for name, each in values.items() if any(v != each[0] for v in each)}
