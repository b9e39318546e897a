"""The figures of a trained study and its report, made anew from what the folder holds."""

import torch
from torch import Tensor

from zscape.measures.likelihood import Figure, active_units, elbo
from zscape.measures.report import report
from zscape.space.space import Space
from zscape.space.units import MOST_MEASURED
from zscape.study.split import split
from zscape.study.study import Study


def figures(study: Study, space: Space) -> tuple[Figure, ...]:
    """ELBO, rate, distortion and active units over the held-out examples that the study kept.

    Args:
        study: a trained study.
        space: its space.
    """
    stored = held_out(study, space)
    x = space.modality.prepare(stored)
    by_rate, by_variance = active_units(space.model, x)
    return (*elbo(space.model, x), by_variance if by_rate.value is None else by_rate)


def held_out(study: Study, space: Space) -> Tensor:
    """Stored examples that only measured, `[M, *shape]`, 2,048 at most; all if none only did."""
    training = study.asked["training"]
    share, seed = training["validation"], training["seed"]
    _, measuring = split(len(space.codes), share=share, seed=seed, labels=space.labels)
    is_held = torch.isin(space.kept, measuring)
    return (space.items[is_held] if is_held.any() else space.items)[:MOST_MEASURED]


def report_page(study: Study, space: Space) -> str:
    """The report of a trained study as HTML, made anew.

    Args:
        study: a trained study.
        space: its space.
    """
    notes = [str(note) for note in study.asked["data"].get("notes", ())]
    held = held_out(study, space)
    return report(
        space,
        study.log(),
        study=dict(study.asked),
        notes=notes,
        held_out=held if len(held) < len(space.items) else None,
    )
