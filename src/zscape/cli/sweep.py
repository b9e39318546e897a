"""`zscape sweep`: look, say what is to be run, train the family, tell the curve and its knee."""

import inspect
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from zscape.cli import Terminated
from zscape.cli.options import flag
from zscape.cli.output import found, say, tell
from zscape.cli.train import STUDIES, training_command
from zscape.errors import SpecError
from zscape.measures.tradeoff import told
from zscape.study.data import look
from zscape.study.display import summary
from zscape.study.jobs import num_jobs
from zscape.study.plan import Plan, Run, kept_runs, members, plan_sweep
from zscape.study.spec import find_recipe
from zscape.study.storage.folder import fresh_folder
from zscape.study.sweep import CURVE, PAGE, gather_sweep, run_sweep
from zscape.study.training.progress import Progress as Record

Report = Callable[[str, Record | Run], None]


def sweep_command(words: list[str]) -> Callable[..., None]:
    """The command, with the flags of the recipe that the words name.

    Raises:
        SpecError: no such recipe.
    """
    return training_command(words, _own_parameters(), _sweep)


def _own_parameters() -> list[inspect.Parameter]:
    about = "a folder of pictures, a table or array file, hf:NAME, or built-in data."
    over = "the option and its values: beta=0.1..16, latent=2..64, beta=0.5,1,2."
    spread = "values of a range; none: 7 of real numbers, doubling for whole ones."
    data = inspect.Parameter(
        "data",
        inspect.Parameter.POSITIONAL_ONLY,
        annotation=Annotated[str, Parameter(help=about)],
    )
    return [
        data,
        flag("over", str, inspect.Parameter.empty, help=over),
        flag("points", int | None, None, help=spread),
        flag("seeds", int, 3, help="runs per value."),
        flag("jobs", str, "auto", help="runs at a time; auto: as many as cores are free."),
        flag("recipe", str, "vae", help="'zscape recipes' lists them; or package.module:function."),
        flag("out", Path | None, None, help="a new folder, or one to go on in; none: a fresh one."),
        flag("label", str, "", help="the column that holds the class; not modelled."),
        flag("size", int | None, None, help="height and width that pictures are brought to."),
        flag("strict", bool, False, help="refuse a folder with any unreadable picture."),
        flag("json", bool, False, help="one JSON object on stdout, nothing else."),
    ]


def _sweep(
    data: str,
    over: str,
    points: int | None = None,
    seeds: int = 3,
    jobs: str = "auto",
    recipe: str = "vae",
    out: Path | None = None,
    label: str = "",
    size: int | None = None,
    strict: bool = False,
    json: bool = False,
    **settings: Any,
) -> None:
    name, _, values = over.partition("=")
    if not name or not values:
        raise SpecError(f"--over must be OPTION=VALUES, got {over!r}. Try beta=0.1..16.")
    seen = look(data, label=label, size=size, strict=strict)
    for note in seen.notes:
        found(note, on=sys.stderr)
    plan = plan_sweep(
        seen,
        over={name.replace("-", "_"): values},
        recipe=find_recipe(recipe) if ":" in recipe else recipe,
        out=out or Path(STUDIES),
        seeds=seeds,
        points=points,
        **settings,
    )
    at_once = num_jobs(jobs, len(members(plan)))
    if out is None:
        plan = plan.at(fresh_folder(Path(STUDIES), f"{seen.source}-{recipe}-{name}-sweep"))
    _tell_plan(plan, at_once)
    _run_to_end(plan, at_once)
    _say_end(plan, json=json)


def _say_end(plan: Plan, *, json: bool) -> None:
    swept = gather_sweep(plan)
    if json:
        paths = {"page": str(plan.folder / PAGE), "curve": str(plan.folder / CURVE)}
        say({"verb": "sweep", "folder": str(plan.folder), **paths, **swept.to_json()})
        return
    print(f"\n{swept}\n")
    print(plan.folder / PAGE)


def _tell_plan(plan: Plan, at_once: int) -> None:
    values = ", ".join(told(value) for value in plan.values)
    runs, each = len(members(plan)), len(plan.seeds)
    tell(f"  {runs} runs: {plan.option} = {values}; {each} each, {at_once} at a time")


def _run_to_end(plan: Plan, jobs: int) -> None:
    try:
        with _told_on_the_way(plan) as report:
            for name, news in run_sweep(plan, jobs=jobs):
                report(name, news)
    except (KeyboardInterrupt, Terminated):
        folder = shlex.quote(str(plan.folder))
        tell(f"Finished runs are kept: the same command with --out {folder} goes on.")
        raise


@contextmanager
def _told_on_the_way(plan: Plan) -> Iterator[Report]:
    """A bar of all runs and a line per run under way; off a terminal, a line per run that ended."""
    kept = kept_runs(plan)
    console, ended = Console(stderr=True), set(kept)
    total = len(members(plan))
    if kept:
        tell(f"  {len(kept)} of {total} were run before and are kept")

    def line(name: str, run: Run) -> str:
        ended.add(name)
        return _ended(run, plan.option, f"{len(ended)} of {total}")

    if not console.is_terminal:

        def print_line(name: str, news: Record | Run) -> None:
            if isinstance(news, Run) and name not in kept:
                tell(line(name, news))

        yield print_line
        return
    columns = TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[said]}")
    bar = Progress(*columns, TimeElapsedColumn(), console=console)
    with bar:
        said = f"{len(ended)} of {total}"
        tasks = {"": bar.add_task("all", total=total, completed=len(ended), said=said)}

        def report(name: str, news: Record | Run) -> None:
            if name in kept:
                return
            if isinstance(news, Run):
                bar.console.print(line(name, news), markup=False, highlight=False)
                bar.update(tasks[""], completed=len(ended), said=f"{len(ended)} of {total}")
                if name in tasks:
                    bar.remove_task(tasks.pop(name))
                return
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=1.0, said="")
            bar.update(tasks[name], completed=news.share, said=summary(news))

        yield report


def _ended(run: Run, option: str, place: str) -> str:
    head = f"{place}  {option} {told(run.value)}, seed {run.seed}: "
    if run.reason:
        return f"! {head}failed: {run.reason}"
    elbo, rate, distortion = (f"{f.name} {_short(f.value)}" for f in run.figures[:3])
    return f"  {head}{elbo}  {rate}  {distortion}  ({run.seconds:.0f} s)"


def _short(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
