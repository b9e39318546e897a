"""What keeps a bad step out of the weights: checked on the device, told at the next record."""

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from zscape.model.model import Model
from zscape.objective.objective import Loss, Objective

WINDOW = 100  # gradient norms that are remembered
REFRESHED = 50  # steps between two looks at them
TIMES = 30.0  # the median norm, above which a step is refused
NEVER = 1.0  # a norm up to which no step is refused
HIGHEST = 1e18  # a norm whose square is still finite in float32: the limit before any is known


class Guard:
    """Refuses steps whose loss, parts or gradient are not finite, or whose gradient is huge.

    Huge is over 30 times the median of the last 100 gradient norms. Every refusal doubles that
    limit until it is set anew, so that a model whose gradients have grown for good is not refused
    for long. Nothing here waits for the device until it is asked.
    Source: Child 2021 (skipped steps, with a fixed limit), appendix B, arXiv:2011.10650.
    """

    def __init__(self, device: str) -> None:
        self.norms = torch.zeros(WINDOW, device=device)
        self.bad = torch.zeros(WINDOW, device=device)  # 1 where a step since `told` was refused
        self.limit = torch.full((), HIGHEST, device=device)
        self.place = torch.zeros(1, dtype=torch.long, device=device)
        self.seen = 0
        self.told = 0

    def refuse(self, figures: Tensor, norm: Tensor) -> Tensor:
        """1 where the step must not be made, else 0: a scalar on the device.

        Args:
            figures: the loss and its parts, `[P]`.
            norm: of the gradient.
        """
        total = figures.sum() + norm
        # What is not finite differs from itself, or its difference from itself is no number.
        wrong = (total - total != 0) | (norm > self.limit)
        bad = wrong.float()
        self.norms.index_copy_(0, self.place, torch.where(wrong, self.limit, norm).reshape(1))
        self.bad.index_copy_(0, self.place, bad.reshape(1))
        self.limit.addcmul_(self.limit, bad).clamp_(max=HIGHEST)
        return bad

    def move(self) -> None:
        """Goes on to the next step; every 50 steps the limit is set anew."""
        self.seen += 1
        self.place.fill_(self.seen % WINDOW)
        if self.seen % REFRESHED == 0:
            norms = self.norms[: min(self.seen, WINDOW)]
            self.limit.copy_((TIMES * norms.median()).clamp(min=NEVER, max=HIGHEST))

    def take(self) -> tuple[int, int]:
        """How many steps were refused since the last call, and how long ago the first was; waits.

        Of the last 100 steps at most. A step ago is 1.
        """
        count = min(self.seen - self.told, WINDOW)
        places = torch.arange(self.seen - count, self.seen) % WINDOW
        bad = self.bad.cpu()[places].nonzero()
        self.told = self.seen
        return len(bad), count - int(bad[0]) if len(bad) else 0

    def tensors(self) -> dict[str, Tensor]:
        """What it knows, by name."""
        counts = {"seen": torch.tensor(self.seen), "told": torch.tensor(self.told)}
        return {"norms": self.norms, "bad": self.bad, "limit": self.limit} | counts

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from the `tensors` of another guard."""
        for tensor, name in ((self.norms, "norms"), (self.bad, "bad"), (self.limit, "limit")):
            tensor.copy_(tensors[name])
        self.seen, self.told = int(tensors["seen"]), int(tensors["told"])
        self.place.fill_(self.seen % WINDOW)


def first_bad(model: Model, objective: Objective, x: Tensor, step: int) -> str:
    """The first tensor of a step that is not finite, in words; the weights stay as they are.

    Args:
        model: as it was before the step.
        objective: of the step.
        x: its batch `[B, *shape]`.
        step: its number.
    """
    if bool(x.isinf().any()):
        return "the batch itself"
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"the weight {name}"
    found: list[str] = []
    hooks = [
        module.register_forward_hook(partial(_note, found, name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        loss = objective(model(x, draws=objective.draws), step)
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"the output of {found[0]}"
    for name, value in loss.parts.items():
        if not math.isfinite(value.item()):
            return f"the {name}"
    return _first_bad_gradient(model, loss)


def _note(found: list[str], name: str, module: nn.Module, given: object, output: object) -> None:
    if isinstance(output, Tensor) and not bool(output.isfinite().all()):
        found.append(name)


def _first_bad_gradient(model: Model, loss: Loss) -> str:
    if not math.isfinite(loss.total.item()):
        return "the loss"
    names, parameters = zip(
        *((name, p) for name, p in model.named_parameters() if p.requires_grad), strict=True
    )
    gradients = torch.autograd.grad(loss.total, parameters, allow_unused=True)
    pairs = list(zip(names, gradients, strict=True))
    for name, gradient in reversed(pairs):  # backward meets the last layers first
        if gradient is not None and not bool(gradient.isfinite().all()):
            return f"the gradient of {name}"
    size, name = max((g.norm().item(), name) for name, g in pairs if g is not None)
    return f"the gradient of {name}, whose norm is {size:.3g}"
