"""What a diagnosis is made of: findings with their evidence, and the one flag that each asks for.

How they are found stands in the modules beside this one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from zscape.measures.figure import Figure, record_of

SERIOUS, WARNING, NOTE = "serious", "warning", "note"
SEVERITIES = (SERIOUS, WARNING, NOTE)  # the worst first


@dataclass(frozen=True, slots=True)
class Remedy:
    """One option to change.

    Attributes:
        option: of the recipe or of training; "recipe" itself where another one is needed.
        value: what to set it to.
        why: what that does, in a line.
    """

    option: str
    value: Any
    why: str

    @property
    def flag(self) -> str:
        """What to type, such as `--beta 1`."""
        name = f"--{self.option.replace('_', '-')}"
        return name if self.value is True else f"{name} {short(self.value)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        name: in a few words, the same for every study: "posterior collapse".
        severity: "serious": the space should not be used as it is; "warning": part of its promise
            is not kept; "note": good to know.
        what: what is wrong, in a sentence.
        evidence: the figures that say so.
        cause: the likely reason, in a sentence.
        remedies: options to change, the most promising first; none where nothing is to be done.
    """

    name: str
    severity: str
    what: str
    evidence: tuple[Figure, ...]
    cause: str
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found in a space, the worst first, and everything that was measured.

    `str` of it is for reading, `to_json` for machines.
    """

    findings: tuple[Finding, ...]
    figures: tuple[Figure, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing was found but notes."""
        return all(finding.severity == NOTE for finding in self.findings)

    def named(self, name: str) -> Finding | None:
        """The finding of that name, or None."""
        return next((finding for finding in self.findings if finding.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "healthy": self.healthy,
            "findings": [_finding_record(finding) for finding in self.findings],
            "figures": [record_of(figure) for figure in self.figures],
        }

    def __str__(self) -> str:
        """The findings in words, then the figures."""
        lines = [_verdict(self)]
        for finding in self.findings:
            lines += ["", *_finding_lines(finding)]
        return "\n".join([*lines, "", "measured", *map(_figure_line, self.figures)])


def agreeing(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings of which none asks for another value of an option than a worse one does.

    Recipes are no such values: of these a person chooses one.

    Args:
        findings: the worst first.
    """
    asked: dict[str, Any] = {}
    told = []
    for finding in findings:
        kept = [
            remedy
            for remedy in finding.remedies
            if remedy.option == "recipe" or asked.get(remedy.option, remedy.value) == remedy.value
        ]
        for remedy in kept:
            asked.setdefault(remedy.option, remedy.value)
        told.append(replace(finding, remedies=tuple(kept)))
    return tuple(told)


def short(value: Any) -> str:
    """A value as a person writes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def figure_words(figure: Figure) -> str:
    """A figure in a line: name, value with error, unit and kind."""
    if figure.value is None:
        return f"{figure.name}: undefined"
    error = "" if figure.error is None else f" +- {figure.error:.2g}"
    unit = f" {figure.unit}" if figure.unit else ""
    return f"{figure.name}: {figure.value:.4g}{error}{unit} ({figure.kind})"


def _verdict(diagnosis: Diagnosis) -> str:
    if not diagnosis.healthy:
        found = [finding for finding in diagnosis.findings if finding.severity != NOTE]
        count = "1 thing is" if len(found) == 1 else f"{len(found)} things are"
        return f"{count} wrong."
    return "Healthy: nothing is wrong with this space."


def _finding_lines(finding: Finding) -> list[str]:
    lines = [f"{finding.severity}: {finding.name}", f"  {finding.what}"]
    lines += [f"    {figure_words(figure)}" for figure in finding.evidence]
    lines.append(f"  Likely cause: {finding.cause}")
    first, *others = finding.remedies or (None,)
    if first is not None:
        lines.append(f"  Change: {first.flag}  ({first.why})")
    lines += [f"      or: {remedy.flag}  ({remedy.why})" for remedy in others if remedy]
    return lines


def _figure_line(figure: Figure) -> str:
    return f"  {figure_words(figure)}"


def _finding_record(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "severity": finding.severity,
        "what": finding.what,
        "evidence": [record_of(figure) for figure in finding.evidence],
        "cause": finding.cause,
        "remedies": [
            {"option": r.option, "value": json.loads(json.dumps(r.value)), "why": r.why}
            for r in finding.remedies
        ],
    }
