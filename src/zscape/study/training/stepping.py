"""One optimiser step: forward, backward, the guard, the update. Nothing here waits for the device.

Which batch comes, and what is recorded and kept, is the business of `running`.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from zscape.errors import MemoryLimitError, SpecError
from zscape.model.batch import Batch
from zscape.model.model import Model
from zscape.model.trace import Trace
from zscape.objective.objective import Objective
from zscape.objective.schedules import Schedule, at
from zscape.study.storage.failpoints import reach, struck
from zscape.study.training.adam import Adam
from zscape.study.training.allocation import keep_freed_memory
from zscape.study.training.averaging import Average
from zscape.study.training.capture import Captured, Graphs
from zscape.study.training.compiling import Compiled
from zscape.study.training.guarding import Guard
from zscape.study.training.lagging import EncoderFirst
from zscape.study.training.processes import ALONE, Group

MOST_PARTS = 16  # of a batch: four halvings
OPPOSING = (0.5, 0.999)  # betas of an opponent's Adam: against who moves, old gradients mislead


class Stepper:
    """A model with what one step needs: optimiser, average of weights, and guard.

    Args:
        model: trained in place.
        objective: what to minimise.
        learning_rate: Adam's; a number or a schedule of the step.
        ema: decay of the average of weights.
        weight_decay: as of `Adam`.
        encoder_steps: of the encoder alone before each step of everything.
        precision: "float32" or "bfloat16".
        device: where to train.
        key: of the noise; a step's noise depends on it, the number of the step and the rank alone.
        compile: whether the networks are compiled, which pays in long runs.
        group: the processes that share every step.
    """

    def __init__(
        self,
        model: Model,
        objective: Objective,
        *,
        learning_rate: float | Schedule,
        ema: float,
        weight_decay: float = 0.0,
        encoder_steps: int,
        precision: str,
        device: str,
        key: int,
        compile: bool = False,
        group: Group = ALONE,
    ) -> None:
        keep_freed_memory()
        self.model = model
        self.objective = objective
        self.opponents = nn.ModuleList(critic.network for critic in objective.critics)
        self.learning_rate = learning_rate
        self.ema = ema
        self.weight_decay = weight_decay
        self.autocast = autocast(precision, device)
        self.device = device
        self.on_cuda = torch.device(device).type == "cuda"
        self.key = key
        self.group = group
        self.stop = torch.zeros((), device=device)  # above 0 where a process wants to end
        self.rate_scale = 1.0
        self.names: tuple[str, ...] = ()
        self.lagging = EncoderFirst(encoder_steps)
        self.parts = 1  # that a batch is computed in, as memory allows
        self.step, self.stop_asked = 0, False
        self.notes: list[str] = []
        self.said: list[str] = []
        self.compiled = Compiled(model) if compile else None
        self.start_anew()

    def start_anew(self) -> None:
        """A fresh optimiser, average and guard for the model as it is."""
        for module in (self.model, self.opponents):
            module.to(self.device).train()
            self.group.share_first([*module.parameters(), *module.buffers()])
        self.adam = Adam(self.lagging.groups(self.model), weight_decay=self.weight_decay)
        self.opposing = [Adam([net.parameters()], betas=OPPOSING) for net in self.opponents]
        self.average = Average(self.model, decay=self.ema, live=self.adam.weights)
        self.guard = Guard(self.device)
        self.statistics = [*_statistics(self.model), *_statistics(self.opponents)]
        self.made = 0
        # Where calls are replayed the rate of a step must be read from the device.
        self.rate = torch.zeros((), device=self.device) if self._can_record() else None
        self.captured = None if self.rate is None else Captured(self._make, Graphs())

    def advance(self, batch: Batch, step: int, *, stop: bool = False) -> Tensor:
        """Makes one step on a batch, or none where the guard refuses it.

        Args:
            batch: this process's share of it.
            step: its number.
            stop: whether this process wants the run to end after it.

        Returns:
            The loss and its parts, whose `names` are kept; zeros where the step was refused.
        """
        self.step, self.stop_asked = step, stop
        if self.rate is not None:
            self.rate.fill_(self._rate_now())
        self.seed(step)
        figures = self._make(batch) if self.captured is None else self.captured(batch)
        self.guard.move()
        self.made += 1
        self.average.follow(self.made)
        return figures

    def seed(self, step: int) -> None:
        """Seeds the noise of a step as this process has it."""
        seed_noise(self.key, step, self.group.rank, cuda=self.on_cuda)

    def seed_shared(self, step: int) -> None:
        """Seeds noise that all processes have alike, beside that of the step."""
        seed_noise(self.key, step, cuda=self.on_cuda)

    def tell(self) -> str:
        """What a person should know of the steps since the last call; mostly empty."""
        for source in (self.compiled, self.captured):
            if source is not None and source.note and source.note not in self.said:
                self.said.append(source.note)
                self.notes.append(source.note)
        told, self.notes = " ".join(self.notes), []
        return told

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with its averaged weights and its networks as they are, to be measured."""
        with (
            self.average.weights(),
            nullcontext() if self.compiled is None else self.compiled.aside(),
        ):
            yield

    def tensors(self) -> dict[str, Tensor]:
        """Optimisers, average and guard by name; the weights are the model's and opponents'."""
        adams = {"adam": self.adam, **{f"adams.{i}": a for i, a in enumerate(self.opposing)}}
        moments = {
            f"{of}.{name}": t for of, adam in adams.items() for name, t in adam.tensors().items()
        }
        average = {f"average.{name}": tensor for name, tensor in self.average.tensors().items()}
        guard = {f"guard.{name}": tensor for name, tensor in self.guard.tensors().items()}
        return moments | average | guard

    def load(self, tensors: Mapping[str, Tensor], *, made: int) -> None:
        """Goes on from the `tensors` of another stepper of the same model, after its turns."""
        self.start_anew()
        self.made = made
        self.adam.load(within("adam", tensors))
        for index, adam in enumerate(self.opposing):
            adam.load(within(f"adams.{index}", tensors))
        self.average.load(within("average", tensors))
        self.guard.load(within("guard", tensors))

    def _shared(self, figures: Tensor, size: int, stop: bool) -> Tensor:
        """Averages gradients, running statistics and figures over the examples of all processes.

        One sum of one flat tensor, so that any model, and any number of passes through it in a
        step, is served alike, and that all processes make or refuse the same step.
        """
        told = figures.new_tensor([1.0, float(stop)])
        gradients = [g for adam in (self.adam, *self.opposing) for g in adam.gradients]
        parts = [*gradients, *self.statistics, *self._memories(), figures, told]
        sizes = [part.numel() for part in parts]
        flat = torch.cat([part.detach().flatten().to(figures) for part in parts]) * size
        *sums, told = self.group.sum(flat).split(sizes)
        for part, total in zip(parts, sums, strict=False):
            # By the same number in every process, or uneven shares would round them apart.
            part.copy_((total / told[0]).view_as(part))
        self.stop = told[1]
        return figures

    def _memories(self) -> list[Tensor]:
        """What the objective remembers in tensors: moving averages, controlled weights."""
        known = (memory.state_dict() for memory in self.objective.memories)
        return [v for memory in known for v in memory.values() if isinstance(v, Tensor)]

    def settle(self) -> None:
        """Leaves the model with its best state; no step can be made after it."""
        self.average.settle()
        for adam in (self.adam, *self.opposing):
            adam.release()
        self.opponents.eval().to("cpu")
        if self.compiled is not None:
            self.compiled.stop()

    def _make(self, batch: Batch) -> Tensor:
        """The step itself: all that happens on the device."""
        statistics = [buffer.clone() for buffer in self.statistics]
        known = [memory.state_dict() for memory in self.objective.memories]
        figures = self._differentiated(batch, statistics)
        if self.group.world > 1:
            figures = self._shared(figures, len(batch), self.stop_asked)
        # The fused optimiser leaves weights and moments alone where this is 1, on the device.
        norms = [adam.norm() for adam in (self.adam, *self.opposing)]
        refused, excess = self.guard.judge(figures, *norms)
        rate = self._rate_now() if self.rate is None else self.rate
        self.adam.step(rate, refused=refused, excess=excess, first=self.lagging.holds(self.step))
        for adam in self.opposing:
            adam.step(rate, refused=refused, excess=torch.ones_like(excess))
        self._forget_where(refused > 0, statistics, known)
        return figures.masked_fill(refused > 0, 0.0)

    def _forget_where(
        self, refused: Tensor, statistics: list[Tensor], known: list[dict[str, Any]]
    ) -> None:
        """Puts running statistics and the objective's memory back to before a refused step."""
        for buffer, before in zip(self.statistics, statistics, strict=True):
            buffer.copy_(torch.where(refused, before, buffer))
        for memory, earlier in zip(self.objective.memories, known, strict=True):
            now = memory.state_dict()
            both = {
                name: torch.where(refused.to(value.device), earlier[name], value)
                for name, value in now.items()
                if isinstance(value, Tensor) and isinstance(earlier[name], Tensor)
            }
            memory.load_state_dict(now | both)

    def _differentiated(self, batch: Batch, statistics: list[Tensor]) -> Tensor:
        """The figures of a batch, whose gradients are added up; in parts where memory is short.

        Args:
            batch: of the step.
            statistics: the running statistics before it, from which it begins again.

        Raises:
            MemoryLimitError: sixteenths of the batch do not fit either.
        """
        while True:
            try:
                return self._summed_parts(batch)
            except Exception as error:
                if self.captured is not None and self.captured.recording:
                    raise
                if not is_short_of_memory(error):
                    self._uncompile(error)
                elif self.parts >= MOST_PARTS or len(batch) < 2 * self.parts:
                    raise MemoryLimitError(
                        f"A step must fit into memory, and {self.parts} parts of a batch of "
                        f"{len(batch)} do not one by one. Lower --batch-size, or the network's "
                        "sizes."
                    ) from error
                else:
                    self.parts *= 2
                    self.notes.append(
                        f"memory is short: batches are computed in {self.parts} parts, with the "
                        "same gradients. A lower --batch-size trains faster here."
                    )
                del error
            self._begin_again(statistics)

    def _summed_parts(self, batch: Batch) -> Tensor:
        if self.parts == 1:
            return self._passed(batch, 1.0)
        total: Tensor | None = None
        for part in batch.parts(self.parts):
            figures = self._passed(part, len(part) / len(batch))
            total = figures if total is None else total + figures
        assert total is not None
        return total

    def _passed(self, batch: Batch, share: float) -> Tensor:
        """Figures and gradients of a part, times its share of the batch."""
        with self.autocast:
            trace = self.model(batch.x, batch.context, draws=self.objective.draws)
        loss = self.objective(trace, self.step)
        total = loss.total * math.nan if struck("step") else loss.total
        reach("step")
        (total if share == 1 else total * share).backward()
        parts = {**loss.parts, **self._opposed(trace, share)}
        self.names = ("loss", *parts)
        figures = torch.stack([total.detach(), *(p.to(total.device) for p in parts.values())])
        return figures if share == 1 else figures * share

    def _opposed(self, trace: Trace, share: float) -> dict[str, Tensor]:
        """The losses of the opponents, whose gradients are taken after the model's."""
        losses = {c.name: c.critic_loss(trace, self.step) for c in self.objective.critics}
        for loss in losses.values():
            (loss if share == 1 else loss * share).backward()
        return {name: loss.detach() for name, loss in losses.items()}

    def _begin_again(self, statistics: list[Tensor]) -> None:
        for adam in (self.adam, *self.opposing):
            adam.forget()
        for buffer, before in zip(self.statistics, statistics, strict=True):
            buffer.copy_(before)
        self.seed(self.step)
        if self.on_cuda:
            torch.cuda.empty_cache()

    def _uncompile(self, error: Exception) -> None:
        """Goes back to the plain networks where it is they that failed, else raises the error."""
        if self.compiled is None or not self.compiled.networks:
            raise error
        self.compiled.fail(error)

    def _rate_now(self) -> float:
        return self.rate_scale * at(self.learning_rate, self.step)

    def _can_record(self) -> bool:
        alone = self.group.world == 1 and not self.lagging.steps and self.compiled is None
        return self.on_cuda and alone and self.objective.steady


def _statistics(model: nn.Module) -> list[Tensor]:
    """Buffers that training changes: those that are stored; the others follow from the options."""
    stored = model.state_dict(keep_vars=True)
    named = model.named_buffers()
    return [buffer for name, buffer in named if name in stored and buffer.is_floating_point()]


def is_short_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or "allocate memory" in str(error)


def seed_noise(key: int, step: int, rank: int = 0, *, cuda: bool = False) -> None:
    """Seeds all draws of a step, so that they depend on nothing that was drawn before.

    Source: Steele et al. 2014, figure 10 (SplitMix64), doi:10.1145/2714064.2660195.
    """
    mask = 2**64 - 1
    z = (key + step * 0x9E3779B97F4A7C15 + rank * 0xD1342543DE82EF95) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    seed = (z ^ (z >> 31)) >> 1
    torch.default_generator.manual_seed(seed)
    if cuda:
        torch.cuda.manual_seed_all(seed)


def within(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix.`, without it."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def autocast(precision: str, device: str) -> AbstractContextManager[object]:
    """What networks compute in.

    Raises:
        SpecError: no such precision.
    """
    if precision == "float32":
        return nullcontext()
    if precision == "bfloat16":
        return torch.autocast(torch.device(device).type, torch.bfloat16)
    raise SpecError(
        f"precision must be 'float32' or 'bfloat16', got {precision!r}. 'float32' is always safe."
    )
