"""Training as a generator: `fit` knows a model, an objective and batches, and no disk."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zscape.errors import DivergedError, SpecError
from zscape.model.bound import distortion, has_rate, rate_per_unit, sum_rates
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.objective.schedules import Schedule, at
from zscape.study.averaging import Average
from zscape.study.lagging import EncoderFirst

LOG_EVERY = 50  # steps between two records; each costs one wait for the device
ACTIVE = 0.01  # nats above which a unit counts as used
SEEN_BY_A_TURN = 4096  # examples at most


@dataclass(frozen=True, slots=True)
class Progress:
    """One record of a training run.

    Attributes:
        step: optimiser steps done.
        epoch: epochs done or under way.
        share: how much of the planned steps is done, 0 to 1; 0 when the plan is open.
        loss: the objective, mean since the last record.
        parts: its parts, mean since the last record, in nats where the part is a likelihood or
            a rate; at the end of an epoch also `validation_*` figures.
        seconds: since the start.
    """

    step: int
    epoch: int
    share: float
    loss: float
    parts: Mapping[str, float]
    seconds: float


def fit(
    model: Model,
    objective: Objective,
    batches: Iterable[Tensor],
    *,
    epochs: int = 100,
    learning_rate: float | Schedule = 1e-3,
    validation: Iterable[Tensor] | None = None,
    patience: int = 10,
    ema: float = 0.999,
    encoder_steps: int = 0,
    precision: str = "float32",
    device: str = "cpu",
) -> Iterator[Progress]:
    """Trains a model in place and yields its progress; `break` stops early and keeps the best.

    Every pass over `batches` is an epoch with a record at its end. There the validation ELBO of
    the averaged weights is measured (the objective itself where the rate is undefined), and the
    best weights so far are kept; training ends after `patience` epochs without a better one.

    A turn of the objective changes the model, after which optimiser, average, best and patience
    begin anew: a best from before it belongs to another model. No run stops early before the last.

    Args:
        model: trained in place.
        objective: what to minimise.
        batches: x `[B, *shape]` float32; iterated once per epoch.
        epochs: passes at most.
        learning_rate: Adam's; a number or a schedule of the step.
        validation: batches to measure on; none: all epochs are run and the last weights kept.
        patience: epochs without improvement before the end; 0 never stops early.
        ema: decay of the exponential moving average of weights; 0 keeps the plain weights.
        encoder_steps: steps of the encoder alone before each step of everything, in the first
            epochs, while the code still learns to say more; 0: none.
        precision: "float32" or "bfloat16" (networks only; likelihoods stay in float32).
        device: where to train, "cpu" or "cuda".

    Raises:
        DivergedError: the loss left the finite numbers.
    """
    loop = _Loop(model, objective, learning_rate, ema, _autocast(precision, device), device)
    loop.lagging = EncoderFirst(encoder_steps)
    planned = epochs * _length(batches)
    try:
        for epoch in range(1, epochs + 1):
            for x in batches:
                loop.advance(x.to(device, non_blocking=True))
                if loop.step % LOG_EVERY == 0:
                    yield loop.progress(epoch, planned, {})
            loop.end_epoch(x)
            measured = loop.validate(validation) if validation is not None else {}
            yield loop.progress(epoch, planned, measured)
            if measured and patience and loop.waited >= patience and not loop.turns:
                break
    finally:
        loop.average.settle()
        model.eval()


class _Loop:
    """The state of one run: step, sums since the last record, optimiser, average and best."""

    def __init__(
        self,
        model: Model,
        objective: Objective,
        learning_rate: float | Schedule,
        ema: float,
        autocast: AbstractContextManager[object],
        device: str,
    ) -> None:
        self.model = model
        self.objective = objective
        self.learning_rate = learning_rate
        self.ema = ema
        self.autocast = autocast
        self.device = device
        self.lagging = EncoderFirst(0)
        self.turns = list(objective.turns)
        self.recent: list[Tensor] = []
        self.step = 0
        self.sums: dict[str, Tensor] = {}
        self.counted = 0
        self.means: dict[str, float] = {}
        self.start = time.monotonic()
        self.start_anew()

    def start_anew(self) -> None:
        """A fresh optimiser and average for the model as it is, and no best so far."""
        self.model.to(self.device).train()
        self.optimizer = _adam(self.model, self.learning_rate, self.device)
        self.average = Average(self.model, decay=self.ema)
        self.begun = self.step
        self.best, self.waited = math.inf, 0

    def advance(self, x: Tensor) -> None:
        """One optimiser step; nothing here waits for the device."""
        if self.turns:
            self._turn(x)
        if callable(self.learning_rate):
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate(self.step)
        with self.autocast:
            trace = self.model(x, draws=self.objective.draws)
        loss = self.objective(trace, self.step)
        loss.total.backward()
        self.lagging.hold(self.model, self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.counted += 1
        self.average.follow(self.step - self.begun)
        self._add("loss", loss.total.detach())
        for name, value in loss.parts.items():
            self._add(name, value)

    def end_epoch(self, x: Tensor) -> None:
        """Hears of the last batch whether the encoder still catches up."""
        if self.lagging.active:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                self.lagging.hear(self.model, x.to(self.device))

    def validate(self, batches: Iterable[Tensor]) -> dict[str, float]:
        """The figures of the averaged weights, which are kept when they are the best so far."""
        with self.average.weights():
            measured = measure(
                self.model, self.objective, batches, step=self.step, device=self.device
            )
        self.waited += 1
        if measured["validation_loss"] < self.best:
            self.best, self.waited = measured["validation_loss"], 0
            self.average.remember()
        for listen in self.objective.listeners:
            listen(measured)
        return measured

    def progress(self, epoch: int, planned: int, measured: Mapping[str, float]) -> Progress:
        """The record of what happened since the last one."""
        if self.counted:
            self.means = {n: (total / self.counted).item() for n, total in self.sums.items()}
            self.sums, self.counted = {}, 0
            _refuse_divergence(self.means, self.step)
        means = dict(self.means)
        loss = means.pop("loss")
        if "distortion" in means and "rate" in means:
            means["elbo"] = -means["distortion"] - means["rate"]
        seconds = time.monotonic() - self.start
        share = self.step / planned if planned else 0.0
        return Progress(self.step, epoch, share, loss, means | dict(measured), seconds)

    def _turn(self, x: Tensor) -> None:
        """Keeps what was seen of late, and makes the changes whose step has come."""
        self.recent.append(x)
        while sum(len(batch) for batch in self.recent[1:]) >= SEEN_BY_A_TURN:
            del self.recent[0]
        while self.turns and self.turns[0].step <= self.step:
            self.model.eval()
            self.turns.pop(0).change(self.model, torch.cat(self.recent)[-SEEN_BY_A_TURN:])
            self.start_anew()
        if not self.turns:
            self.recent.clear()

    def _add(self, name: str, value: Tensor) -> None:
        self.sums[name] = self.sums[name] + value if name in self.sums else value


@torch.no_grad()
def measure(
    model: Model,
    objective: Objective,
    batches: Iterable[Tensor],
    *,
    step: int,
    device: str = "cpu",
) -> dict[str, float]:
    """Validation figures, in nats per example, and how many units are active.

    `validation_loss` is the negative ELBO, one draw per example, or the objective where the rate
    is undefined. The noise is the same at every call, so that epochs can be compared.
    """
    training = model.training
    model.eval()
    sums: dict[str, float] = {}
    units: list[Tensor] = []
    count = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for x in batches:
            for name, value in _figures(model, objective, x.to(device), step, units).items():
                sums[name] = sums.get(name, 0.0) + value * len(x)
            count += len(x)
    model.train(training)
    figures = {f"validation_{name}": total / count for name, total in sums.items()}
    if units:
        figures["active"] = float((torch.stack(units).sum(0) / count > ACTIVE).sum())
    return figures


def _figures(
    model: Model, objective: Objective, x: Tensor, step: int, units: list[Tensor]
) -> dict[str, float]:
    trace = model(x)
    spent = distortion(trace).mean()
    if not has_rate(trace):
        loss = objective(trace, step).total
        return {"loss": loss.item(), "distortion": spent.item()}
    per_unit = [rate_per_unit(latent) for latent in trace.latents]
    if all(unit is not None for unit in per_unit):
        units.append(torch.cat([u.flatten(0, -2).sum(0) for u in per_unit if u is not None]))
    rate = sum_rates(trace).mean()
    total = (spent + rate).item()
    return {
        "loss": total,
        "distortion": spent.item(),
        "rate": rate.item(),
        "elbo": -total,
    }


def _adam(model: nn.Module, learning_rate: float | Schedule, device: str) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=at(learning_rate, 0), fused=True)


def _autocast(precision: str, device: str) -> AbstractContextManager[object]:
    if precision == "float32":
        return nullcontext()
    if precision == "bfloat16":
        return torch.autocast(torch.device(device).type, torch.bfloat16)
    raise SpecError(
        f"precision must be 'float32' or 'bfloat16', got {precision!r}. 'float32' is always safe."
    )


def _length(batches: Iterable[Tensor]) -> int:
    try:
        return len(batches)  # type: ignore[arg-type]
    except TypeError:
        return 0


def _refuse_divergence(means: Mapping[str, float], step: int) -> None:
    for name, value in means.items():
        if not math.isfinite(value):
            raise DivergedError(
                f"The {name} must stay finite, got {value} at step {step}. "
                "Lower --learning-rate, or choose another --likelihood."
            )
