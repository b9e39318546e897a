"""The interface of objectives and the sum of terms that most of them are."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zscape.model.bound import distortion, log_weights
from zscape.model.model import Model
from zscape.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Loss:
    """What to minimise, and the parts to report, detached, each in its own unit."""

    total: Tensor
    parts: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Part:
    """One term's figure: its plain `value` to report and its weighted `cost` to minimise."""

    name: str
    value: Tensor
    cost: Tensor


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of the model in the midst of its training, after which the best starts anew.

    Attributes:
        step: the optimiser steps done before it; an objective's turns stand in this order.
        change: alters the model in place, given up to 4,096 examples x `[N, *shape]` of those that
            it was trained on; called in evaluation mode, before the step is made.
        restore: sets up again what `change` left beside weights and frozen parameters, in a model
            of the recipe whose weights were loaded from after the turn.
    """

    step: int
    change: Callable[[Model, Tensor], None]
    restore: Callable[[Model], None] = lambda model: None


class Memory(Protocol):
    """What an objective remembers from step to step: tensors and plain values by name."""

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes it back."""
        ...


class Objective(ABC):
    """A number read off a trace.

    Attributes:
        draws: S, how many codes a trace must hold per example.
        turns: changes of the model that training makes on its way.
        listeners: called with the figures of every validation, `validation_elbo` among them.
        memories: what it remembers from step to step, so that an interrupted run goes on exactly.
        steady: whether the loss depends on nothing but the trace, so that a step can be recorded.
        critics: its terms that have an opponent, which learns in every step too.
        ranks: whether its validation says which epoch was best; where not, the last one is kept.
        labelled: least share of the examples of an epoch that carry the first thing a model is
            told; those that do are repeated until they make it.
        paired: whether a batch holds examples two by two, of which both are of one class of the
            first thing a model is told.
    """

    draws: int
    labelled: float = 0.0
    paired: bool = False
    turns: tuple[Turn, ...] = ()
    listeners: tuple[Callable[[Mapping[str, float]], None], ...] = ()
    memories: tuple[Memory, ...] = ()
    steady: bool = False
    critics: tuple["Critic", ...] = ()
    ranks: bool = True

    @abstractmethod
    def __call__(self, trace: Trace, step: int) -> Loss:
        """The loss of a trace at a training step, in nats per example."""


class Term(ABC):
    """One summand of an objective; `steady` and `ranks` as of an objective."""

    steady: bool = True
    ranks: bool = True

    @abstractmethod
    def __call__(self, trace: Trace, step: int) -> Part:
        """The term of a trace at a training step."""


class Critic(Term):
    """A term with an opponent: a network that learns against the model, a step in each of its own.

    Neither trains the other: the term passes gradients through the network and gives it none, and
    `critic_loss` gives none to the model. A run keeps the network in its checkpoints; a study does
    without it.

    Attributes:
        network: the opponent.
        name: of the part that reports its loss.
    """

    network: nn.Module
    name: str = "critic"

    @abstractmethod
    def critic_loss(self, trace: Trace, step: int) -> Tensor:
        """What the opponent is to minimise on a trace whose gradients were taken already."""


class Sum(Objective):
    """The sum of its terms' costs."""

    def __init__(self, *terms: Term, turns: tuple[Turn, ...] = (), paired: bool = False) -> None:
        self.terms = terms
        self.paired = paired
        self.turns = turns
        self.draws = 1
        self.steady = all(term.steady for term in terms)
        self.critics = tuple(term for term in terms if isinstance(term, Critic))
        self.ranks = all(term.ranks for term in terms)

    def __call__(self, trace: Trace, step: int) -> Loss:
        """Adds the terms' costs; reports their values."""
        parts = [term(trace, step) for term in self.terms]
        total = sum((part.cost for part in parts[1:]), parts[0].cost)
        return Loss(total, {part.name: part.value.detach() for part in parts})


class Reconstruction(Term):
    """weight * the mean distortion, -log p(x | z), in nats."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, trace: Trace, step: int) -> Part:
        """The mean over draws and batch."""
        value = distortion(trace).mean()
        return Part("distortion", value, value if self.weight == 1 else self.weight * value)


class ImportanceWeighted(Objective):
    """-log (1/S sum_s p(x, z_s) / q(z_s | x)), a tighter bound than the ELBO, in nats.

    Grows in cost with `draws`; the gradient of the encoder gets noisier with many.
    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """

    def __init__(self, draws: int) -> None:
        self.draws = draws
        self.steady = True

    def __call__(self, trace: Trace, step: int) -> Loss:
        """The importance-weighted bound, and the distortion and rate it is made of."""
        weights = log_weights(trace)
        bound = weights.logsumexp(0) - torch.log(torch.tensor(float(len(weights))))
        spent = distortion(trace).mean().detach()
        parts = {
            "bound": -bound.mean().detach(),
            "distortion": spent,
            "rate": -weights.mean().detach() - spent,
        }
        return Loss(-bound.mean(), parts)
