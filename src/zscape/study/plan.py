"""The plan of a sweep and the record that its folder keeps: which run is which, and which ended.

Nothing here trains.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zscape import __version__
from zscape.errors import SpecError, StudyError
from zscape.measures.figure import Figure
from zscape.measures.tradeoff import Value
from zscape.recipes import Recipe
from zscape.study.data import Data, fingerprint
from zscape.study.known import build_on
from zscape.study.ranges import option_named, values_of
from zscape.study.spec import find_recipe, options, settle
from zscape.study.storage.folder import has_file, write_file
from zscape.study.storage.lock import LOCK
from zscape.study.study import SPEC, WEIGHTS
from zscape.study.training.beginning import begin, settle_training

RECORD = "sweep.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One study of a sweep.

    Attributes:
        value: of the option.
        seed: of its split, order and noise.
        study: its folder's name.
        figures: ELBO, rate, distortion and active units, held-out; none where it failed.
        epochs: that it took.
        seconds: of training.
        reason: why it failed; empty where it ended well.
    """

    value: Value
    seed: int
    study: str
    figures: tuple[Figure, ...] = ()
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep that was checked and can be run.

    Attributes:
        data: as `look` found it.
        recipe: a recipe's name, or a function of the same kind.
        option: what is varied.
        values: of the option.
        seeds: every value is run with each of them.
        settings: further options of recipe and training, as given.
        folder: where the studies go.
        asked: what must be the same for runs to be of one sweep: recipe, settled settings, data.
    """

    data: Data
    recipe: str | Recipe
    option: str
    values: tuple[Value, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    folder: Path
    asked: Mapping[str, Any]

    def at(self, folder: Path) -> "Plan":
        """The same plan for another folder."""
        return replace(self, folder=folder)


def plan_sweep(
    data: Data,
    *,
    over: Mapping[str, Sequence[Value] | str],
    out: str | Path,
    recipe: str | Recipe = "vae",
    seeds: int = 3,
    points: int | None = None,
    **settings: Any,
) -> Plan:
    """A sweep whose every value was tried on the recipe; nothing is trained or written.

    Args:
        data: as `look` found it.
        over: one option and its values.
        out: the folder.
        recipe: a recipe's name, or a function of the same kind.
        seeds: runs per value.
        points: values of a range (see `values_of`).
        **settings: further options of the recipe and of training.

    Raises:
        SpecError: an option or a value that cannot be.
    """
    if len(over) != 1:
        raise SpecError(f"A sweep must be over one option, got {len(over)}. Name one.")
    [(name, given)] = over.items()
    if name in settings:
        raise SpecError(f"{name} is what is swept, got a single value of it too. Leave one out.")
    if seeds < 1:
        raise SpecError(f"seeds must be at least 1, got {seeds}. 3 give the errors a meaning.")
    function = find_recipe(recipe) if isinstance(recipe, str) else recipe
    values = values_of(option_named(name, function, begin), given, points)
    first = int(settings.pop("seed", 0))
    for value in values:
        chosen, training = _settled(function, {**settings, name: value})
        with torch.random.fork_rng(devices=[]):
            # A mistake shows itself before anything is trained.
            build_on(function, data, chosen)
    same = {n: v for n, v in (chosen | training).items() if n not in (name, "seed")}
    asked = {"recipe": _recipe_name(recipe), "option": name, "settings": same}
    return Plan(
        data=data,
        recipe=recipe,
        option=name,
        values=tuple(values),
        seeds=tuple(range(first, first + seeds)),
        settings=settings,
        folder=Path(out),
        asked=asked | {"data": _data_record(data)},
    )


def members(plan: Plan) -> dict[str, tuple[Value, int]]:
    """Value and seed of every study by its name; seeds outermost, so that a curve comes early."""
    return {
        f"{plan.option}-{_slug(value)}-seed-{seed}": (value, seed)
        for seed in plan.seeds
        for value in plan.values
    }


def kept_runs(plan: Plan) -> dict[str, Run]:
    """The runs of this plan that ended well before."""
    if not (plan.folder / RECORD).is_file():
        _refuse_full(plan.folder)
        return {}
    runs = read_record(plan)
    names = [name for name in members(plan) if name in runs and not runs[name].reason]
    return {name: runs[name] for name in names if has_file(plan.folder / name, WEIGHTS)}


def _refuse_full(folder: Path) -> None:
    """Refuses a folder that holds more than a sweep leaves whose first run did not end."""
    held = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    strange = [
        name
        for name in held
        if name != LOCK and not name.startswith(".") and not (folder / name / SPEC).is_file()
    ]
    if strange:
        raise StudyError(
            f"A sweep must go to a new folder, or to one of the same sweep, but {str(folder)!r} "
            f"holds {strange[0]!r}. Choose another."
        )


def read_record(plan: Plan) -> dict[str, Run]:
    """Every run that the folder's record tells of, by the name of its study.

    Raises:
        StudyError: the record is damaged, or is of another sweep.
    """
    path = plan.folder / RECORD
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_bytes())
        asked, runs = record["asked"], [_run_from(run) for run in record["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{RECORD} must be as zscape wrote it, and is not ({error}). Choose another folder."
        ) from error
    for name, value in plan.asked.items():
        if asked.get(name) != value:
            raise StudyError(
                f"A sweep that goes on must ask for the same {name}, and {str(plan.folder)!r} was "
                f"made with another. Choose another folder for this one."
            )
    return {run.study: run for run in runs}


def _run_from(record: dict[str, Any]) -> Run:
    return Run(**record | {"figures": tuple(Figure(**figure) for figure in record["figures"])})


def write_record(plan: Plan, runs: Mapping[str, Run], **found: Any) -> None:
    """Writes the record of a sweep: what was asked, what was found, and every run so far."""
    record = {"zscape": __version__, "asked": plan.asked, **found}
    record["runs"] = [asdict(run) for run in runs.values()]
    write_file(plan.folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())


def _slug(value: Value) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", str(value).removesuffix(".0")).strip("-.")


def _settled(recipe: Recipe, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the recipe and of training, all settled."""
    of_training = options(begin)
    training = {name: value for name, value in given.items() if name in of_training}
    rest = {name: value for name, value in given.items() if name not in of_training}
    return settle(recipe, rest), settle_training(training)


def _recipe_name(recipe: str | Recipe) -> str:
    return recipe if isinstance(recipe, str) else f"{recipe.__module__}:{recipe.__name__}"


def _data_record(data: Data) -> dict[str, Any]:
    return {"source": data.source, "num_examples": len(data.x), "sha256": fingerprint(data)}
