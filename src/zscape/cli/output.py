"""What a command leaves: a picture in the study, a small one on the terminal, or one JSON."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np
from rich.console import Console
from rich.text import Text

from zscape.errors import SpecError, StorageError
from zscape.measures.figure import Figure
from zscape.modalities.found import printable
from zscape.modalities.modality import Rows
from zscape.space.pictures import blocks, png
from zscape.space.stages import Stages, outcome
from zscape.space.tables import rows_text
from zscape.study.storage.contents import require_inside
from zscape.study.storage.folder import write_file

PICTURES = "pictures"
WIDTH, SMALL = 1200, 78  # pixels of a picture in a file and on the terminal


@dataclass(frozen=True, slots=True)
class Result:
    """What a verb found.

    Attributes:
        name: of its picture, without suffix.
        draw: the picture for a width in pixels.
        record: what `--json` prints beside the path of the picture.
        rows: what the terminal shows instead of a small picture.
        lines: what it prints as well.
        legend: names and colours of the classes in a small picture.
    """

    name: str
    draw: Callable[[int], np.ndarray]
    record: Mapping[str, Any]
    rows: Rows | None = None
    lines: tuple[str, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()


def leave(result: Result, study: Path, *, out: Path | None, json: bool) -> None:
    """Writes the picture of a result and prints the rest."""
    path = _written(png(result.draw(WIDTH)), study, f"{result.name}.png", out)
    if json:
        say({**result.record, "study": str(study), "picture": str(path)})
        return
    _show(result)
    for line in result.lines:
        print(line)
    print(path)


def leave_page(content: bytes, study: Path, name: str) -> Path:
    """Writes a file of a study beside the current folder when the study cannot be written."""
    here = Path(f"{study.resolve().name}-{name}")
    tell(f"The study cannot be written; the file is put here instead: {here}")
    write_file(here, content)
    return here


def say(record: Mapping[str, Any]) -> None:
    """Prints one JSON object on stdout."""
    print(json.dumps(record))


def tell(line: str) -> None:
    """Prints a line on stderr."""
    print(line, file=sys.stderr, flush=True)


T = TypeVar("T")


def done(stages: Stages[T]) -> T:
    """What comes of long work; how far it is is told on a terminal meanwhile."""
    return outcome(_shown(stages) if Console(stderr=True).is_terminal else stages)


def _shown(stages: Stages[T]) -> Stages[T]:
    for stage in stages:
        print(f"\r{stage.share:4.0%}  {stage.words:24}", end="", file=sys.stderr, flush=True)
        yield stage
    print("\r" + " " * 32 + "\r", end="", file=sys.stderr, flush=True)


def found(note: str, *, on: TextIO) -> None:
    """Prints what was found in data; warnings stand out."""
    is_warning = note.startswith("warning:")
    line = Text(f"! {note}" if is_warning else f"  {note}", style="yellow" if is_warning else "")
    console = Console(file=on)
    console.print(line, soft_wrap=not console.is_terminal)


def figure_lines(figures: Sequence[Figure], latent: int) -> list[str]:
    """Figures with unit and kind, such as `ELBO  -12.34 +- 0.10 nats per example (bound)`.

    Args:
        figures: in the order of the lines.
        latent: the size of the code.
    """
    width = max(len(figure.name) for figure in figures)
    return [f"{figure.name:<{width}}  {_value(figure, latent)}" for figure in figures]


def _value(figure: Figure, latent: int) -> str:
    if figure.value is None:
        return "undefined: the code is a point"
    if figure.unit == "units":
        return f"{figure.value:.0f} of {latent} ({figure.kind})"
    error = "" if figure.error is None else f" +- {figure.error:.2f}"
    unit, _, of = figure.unit.partition(" (")
    kind = f"{figure.kind}, {of.rstrip(')')}" if of else figure.kind
    return f"{figure.value:.2f}{error} {unit} per example ({kind})"


def _written(content: bytes, study: Path, name: str, out: Path | None) -> Path:
    if out is not None:
        if out.suffix.lower() != ".png":
            raise SpecError(f"--out must end in .png here, got {printable(out.name)!r}. Rename it.")
        write_file(out, content)
        return out
    path = require_inside(study, f"{PICTURES}/{name}")
    try:
        write_file(path, content)
    except StorageError:
        return leave_page(content, study, name)
    return path


def _show(result: Result) -> None:
    console = Console()
    if not console.is_terminal:
        return
    if result.rows is not None:
        console.print(Text(rows_text(result.rows)), soft_wrap=True)
        return
    width = min(console.width, SMALL)
    console.print(blocks(result.draw(width), width=width), end="")
    if result.legend:
        marks = [Text(f"● {name}", style=colour) for name, colour in result.legend]
        console.print(Text("  ").join(marks))
