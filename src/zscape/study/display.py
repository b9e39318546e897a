"""Progress drawn on a terminal: a bar with the ELBO, its parts, active units and the time left."""

import sys
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zscape.study.training.progress import Progress as Record
from zscape.study.training.watch import Watch


def displayed(records: Iterable[Record], *, always: bool = False) -> Iterator[Record]:
    """The same records; while they pass, a bar on stderr when that is a terminal.

    Where something is shown, a code that collapses is told as soon as its records show it.

    Args:
        records: as `train` yields them.
        always: off a terminal, print a line per epoch instead of nothing.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        return _with_bar(records, console)
    return _with_lines(records) if always else iter(records)


def announce(notes: Iterable[str]) -> None:
    """Prints what was found in data on stderr when that is a terminal."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for note in notes if console.is_terminal else ():
        console.print(f"  {note}", markup=False)


def summary(record: Record) -> str:
    """A record in one line, the latest figures first, in nats per example."""
    parts = record.parts
    words = [
        f"ELBO {_latest(parts, 'elbo'):.2f}" if "elbo" in parts else f"loss {record.loss:.2f}",
        f"distortion {_latest(parts, 'distortion'):.2f}" if "distortion" in parts else "",
        f"rate {_latest(parts, 'rate'):.2f}" if "rate" in parts else "",
        f"active {parts['active']:.0f}" if "active" in parts else "",
    ]
    return "  ".join(word for word in words if word)


def _latest(parts: Mapping[str, float], name: str) -> float:
    return parts.get(f"validation_{name}", parts[name])


def _with_bar(records: Iterable[Record], console: Console) -> Iterator[Record]:
    bar = Progress(
        TextColumn("epoch {task.fields[epoch]:>3}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=False,
    )
    active, watch = "", Watch()
    with bar:
        task = bar.add_task("train", total=1.0, epoch=0, figures="")
        for record in records:
            if "active" in record.parts:
                active = f"  active {record.parts['active']:.0f}"
            figures = summary(record)
            if "active" not in record.parts:
                figures += active
            bar.update(task, completed=record.share, epoch=record.epoch, figures=figures)
            for note in filter(None, (record.note, watch.note(record))):
                console.print(f"! {note}", style="yellow", markup=False, highlight=False)
            yield record


def _with_lines(records: Iterable[Record]) -> Iterator[Record]:
    watch = Watch()
    for record in records:
        if any(name.startswith("validation_") for name in record.parts):
            line = f"epoch {record.epoch}  {summary(record)}  nats per example  "
            print(f"{line}{record.seconds:.0f} s", file=sys.stderr, flush=True)
        for note in filter(None, (record.note, watch.note(record))):
            print(f"! {note}", file=sys.stderr, flush=True)
        yield record
