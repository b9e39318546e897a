"""Adam over weights that lie side by side: one call a step, however many layers there are."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

ALIGNED = 16  # numbers: matrix products want their weights at a multiple of 64 bytes
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam on groups of weights; each group lies in one buffer, of which its weights are views.

    So do gradients and moments. The step of a small network is mostly the calls it makes, and this
    makes one where an optimiser of tensors makes one for each of them. Gradients are added to, not
    replaced: whoever sets one to None takes it out of the step for good.
    Source: Kingma and Ba 2015, algorithm 1, arXiv:1412.6980.

    Args:
        groups: of parameters; those without gradients and empty groups are left alone.
    """

    def __init__(self, groups: Iterable[Iterable[nn.Parameter]]) -> None:
        trained = [[p for p in group if p.requires_grad] for group in groups]
        self.groups = [group for group in trained if group]
        self.weights = [_laid(group) for group in self.groups]
        self.gradients = [torch.zeros_like(flat) for flat in self.weights]
        self.means = [torch.zeros_like(flat) for flat in self.weights]
        self.squares = [torch.zeros_like(flat) for flat in self.weights]
        self.steps = [torch.zeros((), device=flat.device) for flat in self.weights]
        with torch.no_grad():
            for group, weights, gradients in self._buffers():
                for parameter, place in zip(group, _places(group), strict=True):
                    here = _view(weights, parameter, place)
                    parameter.data = here.copy_(parameter)
                    parameter.grad = _view(gradients, parameter, place)

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
        until = first or len(self.weights)
        adam(
            self.weights[:until],
            self.gradients[:until],
            self.means[:until],
            self.squares[:until],
            [],
            self.steps[:until],
            fused=True,
            grad_scale=excess,
            found_inf=refused,
            amsgrad=False,
            beta1=BETA1,
            beta2=BETA2,
            lr=learning_rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )
        self.forget()

    def forget(self) -> None:
        """Sets all gradients to zero."""
        for gradient in self.gradients:
            gradient.zero_()

    def release(self) -> None:
        """Gives every weight memory of its own again; no step can be made after it."""
        for group in self.groups:
            for parameter in group:
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

    def _buffers(self) -> Iterable[tuple[list[nn.Parameter], Tensor, Tensor]]:
        return zip(self.groups, self.weights, self.gradients, strict=True)


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
