"""The doctor of latent spaces: what is wrong, the evidence, the cause, and the flag to change.

`diagnose` reads a space; retraining with what it proposes is the business of the study layer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zscape.errors import SpecError
from zscape.measures.doctor import book_rules, code_rules, fit_rules
from zscape.measures.doctor.findings import (
    SEVERITIES,
    Diagnosis,
    Finding,
    Remedy,
    agreeing,
)
from zscape.measures.doctor.vitals import Vitals, measuring
from zscape.space.space import Space
from zscape.space.stages import Stage, Stages, outcome

__all__ = ["Diagnosis", "Finding", "Remedy", "diagnose", "diagnosing"]

# Of equal severity the earlier one is told first.
RULES: tuple[Callable[[Vitals], Finding | None], ...] = (
    code_rules.collapse,
    book_rules.unused_codes,
    code_rules.partial_collapse,
    code_rules.high_beta,
    code_rules.low_beta,
    fit_rules.likelihood,
    fit_rules.grey_as_coins,
    fit_rules.vanishing_variance,
    fit_rules.prior_gap,
    fit_rules.overfitting,
    fit_rules.underfitting,
    fit_rules.leaking_columns,
    code_rules.duplicates,
    code_rules.dead_units,
    code_rules.few_latents,
    fit_rules.constant_dimensions,
    fit_rules.hardly_trained,
    code_rules.undefined_rate,
)

# A grid is read as a whole: that two of its places agree, or one never changes, is no fault.
OF_UNITS = (
    code_rules.partial_collapse,
    code_rules.duplicates,
    code_rules.dead_units,
    code_rules.few_latents,
)


def diagnose(
    space: Space,
    *,
    log: Sequence[Mapping[str, Any]] = (),
    asked: Mapping[str, Any] | None = None,
) -> Diagnosis:
    """What is wrong with a space, the worst first, with evidence, cause and one flag to change.

    Measures at most 1,024 held-out and as many training examples under its own seed: the same
    space is told the same. Takes seconds for small models.

    Args:
        space: a trained space.
        log: records of its training run, for causes that only they show.
        asked: `recipe`, `options` and `training` as in study.toml; without them remedies may name
            options that its recipe has not.
    """
    return outcome(diagnosing(space, log=log, asked=asked))


def diagnosing(
    space: Space,
    *,
    log: Sequence[Mapping[str, Any]] = (),
    asked: Mapping[str, Any] | None = None,
) -> Stages[Diagnosis]:
    """Diagnoses as `diagnose` does, and yields how far it is; the last one has the diagnosis."""
    if not isinstance(space, Space):
        raise SpecError(
            f"diagnose must be given a space, got {type(space).__name__}. Open the study first: "
            "zs.diagnose(zs.open(path))."
        )
    for step in measuring(space, log=log, asked=asked):
        found = None if step.outcome is None else _judged(step.outcome)
        yield Stage(step.words, step.share, found)


def _judged(vitals: Vitals) -> Diagnosis:
    rules = [rule for rule in RULES if not (vitals.books and rule in OF_UNITS)]
    found = [finding for rule in rules if (finding := rule(vitals)) is not None]
    ordered = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    return Diagnosis(agreeing(ordered), vitals.figures())
