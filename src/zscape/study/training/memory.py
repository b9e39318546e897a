"""How much memory a training run will take, judged from two small batches before it starts."""

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from zscape.errors import MemoryLimitError
from zscape.model.batch import Batch
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.study.intake.room import free_memory

TRACED = (4, 8)  # examples of the two batches that are tried
MEASURED = 512  # examples that a validation measures at once
SURE = 1.3  # the estimate is within 30 % of the peak, so beyond this a run cannot fit
# Copies of the weights, all of them in float32: gradients, two moments, average and best; and two
# that a run can go back to, while one takes the other's place. Critics have no average and no best.
COPIES = 5 + 2


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that a run holds at its fullest, on top of what the process holds before it.

    Attributes:
        weights: all copies of the weights: gradients, moments, averages, states to go back to.
        data: the examples that lie on the device.
        step: what a step computes and keeps for its gradient.
        process: held already.
    """

    weights: int
    data: int
    step: int
    process: int

    @property
    def added(self) -> int:
        """What training adds."""
        return self.weights + self.data + self.step

    @property
    def total(self) -> int:
        """The peak of the process."""
        return self.process + self.added

    def told(self, free: int) -> str:
        """A line for a person: the peak and its parts, and what is free."""
        parts = f"weights {_size(self.weights)}, data {_size(self.data)}, step {_size(self.step)}"
        return (
            f"memory: about {_size(self.added)} more at most ({parts}), {_size(self.total)} in "
            f"all; {_size(free)} are free"
        )


def footprint(
    model: Model,
    objective: Objective,
    examples: Batch,
    *,
    batch: int,
    data: int = 0,
    written: int = 0,
    autocast: AbstractContextManager[object],
) -> Footprint:
    """The memory of training a model, within 30 % of its peak; two tiny steps are made for it.

    The model, its buffers, the objective's memory and the random numbers stay as they were. What
    grows faster than the batch, as a term that sets all pairs of examples side by side, is
    underestimated.

    Args:
        model: on the device where it will be trained.
        objective: what will be minimised.
        examples: 8, or fewer.
        batch: B, of a step.
        data: bytes of the examples that will lie on the device.
        written: bytes of a state of the run while it is written; no step is under way then.
        autocast: as of the step.
    """
    sizes = [min(size, len(examples)) for size in TRACED]
    with torch.random.fork_rng(), _untouched(model, objective):
        steps = [_course(model, objective, examples[:size], autocast) for size in sizes]
        with torch.no_grad():
            looks = [_course(model, objective, examples[:size], nullcontext()) for size in sizes]
    # One batch is cut while the one before is still held.
    feed = 2 * batch * sum(t[0].numel() * t.element_size() for t in examples.tensors)
    step = max(_grown(steps, sizes, batch) + feed, _grown(looks, sizes, MEASURED), written)
    weights = COPIES * _bytes(model)
    weights += sum((COPIES - 2) * _bytes(critic.network) for critic in objective.critics)
    return Footprint(weights, data, step, _resident())


def require_memory(needed: Footprint, free: int) -> str:
    """A warning where a run may not fit into memory, else nothing.

    Args:
        needed: by the run.
        free: bytes.

    Raises:
        MemoryLimitError: it cannot fit, even if the estimate is too high by what it may be.
    """
    if needed.added > SURE * free:
        raise MemoryLimitError(
            f"Training must fit into the memory that is free, {_size(free)}, but needs about "
            f"{_size(needed.added)}: {_size(needed.weights)} for copies of the weights, "
            f"{_size(needed.data)} for data, {_size(needed.step)} for a step. "
            f"{_advice(needed)}"
        )
    if needed.added > free:
        return f"memory may not suffice. {_advice(needed)}"
    return ""


def free_on(device: str) -> int:
    """Bytes that can still be had on a device, as far as it or the system says."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory()


def _grown(courses: list[list[int]], sizes: list[int], size: int) -> int:
    """The peak at another size: each moment of a step grows on a line through two."""
    if len(courses[0]) != len(courses[1]):  # other batches, other calls: only the peaks compare
        courses = [[max(course)] for course in courses]
    factor = max(size - sizes[1], 0) / max(sizes[1] - sizes[0], 1)
    grown = (large + factor * (large - small) for small, large in zip(*courses, strict=True))
    return int(max(grown, default=0))


class _Held(TorchDispatchMode):
    """Adds up the tensors that live while it is on, each piece of memory once."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[int] = {tensor.untyped_storage()._cdata for tensor in known}
        self.now = 0
        self.course: list[int] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self._hold(value)
        return result

    def _hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        address, size = storage._cdata, storage.nbytes()
        if address in self.seen:
            return
        self.seen.add(address)
        self.now += size
        self.course.append(self.now)
        weakref.finalize(storage, self._let_go, address, size)

    def _let_go(self, address: int, size: int) -> None:
        self.seen.discard(address)
        self.now -= size


def _course(
    model: Model, objective: Objective, batch: Batch, autocast: AbstractContextManager[object]
) -> list[int]:
    """Bytes that live in a step on a batch, besides weights and gradients, at every new tensor."""
    modules = [model, *(critic.network for critic in objective.critics)]
    with _Held([tensor for module in modules for tensor in _tensors(module)]) as held:
        with autocast:
            trace = model(batch.x, batch.context, draws=objective.draws)
        total = objective(trace, 0).total
        if total.requires_grad:
            if not objective.critics:
                del trace
            total.backward()
            for critic in objective.critics:
                critic.critic_loss(trace, 0).backward()
    return held.course


@contextmanager
def _untouched(model: nn.Module, objective: Objective) -> Iterator[None]:
    """Puts a model's buffers and mode, and what its objective remembers, back at the end."""
    modules = nn.ModuleList([model, *(critic.network for critic in objective.critics)])
    training = model.training
    buffers = [(buffer, buffer.detach().clone()) for buffer in modules.buffers()]
    memories = [(memory, dict(memory.state_dict())) for memory in objective.memories]
    model.train()
    for parameter in modules.parameters():
        if parameter.requires_grad:  # to be added to, as in training
            parameter.grad = torch.zeros_like(parameter)
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        for parameter in modules.parameters():
            parameter.grad = None
        for memory, known in memories:
            memory.load_state_dict(known)
        model.train(training)


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


def _resident() -> int:
    """Bytes that this process has in memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _advice(needed: Footprint) -> str:
    if needed.step > max(needed.weights, needed.data):
        return "Lower --batch-size."
    if needed.data > needed.weights:
        return "Train on part of the data, or on a folder of shards, which is streamed."
    return "Choose a smaller --network."


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
