"""Adam over weights that lie side by side: one call a step, however many layers there are."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

ALIGNED = 16  # numbers: matrix products want their weights at a multiple of 64 bytes
LARGE = 2**16  # numbers, from which a weight's own passes over memory outweigh its calls
BETAS, EPSILON = (0.9, 0.999), 1e-8


class Adam:
    """Adam on groups of weights; the small ones of a group are views of one buffer.

    So are their gradients and moments: the step of a small network is mostly the calls it makes,
    and this makes one where an optimiser of tensors makes one for each. Large weights stay apart,
    so that backward can leave their gradients where it made them.
    Source: Kingma and Ba 2015, algorithm 1, arXiv:1412.6980.

    Args:
        groups: of parameters; those without gradients and empty groups are left alone.
        weight_decay: share of each weight that a step takes away, times the learning rate
            (Loshchilov and Hutter 2019, algorithm 2, arXiv:1711.05101); 0: none.
        betas: decay of the means and of the squares.

    Attributes:
        weights: buffers and large weights, one after the other.
    """

    def __init__(
        self,
        groups: Iterable[Iterable[nn.Parameter]],
        *,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = BETAS,
    ) -> None:
        self.weight_decay, self.betas = weight_decay, betas
        self.weights: list[Tensor] = []
        self._large: list[nn.Parameter | None] = []  # None where a buffer stands
        self._pooled: list[list[nn.Parameter]] = []
        self._flat: list[Tensor] = []  # the gradients of the buffers
        self._ends: list[int] = []
        for group in groups:
            trained = [p for p in group if p.requires_grad]
            if trained:
                self._take(trained)
                self._ends.append(len(self.weights))
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.steps = [torch.zeros((), device=weight.device) for weight in self.weights]

    @property
    def gradients(self) -> list[Tensor]:
        """The gradients of `weights`, in their order; zeros where there is none."""
        flat = iter(self._flat)
        found = []
        for large in self._large:
            if large is None:
                found.append(next(flat))
                continue
            if large.grad is None:
                large.grad = torch.zeros_like(large)
            found.append(large.grad)
        return found

    def norm(self) -> Tensor:
        """The Euclidean norm of all gradients, a scalar on the device."""
        norms = [torch.linalg.vector_norm(gradient) for gradient in self.gradients]
        return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))

    def step(
        self, learning_rate: float | Tensor, *, refused: Tensor, excess: Tensor, first: int = 0
    ) -> None:
        """Moves the weights and forgets the gradients; where `refused` is 1, only forgets.

        Args:
            learning_rate: a number, or a scalar on the device.
            refused: 0 or 1, a scalar on the device, for which nothing waits.
            excess: what gradients are divided by, likewise.
            first: how many groups move, from the first; 0: all.
        """
        until = self._ends[first - 1] if first else len(self.weights)
        steps = self.steps[:until]
        torch._foreach_add_(steps, 1.0)
        # The kernel behind torch.optim.Adam(fused=True), without its checks of every tensor.
        fused = torch._fused_adamw_ if self.weight_decay else torch._fused_adam_
        fused(
            self.weights[:until],
            self.gradients[:until],
            self.means[:until],
            self.squares[:until],
            [],
            steps,
            grad_scale=excess,
            found_inf=refused,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=learning_rate,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )
        torch._foreach_sub_(steps, [refused] * until)  # a refused step was none
        self.forget()

    def forget(self) -> None:
        """Forgets all gradients."""
        for gradient in self._flat:
            gradient.zero_()
        for large in self._large:
            if large is not None:
                large.grad = None

    def release(self) -> None:
        """Gives every weight memory of its own again; no step can be made after it."""
        self.forget()
        for pool in self._pooled:
            for parameter in pool:
                parameter.data = parameter.data.clone()
                parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """The moments and counts of steps by name; the weights are the model's."""
        named = {"mean": self.means, "square": self.squares, "step": self.steps}
        return {f"{name}.{i}": t for name, many in named.items() for i, t in enumerate(many)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from the `tensors` of another Adam of the same weights."""
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])

    @torch.no_grad()
    def _take(self, group: Sequence[nn.Parameter]) -> None:
        """Lays the small weights of a group side by side, and notes the large ones."""
        small = [parameter for parameter in group if parameter.numel() < LARGE]
        large = [parameter for parameter in group if parameter.numel() >= LARGE]
        if small:
            weights, gradients = _laid(small), _laid(small)
            for parameter, place in zip(small, _places(small), strict=True):
                parameter.data = _view(weights, parameter, place).copy_(parameter)
                parameter.grad = _view(gradients, parameter, place)
            self.weights.append(weights)
            self._flat.append(gradients)
            self._large.append(None)
            self._pooled.append(small)
        for parameter in large:
            parameter.grad = None
            self.weights.append(parameter.detach())
            self._large.append(parameter)


def _laid(group: Sequence[nn.Parameter]) -> Tensor:
    """Zeros for all the weights of a group, with gaps that align them."""
    return torch.zeros(
        sum(_room(parameter) for parameter in group), dtype=group[0].dtype, device=group[0].device
    )


def _places(group: Sequence[nn.Parameter]) -> list[int]:
    places = [0]
    for parameter in group[:-1]:
        places.append(places[-1] + _room(parameter))
    return places


def _room(parameter: nn.Parameter) -> int:
    return -(-parameter.numel() // ALIGNED) * ALIGNED


def _view(flat: Tensor, parameter: nn.Parameter, place: int) -> Tensor:
    # In the parameter's own order of memory, so that channels-last weights stay so.
    stride = torch.empty_like(parameter, device="meta").stride()
    return flat.as_strided(parameter.shape, stride, place)
