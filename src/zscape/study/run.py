"""From data to a trained space in one call, with or without a folder."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from zscape.errors import DataError, DivergedError, GroupError, StudyError, ZscapeError
from zscape.measures.gallery import gallery
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.recipes import Recipe
from zscape.space.space import Space, encode_stored
from zscape.study.checkpoints import Start, checkpoint_bytes, last_checkpoint
from zscape.study.data import Data, fingerprint, look
from zscape.study.display import announce, displayed
from zscape.study.figures import report_page
from zscape.study.intake.sources import BUILT_IN
from zscape.study.journal import Journal, with_its_log, written_log
from zscape.study.known import build_on, is_told, record_of
from zscape.study.spec import find_recipe, options, settle
from zscape.study.storage.claims import MISFITS, no_larger_than
from zscape.study.storage.failpoints import reach
from zscape.study.storage.folder import clear_strays, require_disk
from zscape.study.storage.interrupts import held_back
from zscape.study.storage.lock import Lock
from zscape.study.study import KEPT_BYTES, PICTURES, REPORT, Study, gather
from zscape.study.training.beginning import begin, foreseen, settle_training, train_on
from zscape.study.training.processes import ALONE, Group
from zscape.study.training.progress import Progress, State
from zscape.study.training.running import Run

CHECKPOINT_SECONDS = 60.0
ROOM = 2.2  # times what a study takes, that must be free before it is begun


def fit(
    data: Any,
    *,
    recipe: str | Recipe = "vae",
    out: str | Path | None = None,
    labels: Any = None,
    label: str = "",
    captions: Sequence[str] | None = None,
    **settings: Any,
) -> Space:
    """Trains a recipe on data and returns the space; with `out`, a study folder too.

    On a terminal, what was found and the progress are shown, and nowhere else.

    Args:
        data: whatever `look` takes: a path, a built-in name, an array, a DataFrame, a data set.
        recipe: a recipe's name, or a function of the same kind.
        out: a new folder for the study; None keeps everything in memory.
        labels: one class per example, None where it is unknown; for colours, splits and the
            recipes that are told, no other trains on them.
        label: the column of a table that holds the class.
        captions: one short text per example, for recipes that are told of it.
        **settings: options of the recipe (`latent=16`) and of training (`epochs=100`,
            `learning_rate=1e-3`, `seed=0`; see `begin`).

    Raises:
        DataError: data that cannot be used.
        SpecError: a setting that cannot be.
    """
    told = {"labels": labels, "label": label, "captions": captions}
    seen = data if isinstance(data, Data) else look(data, **told)
    announce(seen.notes)
    if out is not None:
        study = prepare(seen, recipe=recipe, out=out, **settings)
        for _ in displayed(train(study)):
            pass
        return study.space()
    function, chosen, training = settle_asked(recipe, settings)
    model, objective = _seeded_build(function, seen, chosen, training["seed"])
    for _ in displayed(train_on(model, objective, seen, **training)):
        pass
    return gather(model, seen, encode_stored(model, seen.modality, seen.x), training)


def prepare(
    data: Any,
    *,
    recipe: str | Recipe = "vae",
    out: str | Path,
    group: Group = ALONE,
    **settings: Any,
) -> Study:
    """A study folder that is ready to be trained.

    Args:
        data: whatever `look` takes.
        recipe: a recipe's name, or a function of the same kind.
        out: a new or empty folder.
        group: the processes that will train it; only the first makes the folder.
        **settings: options of the recipe and of training.
    """
    seen = data if isinstance(data, Data) else look(data)
    function, chosen, training = settle_asked(recipe, settings)
    # A mistake shows itself before there is a folder.
    build_on(function, seen, chosen)
    name = recipe if isinstance(recipe, str) else f"{recipe.__module__}:{recipe.__name__}"
    study = Study.plan(out, seen, recipe=function, options=chosen, training=training, name=name)
    return study if group.rank else study.create()


def resume(
    path: str | Path,
    data: Any = None,
    *,
    recipe: Recipe | None = None,
    epochs: int = 0,
    group: Group = ALONE,
) -> Study:
    """A study whose training was broken off, ready to be trained on: `train` goes on with it.

    On the same machine, with as many threads, it becomes what it would have become without the
    interruption, bit for bit.

    Args:
        path: the study's folder.
        data: what it is trained on; None: found again by the name or path that the study keeps.
        recipe: the recipe, where it is not one of ours.
        epochs: passes over the data at most; 0: as asked before. More let an ended run go on.
        group: the processes that will train on, as many as there are now.

    Raises:
        StudyError: no study, no whole checkpoint, or other data than before.
        BusyError: another process trains it.
    """
    if group.rank:
        group.wait()  # until the first has put the folder in order
        return _reopened(path, data, recipe, epochs)
    study = Study.open(path, recipe=recipe)
    lock = Lock(study.path)
    try:
        clear_strays(study.path)
        study = replace(_reopened(path, data, recipe, epochs), lock=lock)
        if study.start is not None:
            study = replace(study, start=with_its_log(study.path, study.start))
        if epochs:
            study.write_spec()
    except BaseException:
        lock.release()
        raise
    group.wait()
    return study


def foresee(study: Study) -> list[str]:
    """What the training of a study will take in memory, in lines for a person.

    Two steps on a few of its examples are tried, on the device where it will be trained.

    Raises:
        MemoryLimitError: more than is free.
    """
    if study.data is None:
        return []
    training, chosen = study.asked["training"], study.asked["options"]
    model, objective = _seeded_build(study.recipe, study.data, chosen, training["seed"])
    # Each tensor becomes bytes, and then all of them one file, before it is written.
    written = 2 * checkpoint_bytes(model, *(critic.network for critic in objective.critics))
    return foreseen(model, objective, study.data, written=written, **training)


def train(
    study: Study, *, checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group = ALONE
) -> Generator[Progress, None, None]:
    """Trains a study and yields its progress; when it ends, or is broken off, all is written.

    The state is kept before the first step, every so often, and at the end. SIGINT, SIGTERM and
    SIGHUP wait for the end of a step and for the state to be kept; then they do what they would.

    Args:
        study: fresh from `prepare`, or from `resume`.
        checkpoint_seconds: between two checkpoints; 0: one at every record.
        group: the processes that train together; all call this, and the first writes.

    Raises:
        GroupError: another process is gone; the last checkpoint is whole.
        StudyError: the study was opened, not prepared or resumed.
        BusyError: another process trains it.
        StorageError: the disk is full.
        DivergedError: the numbers left the finite; the last good state is kept.
    """
    data = study.data
    if data is None:
        raise StudyError(
            "A study must be fresh or resumed to be trained, and this one was opened. "
            "Use zscape.resume(path), or 'zscape train --resume'."
        )
    try:
        if group.rank:
            yield from _follow(study, data, group)
        else:
            yield from _lead(study, data, group, checkpoint_seconds)
    except (GeneratorExit, DivergedError, KeyboardInterrupt):
        group.wait()  # these come to all: the first has written, and the others may go
        raise
    group.wait()


def _follow(study: Study, data: Data, group: Group) -> Iterator[Progress]:
    """Takes part in the training of a study that another process writes."""
    run = _begun(study, data, group)
    came: list[int] = []
    with held_back(came):  # all must end after the same step
        yield from run.records(until=lambda: bool(came))


def _lead(study: Study, data: Data, group: Group, checkpoint_seconds: float) -> Iterator[Progress]:
    """Trains a study and writes it."""
    with _lock(study):
        run = _begun(study, data, group)
        written = written_log(study.path, study.start)
        with Journal(study.path, run, every=checkpoint_seconds, written=written) as journal:
            try:
                if study.start is None:
                    journal.keep()  # proves that there is room
                yield from journal.records()
            except (GeneratorExit, DivergedError):
                journal.keep()
                _finish(study, run, data)
                raise
            except KeyboardInterrupt:
                if journal.between:  # else it came in the midst of something
                    _finish(study, run, data)
                raise
        _finish(study, run, data)
        if not run.over:
            raise GroupError(
                f"Training was stopped by another of its {group.world} processes. "
                f"'zscape train --resume {study.path}' goes on from here."
            )


def _lock(study: Study) -> Lock:
    """The lock that a study holds since it was made or resumed, or a new one."""
    if study.lock is None:
        return Lock(study.path)
    if not study.lock.held:
        raise StudyError(
            f"A study is trained once, and {study.path.name!r} was. zscape.resume(path) gives one "
            "that goes on."
        )
    return study.lock


def _begun(study: Study, data: Data, group: Group) -> Run:
    """The run at its beginning, or where it was broken off."""
    if study.start is not None:
        return _taken_up(study, data, group, study.start)
    run = _built(study, data, group)
    if not group.rank:
        each = checkpoint_bytes(run.model, run.stepper.opponents)
        require_disk(study.path, int(ROOM * (each + min(data.x.nbytes, KEPT_BYTES))))
    return run


def _taken_up(study: Study, data: Data, group: Group, start: Start) -> Run:
    try:
        with no_larger_than(sum(tensor.nbytes for tensor in start.state.tensors.values())):
            run = _built(study, data, group)
        run.load(start.state)
    except ZscapeError:
        raise
    except MISFITS as error:
        raise StudyError(
            f"The checkpoint of {study.path.name!r} must be of its recipe and options, and is not "
            f"({' '.join(str(error).split())[:200]}). Restore it from a copy, or train again."
        ) from error
    return run


def _built(study: Study, data: Data, group: Group) -> Run:
    training, chosen = study.asked["training"], study.asked["options"]
    model, objective = _seeded_build(study.recipe, data, chosen, training["seed"])
    return begin(model, objective, data, group, **training)


def _reopened(path: str | Path, data: Any, recipe: Recipe | None, epochs: int) -> Study:
    """A study with its data and its last state."""
    study = Study.open(path, recipe=recipe)
    if "prior" in study.asked or "pruned" in study.asked:
        raise StudyError(
            f"A study that goes on must have the model it was trained with, and "
            f"{study.path.name!r} was made from another. Go on with that one."
        )
    seen, start = data_again(study, data), last_checkpoint(study.path)
    training = settle_training(study.asked["training"] | ({"epochs": epochs} if epochs else {}))
    settled = {"options": settle(study.recipe, study.asked["options"]), "training": training}
    asked = {**study.asked, **settled}
    start = start and _noted(start, epochs)
    return replace(study, asked=asked, data=seen, modality=seen.modality, start=start)


def _noted(start: Start, epochs: int) -> Start:
    """The same start, as patient as at first where more epochs are asked for."""
    plain, notes = start.state.plain, start.notes
    if plain["threads"] != torch.get_num_threads():
        notes += (
            f"it was trained with {plain['threads']} threads and goes on with "
            f"{torch.get_num_threads()}: as well, but not to the same bits",
        )
    if epochs:
        plain = {**plain, "waited": 0}
    return replace(start, state=State(start.state.tensors, plain), notes=notes)


def data_again(study: Study, data: Any = None) -> Data:
    """The data that a study was begun with, found again where none are given.

    Raises:
        StudyError: other data than before, or none.
    """
    about = study.asked["data"]
    if not isinstance(data, Data):
        origin = dict(about.get("origin", {}))
        found = origin.pop("name", None) or origin.pop("path", None)
        if data is None and found is not None:
            is_name = found in BUILT_IN or found.startswith("hf:")
            data = found if is_name else study.path.resolve() / found
        if data is None:
            raise StudyError(
                f"A study that goes on must have its data, and {study.path.name!r} was trained on "
                "things that Python held. Pass them again."
            )
        try:
            data = look(data, **origin)
        except DataError as error:
            raise DataError(
                f"{error} Where the data lie elsewhere now: zscape train DATA --resume {study.path}"
            ) from error
    if fingerprint(data) != about.get("sha256") or not _tells_the_same(study, data):
        raise StudyError(
            f"A study that goes on must have the data it was begun with, {about['num_examples']:,} "
            f"examples of {about['source']}, and got {len(data.x):,} of {data.source} that are not "
            "the same. Pass the same data, or train a new study."
        )
    return data


def _tells_the_same(study: Study, data: Data) -> bool:
    """Whether a recipe that is told of its examples would be told the same."""
    if not is_told(study.recipe):
        return True
    known = study.asked.get("known")
    return isinstance(known, dict) and known.get("sha256") == record_of(data)["sha256"]


def open(path: str | Path, *, recipe: Recipe | None = None) -> Space:
    """The space of a study folder.

    Args:
        path: the folder that training made.
        recipe: the recipe, where it is not one of ours.

    Raises:
        StudyError: no study, damaged, or from a newer zscape.
    """
    return Study.open(path, recipe=recipe).space()


def _finish(study: Study, run: Run, data: Data) -> None:
    """Writes what a training run leaves: weights, codes, pictures and the report."""
    reach("finish.begin")
    run.settle()
    model = run.model
    codes = encode_stored(model, data.modality, data.x)
    space = gather(model, data, codes, study.asked["training"])
    study.save(space)
    pictures = {f"{PICTURES}/{verb}.png": image for verb, image in gallery(space).items()}
    reach("finish.before_manifest")
    study.add(pictures | {REPORT: report_page(study, space).encode()})
    reach("finish.end")


def settle_asked(
    recipe: str | Recipe, settings: Mapping[str, Any]
) -> tuple[Recipe, dict[str, Any], dict[str, Any]]:
    """The recipe, its options and training's, from settings of both."""
    function = find_recipe(recipe) if isinstance(recipe, str) else recipe
    of_training = options(begin)
    training = {name: value for name, value in settings.items() if name in of_training}
    rest = {name: value for name, value in settings.items() if name not in of_training}
    return function, settle(function, rest), settle_training(training)


def _seeded_build(
    recipe: Recipe, data: Data, chosen: Mapping[str, Any], seed: int
) -> tuple[Model, Objective]:
    torch.manual_seed(seed)
    return build_on(recipe, data, chosen)
