"""Does the doctor find planted collapses, leave sound runs alone, and cure what it finds?

Planted runs are those of `planted.PLANTED` whose code really collapsed: at most a tenth of the
units vary between examples, or the whole rate is under a quarter of a nat. Thresholds were chosen
on other seeds and other data.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.figures import Figure, NotRunError, Settings, machine
from benchmarks.planted import HEALTHY, PLANTED, Case
from zscape.measures.aggregate import mutual_information
from zscape.measures.doctor import Diagnosis
from zscape.measures.doctor.findings import SERIOUS
from zscape.measures.likelihood import elbo, importance_nll, kl_per_dimension
from zscape.space.space import Space
from zscape.space.units import measuring_items
from zscape.study.data import look, things_like
from zscape.study.doctoring import COLLAPSES, diagnose_study, fix
from zscape.study.run import prepare, train
from zscape.study.spec import find_recipe, options
from zscape.study.study import Study
from zscape.study.training.beginning import begin, train_on
from zscape.study.training.watch import Watch

MEASURED, DRAWS = 400, 100  # examples that living units and likelihoods are measured over
FRESH = 500  # seeds on from the training data to those that judge a cure
USED = 0.01  # nats of rate and variance of posterior means above which a unit is used
DEAD, SILENT = 0.1, 0.25
EARLY = 5  # epochs


@dataclass(frozen=True, slots=True)
class Run:
    """A trained case and its diagnosis."""

    case: Case
    study: Study
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class Cured:
    """A planted run after `--fix`: living share, information in nats, and the NLL in percent."""

    name: str
    share: float
    information: float
    worse: float
    error: float
    rounds: int


def planted(settings: Settings) -> Iterator[Figure]:
    """Planted collapses: found and cured."""
    cases = PLANTED[:2] if settings.quick else PLANTED
    with tempfile.TemporaryDirectory() as folder:
        runs = [_run(case, Path(folder) / f"{i}", settings) for i, case in enumerate(cases)]
        real = [run for run in runs if _has_collapsed(run.study.space())]
        if not real:
            raise NotRunError("a planted code must collapse, and none did")
        cured = [_cure(run, settings) for run in real]
        left = [run.case.name for run in runs if run not in real]
        found = [any(run.diagnosis.named(name) for name in COLLAPSES) for run in real]
    said = (
        f"{len(real)} planted collapses ({', '.join(run.case.name for run in real)}), seed "
        f"{settings.seed}, {len(left)} planted runs left out as their code did not collapse"
        f"{f' ({left})' if left else ''}; {machine()}"
    )
    yield Figure("planted_found_share", sum(found) / len(found), "share", "measured", said)
    yield from _cures(cured, said)


def healthy(settings: Settings) -> Iterator[Figure]:
    """Sound runs, chosen before the thresholds were: nothing is to be said of them."""
    cases = HEALTHY[:1] if settings.quick else HEALTHY
    with tempfile.TemporaryDirectory() as folder:
        runs = [_run(case, Path(folder) / f"{i}", settings) for i, case in enumerate(cases)]
    alarms = [run for run in runs if _is_alarm(run.diagnosis)]
    warned = [run for run in runs if not run.diagnosis.healthy and run not in alarms]
    names = ", ".join(run.case.name for run in runs)
    which = "; ".join(
        f"{run.case.name}: {', '.join(f.name for f in run.diagnosis.findings)}"
        for run in (*alarms, *warned)
    )
    said = (
        f"{len(runs)} sound runs ({names}), seed {settings.seed}; an alarm is a collapse, partial "
        f"or whole, or any other serious finding; warnings are counted apart"
        f"{f' ({which})' if which else ''}; {machine()}"
    )
    yield Figure("healthy_false_alarms", float(len(alarms)), "count", "measured", said)
    yield Figure("healthy_warnings", float(len(warned)), "count", "measured", said)


def told(settings: Settings) -> Iterator[Figure]:
    """The same runs, watched while they train: by epoch 5, which is 5 % of the default plan."""
    parts = {"planted": PLANTED, "healthy": HEALTHY}
    epochs = {
        name: [_told_at(case, settings) for case in (cases[:1] if settings.quick else cases)]
        for name, cases in parts.items()
    }
    each = "; ".join(
        f"{case.name}: {epoch or 'not told'}"
        for case, epoch in zip(PLANTED, epochs["planted"], strict=False)
    )
    said = (
        f"the runs of planted and healthy, watched for {EARLY} epochs, 5 % of the default plan of "
        f"100; epoch at whose end or before it was told: {each}; seed {settings.seed}; {machine()}"
    )
    planted_told = [epoch > 0 for epoch in epochs["planted"]]
    share = sum(planted_told) / len(planted_told)
    yield Figure("planted_told_early_share", share, "share", "measured", said)
    at_once = sum(epoch == 1 for epoch in epochs["planted"]) / len(planted_told)
    yield Figure("planted_told_in_epoch_1_share", at_once, "share", "measured", said)
    alarms = sum(epoch > 0 for epoch in epochs["healthy"])
    yield Figure("healthy_told_early", float(alarms), "count", "measured", said)


PARTS = {"planted": planted, "healthy": healthy, "told": told}


def _cures(cured: list[Cured], said: str) -> Iterator[Figure]:
    each = "; ".join(
        f"{c.name}: {c.share:.2f} alive, {c.information:.2f} nats told, NLL {c.worse:+.2f} % "
        f"+- {c.error:.2f}, round {c.rounds}"
        for c in cured
    )
    said = f"after --fix, over held-out examples; {each}; {said}"
    units = f"a unit lives when its rate and the variance of its means pass {USED}; {said}"
    yield Figure("fixed_active_share_min", min(c.share for c in cured), "share", "measured", units)
    draws = (
        f"importance-weighted with {DRAWS} draws over {MEASURED} new examples that neither "
        f"training nor --fix saw (held-out ones, which --fix chose by, where data of another seed "
        f"are the same), the same before and after, negative where the cure is better; {said}"
    )
    worst = max(cured, key=lambda c: c.worse)
    yield Figure("fixed_nll_worse_percent_max", worst.worse, "%", "estimate", draws, worst.error)
    least = min(c.information for c in cured)
    yield Figure("fixed_information_min", least, "nats", "bound", said)
    rounds = max(c.rounds for c in cured)
    yield Figure("fix_rounds_max", float(rounds), "rounds", "measured", said)


def _run(case: Case, folder: Path, settings: Settings) -> Run:
    asked = {**case.settings, "epochs": 3} if settings.quick else case.settings
    data = case.data(settings.seed)
    study = prepare(data, recipe=case.recipe, out=folder, seed=settings.seed, **asked)
    for _ in train(study):
        pass
    own = case.recipe if callable(case.recipe) else None
    trained = Study.open(folder, recipe=own)
    run = Run(case, trained, diagnose_study(trained))
    names = [finding.name for finding in run.diagnosis.findings]
    print(f"{case.name}: {names}", file=sys.stderr, flush=True)
    return run


def _told_at(case: Case, settings: Settings) -> int:
    """The epoch in which the watch said that the code collapses, 0 where it said nothing."""
    function = case.recipe if callable(case.recipe) else find_recipe(case.recipe)
    seen, training = look(case.data(settings.seed)), options(begin)
    torch.manual_seed(settings.seed)
    chosen = {name: value for name, value in case.settings.items() if name not in training}
    model, objective = function(seen.modality, **chosen)
    asked = {name: value for name, value in case.settings.items() if name in training}
    watch = Watch()
    for record in train_on(model, objective, seen, seed=settings.seed, **asked):
        if record.epoch > EARLY:
            break
        if watch.note(record):
            print(f"{case.name}: told in epoch {record.epoch}", file=sys.stderr, flush=True)
            return record.epoch
    return 0


def _cure(run: Run, settings: Settings) -> Cured:
    folder = run.study.path
    cure = fix(run.study, folder=lambda number: folder.with_name(f"{folder.name}-{number}"))
    if cure.best is None:
        return Cured(run.case.name, 0.0, 0.0, 0.0, 0.0, 0)
    space = Study.open(cure.best.path, recipe=run.study.recipe).space()
    x = _examples(space)
    judged = _fresh(run, space, settings) if run.case.renewed else x
    old, new = (
        importance_nll(each.model, judged, draws=DRAWS) for each in (run.study.space(), space)
    )
    scale = 100 / abs(old.value or 1.0)
    worse = ((new.value or 0.0) - (old.value or 0.0)) * scale
    error = (((new.error or 0.0) ** 2 + (old.error or 0.0) ** 2) ** 0.5) * scale
    share = _alive(space, x).double().mean().item()
    information = mutual_information(space.model, x)[0].value or 0.0
    found = Cured(run.case.name, share, information, worse, error, len(cure.rounds))
    changes = [dict(r.changes) for r in cure.rounds]
    print(f"{found}, {changes}", file=sys.stderr, flush=True)
    return found


def _is_alarm(diagnosis: Diagnosis) -> bool:
    return any(f.severity == SERIOUS or f.name in COLLAPSES for f in diagnosis.findings)


def _fresh(run: Run, space: Space, settings: Settings) -> Tensor:
    """Examples that neither training nor `--fix` has seen."""
    things, _ = things_like(space.modality, run.case.data(settings.seed + FRESH))
    return space.modality.prepare(space.modality.encode(things)[:MEASURED])


def _has_collapsed(space: Space) -> bool:
    x = _examples(space)
    rate = elbo(space.model, x)[1].value or 0.0
    return _alive(space, x).double().mean().item() <= DEAD or rate < SILENT


@torch.inference_mode()
def _alive(space: Space, x: Tensor) -> Tensor:
    """Which units are used, by rate and by variance of the posterior means, bool `[D]`."""
    means = space.model.encode(x).latents[0].z
    rates = torch.tensor([unit.value for unit in kl_per_dimension(space.model, x)])
    return (means.var(0, correction=0) > USED) & (rates > USED)


def _examples(space: Space) -> Tensor:
    return space.modality.prepare(measuring_items(space, MEASURED)[0])
