"""The rate term: how many nats the code may cost, and what a nat costs."""

from collections.abc import Mapping

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.model.bound import rate, rate_per_unit, sum_rates
from zscape.model.trace import Trace
from zscape.objective.objective import Part, Term
from zscape.objective.schedules import Schedule, at


class Rate(Term):
    """weight * KL(q(z | x) || p(z)), in nats, with free bits or a target capacity.

    Args:
        weight: beta; a number or a schedule (Higgins et al. 2017).
        floor: free bits, in nats, below which a mean rate costs nothing more; a number or a
            schedule (Kingma et al. 2016, eq. 15, arXiv:1606.04934).
        per: whether the floor is of each "unit", which needs a prior that factorises, or of each
            "level" as a whole.
        capacity: a target C in nats; the cost is weight * |rate - C|
            (Burgess et al. 2018, eq. 8, arXiv:1804.03599).
        shares: how much of its rate a level pays, by its name; all of it where not named. Not with
            free bits.
    """

    def __init__(
        self,
        weight: float | Schedule = 1.0,
        *,
        floor: float | Schedule = 0.0,
        per: str = "unit",
        capacity: float | Schedule | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.weight = weight
        self.floor = floor
        self.per = per
        self.capacity = capacity
        self.shares = shares or {}
        self.steady = not any(map(callable, (weight, floor, capacity)))

    def __call__(self, trace: Trace, step: int) -> Part:
        """The rate summed over levels, mean over draws and batch."""
        floor = at(self.floor, step)
        if floor > 0:
            value, cost = self._floored(trace, floor)
        else:
            value = cost = sum_rates(trace).mean()
        for name, share in self.shares.items():
            cost = cost - (1 - share) * rate(trace[name]).mean()
        if self.capacity is not None:
            cost = (cost - at(self.capacity, step)).abs()
        weight = at(self.weight, step)
        return Part("rate", value, cost if weight == 1 else weight * cost)

    def _floored(self, trace: Trace, floor: float) -> tuple[Tensor, Tensor]:
        measured = _means_per_unit if self.per == "unit" else _means_per_level
        means = measured(trace)
        return means.sum(), means.clamp(min=floor).sum()


def _means_per_unit(trace: Trace) -> Tensor:
    return torch.cat([_mean_per_unit(rate_per_unit(latent)) for latent in trace.latents])


def _means_per_level(trace: Trace) -> Tensor:
    return torch.stack([rate(latent).mean() for latent in trace.latents])


def _mean_per_unit(per_unit: Tensor | None) -> Tensor:
    if per_unit is None:
        raise SpecError(
            "Free bits must have a rate per unit, got a prior or posterior that does not "
            "factorise. Use free bits with a Gaussian posterior and the standard prior."
        )
    return per_unit.flatten(0, -2).mean(0)
