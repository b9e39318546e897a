"""Rules about the code: is it used, by how many units, and at what price."""

import math

from zscape.measures.collapse import duplicate_units
from zscape.measures.doctor.findings import NOTE, SERIOUS, WARNING, Finding, Remedy
from zscape.measures.doctor.vitals import Vitals
from zscape.measures.figure import Figure
from zscape.model.filling import Filling
from zscape.space.units import AUDIBLE

COLLAPSED = 0.1  # share of active units below which a code has collapsed (R7: 90 % are dead)
HALF = 0.5  # below this share something is lost, unless as much of the data comes back as by PCA
MISSING = 0.1  # of the variance: how far below PCA of the same size is too far
DEEP = 6  # hidden layers from which a plain network passes next to nothing on when it starts
HARDLY = 200  # optimiser steps below which nothing has been learned yet
LOW_BETA, HIGH_BETA = 0.5, 1.5  # outside, a beta is more than a touch of it
FULL = 2.5  # nats a unit: five times told apart; units this full would share with others
SPARE = 0.05  # nats a unit that an active code gives away when so much is made free
ENOUGH = 30  # examples, of which a correlation means something
SHARED = 0.05  # of the variance: below it a linear code has nothing to say either


def undefined_rate(v: Vitals) -> Finding | None:
    """A point code has no rate, so that collapse cannot be judged by it."""
    if v.held.rate.value is not None:
        return None
    return Finding(
        "no rate",
        NOTE,
        "The code is a point: what it costs, and so the ELBO, are undefined.",
        (v.active,),
        "an autoencoder has no posterior to measure.",
        known(v, [Remedy("recipe", "vae", "has a rate, and a prior to draw from")]),
    )


def collapse(v: Vitals) -> Finding | None:
    """The code says next to nothing: it has collapsed onto the prior."""
    rate = v.held.rate.value
    silent = rate is not None and rate < AUDIBLE
    if v.share_alive > COLLAPSED and not silent:
        return None
    if v.alive.any() and not silent and not _misses_something(v):
        return None  # data of so few dimensions; `latents` says so
    count = int(v.alive.sum())
    if _nothing_to_say(v):
        return _nothing(v)
    return Finding(
        "posterior collapse",
        SERIOUS,
        f"{v.latent - count} of {v.latent} units carry next to nothing: every example has nearly "
        "the same code, and whatever is decoded comes from the decoder alone.",
        (v.active, v.held.rate, v.gain, v.information),
        _cause(v),
        collapse_remedies(v),
    )


def partial_collapse(v: Vitals) -> Finding | None:
    """Fewer than half of the units are used, and what they could say is missing."""
    if not COLLAPSED < v.share_alive < HALF or not _misses_something(v) or collapse(v):
        return None
    count = int(v.alive.sum())
    return Finding(
        "partial posterior collapse",
        WARNING,
        f"Only {count} of {v.latent} units are used, and the others could say more.",
        (v.active, v.held.rate, v.fidelity.explained, v.fidelity.linear),
        _cause(v),
        collapse_remedies(v),
    )


def dead_units(v: Vitals) -> Finding | None:
    """Some units are not used, and nothing is missing without them."""
    count = int(v.alive.sum())
    if count == v.latent or not v.alive.any() or _misses_something(v):
        return None
    if collapse(v) or partial_collapse(v):
        return None
    fitting = Remedy("latent", count, "as many units as are used")
    return Finding(
        "more units than are used",
        NOTE,
        f"{v.latent - count} of {v.latent} units carry next to nothing, and nothing is missing.",
        (v.active, v.held.rate),
        "the data need fewer units at this price of a nat.",
        known(v, [fitting]),
    )


def duplicates(v: Vitals) -> Finding | None:
    """Two units say the same."""
    free = v.alive & ~v.of_classes  # the shares of classes sum to 1: of two, each tells the other
    living = [(a, b, figure) for a, b, figure in duplicate_units(v.means) if free[[a, b]].all()]
    pairs = living if len(v.means) >= ENOUGH else []
    if not pairs:
        return None
    named = ", ".join(f"{a} and {b}" for a, b, _ in pairs[:3])
    spare = len({b for _, b, _ in pairs})
    return Finding(
        "duplicate units",
        WARNING,
        f"Units {named} say the same of every example.",
        tuple(figure for _, _, figure in pairs[:3]),
        "nothing in the objective asks that units differ.",
        known(
            v,
            [
                Remedy("latent", max(v.latent - spare, 1), "leaves no room for a copy"),
                Remedy("recipe", "dip_vae", "pushes units to be uncorrelated"),
            ],
        ),
    )


def few_latents(v: Vitals) -> Finding | None:
    """Every unit is full, and the data would fill more."""
    if v.rates is None or v.rates.min().item() < 1 or v.rates.mean().item() < FULL:
        return None
    linear, twice = v.fidelity.linear.value, v.fidelity.twice.value
    if linear is None or twice is None or twice - linear < MISSING:
        return None
    full = Figure("mean rate of a unit", v.rates.mean().item(), "nats", "exact")
    return Finding(
        "few units",
        NOTE,
        f"All {v.latent} units are full, and the data vary in more ways.",
        (full, v.fidelity.explained, v.fidelity.linear, v.fidelity.twice),
        "the code is smaller than what the data have to say.",
        known(v, [Remedy("latent", 2 * v.latent, "room for what is left out")]),
    )


def high_beta(v: Vitals) -> Finding | None:
    """The rate costs so much that detail is lost."""
    if v.beta <= HIGH_BETA or not v.alive.any() or collapse(v) or partial_collapse(v):
        return None
    if not _misses_something(v):
        return None
    return Finding(
        "beta is high",
        WARNING,
        f"At beta {v.beta:g} the code leaves out what {v.latent} principal components keep.",
        (v.fidelity.explained, v.fidelity.linear, v.held.rate),
        "a nat of the code must save more than a nat of the data to be spent.",
        known(v, [Remedy("beta", 1.0, "the ELBO itself")]),
    )


def low_beta(v: Vitals) -> Finding | None:
    """The rate costs so little that codes leave the prior."""
    told = v.told.value or 0.0
    if v.beta >= LOW_BETA or v.held.rate.value is None or told < 0.8:
        return None
    return Finding(
        "beta is low",
        WARNING,
        f"At beta {v.beta:g} the code costs next to nothing, so codes lie where the prior draws "
        "none: samples will look like nothing in the data.",
        (v.held.rate, v.told, v.held.elbo),
        "the objective hardly holds the codes to the prior.",
        known(v, [Remedy("beta", 1.0, "the ELBO itself")]),
    )


def collapse_remedies(v: Vitals) -> tuple[Remedy, ...]:
    """What to change about a collapse, the most promising first, of the options there are."""
    first: list[Remedy] = []
    if v.beta > 1:
        first.append(Remedy("beta", 1.0, "a nat of the code costs a nat"))
    if _too_deep(v):
        first.append(Remedy("network", "mlp:256,256", "short enough for the code to get through"))
    if v.options.get("capacity", 1.0) < 1:
        first.append(Remedy("capacity", 2.0 * v.latent, "two nats for every unit to carry"))
        first.append(Remedy("recipe", "vae", "the ELBO itself, without a target"))
    if _too_wide(v):
        why = "takes the most likely width"
        first.append(Remedy("likelihood", "gaussian_optimal", why))
    if v.steps is not None and v.steps < HARDLY:
        first.append(longer(v))
    return (*known(v, first), *_general(v))


def known(v: Vitals, remedies: list[Remedy]) -> tuple[Remedy, ...]:
    """Those whose option the recipe or training has; all where the options are unknown.

    Args:
        v: of the space.
        remedies: the most promising first.
    """
    has = {**v.options, **v.training}
    if v.recipe == "ladder_vae":  # networks have sizes for names, and latent is of one level alone
        has = {name: value for name, value in has.items() if name not in ("network", "latent")}
    return tuple(r for r in remedies if not has or r.option in has or r.option == "recipe")


def _general(v: Vitals) -> tuple[Remedy, ...]:
    free = free_bits(v)
    options = [
        Remedy("free_bits", free, f"the first {free:g} nats of every unit cost nothing"),
        Remedy("warmup", _third(v), "the rate costs nothing at first and its full price later"),
        Remedy("mean_scale", 0.6, "keeps the posterior means of every unit apart"),
        Remedy("decoder_dropout", 0.3, "the decoder cannot do without the code"),
    ]
    found = known(v, options)
    if found or not v.options:
        return found
    return (Remedy("recipe", "free_bits_vae", "every unit has nats that cost nothing"),)


def free_bits(v: Vitals) -> float:
    """Nats of each unit to make free: 2 % of the distortion over all units, 0.05 to 0.5 each.

    So little that the likelihood hardly suffers where the code turns out to have nothing to say.
    """
    spent = abs(v.held.distortion.value or 0.0)
    return float(f"{min(max(0.02 * spent / v.latent, SPARE), 0.5):.2g}")


def _cause(v: Vitals) -> str:
    if v.beta > 1:
        return (
            f"beta is {v.beta:g}: a nat of the code is spent only where it saves {v.beta:g} nats "
            "of the data."
        )
    if v.steps is not None and v.steps < HARDLY:
        return f"only {v.steps} steps were made: hardly anything has been learned yet."
    if _too_deep(v):
        return "the networks are so deep that what the code says is lost on the way."
    if v.options.get("capacity", 1.0) < 1:
        return "the capacity that the code is held at leaves it nothing to carry."
    if _too_wide(v):
        return (
            "the likelihood states a fixed width that is larger than what the code could explain, "
            "so that no nat of the code pays."
        )
    if isinstance(v.space.model.start, Filling):
        # That the decoder is shown what is known is as it should be: what is left open is missing.
        return "the decoder fills holes with their mean, and the code did not learn to choose."
    if v.fidelity.explained.value is None:
        return (
            "the decoder predicts each part of the data from the parts before it, and so learned "
            "to do without the code."
        )
    return "the decoder learned to do without the code before the code said anything."


def _too_deep(v: Vitals) -> bool:
    name, _, sizes = str(v.options.get("network", "")).partition(":")
    return name == "mlp" and sizes.count(",") + 1 >= DEEP


def _too_wide(v: Vitals) -> bool:
    dispersion = v.fidelity.dispersion.value
    return v.options.get("likelihood") == "gaussian" and (dispersion or 1.0) < 1.1


def _third(v: Vitals) -> int:
    """Steps of a third of the run, as far as it is known, in round numbers."""
    return 2000 if v.steps is None else min(max(round(v.steps / 300) * 100, 100), 2000)


def longer(v: Vitals) -> Remedy:
    """More steps: at least ten times the fewest, or patience where validation ended it before."""
    epochs, steps = int(v.training.get("epochs", 100)), v.steps or 1
    if v.ended_early:
        return Remedy("patience", 0, "runs all epochs, also while held-out data get no better")
    more = math.ceil(10 * HARDLY / steps) if steps < HARDLY else 3
    return Remedy("epochs", epochs * more, "more steps")


def _nothing_to_say(v: Vitals) -> bool:
    """Whether the numbers of an example do not depend on each other, as far as components see."""
    linear, quantities = v.fidelity.linear.value, v.space.modality.columns
    if linear is None or v.beta > 1 or _too_wide(v):
        return False
    all_quantities = all(word != "categorical" for word, _ in quantities)
    return all_quantities and linear < SHARED


def _nothing(v: Vitals) -> Finding:
    return Finding(
        "nothing to encode",
        WARNING,
        "The code is empty, and there is little that it could say: the numbers of an example "
        "hardly depend on each other.",
        (v.active, v.held.rate, v.fidelity.linear),
        "columns that are independent have nothing in common to put into a code.",
    )


def _misses_something(v: Vitals) -> bool:
    explained, linear = v.fidelity.explained.value, v.fidelity.linear.value
    if explained is None or linear is None:
        return True
    return explained < linear - MISSING
