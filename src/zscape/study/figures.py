"""The figures of a trained study and its report, made anew from what the folder holds."""

from zscape.measures.doctor import diagnose
from zscape.measures.figure import Figure
from zscape.measures.likelihood import active_units, elbo
from zscape.measures.page import sheets
from zscape.measures.priors import prior_part
from zscape.measures.report import report
from zscape.model.filling import Filling
from zscape.space.slot import slot_from, slot_words
from zscape.space.space import Space
from zscape.space.units import measuring_items
from zscape.study.storage.folder import read_file
from zscape.study.study import PRIOR_AFTER, PRIOR_BEFORE, Study


def figures(space: Space) -> tuple[Figure, ...]:
    """ELBO, rate, distortion and active units over the held-out examples that were kept."""
    stored, _ = measuring_items(space)
    x = space.modality.prepare(stored)
    by_rate, by_variance = active_units(space.model, x)
    return (*elbo(space.model, x), by_variance if by_rate.value is None else by_rate)


def measured_on(space: Space) -> str:
    """What the figures are of, in words."""
    if isinstance(space.model.start, Filling):
        return "held-out examples with every cell hidden (epochs tell of the cells in holes alone)"
    return "held-out examples"


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
        prior=_prior_part(study),
    )


def _prior_part(study: Study) -> str:
    """What a refitted prior changed, as it was found when it was fitted."""
    change = study.prior_change()
    if change is None:
        return ""
    names = {"Samples before": PRIOR_BEFORE, "Samples after": PRIOR_AFTER}
    drawn = {title: read_file(study.path, name) for title, name in names.items()}
    return prior_part(change, slot_words(slot_from(study.asked["prior"])), sheets(drawn))
