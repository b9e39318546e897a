"""`zscape train`: look, say what was found, train, say what came of it and what to type next."""

import inspect
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Group as Heading
from cyclopts import Parameter

from zscape.cli import Terminated
from zscape.cli.options import flag, flags
from zscape.cli.output import figure_lines, found, say, tell
from zscape.errors import SpecError, StorageError
from zscape.measures.doctor.code_rules import HARDLY
from zscape.measures.doctor.vitals import ended_early
from zscape.measures.figure import record_of
from zscape.modalities.found import listed
from zscape.objective.steering import tell_beta
from zscape.space.space import Space
from zscape.space.units import AUDIBLE
from zscape.study.data import Data, look
from zscape.study.display import displayed
from zscape.study.figures import figures, measured_on
from zscape.study.run import CHECKPOINT_SECONDS, foresee, prepare, train
from zscape.study.run import resume as go_on
from zscape.study.spec import find_recipe, summary
from zscape.study.storage.folder import fresh_folder, has_file
from zscape.study.storage.lock import LOCK
from zscape.study.study import REPORT, WEIGHTS, Study
from zscape.study.training.beginning import begin
from zscape.study.training.processes import Group, join

STUDIES = "studies"


def train_command(words: list[str]) -> Callable[..., None]:
    """The command, with the flags of the recipe that the words name.

    Raises:
        SpecError: no such recipe.
    """
    return training_command(words, _own_parameters(), _train)


def training_command(
    words: list[str], parameters: list[inspect.Parameter], run: Callable[..., None]
) -> Callable[..., None]:
    """A command of these parameters and the flags of training and of the recipe that is named.

    Args:
        words: what was typed.
        parameters: the command's own.
        run: called with what was given, by name.

    Raises:
        SpecError: no such recipe.
    """
    name = recipe_named(words)
    if ":" in name:
        sys.path.append(str(Path.cwd()))  # a module beside the person who types its name
    function = find_recipe(name)
    own = Heading(f"Options of {name}", help=summary(function), sort_key=1)
    training = Heading("Options of training", sort_key=2)
    all_of_them = {parameter.name: parameter for parameter in parameters}
    for parameter in (*flags(function, own), *flags(begin, training)):
        all_of_them.setdefault(parameter.name, parameter)
    signature = inspect.Signature(list(all_of_them.values()))

    def command(*arguments: Any, **settings: Any) -> None:
        given = signature.bind(*arguments, **settings).arguments
        run(**given)

    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in all_of_them.values()}
    return command


def recipe_named(words: list[str]) -> str:
    """What follows the last `--recipe`, or `vae`."""
    name = "vae"
    for before, word in pairwise(["", *words]):
        if before == "--recipe":
            name = word
        elif word.startswith("--recipe="):
            name = word.partition("=")[2]
    return name


def _own_parameters() -> list[inspect.Parameter]:
    about = "a folder of pictures, a file (table, array, log), hf:NAME, or built-in data."
    data = inspect.Parameter(
        "data",
        inspect.Parameter.POSITIONAL_ONLY,
        default="",
        annotation=Annotated[str, Parameter(help=about, show_default=False)],
    )
    return [
        data,
        flag("recipe", str, "vae", help="'zscape recipes' lists them; or package.module:function."),
        flag("out", Path | None, None, help="a new folder; none: a fresh one in studies/."),
        flag(
            "resume",
            Path | None,
            None,
            help="a study to go on with; DATA if it moved.",
        ),
        flag("devices", int, 1, help="processes that train together; or start it by torchrun."),
        flag(
            "checkpoint_seconds",
            float,
            CHECKPOINT_SECONDS,
            help="between two states that are kept to go on from; 0: one at every record.",
        ),
        flag("label", str, "", help="the column that holds the class; not modelled."),
        flag("size", int | None, None, help="height and width that pictures are brought to."),
        flag("strict", bool, False, help="refuse a folder with any unreadable picture."),
        flag("session", str, "", help="of a log: the id of a session, as 'blk_-?\\d+'."),
        flag("window", int | None, None, help="of a log: lines of a session; else 20."),
        flag("seconds", float | None, None, help="of a log: seconds of a session."),
        flag("json", bool, False, help="one JSON object on stdout, nothing else."),
    ]


def _train(
    data: str = "",
    recipe: str = "vae",
    out: Path | None = None,
    resume: Path | None = None,
    devices: int = 1,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    label: str = "",
    size: int | None = None,
    strict: bool = False,
    session: str = "",
    window: int | None = None,
    seconds: float | None = None,
    json: bool = False,
    **settings: Any,
) -> None:
    if not data and resume is None:
        raise SpecError("DATA must be given, got none. 'zscape data' lists what is built in.")
    if not checkpoint_seconds >= 0:
        raise SpecError(f"--checkpoint-seconds must be at least 0, got {checkpoint_seconds}.")
    group = join(devices)
    if resume is not None:
        cut = session or window is not None or seconds is not None
        looked = bool(label or size or strict or cut)
        study = _resumed(resume, data, recipe, settings, out=out, looked=looked, group=group)
    else:
        cuts: dict[str, Any] = {"session": session, "window": window, "seconds": seconds}
        seen = look(data, label=label, size=size, strict=strict, **cuts)
        study = _fresh(seen, recipe, out, settings, group)
    found(_threads(group), on=sys.stderr)
    for line in foresee(study):
        found(line, on=sys.stderr)
    _train_to_end(study, checkpoint_seconds, group)
    if not group.rank:
        _say_end(study, json=json)


def _fresh(
    seen: Data, recipe: str, out: Path | None, settings: dict[str, Any], group: Group
) -> Study:
    for note in seen.notes:
        found(note, on=sys.stderr)
    if group.rank:
        return prepare(seen, recipe=_given(recipe), out=out or STUDIES, group=group, **settings)
    folder = out or fresh_folder(Path(STUDIES), f"{seen.source}-{recipe}")
    try:
        return prepare(seen, recipe=_given(recipe), out=folder, **settings)
    except Exception:
        _remove_empty(folder, made=out is None)
        raise


def _resumed(
    path: Path,
    data: str,
    recipe: str,
    settings: dict[str, Any],
    *,
    out: Path | None,
    looked: bool,
    group: Group,
) -> Study:
    """The study to go on with, once nothing contradicts what it was begun with."""
    theirs = recipe if ":" in recipe else ""
    epochs = settings.pop("epochs", 0)
    extra = [f"--{name.replace('_', '-')}" for name in settings]
    extra += ["--out"] * (out is not None) + ["options of DATA"] * looked
    extra += ["--recipe"] * (recipe != "vae" and not theirs)
    if extra:
        raise SpecError(
            "--resume must come with no other options than DATA, --epochs, --devices, "
            f"--checkpoint-seconds and --json, got {listed(extra)}: the study knows its own. "
            "Leave them out."
        )
    function = find_recipe(theirs) if theirs else None
    study = go_on(path, data or None, recipe=function, epochs=epochs, group=group)
    where = "its beginning"
    if study.start is not None:
        plain = study.start.state.plain
        where = f"step {plain['step']:,}, epoch {plain['epoch']}"
        for note in study.start.notes:
            found(f"warning: {note}", on=sys.stderr)
    found(f"{path} goes on from {where}", on=sys.stderr)
    return study


def _unlike(space: Space) -> int:
    """An example of another class than the first, or just another."""
    if space.labels is None or space.labels[0] < 0:
        return 1
    unlike = (space.labels != space.labels[0]) & (space.labels >= 0)
    return int(unlike.argmax()) if unlike.any() else 1


def _threads(group: Group) -> str:
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    if group.world > 1:
        return f"training in {group.world} processes"
    said = "1 thread" if threads == 1 else f"{threads} threads"
    why = "" if threads == cores else " (OMP_NUM_THREADS chooses; a busy machine gets one)"
    return f"training with {said} on {cores} cores{why}"


def _given(recipe: str) -> Any:
    return find_recipe(recipe) if ":" in recipe else recipe


def _remove_empty(folder: Path, *, made: bool) -> None:
    if made and all(entry.name == LOCK for entry in folder.iterdir()):
        shutil.rmtree(folder)


def _train_to_end(study: Study, checkpoint_seconds: float, group: Group) -> None:
    resumed = f"zscape train --resume {shlex.quote(str(study.path))}"
    try:
        # Closed here and not when it is collected: closing saves the study.
        records = train(study, checkpoint_seconds=checkpoint_seconds, group=group)
        with closing(records):
            for _ in displayed(records, always=True):
                pass
    except (KeyboardInterrupt, Terminated):
        usable = has_file(study.path, WEIGHTS)
        kept = f"The study so far is kept in {study.path}. " if usable else ""
        tell(f"{kept}'{resumed}' goes on from here.")
        raise
    except StorageError:
        tell(f"Once there is room, '{resumed}' goes on from the last state that was kept.")
        raise


def _say_length(study: Study, log: Sequence[Mapping[str, Any]]) -> None:
    """Whether the training was short, and whether validation ended it."""
    steps, epoch = (log[-1]["step"], log[-1]["epoch"]) if log else (0, 0)
    training = study.asked["training"]
    if early := ended_early(log, training):
        tell(
            f"Ended after epoch {epoch} of {training['epochs']}: what is held out got no better "
            f"for {training['patience']} epochs (--patience)."
        )
    if steps < HARDLY:
        more = "--patience 0, which runs all epochs" if early else "more --epochs"
        tell(f"! Only {steps} steps were made, so this is hardly trained: try {more}.")


def _say_end(study: Study, *, json: bool) -> None:
    assert study.data is not None
    seen = study.data
    space = study.space()
    measured = figures(space)
    log = study.log()
    path = shlex.quote(str(study.path))
    if json:
        say(
            {
                "verb": "train",
                "study": str(study.path),
                "recipe": study.asked["recipe"],
                "notes": list(seen.notes),
                "epochs": log[-1]["epoch"] if log else 0,
                "seconds": log[-1]["seconds"] if log else 0.0,
                "beta": tell_beta([record["parts"] for record in log]) or None,
                "figures": [record_of(figure) for figure in measured],
                "report": str(study.path / REPORT),
            }
        )
        return
    print(f"\nThe study is in {study.path}. Over its {measured_on(space)}:")
    for line in figure_lines(measured, space.codes.flat.shape[1]):
        print(f"  {line}")
    if chosen := tell_beta([record["parts"] for record in log]):
        print(f"\n{chosen}")
    _say_length(study, log)
    spent = next(figure.value for figure in measured if figure.name == "rate")
    if spent is not None and spent < AUDIBLE:
        tell(
            f"! The code carries {spent:.2f} nats, so all examples have nearly the same one "
            f"(posterior collapse): 'zscape doctor {path}' says what to change."
        )
    print("\nOpen its report, and try next:")
    print(f"  {study.path / REPORT}")
    other = _unlike(space)
    for words in (f"sample {path}", f"interpolate {path} '#0' '#{other}'", f"traverse {path} '#0'"):
        print(f"  zscape {words}")
