"""What the doctor measures of a space, once, before any rule looks at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zscape.measures.aggregate import Draws, draw_codes, mutual_information, two_sample_test
from zscape.measures.collapse import Usage, book_usage, code_gain
from zscape.measures.doctor.fidelity import Fidelity, fidelity
from zscape.measures.figure import Figure
from zscape.measures.likelihood import active_units, elbo, kl_per_dimension
from zscape.probability.posteriors import Classes
from zscape.space.levels import level_names, units_of
from zscape.space.space import Space
from zscape.space.stages import Stage, Stages, outcome
from zscape.space.units import are_active, measuring_places

MOST = 1024  # examples of either kind that are measured


@dataclass(frozen=True, slots=True)
class Bound:
    """ELBO, rate and distortion over the same examples."""

    elbo: Figure
    rate: Figure
    distortion: Figure


@dataclass(frozen=True, slots=True)
class Vitals:
    """What was measured of a space, on held-out examples where there are some.

    Attributes:
        space: the space.
        recipe: its name, "" where unknown.
        options: of the recipe, settled; empty where unknown.
        training: options of training, settled; empty where unknown.
        log: records of the training run.
        x: the measured examples as the model sees them, `[N, *shape]`.
        trained_x: as many that it was trained on; empty where none was held out.
        held: over the measured examples.
        trained: over those it was trained on; None where none was held out.
        rates: mean rate of each unit in nats, `[D]`; None where it has no closed form.
        means: posterior centres of the measured examples, `[N, D]`.
        active: how many units are used.
        gain: what the decoder gains from the code.
        information: a lower bound of I_q(x; z).
        divergence: an upper bound of KL(q(z) || p(z)).
        draws: of the aggregate posterior, of all these examples, and of the prior.
        told: how well the two are told apart.
        fidelity: how much of the data comes back, beside PCA.
        books: how much of each code book is used; empty where the code is no grid of codes.
    """

    space: Space
    recipe: str
    options: Mapping[str, Any]
    training: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]
    x: Tensor
    trained_x: Tensor
    held: Bound
    trained: Bound | None
    rates: Tensor | None
    means: Tensor
    active: Figure
    gain: Figure
    information: Figure
    divergence: Figure
    draws: Draws
    told: Figure
    fidelity: Fidelity
    books: tuple[Usage, ...] = ()

    @property
    def latent(self) -> int:
        """D, the size of the code."""
        return self.means.shape[1]

    @property
    def alive(self) -> Tensor:
        """Which units are used, bool `[D]`: they vary between examples and cost something."""
        return are_active(self.means.var(0, correction=0), self.rates)

    @property
    def of_classes(self) -> Tensor:
        """Which units are the share of a class, bool `[D]`."""
        found = torch.zeros(self.latent, dtype=torch.bool)
        names = level_names(self.space)
        for name, level in zip(names, self.space.model.levels, strict=True):
            if isinstance(level.posterior, Classes):
                found[list(units_of(self.space, name))] = True
        return found

    @property
    def share_alive(self) -> float:
        """The share of the units that are used."""
        return self.alive.double().mean().item()

    @property
    def beta(self) -> float:
        """What a nat of the rate cost at the end: of the log, else as asked, else 1."""
        for record in reversed(self.log):
            if "beta" in record["parts"]:
                return float(record["parts"]["beta"])
        asked = self.options.get("beta", 1.0)
        return asked if isinstance(asked, float) else 1.0

    @property
    def steps(self) -> int | None:
        """Optimiser steps that were made; None where unknown."""
        return int(self.log[-1]["step"]) if self.log else None

    @property
    def ended_early(self) -> bool:
        """Whether validation ended the training before its epochs were run."""
        return ended_early(self.log, self.training)

    def figures(self) -> tuple[Figure, ...]:
        """All that was measured, for the end of a diagnosis."""
        gap = [self.trained.elbo] if self.trained else []
        return (
            self.held.elbo,
            self.held.rate,
            self.held.distortion,
            *(_renamed(figure, f"{figure.name} over training examples") for figure in gap),
            self.active,
            self.gain,
            self.information,
            self.divergence,
            self.told,
            *self.fidelity.figures(),
            *(figure for book in self.books for figure in (book.perplexity, book.dead)),
        )


def measure(
    space: Space,
    *,
    log: Sequence[Mapping[str, Any]] = (),
    asked: Mapping[str, Any] | None = None,
) -> Vitals:
    """Measures a space: a few thousand encodes and decodes, seconds for small models.

    Args:
        space: the space.
        log: records of its training run.
        asked: what was asked, as in study.toml.
    """
    return outcome(measuring(space, log=log, asked=asked))


def measuring(
    space: Space,
    *,
    log: Sequence[Mapping[str, Any]] = (),
    asked: Mapping[str, Any] | None = None,
) -> Stages[Vitals]:
    """Measures as `measure` does, and yields what comes next; the last one has the vitals."""
    model = space.model
    yield Stage("what each unit tells of an example", 0.0)
    x, trained_x = _examples(space)
    both = torch.cat([x, trained_x])
    by_rate, by_variance = active_units(model, x)
    rates = [unit.value or 0.0 for unit in kl_per_dimension(model, x)]
    draws = draw_codes(model, both)
    information, divergence = mutual_information(model, x)
    yield Stage("the bound on held-out and on training examples", 0.2)
    held, *trained = (Bound(*elbo(model, some)) for some in (x, trained_x) if len(some))
    means, gain = _means(space, x), code_gain(model, x)
    yield Stage("whether codes and draws of the prior can be told apart", 0.4)
    told = two_sample_test(draws.codes, draws.prior)
    yield Stage("how much of the data comes back, beside PCA", 0.7)
    vitals = Vitals(
        space=space,
        **_settings(asked or {}),
        log=log,
        x=x,
        trained_x=trained_x,
        held=held,
        trained=trained[0] if trained else None,
        rates=torch.tensor(rates) if rates else None,
        means=means,
        active=by_variance if by_rate.value is None else by_rate,
        gain=gain,
        information=information,
        divergence=divergence,
        draws=draws,
        told=told,
        fidelity=fidelity(space, x, trained_x if len(trained_x) else x),
        books=book_usage(model, both),
    )
    yield Stage("done", 1.0, vitals)


def _settings(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "recipe": str(asked.get("recipe", "")),
        "options": dict(asked.get("options", {})),
        "training": dict(asked.get("training", {})),
    }


def _examples(space: Space) -> tuple[Tensor, Tensor]:
    """Held-out examples, and training ones, `[N, *shape]`; without held-out ones all are both."""
    places = measuring_places(space, MOST)
    x = space.modality.prepare(space.items[places])
    if space.held_out is None or not bool(space.held_out.any()):
        return x, x[:0]
    others = (~space.held_out).nonzero().flatten()
    chosen = torch.linspace(0, len(others) - 1, min(MOST, len(others))).round().long()
    return x, space.modality.prepare(space.items[others[chosen]])


@torch.inference_mode()
def _means(space: Space, x: Tensor) -> Tensor:
    parts = []
    for part in x.split(256):
        latents = space.model.latents(part)
        parts.append(torch.cat([latent.z.flatten(1) for latent in latents], dim=1))
    return torch.cat(parts)


def _renamed(figure: Figure, name: str) -> Figure:
    return Figure(name, figure.value, figure.unit, figure.kind, figure.error, figure.source)


def ended_early(log: Sequence[Mapping[str, Any]], training: Mapping[str, Any]) -> bool:
    """Whether validation got no better for `patience` epochs, so that not all were run.

    Args:
        log: of a training, in order.
        training: as it was asked for.
    """
    told = [r for r in log if "validation_loss" in r["parts"]]
    if not told or not training.get("patience"):
        return False
    best = min(told, key=lambda record: record["parts"]["validation_loss"])["epoch"]
    last = told[-1]["epoch"]
    return bool(last < training.get("epochs", 0) and last - best >= training["patience"])
