"""A family of studies over the values of one option: planned, run, kept, and told.

The folder of a sweep holds one ordinary study per value and seed; `sweep.json` says which of them
ended, so that the same sweep on the same folder goes on where it stopped.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zscape.errors import DivergedError
from zscape.measures.curves import standalone, trade_chart
from zscape.measures.figure import Figure
from zscape.measures.sweep_page import Family, sweep_page
from zscape.measures.tradeoff import Choice, Measured, Point, Value, knee, points, sweet_spot, told
from zscape.recipes import Recipe
from zscape.study.data import Data, look
from zscape.study.figures import figures
from zscape.study.jobs import Failed, done_together, num_jobs
from zscape.study.plan import (
    Plan,
    Run,
    kept_runs,
    members,
    plan_sweep,
    read_record,
    write_record,
)
from zscape.study.run import prepare, train
from zscape.study.storage.folder import write_file
from zscape.study.storage.lock import Lock, refuse_busy
from zscape.study.study import SPEC, Study
from zscape.study.training.progress import Progress

PAGE, CURVE = "sweep.html", "curve.svg"
ASIDE = ".data"


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a family of studies came to; printable.

    Attributes:
        path: its folder; None where only the figures were kept.
        option: what was varied.
        runs: every study of it, those that failed among them.
        points: per value, the figures over its seeds.
        knee: the value where the rate-distortion curve bends the most (see `tradeoff.knee`).
        best: the value to take (see `tradeoff.sweet_spot`).
    """

    path: Path | None
    option: str
    runs: tuple[Run, ...]
    points: tuple[Point, ...]
    knee: Choice
    best: Choice

    def __str__(self) -> str:
        """A table of the points, then the knee and the best value with their reasons."""
        rows: list[tuple[str, ...]]
        rows = [("", self.option, "seeds", "ELBO", "rate", "distortion", "active units")]
        rows += [_row(point, self) for point in self.points]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.rjust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        unit = self.points[0].distortion.unit if self.points else "nats"
        over = "seeds" if any(len(point.seeds) > 1 for point in self.points) else "examples"
        lines.append(f"held-out, in {unit} per example: mean ± standard error over {over}")
        lines += [f"{name}: {_said(choice)}" for name, choice in self._choices()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain values: the runs, the points with unit and kind of every figure, the choices."""
        return {
            "option": self.option,
            "runs": [asdict(run) for run in self.runs],
            "points": [asdict(point) for point in self.points],
            "knee": asdict(self.knee),
            "best": asdict(self.best),
        }

    def _choices(self) -> tuple[tuple[str, Choice], ...]:
        return ("knee", self.knee), ("best", self.best)


def sweep(
    data: Any,
    *,
    over: Mapping[str, Sequence[Value] | str],
    recipe: str | Recipe = "vae",
    out: str | Path | None = None,
    seeds: int = 3,
    jobs: int | str = 1,
    labels: Any = None,
    label: str = "",
    **settings: Any,
) -> Sweep:
    """Trains a recipe for every value of one option and every seed, and says what they came to.

    The best value is chosen by held-out examples, which also ended each training, so its ELBO
    flatters itself a little. The same call on the same `out` goes on where it stopped.

    Args:
        data: whatever `look` takes.
        over: one option of the recipe or of training and its values, `{"beta": [0.5, 1, 2]}`, or
            words as `{"beta": "0.1..16"}`.
        recipe: a recipe's name, or a function of the same kind.
        out: the folder of the sweep; None keeps the figures and no study.
        seeds: runs per value, with `seed`, `seed + 1` and so on.
        jobs: processes at a time, or "auto" for the free cores. With more than one, a script must
            keep its own work under `if __name__ == "__main__":`.
        labels: one class per example.
        label: the column of a table that holds the class.
        **settings: further options of the recipe and of training.

    Raises:
        DataError: data that cannot be used.
        SpecError: an option or a value that cannot be.
        StudyError: `out` holds something else.
    """
    seen = data if isinstance(data, Data) else look(data, labels=labels, label=label)
    with tempfile.TemporaryDirectory() as aside:
        plan = plan_sweep(seen, over=over, recipe=recipe, out=out or aside, seeds=seeds, **settings)
        for _ in run_sweep(plan, jobs=jobs):
            pass
        found = gather_sweep(plan)
    return found if out is not None else replace(found, path=None)


def run_sweep(plan: Plan, *, jobs: int | str = 1) -> Iterator[tuple[str, Progress | Run]]:
    """Trains what is missing; yields the name of a study with its progress, or with its end.

    Runs that ended before come first. A run that fails is kept as such and the rest goes on.

    Args:
        plan: a checked plan.
        jobs: processes at a time, or "auto".

    Raises:
        StudyError: the folder holds something else than this sweep.
        BusyError: another process runs it.
    """
    kept = kept_runs(plan)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with Lock(plan.folder), _shared(plan) as x:
        yield from kept.items()
        runs = read_record(plan)
        pieces = _pieces(plan, x, done=kept)
        messages = done_together(_train_one, pieces, jobs=num_jobs(str(jobs), len(pieces)))
        for name, message in messages:
            if isinstance(message, Progress):
                yield name, message
                continue
            value, seed = members(plan)[name]
            failed = isinstance(message, Failed)
            run = Run(value, seed, name, reason=message.reason) if failed else message
            runs[name] = run
            write_record(plan, runs)
            yield name, run


def gather_sweep(plan: Plan) -> Sweep:
    """What the runs of a plan came to; writes `sweep.json`, `sweep.html` and `curve.svg`.

    Raises:
        DivergedError: no run came to an end.
    """
    kept = read_record(plan)
    runs = tuple(kept[name] for name in members(plan) if name in kept)
    measured = [Measured(run.value, run.seed, *run.figures) for run in runs if not run.reason]
    if not measured:
        reason = runs[0].reason if runs else "nothing was run"
        raise DivergedError(
            f"At least one of the {len(runs)} runs must come to an end, and none did; the first: "
            f"{reason.rstrip('.')}. Mend that and run the same command again."
        )
    found = Sweep(
        plan.folder, plan.option, runs, points(measured), knee(measured), sweet_spot(measured)
    )
    told_too = {name: part for name, part in found.to_json().items() if name != "runs"}
    write_record(plan, kept, **told_too)
    write_file(plan.folder / PAGE, sweep_page(_family(plan, found)).encode())
    if all(point.rate.value is not None for point in found.points):
        label = f"distortion over rate for values of {plan.option}"
        chart = trade_chart(found.points, knee=found.knee, best=found.best, label=label)
        write_file(plan.folder / CURVE, standalone(chart).encode())
    return found


@contextmanager
def _shared(plan: Plan) -> Iterator[Path]:
    """A file of the stored examples in the sweep's folder, gone at the end."""
    aside = plan.folder / ASIDE
    aside.mkdir(exist_ok=True)
    try:
        np.save(aside / "x.npy", plan.data.x.numpy())
        yield aside / "x.npy"
    finally:
        shutil.rmtree(aside)


def _train_one(
    x: Path, about: Mapping[str, Any], recipe: str | Recipe, run: Run, settings: Mapping[str, Any]
) -> Iterator[Progress | Run]:
    # Mapped, not sent: all processes read the same pages.
    data = Data(x=torch.from_numpy(np.load(x, mmap_mode="c")), **about)
    folder = x.parent.parent / run.study
    _clear_unfinished(folder)
    study = prepare(data, recipe=recipe, out=folder, **settings)
    last = None
    for last in train(study):
        yield last
    assert last is not None
    found = figures(study.space())
    yield replace(run, figures=found, epochs=last.epoch, seconds=last.seconds)


def _clear_unfinished(folder: Path) -> None:
    """Removes what a broken-off run left, and nothing else."""
    if folder.is_dir() and (folder / SPEC).is_file():
        refuse_busy(folder)
        shutil.rmtree(folder)


def _pieces(plan: Plan, x: Path, *, done: Mapping[str, Run]) -> dict[str, tuple[Any, ...]]:
    own = {f.name: getattr(plan.data, f.name) for f in fields(Data) if f.name != "x"}
    pieces: dict[str, tuple[Any, ...]] = {}
    for name, (value, seed) in members(plan).items():
        if name not in done:
            settings = {**plan.settings, plan.option: value, "seed": seed}
            pieces[name] = (x, own, plan.recipe, Run(value, seed, name), settings)
    return pieces


def _family(plan: Plan, found: Sweep) -> Family:
    """What the page needs; spaces of the first seed show what the values do to the data."""
    first = {run.value: run.study for run in reversed(found.runs) if not run.reason}
    own = None if isinstance(plan.recipe, str) else plan.recipe
    return Family(
        option=plan.option,
        asked=plan.asked,
        notes=plan.data.notes,
        points=found.points,
        knee=found.knee,
        best=found.best,
        failed={run.study: run.reason for run in found.runs if run.reason},
        spaces={
            value: Study.open(plan.folder / first[value], recipe=own).space()
            for value in plan.values
            if value in first
        },
    )


def _row(point: Point, found: Sweep) -> tuple[str, ...]:
    marks = [name for name, choice in found._choices() if choice.value == point.value]
    shown = (_number(f) for f in (point.elbo, point.rate, point.distortion))
    active = "" if point.active.value is None else f"{point.active.value:.1f}"
    return ", ".join(marks), told(point.value), str(len(point.seeds)), *shown, active


def _number(figure: Figure) -> str:
    if figure.value is None:
        return "undefined"
    return f"{figure.value:.2f}" + ("" if figure.error is None else f" ± {figure.error:.2f}")


def _said(choice: Choice) -> str:
    return choice.reason if choice.value is None else f"{told(choice.value)}. {choice.reason}"
