"""What a benchmark says: one figure a line, kept in `results/`, and set beside its target.

Nothing here trains or measures.
"""

import csv
import fcntl
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Record = dict[str, Any]

_COLUMNS = ("benchmark", "figure", "target", "value", "error", "unit", "kind", "state")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number and how it was had.

    `kind` is exact, bound, estimate, surrogate or measured; `error` is a standard error; a value
    of None says that the figure was not run, and the protocol then says why.
    """

    figure: str
    value: float | None
    unit: str
    kind: str
    protocol: str
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How a benchmark is to be run: `quick` proves that it runs and gives no figure to quote."""

    quick: bool = False
    seed: int = 0


Part = Callable[[Settings], Iterator[Figure]]


class NotRunError(Exception):
    """A figure cannot be had here; the message says why."""


def machine() -> str:
    """The library versions and the processor, for the end of a protocol sentence."""
    import torch

    return (
        f"torch {torch.__version__}, Python {platform.python_version()}, "
        f"{torch.get_num_threads()} thread of {os.cpu_count()} shared x86-64 cores"
    )


def record(benchmark: str, figure: Figure, *, quick: bool) -> Record:
    """The figure as one line's keys, marked where it came from a quick run."""
    line = {"benchmark": benchmark, **asdict(figure)}
    if quick:
        line["protocol"] = f"QUICK RUN, not the figure. {figure.protocol}"
    return line


def keep(line: Record, *, folder: Path = RESULTS) -> None:
    """Writes a line to its benchmark's results in place of the one it repeats.

    A figure that was not run leaves an earlier one as it is.
    """
    folder.mkdir(exist_ok=True)
    with _alone(folder):
        lines = {old["figure"]: old for old in read(line["benchmark"], folder=folder)}
        if line["value"] is None and line["figure"] in lines:
            return  # "not run" takes no measured figure's place
        lines[line["figure"]] = line
        path = folder / f"{line['benchmark']}.jsonl"
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in lines.values()))
        part.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a folder, so that runs beside each other keep each other's lines."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def read(benchmark: str, *, folder: Path = RESULTS) -> list[Record]:
    """The kept lines of a benchmark, none if it was never run."""
    path = folder / f"{benchmark}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(targets: Path | None, *, folder: Path = RESULTS, issue: str | None = None) -> str:
    """Targets beside kept results; results alone where there is no file of targets.

    Args:
        targets: tab-separated, with the columns issue, benchmark, figure, op, target.
        folder: where the results are kept.
        issue: only the targets of this issue.
    """
    kept = [
        line for path in sorted(folder.glob("*.jsonl")) for line in read(path.stem, folder=folder)
    ]
    results = {(line["benchmark"], line["figure"]): line for line in kept}
    wanted = _targets(targets, issue)
    asked = [_row(key, results.get(key), target) for key, target in wanted.items()]
    others = [_row(key, line, None) for key, line in results.items() if key not in wanted]
    return _aligned([_COLUMNS, *asked, *others])


def _targets(path: Path | None, issue: str | None) -> dict[tuple[str, str], Record]:
    if path is None or not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t")]
    rows = [row for row in rows if issue in (None, row["issue"])]
    return {(row["benchmark"], row["figure"]): row for row in rows}


def _row(key: tuple[str, str], line: Record | None, target: Record | None) -> tuple[str, ...]:
    line = line or {"value": None, "error": None, "unit": (target or {}).get("unit", "")}
    wanted = f"{target['op']} {target['target']}" if target else ""
    numbers = (_number(line["value"]), _number(line["error"]))
    return (*key, wanted, *numbers, line["unit"], line.get("kind", ""), _state(line, target))


def _state(line: Record, target: Record | None) -> str:
    if line["value"] is None:
        return "not run"
    if target is None:
        return ""
    bar = float(target["target"])
    met = line["value"] <= bar if target["op"] == "<=" else line["value"] >= bar
    return "met" if met else "missed"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pairs = [zip(row, widths, strict=True) for row in rows]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in row).rstrip() for row in pairs)
