"""What studies survive: kills, full disks, damage, races, and files that were made to do harm.

The faults, and what is promised of each, stand in `tests/faults`; here is the full count of them.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.corruption import damages
from tests.faults.disks import filled_disks, limited_files, small_disk
from tests.faults.harness import Runner, write_rows
from tests.faults.hostile_data import hostile_data
from tests.faults.hostile_studies import commands, hostile_studies
from tests.faults.judging import MOST_SECONDS, complaint
from tests.faults.lives import train
from tests.faults.races import races
from tests.faults.trials import DOUBLE, Trial, Ward

from benchmarks.figures import Figure, Settings, machine
from zscape.study.checkpoints import CHECKPOINTS

TOLD = 8  # things gone wrong that a protocol quotes
SIZES = (300, 1_000, 2_000, 5_000, 9_000, 14_000, 20_000, 40_000)  # bytes of the largest file
CRASHES = ("a traceback", "died", "exit code")
TRAINING_SECONDS = 6.0  # where a change was harmless, the study is trained to its end
DATA_SECONDS = 6.0  # for data files, of which some are half a gigabyte when they are unpacked


def kills(settings: Settings) -> Iterator[Figure]:
    """Final states of studies that were killed and went on, beside the one that was not."""
    with _ward() as ward:
        count = 2 if settings.quick else 50
        trials = list(ward.random_kills(count, seed=settings.seed))
        trials += ward.point_kills(times=slice(1) if settings.quick else slice(None))
        trials += ward.double_kills(DOUBLE[:1] if settings.quick else DOUBLE)
    struck = sum(trial.struck for trial in trials)
    protocol = (
        f"300-row table, 6 epochs, a state kept at every record: {count} kills at random moments, "
        "12 named points of saving 3 times each, 10 killed again while they go on; the process "
        "group by SIGKILL; compared: every tensor and plain value of the last state (weights, "
        "average, moments, schedule, position), weights, codes, items, pictures and the history "
        f"of records; at most one record lost; {struck} were alive when the kill came; "
        f"{_failures(trials)}; {machine()}"
    )
    equal = sum(not trial.wrong for trial in trials) / len(trials)
    yield Figure("kills", len(trials), "count", "exact", protocol)
    yield Figure("kills_with_equal_hash_share", equal, "share", "exact", protocol)


def full_disks(settings: Settings) -> Iterator[Figure]:
    """Trainings whose k-th write fails, for every k, and on disks that are really full."""
    every = 15 if settings.quick else 1
    with _ward() as ward:
        trials = [
            *ward.full_disks("file.mid_write", "enospc", every=every),
            *ward.full_disks("file.after_write", "eio", every=3 * every),
            *ward.full_disks("log.mid_append", "enospc", every=every),
            *limited_files(ward, SIZES[::every]),
        ]
        with small_disk(ward.folder / "disk") as mounted:
            trials += filled_disks(ward, ward.folder / "disk") if mounted else ()
    small = "a 2 MB file system with 0 to 256 kB free" if mounted else "no small file system here"
    protocol = (
        f"{len(trials)} trainings of a 300-row table: no room at the k-th write for every k until "
        f"it passes, an I/O error at every third, RLIMIT_FSIZE of {len(SIZES[::every])} sizes, "
        f"{small}; each must exit 74, keep its last state whole, leave nothing behind and become "
        f"what it would have; {_failures(trials)}; {machine()}"
    )
    lost = sum(bool(trial.wrong) for trial in trials)
    yield Figure("full_disk_trainings", len(trials), "count", "exact", protocol)
    yield Figure("lost_checkpoints_on_full_disk", lost, "count", "exact", protocol)


def corruption(settings: Settings) -> Iterator[Figure]:
    """Damage to every file, and how much of it went unnoticed."""
    counts = ((2, 2), (1, 1)) if settings.quick else ((20, 200), (20, 100))
    with _ward() as ward:
        table, digits = ward.folder / "whole", ward.folder / "digits"
        words = ["train", "digits", "--out", digits, "--epochs", "3", "--network", "mlp:16"]
        assert ward.runner.run([*words, "--checkpoint-seconds", "0"]).code == 0
        (cuts, flips), (fewer_cuts, fewer) = counts
        found = list(damages(table, digits, cuts=cuts, flips=flips, seed=settings.seed))
        newest = max((digits / CHECKPOINTS).iterdir(), key=lambda path: int(path.name))
        shutil.rmtree(newest)  # so that the state before it is the one that counts
        found += damages(digits, table, cuts=fewer_cuts, flips=fewer, seed=settings.seed)
    silent = [damage for damage in found if damage.wrong]
    quoted = "; ".join(f"{d.file}, {d.kind}: {d.wrong}" for d in silent[:TOLD]) or "none"
    protocol = (
        f"every file of a study of a table and of one of digits: cut at {cuts} places, "
        f"emptied, {flips} and {fewer} single bits turned, a byte more, another "
        "study's in its place, removed, a folder, a pipe or a link instead; silent: reading all "
        "that the study offers says nothing and the content is another; an error other than ours, "
        f"or one that names no file, counts too; {sum(d.told for d in found)} were told, the rest "
        f"left the content as it was (lock, older states, white space); wrong: {quoted}; "
        f"{machine()}"
    )
    yield Figure("corruptions", len(found), "count", "exact", protocol)
    yield Figure("silent_loads", len(silent), "count", "exact", protocol)


def race(settings: Settings) -> Iterator[Figure]:
    """Eight trainings begun at once in one folder."""
    rounds = 1 if settings.quick else 20
    with Runner() as runner, tempfile.TemporaryDirectory() as folder:
        wrong = list(races(runner, Path(folder), rounds))
    protocol = (
        f"{rounds} rounds of 8 trainings into one folder: one exits 0 and equals a training alone, "
        "seven exit 75 within 2 s; "
        f"wrong: {'; '.join(w for w in wrong if w)[:500] or 'none'}; {machine()}"
    )
    share = sum(not w for w in wrong) / rounds
    yield Figure("race_rounds_with_one_winner_share", share, "share", "exact", protocol)


def hostile(settings: Settings) -> Iterator[Figure]:
    """Study folders and data files that were made to do harm."""
    every = 20 if settings.quick else 1
    complaints: list[str] = []
    with Runner() as runner, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = write_rows(folder)
        assert train(runner, data, folder / "true").code == 0
        studies = 0
        for number, (what, path) in enumerate(hostile_studies(folder / "true", folder)):
            if number % every:
                continue
            studies += 1
            for words in commands(what):
                seconds = TRAINING_SECONDS if words[0] == "train" else MOST_SECONDS
                said = complaint(runner.run([*words, path]), seconds=seconds)
                complaints += _said(what.replace(": ", " "), said)
        files = 0
        for number, (what, path) in enumerate(hostile_data(folder)):
            if number % every:
                continue
            files += 1
            ended = runner.run(["data", path])
            complaints += _said(what.replace(": ", " "), complaint(ended, seconds=DATA_SECONDS))
    protocol = (
        f"{studies} study folders by show, report, sample and --resume, and {files} data files by "
        "data, each in a process of its own: no traceback, no death by signal, a documented exit "
        "code other than that of an internal error (the figure `tracebacks` counts these three), "
        "at most 256 MB beyond the start, 2 s (6 s for --resume and data files), no escape "
        "sequence printed (`hostile_complaints` counts all); "
        f"wrong: {'; '.join(complaints[:TOLD]) or 'none'}; "
        f"{machine()}"
    )
    crashes = sum(words.partition(": ")[2].startswith(CRASHES) for words in complaints)
    yield Figure("hostile_files", studies + files, "count", "exact", protocol)
    yield Figure("tracebacks", crashes, "count", "exact", protocol)
    yield Figure("hostile_complaints", len(complaints), "count", "exact", protocol)


PARTS: dict[str, Callable[[Settings], Iterator[Figure]]] = {
    "kills": kills,
    "full_disks": full_disks,
    "corruption": corruption,
    "race": race,
    "hostile": hostile,
}


@contextmanager
def _ward() -> Iterator[Ward]:
    """A ward with a folder and a runner of its own."""
    with Runner() as runner, tempfile.TemporaryDirectory() as folder:
        yield Ward(Path(folder), runner)


def _failures(trials: Sequence[Trial]) -> str:
    wrong = [f"{trial.name}: {trial.wrong}" for trial in trials if trial.wrong]
    return f"wrong: {'; '.join(wrong[:TOLD])[:1000] or 'none'}"


def _said(what: str, words: str) -> list[str]:
    return [f"{what}: {words}"] if words else []
