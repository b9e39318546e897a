"""Objectives of models with a level of classes that are known for some examples only."""

from collections.abc import Callable

import torch
from torch import Tensor

from zscape.model.bound import distortion, rate
from zscape.model.trace import Trace
from zscape.objective.objective import Loss, Objective, Part, Term
from zscape.probability.distributions import OneHot

Costs = Callable[[Trace], dict[str, Tensor]]


class Enumerated(Objective):
    """A bound whose expectation over a class is a sum over all of them, exact and without noise.

    Each class costs a walk. Where a class is told, q is certain of it and all others weigh nothing,
    so the labelled and the unlabelled bound are one formula.
    Source: Kingma et al. 2014, eqs. 6 to 8, arXiv:1406.5298 (eq. 6 without its constant log p(y):
    what is told costs no nats).

    Args:
        name: of the level of classes.
        inner: what a walk costs below that level, by name, `[S, B]` each, in nats.
        *terms: added as they are.
        beta: what a nat of the inner "rate" costs.
        classes: K.
        labelled: least share of the examples of an epoch that carry a label.
    """

    def __init__(
        self,
        name: str,
        inner: Costs,
        *terms: Term,
        beta: float = 1.0,
        classes: int,
        labelled: float = 0.0,
    ) -> None:
        self.name = name
        self.inner = inner
        self.terms = terms
        self.beta = beta
        self.draws = classes
        self.labelled = labelled
        self.steady = all(term.steady for term in terms)

    def __call__(self, trace: Trace, step: int) -> Loss:
        """The bound, with its parts and those of the terms."""
        latent = trace[self.name]
        assert isinstance(latent.q, OneHot) and latent.q.in_turn, "a training walk enumerates"
        weights = latent.q.mean.movedim(-1, 0)  # [K, B]: of the walk of each class
        costs = {name: (weights * cost).sum(0).mean() for name, cost in self.inner(trace).items()}
        costs[f"rate_{self.name}"] = rate(latent).mean()
        costly = {"rate": self.beta}
        parts = [Part(name, cost, costly.get(name, 1.0) * cost) for name, cost in costs.items()]
        parts += [term(trace, step) for term in self.terms]
        total = torch.stack([part.cost for part in parts]).sum()
        return Loss(total, {part.name: part.value.detach() for part in parts})


class Labels(Term):
    """weight * -log q(y | x) of the examples that carry a label, in nats, mean over them.

    0 in a batch without any.
    Source: Kingma et al. 2014, eq. 9, arXiv:1406.5298 (alpha over the number of examples).

    Args:
        name: of the level of classes.
        weight: what a nat of a label costs.
    """

    def __init__(self, name: str, weight: float) -> None:
        self.name = name
        self.weight = weight

    def __call__(self, trace: Trace, step: int) -> Part:
        """The mean over the labelled examples of the batch."""
        q = trace[self.name].q
        assert isinstance(q, OneHot) and q.told is not None
        known = ~q.told.isnan()
        ids = q.told.masked_fill(~known, 0).long()
        spent = -q.guess.gather(-1, ids[..., None])[..., 0]
        value = spent.masked_fill(~known, 0.0).sum() / known.sum().clamp(min=1)
        return Part("label", value, self.weight * value)


def below(name: str) -> Costs:
    """What a walk costs but for the level of that name: its distortion, and the other rates."""

    def costs(trace: Trace) -> dict[str, Tensor]:
        spent = distortion(trace)
        rates = [rate(latent) for latent in trace.latents if latent.name != name]
        return {"distortion": spent, "rate": torch.stack(rates).sum(0)}

    return costs
