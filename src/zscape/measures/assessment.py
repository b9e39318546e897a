"""The parts of a report that judge: what the doctor found, and the tables of all measures."""

from collections.abc import Sequence

from zscape.measures.doctor import Diagnosis, Finding
from zscape.measures.doctor.findings import figure_words
from zscape.measures.figure import Figure
from zscape.measures.page import section, text
from zscape.measures.row import Row
from zscape.measures.sections import Report, label_text, value_text


def diagnosis_part(diagnosis: Diagnosis) -> str:
    """The findings, the worst first, each with its evidence, its cause and what to change."""
    if diagnosis.healthy:
        lead = "Nothing is wrong with this space."
    else:
        lead = "What is wrong, the evidence, the likely cause, and the option to change."
    evidence = figure_table((Row("model", diagnosis.figures),))
    return section("Is it healthy?", lead, *map(_finding, diagnosis.findings), evidence)


def measured_part(report: Report) -> str:
    """One table for each question that was asked of the space."""
    over = "held-out examples" if report.held_out else "examples, training ones among them"
    lead = f"Every measure with its kind and standard error, over {report.examples:,} {over}."
    parts = []
    for part in report.sections:
        parts.append(f"<h3>{text(part.name.capitalize())}</h3>")
        parts.append(f'<p class="faint">{text(part.lead)}</p>')
        parts.append(figure_table(part.rows))
    return section("How good is it?", lead, *parts)


def _finding(finding: Finding) -> str:
    evidence = "".join(f"<li>{text(figure_words(figure))}</li>" for figure in finding.evidence)
    changes = "".join(
        f"<li><code>{text(remedy.flag)}</code> {text(remedy.why)}</li>"
        for remedy in finding.remedies
    )
    style = "faint" if finding.severity == "note" else "warning"
    return (
        f'<div class="block"><h3>{text(finding.severity)}: {text(finding.name)}</h3>'
        f'<p class="{style}">{text(finding.what)}</p><ul class="faint">{evidence}</ul>'
        f"<p>Likely cause: {text(finding.cause)}</p>"
        + (f"<p>Change one of:</p><ul>{changes}</ul>" if changes else "")
        + "</div>"
    )


def figure_table(rows: Sequence[Row]) -> str:
    """A line for each figure and a column for each row, with the kind at the end."""
    head = "".join(f'<th class="number">{text(row.name)}</th>' for row in rows)
    names = f"<tr><th></th>{head}<th>kind</th></tr>" if len(rows) > 1 else ""
    lines = []
    for place, figure in enumerate(rows[0].figures):
        cells = "".join(f'<td class="number">{_value(row.figures[place])}</td>' for row in rows)
        name = f'<td class="whole">{text(label_text(figure))}</td>'
        lines.append(f'<tr>{name}{cells}<td class="faint">{text(figure.kind)}</td></tr>')
    return f'<div class="scroll"><table>{names}{"".join(lines)}</table></div>'


def _value(figure: Figure) -> str:
    return text(value_text(figure)).replace("+-", "±")
