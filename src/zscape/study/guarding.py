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
        self.limit = torch.full((), HIGHEST, device=device)
        self.refused = torch.zeros((), device=device)
        self.first = torch.full((), -1.0, device=device)
        self.seen = 0

    def refuse(self, figures: Tensor, norm: Tensor, step: int) -> Tensor:
        """1 where the step must not be made, else 0: a scalar on the device.

        Args:
            figures: the loss and its parts, `[P]`.
            norm: of the gradient.
            step: its number.
        """
        total = figures.sum() + norm
        finite = (total * 0) == 0  # neither nan nor infinite
        bad = ((norm > self.limit) | ~finite).float()
        self.norms[self.seen % WINDOW] = torch.where(finite, norm, self.limit)
        self.first = torch.where((bad > 0) & (self.first < 0), float(step), self.first)
        self.refused = self.refused + bad
        self.limit = torch.where(bad > 0, 2 * self.limit, self.limit).clamp(max=HIGHEST)
        self.seen += 1
        if self.seen % REFRESHED == 0:
            usual = self.norms[: min(self.seen, WINDOW)].median()
            self.limit = (TIMES * usual).clamp(min=NEVER, max=HIGHEST)
        return bad

    def take(self) -> tuple[int, int]:
        """How many steps were refused since the last call, and the first of them; waits."""
        refused, first = int(self.refused.item()), int(self.first.item())
        if refused:
            self.refused.zero_()
            self.first.fill_(-1.0)
        return refused, first

    def tensors(self) -> dict[str, Tensor]:
        """What it knows, by name."""
        return {"norms": self.norms, "limit": self.limit, "refused": self.refused} | {
            "first": self.first,
            "seen": torch.tensor(self.seen),
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from the `tensors` of another guard."""
        device = self.norms.device
        for name in ("norms", "limit", "refused", "first"):
            setattr(self, name, tensors[name].to(device).clone())
        self.seen = int(tensors["seen"])


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
