"""Several trainings that begin in the same moment."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.faults.harness import Runner, write_rows
from tests.faults.lives import contents, differences, go_on

RACERS = 8
MOST_SECONDS = 2.0  # until a loser has said so
# Long enough that nobody comes when the winner is done.
LONG = ("--epochs", "60", "--latent", "2", "--network", "mlp:8", "--patience", "0")


def races(
    runner: Runner, folder: Path, rounds: int, *, seconds: float = MOST_SECONDS
) -> Iterator[str]:
    """What went wrong in each round of eight trainings into one folder; mostly nothing.

    Args:
        runner: of them.
        folder: an empty one.
        rounds: how many.
        seconds: until a loser has said so; more where the machine is busy.
    """
    data = write_rows(folder)
    alone = folder / "alone"
    assert runner.run(["train", data, "--out", alone, *LONG]).code == 0
    expected = contents(alone)
    for _ in range(rounds):
        study = folder / "raced"
        begun = [runner.start(["train", data, "--out", study, *LONG]) for _ in range(RACERS)]
        ends = [runner.wait(one) for one in begun]
        codes = sorted(end.code for end in ends)
        slow = [end.seconds for end in ends if end.code and end.seconds > seconds]
        wrong = ""
        if codes != [0] + [75] * (RACERS - 1):
            wrong = f"exit codes {codes}: {[end.err[-200:] for end in ends if end.code]}"
        elif slow:
            wrong = f"losers took {slow} s"
        elif any(end.traceback for end in ends):
            wrong = "a traceback"
        elif unlike := differences(expected, contents(study)):
            wrong = f"the winner is not as alone: {unlike}"
        yield wrong
        shutil.rmtree(study)


def resuming_races(runner: Runner, folder: Path) -> str:
    """What went wrong when eight trainings go on with one study."""
    data, study = write_rows(folder), folder / "resumed"
    runner.run(["train", data, "--out", study, *LONG], plan="step=kill9@20")
    words = ["train", "--resume", study]
    ends = [runner.wait(one) for one in [runner.start(words) for _ in range(RACERS)]]
    codes = sorted(end.code for end in ends)
    if codes != [0] + [75] * (RACERS - 1):
        return f"exit codes {codes}"
    return "" if go_on(runner, study).code == 0 else "it cannot be gone on with"


def named_apart(runner: Runner, folder: Path, count: int) -> int:
    """How many folders so many trainings without a name made for themselves.

    They die before their first step: only the folder is of interest.
    """
    data = write_rows(folder)
    words = ["train", data, *LONG]
    begun = [runner.start(words, cwd=folder, plan="checkpoint.begin=exit") for _ in range(count)]
    for one in begun:
        assert runner.wait(one).code == 1
    return len([path for path in (folder / "studies").iterdir() if (path / "study.toml").is_file()])
