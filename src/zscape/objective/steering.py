"""Objectives whose beta is moved while training goes on, and the controllers that move it.

A controller keeps its numbers as tensors and never waits for the device within a step.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from zscape.model.bound import distortion
from zscape.model.trace import Trace
from zscape.objective.objective import Loss, Objective, Turn
from zscape.objective.rate import Rate

LOWEST, HIGHEST = 1 / 64, 64.0  # beta stays between
STALLED = 3  # epochs in a row without a better held-out ELBO are more than its noise
RETURN = 0.8  # what is left of a departure from beta = 1, in logarithms, after a better epoch
MEMORY = 0.95  # of the moving averages, per step: 20 steps


class Controller(ABC):
    """What moves beta."""

    @abstractmethod
    def begin(self) -> None:
        """Forgets all: at the start, and when a turn has made another model of it."""

    @abstractmethod
    def follow(self, distortion: Tensor, rate: Tensor) -> Tensor:
        """Beta for this step, a scalar without gradient, from this batch's figures in nats."""

    @abstractmethod
    def hear(self, measured: Mapping[str, float]) -> None:
        """Takes in the figures of a validation."""

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, by name."""
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what another one knew."""
        vars(self).update(state)


class Steered(Objective):
    """distortion + beta * rate in nats, with beta from a controller; the part `beta` tells it.

    Args:
        controller: moves beta at every step.
        rate: the term that beta multiplies; its own weight may be a schedule up to 1.
        turns: changes of the model on the way.
    """

    def __init__(self, controller: Controller, *, rate: Rate, turns: tuple[Turn, ...] = ()) -> None:
        self.controller = controller
        self.rate = rate
        self.turns = turns
        self.listeners = (controller.hear,)
        self.memories = (controller,)
        self.draws = 1

    def __call__(self, trace: Trace, step: int) -> Loss:
        """The loss at the controller's beta; every call is a step of the controller."""
        spent = distortion(trace).mean()
        paid = self.rate(trace, step)
        beta = self.controller.follow(spent.detach(), paid.value.detach())
        parts = {"distortion": spent.detach(), paid.name: paid.value.detach(), "beta": beta}
        return Loss(spent + beta * paid.cost, parts)


class Geco(Controller):
    """Holds the training distortion at a tolerance that it finds itself; starts at beta = 1.

    While the held-out ELBO climbs, beta goes back to 1, its bound. When it stalls for 3 epochs, the
    training distortion at the best ELBO so far is the tolerance: below it the model memorises, so
    beta grows and the surplus pays for a lower rate. Where the distortion did not sink below, the
    tolerance is a tenth of the rate less, and beta falls. 1 / beta, the multiplier, moves by
    exp((D - tolerance) / R) an epoch, D and R being moving averages. Without a validation beta
    stays 1.
    Source: Rezende and Viola 2018, algorithm 1, arXiv:1810.00597; the tolerance is ours.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Beta = 1, and nothing measured."""
        self.log_beta = torch.zeros(())
        self.distortion: Tensor | None = None
        self.rate: Tensor | None = None
        self.best_distortion: Tensor | None = None
        self.tolerance: Tensor | None = None
        self.best = -math.inf
        self.steps = 0
        self.stalled = 0
        self.gain = 0.0

    def follow(self, distortion: Tensor, rate: Tensor) -> Tensor:
        """Beta of this step; the moving averages take the batch in."""
        self.steps += 1
        self.distortion = _moved(self.distortion, distortion)
        self.rate = _moved(self.rate, rate)
        if self.gain and self.tolerance is not None:
            surplus = (self.tolerance - self.distortion) / self.rate.clamp(min=1.0)
            moved = self.log_beta + self.gain * surplus.clamp(-1.0, 1.0)
            self.log_beta = moved.clamp(math.log(LOWEST), math.log(HIGHEST))
        return self.log_beta.exp()

    def hear(self, measured: Mapping[str, float]) -> None:
        """Sets the tolerance from the epoch that ends; an epoch is the unit of time."""
        if measured["validation_elbo"] > self.best or self.best_distortion is None:
            self.best = measured["validation_elbo"]
            assert self.distortion is not None
            self.best_distortion = self.distortion.clone()
            self.log_beta = RETURN * self.log_beta
            self.stalled, self.gain = 0, 0.0
        else:
            assert self.distortion is not None and self.rate is not None
            better = self.best_distortion - 0.1 * self.rate
            memorises = self.distortion < self.best_distortion
            self.tolerance = torch.where(memorises, self.best_distortion, better)
            self.stalled += 1
            self.gain = 1 / max(self.steps, 1) if self.stalled >= STALLED else 0.0
        self.steps = 0


class TargetRate(Controller):
    """Moves beta until the rate is `target` nats, by proportional and integral control.

    In the logarithm of beta, so that it stays positive and finds any scale; the error is
    (R - target) / target, at most 1 in size, which also bounds the integral.
    Source: Shao et al. 2020, eq. 8 and algorithm 1, arXiv:2004.05988 (there beta itself).

    Args:
        target: nats that the code is to carry.
        start: the first beta.
        proportional: gain of a change of the error.
        integral: gain of the error, per step.
    """

    def __init__(
        self,
        target: float,
        *,
        start: float = 1.0,
        proportional: float = 1.0,
        integral: float = 0.02,
    ) -> None:
        self.target = target
        self.proportional = proportional
        self.integral = integral
        self.start = max(start, LOWEST)
        self.begin()

    def begin(self) -> None:
        """The first beta, and no error yet."""
        self.log_beta = torch.tensor(self.start).log()
        self.error: Tensor | None = None

    def follow(self, distortion: Tensor, rate: Tensor) -> Tensor:
        """Beta of this step."""
        now = ((rate - self.target) / self.target).clamp(-1.0, 1.0)
        error = _moved(self.error, now)
        before = error if self.error is None else self.error
        change = self.proportional * (error - before) + self.integral * error
        moved = self.log_beta + change
        self.log_beta = moved.clamp(2 * math.log(LOWEST), 2 * math.log(HIGHEST))
        self.error = error
        return self.log_beta.exp()

    def hear(self, measured: Mapping[str, float]) -> None:
        """Nothing: the rate of the batches is all it needs."""


def tell_beta(history: Sequence[Mapping[str, float]]) -> str:
    """What a controller chose and why, in a sentence; empty where beta was not steered.

    Args:
        history: the parts of a run's records, oldest first; those of validations count.
    """
    heard = [parts for parts in history if "beta" in parts and "validation_elbo" in parts]
    if not heard:
        return ""
    chosen = max(range(len(heard)), key=lambda n: heard[n]["validation_elbo"])
    beta, last, best = heard[chosen]["beta"], heard[-1]["beta"], heard[chosen]
    said = (
        f"beta = {beta:.2g}: with it the held-out ELBO was best, {best['validation_elbo']:.4g} "
        f"nats (rate {best['validation_rate']:.3g}), after epoch {chosen + 1} of {len(heard)}, "
        "whose weights are kept."
    )
    if 0.95 < last / beta < 1.05:
        return f"{said} It rested there: the distortion was what held-out data supports."
    way = "raised" if last > beta else "lowered"
    return f"{said} Later it was {way} to {last:.2g}, which brought nothing more."


def _moved(mean: Tensor | None, value: Tensor) -> Tensor:
    """The moving average after one more value; the first finite value is taken whole."""
    if mean is None:
        return value
    moved = MEMORY * mean + (1 - MEMORY) * value
    return torch.where(mean.isfinite(), moved, value)
