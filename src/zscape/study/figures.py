"""The figures of a trained study and its report, made anew from what the folder holds."""

from zscape.measures.doctor import diagnose
from zscape.measures.figure import Figure
from zscape.measures.likelihood import active_units, elbo
from zscape.measures.report import report
from zscape.space.space import Space
from zscape.space.units import measuring_items
from zscape.study.study import Study


def figures(space: Space) -> tuple[Figure, ...]:
    """ELBO, rate, distortion and active units over the held-out examples that were kept."""
    stored, _ = measuring_items(space)
    x = space.modality.prepare(stored)
    by_rate, by_variance = active_units(space.model, x)
    return (*elbo(space.model, x), by_variance if by_rate.value is None else by_rate)


def report_page(study: Study, space: Space) -> str:
    """The report of a trained study as HTML, made anew.

    Args:
        study: a trained study.
        space: its space.
    """
    notes = [str(note) for note in study.asked["data"].get("notes", ())]
    return report(
        space,
        study.log(),
        study=dict(study.asked),
        notes=notes,
        diagnosis=diagnose(space, log=study.log(), asked=study.asked),
        measured=study.measures(),
    )
