"""What keeps a bad step out of the weights: judged on the device, told at the next record."""

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from zscape.model.batch import Batch
from zscape.model.model import Model
from zscape.objective.objective import Loss, Objective

WINDOW = 100  # gradient norms that are remembered
REFRESHED = 50  # steps between two looks at them
TIMES = 30.0  # the median norm, to which longer gradients are shortened
NEVER = 1.0  # a norm up to which no gradient is shortened
HIGHEST = 1e18  # a norm whose square is still finite in float32: the limit before any is known


class Guard:
    """Refuses steps whose loss, parts or gradient are not finite, and shortens huge gradients.

    Huge is over 30 times the median of the last 100 gradient norms; the first 50 steps only know
    what float32 can square. Heavy-tailed data have such gradients for ever, and a model that never
    stepped on them would not learn its outliers. Nothing here waits for the device until it is
    asked.
    Source: Pascanu et al. 2013, algorithm 1, arXiv:1211.5063; the limit that follows is ours.
    """

    def __init__(self, device: str) -> None:
        self.norms = torch.zeros(WINDOW, device=device)
        self.bad = torch.zeros(WINDOW, device=device)  # 1 where a step since `told` was refused
        self.limit = torch.full((), HIGHEST, device=device)
        self.long = torch.zeros((), device=device)  # gradients that were shortened since `told`
        self.place = torch.zeros(1, dtype=torch.long, device=device)
        self.seen = 0
        self.told = 0

    def judge(self, figures: Tensor, norm: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
        """1 where the step must not be made, else 0; and what to divide its gradient by.

        Both are scalars on the device.

        Args:
            figures: the loss and its parts, `[P]`.
            norm: of the gradient.
            *others: norms that must be finite, and have no say in what is huge.
        """
        total = sum(others, figures.sum() + norm)
        # What is not finite differs from itself, or its difference from itself is no number.
        wrong = total - total != 0
        bad, excess = wrong.float(), (norm / self.limit).clamp(min=1.0)
        self.norms.index_copy_(0, self.place, torch.where(wrong, self.limit, norm).reshape(1))
        self.bad.index_copy_(0, self.place, bad.reshape(1))
        self.long.add_((excess > 1) & ~wrong)
        return bad, excess

    def move(self) -> None:
        """Goes on to the next step; every 50 steps the limit is set anew."""
        self.seen += 1
        self.place.fill_(self.seen % WINDOW)
        if self.seen % REFRESHED == 0:
            norms = self.norms[: min(self.seen, WINDOW)]
            self.limit.copy_((TIMES * norms.median()).clamp(min=NEVER, max=HIGHEST))

    def take(self) -> tuple[int, int, int]:
        """What was refused since the last call, how long ago first, what shortened; waits.

        Of the last 100 steps at most. A step ago is 1.
        """
        count = min(self.seen - self.told, WINDOW)
        places = torch.arange(self.seen - count, self.seen) % WINDOW
        bad = self.bad.cpu()[places].nonzero()
        self.told = self.seen
        long = int(self.long.item())
        self.long.zero_()
        return len(bad), count - int(bad[0]) if len(bad) else 0, long

    def tensors(self) -> dict[str, Tensor]:
        """What it knows, by name."""
        counts = {"seen": torch.tensor(self.seen), "told": torch.tensor(self.told)}
        held = {"norms": self.norms, "bad": self.bad, "limit": self.limit, "long": self.long}
        return held | counts

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from the `tensors` of another guard."""
        for name in ("norms", "bad", "limit", "long"):
            getattr(self, name).copy_(tensors[name])
        self.seen, self.told = int(tensors["seen"]), int(tensors["told"])
        self.place.fill_(self.seen % WINDOW)


def first_bad(model: Model, objective: Objective, batch: Batch, step: int) -> str:
    """The first tensor of a step that is not finite, in words; the weights stay as they are.

    Args:
        model: as it was before the step.
        objective: of the step.
        batch: what it was made on.
        step: its number.
    """
    if bool(batch.x.isinf().any()):
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
        trace = model(batch.x, batch.context, draws=objective.draws)
        loss = objective(trace, step)
        parts = {**loss.parts, **{c.name: c.critic_loss(trace, step) for c in objective.critics}}
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"the output of {found[0]}"
    for name, value in parts.items():
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
