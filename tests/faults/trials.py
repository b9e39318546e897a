"""Deaths of small studies, one after the other, and what each got wrong.

The tests try some of them, the benchmark `faults` all.
"""

import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.harness import KILLED, Runner, write_rows
from tests.faults.lives import (
    POINTS,
    begin,
    contents,
    differences,
    go_on,
    records_lost,
    revive,
    strays,
    train,
)

from zscape.errors import StudyError
from zscape.study.checkpoints import CHECKPOINTS, last_checkpoint

# Where a study is killed while it goes on after it was killed there first.
DOUBLE = (
    ("log.mid_append=kill9@3", "checkpoint.before_rename=kill9@1"),
    ("log.mid_append=kill9@4", "checkpoint.after_rename=kill9@1"),
    ("checkpoint.before_rename=kill9@3", "log.mid_append=kill9@1"),
    ("checkpoint.after_rename=kill9@2", "file.mid_write=kill9@1"),
    ("checkpoint.before_delete=kill9@1", "checkpoint.before_delete=kill9@1"),
    ("checkpoint.after_delete=kill9@2", "file.after_rename=kill9@5"),
    ("file.mid_write=kill9@9", "file.before_temp=kill9@2"),
    ("file.after_write=kill9@12", "finish.begin=kill9@1"),
    ("finish.before_manifest=kill9@1", "finish.before_manifest=kill9@1"),
    ("finish.end=kill9@1", "file.after_rename=kill9@1"),
)
MOST_WRITES = 80  # of one small training; it takes about 40
MOST_LOST = 1  # records


@dataclass(frozen=True, slots=True)
class Trial:
    """One death: what was done, whether it struck, and what was wrong afterwards, if anything."""

    name: str
    struck: bool
    wrong: str


class Ward:
    """A runner, data, and a study that was never disturbed; a context manager.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path, runner: Runner) -> None:
        self.folder, self.runner = folder, runner
        self.data = write_rows(folder)
        ended = train(runner, self.data, folder / "whole")
        assert ended.code == 0, ended.err
        self.whole, self.seconds = contents(folder / "whole"), ended.seconds

    def random_kills(self, count: int, *, seed: int = 0) -> Iterator[Trial]:
        """Kills at random moments of a training."""
        moments = random.Random(seed)
        for number in range(count):
            study = self._fresh()
            seconds = moments.uniform(0, self.seconds)
            begun = begin(self.runner, self.data, study)
            time.sleep(seconds)
            begun.signal(signal.SIGKILL)
            struck = self.runner.wait(begun).code == KILLED
            yield Trial(f"random {number} at {seconds:.3f} s", struck, self.after(study))

    def point_kills(self, *, times: slice = slice(None)) -> Iterator[Trial]:
        """Kills at every named point, each at three of the times that it is reached."""
        for point, reached in POINTS.items():
            for number in reached[times]:
                study, plan = self._fresh(), f"{point}=kill9@{number}"
                struck = train(self.runner, self.data, study, plan=plan).code == KILLED
                yield Trial(plan, struck, self.after(study))

    def double_kills(self, pairs: Sequence[tuple[str, str]] = DOUBLE) -> Iterator[Trial]:
        """Kills a training, and then the one that goes on with it."""
        for first, second in pairs:
            study = self._fresh()
            struck = train(self.runner, self.data, study, plan=first).code == KILLED
            struck &= go_on(self.runner, study, plan=second).code == KILLED
            yield Trial(f"{first}, then {second}", struck, self.after(study))

    def full_disks(self, point: str, action: str, *, every: int = 1) -> Iterator[Trial]:
        """Refuses the k-th write for k = 1, 2 ... until a training no longer comes so far."""
        for number in range(1, MOST_WRITES, every):
            study, plan = self._fresh(), f"{point}={action}@{number}"
            ended = train(self.runner, self.data, study, plan=plan)
            if ended.code == 0:
                return
            said = "" if ended.code == 74 and not ended.traceback else f"{ended.code} {ended.err}"
            yield Trial(plan, True, said or lost(study) or self.after(study))
        raise AssertionError(f"{point} was reached {MOST_WRITES} times")

    def _fresh(self) -> Path:
        study = self.folder / "study"
        shutil.rmtree(study, ignore_errors=True)
        return study

    def after(self, study: Path) -> str:
        """What is wrong with a study that died, or with what becomes of it."""
        if (study / CHECKPOINTS).is_dir() and (lost := records_lost(study)) > MOST_LOST:
            return f"{lost} records were lost"
        ended = revive(self.runner, self.data, study)
        if ended.code:
            return f"it did not go on: {ended.code} {ended.err[-300:]}"
        if left := strays(study):
            return f"left behind: {left}"
        unlike = differences(self.whole, contents(study))
        return f"not as undisturbed: {unlike}" if unlike else ""


def lost(study: Path) -> str:
    """Whether a study that had a state to go on from has none that is whole."""
    kept = study / CHECKPOINTS
    had = kept.is_dir() and any(path.name.isdecimal() for path in kept.iterdir())
    try:
        return "the last state was lost" if had and last_checkpoint(study) is None else ""
    except StudyError as error:
        return f"the last state was lost: {error}"
