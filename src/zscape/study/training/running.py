"""A training run under way, with a state that can be taken and given back; knows no disk."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from zscape.errors import DivergedError
from zscape.model.batch import Batch
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.objective.schedules import Schedule
from zscape.study.training.batches import Feed
from zscape.study.training.guarding import first_bad
from zscape.study.training.processes import ALONE, Group
from zscape.study.training.progress import Progress, State
from zscape.study.training.stepping import Stepper, within
from zscape.study.training.validating import measure

LOG_EVERY = 50  # steps between two records; each costs one wait for the device
SEEN_BY_A_TURN = 4096  # examples at most
MOST_REFUSED, OF_STEPS = 10, 1000  # refused steps of the last ones, above which a run goes back
GOOD_EVERY = 500  # steps at least between two states that a run can go back to


class Run:
    """One training run under way: `fit` with a state that can be taken and given back.

    Args:
        model: like all that follow, as of `fit`.
        objective: what to minimise.
        feed: of batches.
        epochs: passes at most.
        learning_rate: Adam's.
        validation: batches to measure on.
        patience: epochs.
        ema: decay.
        weight_decay: of Adam.
        encoder_steps: of the encoder alone.
        compile: of the networks.
        precision: of the networks.
        device: where to train.
        group: the processes that train together.
    """

    def __init__(
        self,
        model: Model,
        objective: Objective,
        feed: Feed,
        *,
        epochs: int,
        learning_rate: float | Schedule,
        validation: Iterable[Tensor | Batch] | None,
        patience: int,
        ema: float,
        weight_decay: float = 0.0,
        encoder_steps: int,
        compile: bool = False,
        precision: str,
        device: str,
        group: Group = ALONE,
    ) -> None:
        self.model, self.objective, self.feed = model, objective, feed
        self.epochs, self.validation, self.patience = epochs, validation, patience
        self.device, self.group = device, group
        self.stepper = Stepper(
            model,
            objective,
            learning_rate=learning_rate,
            ema=ema,
            weight_decay=weight_decay,
            encoder_steps=encoder_steps,
            compile=compile,
            precision=precision,
            device=device,
            key=int(torch.randint(2**62, ())),
            group=group,
        )
        self.step, self.epoch, self.batch = 0, 1, 0  # batches of this epoch that were seen
        self.turns, self.best, self.waited = list(objective.turns), math.inf, 0
        self.sum, self.counted = torch.zeros((), device=device), 0
        self.means: dict[str, float] = {}
        self.refusals: list[tuple[int, int]] = []  # (step, how many) of the last 1,000 steps
        self.returns, self.start, self.good = 0, time.monotonic(), self._copied()

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done."""
        patient = self.validation is None or not self.patience or self.waited < self.patience
        return self.epoch > self.epochs or not (patient or self.turns)

    def records(self, until: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Trains to the end, from wherever the state is.

        Args:
            until: asked at every step; once it is true in any process, no further step is made.

        Raises:
            DivergedError: too many steps had to be refused again.
        """
        while not self.over:
            for batch in self.feed.of(self.epoch, start=self.batch):
                self._advance(batch.to(self.device, non_blocking=True), stop=until())
                if self.step % LOG_EVERY == 0:
                    record, back = self._record()
                    self._renew_good()
                    yield record
                    if back:
                        break
                if self._stops(until):
                    return
            else:
                yield self._end_epoch()

    def settle(self) -> None:
        """Leaves the model with its best state, ready for use; no step can be made after it."""
        self.stepper.settle()
        self.model.eval().to("cpu")

    def state(self) -> State:
        """Everything that the next step depends on; its tensors are those in use, not copies."""
        here, good = self._here(), self.good
        tensors = {"sum": self.sum, **here.tensors, **self.stepper.tensors()}
        tensors |= {f"good.{name}": tensor for name, tensor in good.tensors.items()}
        plain = dict(here.plain) | {
            "good": good.plain,
            "best": None if self.best == math.inf else self.best,
            "waited": self.waited,
            "counted": self.counted,
            "means": dict(self.means),
            "refusals": list(self.refusals),
            "returns": self.returns,
            "seconds": time.monotonic() - self.start,
            "threads": torch.get_num_threads(),
            "key": self.stepper.key,
            "made": self.stepper.made,
            "names": self.stepper.names,
            "rate_scale": self.stepper.rate_scale,
            "parts": self.stepper.parts,
            "lagging": dict(vars(self.stepper.lagging)),
        }
        return State(tensors, plain)

    def load(self, state: State) -> None:
        """Goes on from a state of a run that was made in the same way."""
        tensors, plain = state.tensors, state.plain
        self._put(state)
        self.stepper.key, self.stepper.rate_scale = plain["key"], plain["rate_scale"]
        self.stepper.parts, self.stepper.names = plain["parts"], tuple(plain["names"])
        self.stepper.load(tensors, made=plain["made"])
        vars(self.stepper.lagging).update(plain["lagging"])
        self.best = math.inf if plain["best"] is None else plain["best"]
        self.waited, self.counted = plain["waited"], plain["counted"]
        self.means = dict(plain["means"])
        self.sum = tensors["sum"].to(self.device).clone()
        self.refusals = [(step, count) for step, count in plain["refusals"]]
        self.returns = plain["returns"]
        self.start = time.monotonic() - plain["seconds"]
        good = {n: t.to(self.device).clone() for n, t in within("good", tensors).items()}
        self.good = State(good, plain["good"])

    def _here(self) -> State:
        """Weights, those of opponents, what the objective remembers, the place in the data."""
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        opponents = self.stepper.opponents.state_dict()
        tensors |= {f"opponents.{name}": tensor for name, tensor in opponents.items()}
        memories: list[dict[str, Any]] = []
        for index, memory in enumerate(self.objective.memories):
            known = memory.state_dict()
            held = {n: value for n, value in known.items() if isinstance(value, Tensor)}
            tensors |= {f"memories.{index}.{name}": tensor for name, tensor in held.items()}
            memories.append({n: v for n, v in known.items() if n not in held})
        plain = {
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "turns_left": len(self.turns),
            "frozen": [n for n, p in self.model.named_parameters() if not p.requires_grad],
            "memories": memories,
        }
        return State(tensors, plain)

    def _put(self, state: State) -> None:
        """Goes to where `_here` was."""
        tensors, plain = state.tensors, state.plain
        self.step, self.epoch, self.batch = plain["step"], plain["epoch"], plain["batch"]
        turns = self.objective.turns
        done = len(turns) - plain["turns_left"]
        self.turns = list(turns[done:])
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name not in plain["frozen"])
        self.model.load_state_dict(within("model", tensors))
        self.stepper.opponents.load_state_dict(within("opponents", tensors))
        for turn in turns[:done]:
            turn.restore(self.model)
        for index, memory in enumerate(self.objective.memories):
            held = {n: t.clone() for n, t in within(f"memories.{index}", tensors).items()}
            memory.load_state_dict(plain["memories"][index] | held)

    def _copied(self) -> State:
        here = self._here()
        return State({n: t.detach().clone() for n, t in here.tensors.items()}, here.plain)

    def _renew_good(self) -> None:
        """Takes this state for one to go back to, when the last steps were all sound."""
        if not self.refusals and self.step - self.good.plain["step"] >= GOOD_EVERY:
            self.good = self._copied()

    def _stops(self, until: Callable[[], bool]) -> bool:
        """Whether to end here; all processes of a group say the same."""
        if self.group.world == 1:
            return until()
        if self.device != "cpu" and self.step % LOG_EVERY:
            return False  # asking the device would wait for it
        return self.stepper.stop.item() > 0

    def _advance(self, batch: Batch, *, stop: bool) -> None:
        """One step on a batch; nothing here waits for the device."""
        if self.turns and self.turns[0].step <= self.step:
            self._turn(batch.x)
        self.sum = self.sum + self.stepper.advance(batch, self.step, stop=stop)
        self.step += 1
        self.batch += 1
        self.counted += 1

    def _end_epoch(self) -> Progress:
        """Measures, keeps the best, and moves on to the next epoch."""
        record, back = self._record()
        if back:
            return record
        lagging = self.stepper.lagging
        last = self.feed.of(self.epoch, start=self.batch - 1) if lagging.active else iter(())
        if (batch := next(last, None)) is not None:
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                self.stepper.seed_shared(self.step)
                firsts = map(self.group.from_first, batch.to(self.device).tensors)
                lagging.hear(self.model, Batch(*firsts))
            lagging.active = bool(self.group.from_first(torch.tensor(lagging.active)))
        parts = {**record.parts, **self._validated()}
        seconds = time.monotonic() - self.start
        self.epoch, self.batch = self.epoch + 1, 0
        self._renew_good()
        return replace(record, parts=parts, seconds=seconds)

    def _validated(self) -> dict[str, float]:
        """The figures of the averaged weights, which are kept when they are the best so far."""
        if self.validation is None:
            return {}
        average = self.stepper.average
        with self.stepper.averaged():
            measured = measure(
                self.model, self.objective, self.validation, step=self.step, device=self.device
            )
        # Unlike processors round unlike; all processes must decide the same.
        figures = torch.tensor(list(measured.values()), dtype=torch.float64)
        measured = dict(zip(measured, self.group.from_first(figures).tolist(), strict=True))
        if self.objective.ranks:
            self.waited += 1
            if measured["validation_loss"] < self.best:
                self.best, self.waited = measured["validation_loss"], 0
                average.remember()
        for listen in self.objective.listeners:
            listen(measured)
        return measured

    def _record(self) -> tuple[Progress, bool]:
        """What happened since the last record, and whether the run had to go back."""
        self.refusals = [(at, n) for at, n in self.refusals if at > self.step - OF_STEPS]
        refused, ago, shortened = self.stepper.guard.take()
        if made := self.counted - refused:
            each: list[float] = (self.sum / made).tolist()
            self.means = dict(zip(self.stepper.names, each, strict=True))
        self.sum, self.counted = torch.zeros_like(self.sum), 0
        means, step, epoch = dict(self.means), self.step, self.epoch
        loss = means.pop("loss", math.nan)
        if "distortion" in means and "rate" in means:
            rates = (v for name, v in means.items() if name == "rate" or name.startswith("rate_"))
            means["elbo"] = -means["distortion"] - sum(rates)
        note = self._mind(refused, self.step - ago) if refused else ""
        note = " ".join(said for said in (note, self.stepper.tell()) if said)
        for name, count in (("refused", refused), ("shortened", shortened)):
            if count:
                means[name] = float(count)
        planned = self.epochs * len(self.feed)
        share, seconds = step / planned if planned else 0.0, time.monotonic() - self.start
        return Progress(step, epoch, share, loss, means, seconds, note), self.step < step

    def _mind(self, refused: int, first: int) -> str:
        """Counts refused steps, and goes back once where they are many.

        Raises:
            DivergedError: they are many for the second time.
        """
        self.refusals.append((self.step, refused))
        if sum(count for _, count in self.refusals) <= MOST_REFUSED:
            return f"{refused} steps up to {self.step} were refused: they were not finite."
        blame = self._blame(first)
        self._go_back()
        at = f"back at step {self.step}"
        if self.returns > 1:
            raise DivergedError(
                f"Training must have finite numbers, and too many steps were refused even at half "
                f"the rate: {blame}. The model is {at}. Lower --learning-rate, or choose another "
                "--likelihood."
            )
        return f"too many steps were refused ({blame}): {at}, at half the rate."

    def _go_back(self) -> None:
        """To the last good state, with a fresh optimiser at half the rate; the best is kept."""
        best = self.stepper.average.best
        self._put(self.good)
        self.stepper.start_anew()
        self.stepper.average.best = best
        self.stepper.rate_scale /= 2
        self.waited, self.refusals, self.returns = 0, [], self.returns + 1

    def _blame(self, step: int) -> str:
        """What was wrong with a refused step of this epoch, with the weights as they are now."""
        epoch, number = self.epoch, self.batch - (self.step - step)
        batch = next(self.feed.of(epoch, start=number), None) if number >= 0 else None
        if batch is None:
            return f"first in step {step}"
        with torch.random.fork_rng(devices=[]):
            self.stepper.seed(step)
            what = first_bad(self.model, self.objective, batch.to(self.device), step)
        return f"first in batch {number + 1} of epoch {epoch}, step {step}, {what}"

    def _turn(self, x: Tensor) -> None:
        """Makes the changes whose step has come."""
        while self.turns and self.turns[0].step <= self.step:
            self.model.eval()
            with torch.random.fork_rng(devices=[]):
                self.stepper.seed_shared(-1 - self.step)
                self.turns.pop(0).change(self.model, self.group.from_first(self._seen(x)))
            self.stepper.start_anew()
            self.best, self.waited = math.inf, 0
        self.good = self._copied()

    def _seen(self, x: Tensor) -> Tensor:
        """The examples that were seen last, 4,096 at most, those of the batch x among them."""
        parts, count, epoch, stop = [x], len(x), self.epoch, self.batch
        while epoch >= 1 and stop and count < SEEN_BY_A_TURN:
            start = max(stop - math.ceil((SEEN_BY_A_TURN - count) / len(x)), 0)
            got = list(islice(self.feed.of(epoch, start=start), stop - start))
            parts = [*(batch.x.to(self.device) for batch in got), *parts]
            count = sum(map(len, parts))
            epoch, stop = epoch - 1, len(self.feed)
        return torch.cat(parts)[-SEEN_BY_A_TURN:]
