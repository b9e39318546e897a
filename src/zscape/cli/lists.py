"""Commands that tell: what a study is, its report, the recipes, the data."""

import sys
from typing import Annotated, Any

from cyclopts import Parameter

from zscape.cli.output import figure_lines, found, leave_page, say
from zscape.cli.verbs import Folder, Json, Own, opened
from zscape.errors import StorageError
from zscape.measures.figure import record_of
from zscape.modalities.found import printable
from zscape.recipes import RECIPES
from zscape.space.conditions import askable
from zscape.study.data import look
from zscape.study.figures import figures, measured_on, report_page
from zscape.study.intake.sources import BUILT_IN
from zscape.study.spec import options, summary
from zscape.study.study import REPORT
from zscape.study.training.beginning import begin

SHARED = ("likelihood", "network")  # options that every recipe has, with the same default


def show(study: Folder, /, *, json: Json = False, recipe: Own = "") -> None:
    """Say what a study is: data, recipe, options that differ from the defaults, figures, files."""
    trained = opened(study, recipe)
    space = trained.space()
    measured = figures(space)
    asked = trained.asked
    changed = _changed(trained.recipe, asked["options"]) | _changed(begin, asked["training"])
    files = {
        str(path.relative_to(study)): path.stat().st_size
        for path in sorted(study.rglob("*"))
        if path.is_file()
    }
    if json:
        record = {"verb": "show", "study": str(study), "recipe": asked["recipe"]}
        record |= {"data": asked["data"], "options": asked["options"]}
        record |= {"training": asked["training"], "changed": changed, "files": files}
        record |= {"conditions": askable(space)}
        say(record | {"figures": [record_of(figure) for figure in measured]})
        return
    notes = [printable(note) for note in asked["data"].get("notes", [])]
    print(f"{study}: {asked['recipe']} of {printable(asked['data'].get('source', 'data'))}")
    _list("data", notes)
    log = trained.log()
    made = f"{log[-1]['epoch']} of at most {asked['training']['epochs']} epochs" if log else "none"
    _list("trained", [made])
    if space.known.fields:
        _list(
            "can be asked: zscape sample --where NAME=VALUE", list(map(printable, askable(space)))
        )
    told = [f"{name} = {value!r}" for name, value in changed.items()]
    _list("options that differ from the defaults", told or ["none"])
    latent = space.codes.flat.shape[1]
    _list(f"figures, over {measured_on(space)}", figure_lines(measured, latent))
    _list("files", [f"{size:>12,} bytes  {name}" for name, size in files.items()])


def report(study: Folder, /, *, json: Json = False, recipe: Own = "") -> None:
    """Write the report of a study anew and say where it is."""
    trained = opened(study, recipe)
    page = report_page(trained, trained.space()).encode()
    path = study / REPORT
    try:
        trained.add({REPORT: page})
    except StorageError:
        path = leave_page(page, study, REPORT)
    say({"verb": "report", "study": str(study), "report": str(path)}) if json else print(path)


def recipes(*, json: Json = False) -> None:
    """List the recipes: what each is, and the options it has beside `--latent`."""
    own = {name: _own_options(recipe) for name, recipe in RECIPES.items()}
    if json:
        about = {n: {"about": summary(r), "options": own[n]} for n, r in RECIPES.items()}
        say({"verb": "recipes", "recipes": about})
        return
    width = max(map(len, RECIPES))
    for name, recipe in RECIPES.items():
        print(f"{name:<{width}}  {summary(recipe)}")
        told = "  ".join(f"--{n.replace('_', '-')} {v}" for n, v in own[name].items())
        print(f"{'':<{width}}  {told}")
    print("\nAll take --likelihood and --network, chosen from the data where they are left out.")


def data(
    name: Annotated[str, Parameter(help="built-in data, a folder, a file; none: a list.")] = "",
    /,
    *,
    label: Annotated[str, Parameter(help="the column that holds the class.")] = "",
    size: Annotated[int | None, Parameter(help="height and width of the pictures.")] = None,
    strict: Annotated[bool, Parameter(help="refuse any unreadable picture.", negative="")] = False,
    session: Annotated[str, Parameter(help="of a log: the id of a session, as a pattern.")] = "",
    window: Annotated[int | None, Parameter(help="of a log: lines of a session.")] = None,
    seconds: Annotated[float | None, Parameter(help="of a log: seconds of a session.")] = None,
    json: Json = False,
) -> None:
    """List the built-in data, or look at data and say what is found; nothing is trained."""
    if not name:
        say({"verb": "data", "built_in": list(BUILT_IN)}) if json else print("\n".join(BUILT_IN))
        return
    cuts: dict[str, Any] = {"session": session, "window": window, "seconds": seconds}
    seen = look(name, label=label, size=size, strict=strict, **cuts)
    if json:
        record: dict[str, Any] = {"verb": "data", "source": seen.source, "notes": list(seen.notes)}
        record |= {"num_examples": len(seen.x), "shape": list(seen.x.shape[1:])}
        record |= {"likelihood": seen.modality.likelihood, "network": seen.modality.network}
        say(record | {"skipped": [list(pair) for pair in seen.skipped]})
        return
    for note in seen.notes:
        found(note, on=sys.stdout)
    for path, reason in seen.skipped:
        print(f"  left out: {path}: {reason}")


def _changed(function: Any, values: dict[str, Any]) -> dict[str, Any]:
    defaults = options(function)
    return {n: v for n, v in values.items() if n not in defaults or v != defaults[n].default}


def _own_options(recipe: Any) -> dict[str, Any]:
    return {n: option.default for n, option in options(recipe).items() if n not in SHARED}


def _list(title: str, lines: list[str]) -> None:
    print(f"\n{title}")
    for line in lines:
        print(f"  {line}")
