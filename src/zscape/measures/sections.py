"""Sections of figures, and the report they make: as tables to read, as plain values to store."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from zscape.measures.figure import Figure
from zscape.measures.row import Row

WIDTH = 96  # of the words between tables


@dataclass(frozen=True, slots=True)
class Section:
    """Figures that answer one question.

    Attributes:
        name: a word or two: "likelihood".
        lead: what is asked and how to read the answer.
        rows: the thing itself first, then what it is to be read against.
    """

    name: str
    lead: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured of a space; `str` of it is for reading, `to_json` for machines.

    Attributes:
        sections: in reading order; `report["likelihood"]` is one of them.
        examples: how many were measured.
        held_out: whether these were held out of training.
    """

    sections: tuple[Section, ...]
    examples: int
    held_out: bool

    def __getitem__(self, name: str) -> Section:
        """The section of that name."""
        return next(section for section in self.sections if section.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "examples": self.examples,
            "held_out": self.held_out,
            "sections": [
                {
                    "name": section.name,
                    "lead": section.lead,
                    "rows": [
                        {"name": row.name, "figures": [asdict(figure) for figure in row.figures]}
                        for row in section.rows
                    ],
                }
                for section in self.sections
            ],
        }

    def __str__(self) -> str:
        """A table per section."""
        kind = "held-out examples" if self.held_out else "examples, training ones among them"
        lines = [f"measured on {self.examples:,} {kind}"]
        for section in self.sections:
            lines += ["", section.name.upper(), *wrap(section.lead, WIDTH), *_table(section.rows)]
        return "\n".join(lines)


def from_json(record: Mapping[str, Any]) -> Report:
    """The report of which `to_json` made the record."""
    sections = tuple(
        Section(
            name=section["name"],
            lead=section["lead"],
            rows=tuple(
                Row(row["name"], tuple(Figure(**figure) for figure in row["figures"]))
                for row in section["rows"]
            ),
        )
        for section in record["sections"]
    )
    return Report(sections, record["examples"], record["held_out"])


def _table(rows: tuple[Row, ...]) -> list[str]:
    names = [label_text(figure) for figure in rows[0].figures]
    columns = [["", *names]]
    for row in rows:
        columns.append([row.name if len(rows) > 1 else "", *map(value_text, row.figures)])
    columns.append(["", *(figure.kind for figure in rows[0].figures)])
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]
    return lines[1:] if len(rows) == 1 else lines


def value_text(figure: Figure) -> str:
    """The value with its standard error, such as `12.3 +- 0.4`, or a dash where undefined."""
    if figure.value is None:
        return "-"
    error = "" if figure.error is None else f" +- {figure.error:.2g}"
    return f"{figure.value:.4g}{error}"


def label_text(figure: Figure) -> str:
    """The name with its unit, such as `rate [nats]`."""
    return figure.name + _unit(figure)


def _unit(figure: Figure) -> str:
    return f" [{figure.unit}]" if figure.unit and figure.unit not in figure.name else ""
