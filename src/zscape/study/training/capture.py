"""A step that is recorded once as a CUDA graph and then replayed, without a call of ours inside."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from zscape.model.batch import Batch

WARM = 3  # steps that are made one by one first, in which libraries choose and allocate

Compute = Callable[[Batch], Tensor]
Replay = Callable[[], object]


class Recorder(ABC):
    """How a device records."""

    @abstractmethod
    def warm(self, compute: Compute, batch: Batch) -> Tensor:
        """What `compute` makes of a batch, in a way that readies it for being recorded."""

    @abstractmethod
    def record(self, compute: Compute, batch: Batch) -> tuple[Replay, Tensor]:
        """A replay of `compute`, which reads the batch and writes the result wherever they lie.

        Raises:
            RuntimeError: the step cannot be recorded.
        """


class Graphs(Recorder):
    """CUDA graphs. The noise follows `torch.cuda.manual_seed`, replayed or not."""

    def warm(self, compute: Compute, batch: Batch) -> Tensor:
        """The result, computed on a stream of its own, as recording will be."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            result = compute(batch)
        torch.cuda.current_stream().wait_stream(aside)
        return result

    def record(self, compute: Compute, batch: Batch) -> tuple[Replay, Tensor]:
        """The graph's replay and where its result lies."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                result = compute(batch)
        except RuntimeError:
            _free_generator()
            raise
        return graph.replay, result


class Captured:
    """A step that warms up, is recorded, and is replayed from then on.

    A batch of another shape than the first is computed as it comes. Where recording fails, all
    are, and `note` says so once.

    Args:
        compute: one step on a batch, with results that depend on nothing but tensors on the device
            that stay where they are.
        recorder: of the device.
    """

    def __init__(self, compute: Compute, recorder: Recorder) -> None:
        self.compute = compute
        self.recorder = recorder
        self.made = 0
        self.recording = False
        self.note = ""
        self.kept: Batch | None = None
        self.replay: Replay | None = None
        self.result: Tensor | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """The result of the step on a batch."""
        if self.note:
            return self.compute(batch)
        if self.kept is None:
            self.kept = batch.clone()
        if _shapes(batch) != _shapes(self.kept):
            return self.compute(batch)
        if self.made < WARM:
            self.made += 1
            return self.recorder.warm(self.compute, batch)
        for kept, tensor in zip(self.kept.tensors, batch.tensors, strict=True):
            kept.copy_(tensor)
        if self.replay is None:
            self.recording = True
            try:
                self.replay, self.result = self.recorder.record(self.compute, self.kept)
            except RuntimeError as error:
                self.note = (
                    f"the step could not be recorded ({_first_line(error)}), so it is made call by "
                    "call, which is slower and gives the same."
                )
            finally:
                self.recording = False
            if self.note:
                return self.compute(batch)
        assert self.replay is not None
        self.replay()
        assert self.result is not None
        return self.result.clone()


def _free_generator() -> None:
    """Gives the device a fresh state of noise: a recording that failed keeps the one it used."""
    fresh = torch.Generator("cuda").graphsafe_get_state()
    torch.cuda.default_generators[torch.cuda.current_device()].graphsafe_set_state(fresh)


def _shapes(batch: Batch) -> list[torch.Size]:
    return [tensor.shape for tensor in batch.tensors]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
