"""The doctor on studies: diagnosing one, and retraining it with what the diagnosis proposes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from zscape.errors import ShapeError, SpecError
from zscape.measures.doctor import Diagnosis, Finding, diagnose, diagnosing
from zscape.measures.doctor.findings import figure_words
from zscape.measures.figure import Figure, record_of
from zscape.measures.likelihood import active_units, elbo, importance_nll
from zscape.modalities.image import Image
from zscape.modalities.logs import Logs
from zscape.recipes import RECIPES, Recipe
from zscape.space.space import Space
from zscape.space.stages import Stages
from zscape.space.units import measuring_items
from zscape.study.data import Data, look
from zscape.study.display import displayed
from zscape.study.run import prepare, train
from zscape.study.spec import find_recipe, options, settle
from zscape.study.study import Study
from zscape.study.training.beginning import begin, settle_training

ROUNDS = 3  # retrainings at most
COST = 0.005  # of the NLL: how much worse a cured study may be
MEASURED, DRAWS = 256, 50  # held-out examples and draws of the NLL before and after
COLLAPSES = ("posterior collapse", "partial posterior collapse")


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures that a cure is judged by, over the same held-out examples before and after."""

    active: Figure
    elbo: Figure
    nll: Figure

    def figures(self) -> tuple[Figure, ...]:
        """In the order of the lines."""
        return (self.active, self.elbo, self.nll)


@dataclass(frozen=True, slots=True)
class Round:
    """One retraining.

    Attributes:
        path: the folder of the new study.
        changes: the options that differ from the old study.
        diagnosis: of the new study.
        after: its figures.
        cured: whether the finding is gone, at an NLL at most 0.5 % worse.
    """

    path: Path
    changes: Mapping[str, Any]
    diagnosis: Diagnosis
    after: Judged
    cured: bool


@dataclass(frozen=True, slots=True)
class Cure:
    """What `fix` tried, and what came of it.

    Attributes:
        finding: what was to be cured; None where nothing was, or nothing can be done.
        before: figures of the old study.
        rounds: the retrainings in turn.
        best: the one to keep: the cured one, else the one with the lowest NLL.
    """

    finding: Finding | None
    before: Judged
    rounds: tuple[Round, ...]
    best: Round | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "finding": self.finding.name if self.finding else None,
            "before": [record_of(figure) for figure in self.before.figures()],
            "rounds": [
                {
                    "study": str(r.path),
                    "changes": dict(r.changes),
                    "after": [record_of(figure) for figure in r.after.figures()],
                    "cured": r.cured,
                    "diagnosis": r.diagnosis.to_json(),
                }
                for r in self.rounds
            ],
            "best": str(self.best.path) if self.best else None,
        }

    def __str__(self) -> str:
        """Judged and after, for every round."""
        if self.finding is None:
            return "Nothing is to be fixed by changing an option."
        lines = [f"{self.finding.name}", "  before"]
        lines += [f"    {figure_words(figure)}" for figure in self.before.figures()]
        for number, r in enumerate(self.rounds, start=1):
            words = ", ".join(f"{name} = {value!r}" for name, value in r.changes.items())
            lines.append(f"  round {number}, {words}: {r.path}")
            lines += [f"    {figure_words(figure)}" for figure in r.after.figures()]
            lines.append("    cured" if r.cured else "    not cured")
        if self.best is not None:
            lines.append(f"keep {self.best.path}")
        return "\n".join(lines)


def diagnose_study(study: Study) -> Diagnosis:
    """What is wrong with a trained study; remedies are options that its recipe or training has."""
    return diagnose(study.space(), log=study.log(), asked=_asked(study))


def diagnosing_study(study: Study) -> Stages[Diagnosis]:
    """The same, telling how far it is; the last one has the diagnosis."""
    return diagnosing(study.space(), log=study.log(), asked=_asked(study))


def fix(
    study: Study,
    *,
    folder: Callable[[int], Path],
    data: Any = None,
    label: str = "",
    lines: bool = False,
) -> Cure:
    """Retrains a study with the first remedy of its worst finding, and with further ones.

    While the finding remains, the next remedy is added to those before; where it is gone but the
    NLL is over 0.5 % worse, the next one takes their place. After three rounds it ends. The old
    study is left as it is, and a round whose remedies cannot go together is left out.

    Args:
        study: a trained study.
        folder: the new folder of round 1, 2, 3.
        data: what it was trained on; needed unless it kept every example.
        label: the column of the class, where the data are a table that has one.
        lines: off a terminal, print a line per epoch.

    Raises:
        SpecError: data are needed and were not given.
        ShapeError: the data given are of another shape than the study's.
    """
    seen = _kept(study) if data is None else _looked(study, data, label)
    space = study.space()
    diagnosis = diagnose(space, log=study.log(), asked=_asked(study))
    before = _figures(space)
    finding = next((f for f in diagnosis.findings if f.remedies), None)
    if finding is None or diagnosis.healthy:
        return Cure(None, before, (), None)
    rounds: list[Round] = []
    for changes in _plans(finding, rounds):
        new = _retrained(study, seen, changes, folder(len(rounds) + 1), lines=lines)
        rounds.append(_round(new, changes, finding, before))
        if rounds[-1].cured or len(rounds) == ROUNDS:
            break
    return Cure(finding, before, tuple(rounds), _best(rounds))


def _plans(finding: Finding, rounds: list[Round]) -> Iterator[dict[str, Any]]:
    """What to change in each round, given how the rounds before went."""
    changes: dict[str, Any] = {}
    left = list(finding.remedies)
    while left:
        remedy = left.pop(0)
        last = rounds[-1] if rounds else None
        gone = last is not None and not _remains(finding, last.diagnosis)
        changes = {**({} if gone else changes), remedy.option: remedy.value}
        yield changes
        again = rounds[-1].diagnosis.named(finding.name) if rounds else None
        known = {(r.option, r.value) for r in left} | set(changes.items())
        if again is not None:
            left += [r for r in again.remedies if (r.option, r.value) not in known]


def _retrained(
    study: Study, seen: Data, changes: Mapping[str, Any], path: Path, *, lines: bool
) -> Study:
    recipe = _recipe(study, changes)
    function = find_recipe(recipe) if isinstance(recipe, str) else recipe
    has = {**options(function), **options(begin)}
    asked = {**study.asked["options"], **study.asked["training"], **changes}
    settings = {name: value for name, value in asked.items() if name in has}
    new = prepare(seen, recipe=recipe, out=path, **settings)
    for _ in displayed(train(new), always=lines):
        pass
    return Study.open(path, recipe=function)


def _recipe(study: Study, changes: Mapping[str, Any]) -> str | Recipe:
    """Our recipe by its name, or the person's own function."""
    name = str(changes.get("recipe", study.asked["recipe"]))
    return name if name in RECIPES else study.recipe


def _round(study: Study, changes: Mapping[str, Any], finding: Finding, before: Judged) -> Round:
    space = study.space()
    found = diagnose(space, log=study.log(), asked=_asked(study))
    after = _figures(space)
    cured = not _remains(finding, found) and not _is_worse(after.nll, before.nll)
    return Round(study.path, dict(changes), found, after, cured)


def _remains(finding: Finding, diagnosis: Diagnosis) -> bool:
    names = COLLAPSES if finding.name in COLLAPSES else (finding.name,)
    return any(diagnosis.named(name) is not None for name in names)


def _is_worse(after: Figure, before: Figure) -> bool:
    if after.value is None or before.value is None:
        return False
    return after.value - before.value > COST * abs(before.value)


def _best(rounds: list[Round]) -> Round | None:
    def order(r: Round) -> tuple[bool, float]:
        return not r.cured, r.after.nll.value if r.after.nll.value is not None else 0.0

    return min(rounds, key=order, default=None)


def _figures(space: Space) -> Judged:
    x = _measured(space)
    by_rate, by_variance = active_units(space.model, x)
    active = by_variance if by_rate.value is None else by_rate
    nll = importance_nll(space.model, x[:MEASURED], draws=DRAWS)
    return Judged(active, elbo(space.model, x)[0], nll)


def _measured(space: Space) -> Tensor:
    stored, _ = measuring_items(space, 1024)
    return space.modality.prepare(stored)


def _asked(study: Study) -> dict[str, Any]:
    """What was asked, with the options that came since by their defaults."""
    return {
        "recipe": study.asked["recipe"],
        "options": settle(study.recipe, study.asked["options"]),
        "training": settle_training(study.asked["training"]),
    }


def _kept(study: Study) -> Data:
    """The data of a study, when it kept every example."""
    space, about = study.space(), study.asked["data"]
    if len(space.kept) < len(space.codes):
        raise SpecError(
            f"--fix must have all data, and the study kept {len(space.kept):,} of "
            f"{len(space.codes):,} examples. Give what it was trained on with --data."
        )
    return Data(
        modality=study.modality,
        x=space.items,
        labels=space.labels,
        label_names=space.label_names,
        attributes=space.attributes,
        names=(),
        notes=tuple(about.get("notes", ())),
        skipped=(),
        source=str(about.get("source", "")),
    )


def _looked(study: Study, data: Any, label: str) -> Data:
    modality, named = study.modality, isinstance(data, str | Path)
    if named and isinstance(modality, Logs):
        how = modality.how
        seen = look(
            data, session=how.pattern, window=how.window or None, seconds=how.seconds or None
        )
    else:
        seen = look(data, label=label)
    if named and isinstance(modality, Image) and seen.modality.shape != modality.shape:
        seen = look(data, label=label, size=modality.height)
    if seen.modality.shape != modality.shape:
        raise ShapeError(
            f"--data must be what the study was trained on, of shape {modality.shape}, got "
            f"{seen.modality.shape}. Give the same data."
        )
    return seen
