"""The exponential moving average of a model's weights, and the best of its states."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EVERY = 10  # steps between two updates: following each one costs a pass over memory
CLOSELY = 100  # steps that are all followed, so that short runs are not held back


class Average:
    """Averaged weights beside the trained ones.

    Early on the average follows closely (decay (1 + t) / (10 + t)), so short runs are not held
    back by their random start. Buffers are taken as they are.

    Args:
        model: whose weights are followed.
        decay: per step; 0 keeps the plain weights.
        live: the tensors that hold its weights; none: the parameters themselves.
    """

    def __init__(
        self, model: nn.Module, *, decay: float, live: Sequence[Tensor] | None = None
    ) -> None:
        self.model = model
        self.decay = decay
        parameters = [p for p in model.parameters() if p.requires_grad]
        self.live: list[Tensor] = list(parameters if live is None else live)
        self.mean = [p.detach().clone() for p in self.live] if decay else []
        self.best: dict[str, Tensor] = {}

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Moves the average towards the weights after a step."""
        interval = 1 if step <= CLOSELY else EVERY
        if not self.decay or step % interval:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** interval
        torch._foreach_lerp_(self.mean, self.live, 1 - decay)

    @contextmanager
    def weights(self) -> Iterator[None]:
        """The model with its averaged weights, for the time of a `with`."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def remember(self) -> None:
        """Keeps the present averaged state as the best."""
        with self.weights():
            self.best = {n: t.detach().clone() for n, t in self.model.state_dict().items()}

    def settle(self) -> None:
        """Leaves the model with its best state, or the averaged weights when none was kept."""
        if self.best:
            self.model.load_state_dict(self.best)
        else:
            self._swap()

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights, and the best state where there is one, by name."""
        mean = {f"mean.{index}": tensor for index, tensor in enumerate(self.mean)}
        return mean | {f"best.{name}": tensor for name, tensor in self.best.items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from the `tensors` of another average of the same model."""
        for index, mean in enumerate(self.mean):
            mean.copy_(tensors[f"mean.{index}"])
        self.best = {
            name.removeprefix("best."): tensor.detach().clone()
            for name, tensor in tensors.items()
            if name.startswith("best.")
        }

    @torch.no_grad()
    def _swap(self) -> None:
        for live, mean in zip(self.live, self.mean, strict=bool(self.decay)):
            kept = live.detach().clone()
            live.copy_(mean)
            mean.copy_(kept)
