"""A step that is recorded once as a CUDA graph and then replayed, without a call of ours inside."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

WARM = 3  # steps that are made one by one first, in which libraries choose and allocate

Compute = Callable[[Tensor], Tensor]
Replay = Callable[[], object]


class Recorder(ABC):
    """How a device records."""

    @abstractmethod
    def warm(self, compute: Compute, x: Tensor) -> Tensor:
        """What `compute` makes of x, in a way that readies it for being recorded."""

    @abstractmethod
    def record(self, compute: Compute, x: Tensor) -> tuple[Replay, Tensor]:
        """A replay of `compute`, which reads x and writes the result wherever they lie.

        Raises:
            RuntimeError: the step cannot be recorded.
        """


class Graphs(Recorder):
    """CUDA graphs. The noise follows `torch.cuda.manual_seed`, replayed or not."""

    def warm(self, compute: Compute, x: Tensor) -> Tensor:
        """The result, computed on a stream of its own, as recording will be."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            result = compute(x)
        torch.cuda.current_stream().wait_stream(aside)
        return result

    def record(self, compute: Compute, x: Tensor) -> tuple[Replay, Tensor]:
        """The graph's replay and where its result lies."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = compute(x)
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
        self.x: Tensor | None = None
        self.replay: Replay | None = None
        self.result: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The result of the step on x `[B, *shape]`."""
        if self.note:
            return self.compute(x)
        if self.x is None:
            self.x = x.clone()
        if x.shape != self.x.shape:
            return self.compute(x)
        if self.made < WARM:
            self.made += 1
            return self.recorder.warm(self.compute, x)
        self.x.copy_(x)
        if self.replay is None:
            self.recording = True
            try:
                self.replay, self.result = self.recorder.record(self.compute, self.x)
            except RuntimeError as error:
                self.note = (
                    f"the step could not be recorded ({_first_line(error)}), so it is made call by "
                    "call, which is slower and gives the same."
                )
            finally:
                self.recording = False
            if self.note:
                return self.compute(x)
        assert self.replay is not None
        self.replay()
        assert self.result is not None
        return self.result.clone()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
