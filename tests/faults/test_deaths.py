"""A study that was killed at any moment becomes what it would have become, bit for bit.

The benchmark `faults` tries 96 deaths and every write on a full disk; here are some of each.
"""

import shutil

import pytest
from tests.faults.harness import KILLED
from tests.faults.lives import contents, differences, go_on, train
from tests.faults.trials import DOUBLE

pytestmark = pytest.mark.slow


def wrong(trials, *, all_struck=True):
    found = list(trials)
    assert found
    if all_struck:
        assert [trial.name for trial in found if not trial.struck] == []
    return [(trial.name, trial.wrong) for trial in found if trial.wrong]


def test_the_same_training_twice_is_the_same(ward):
    study = ward.folder / "twin"
    assert train(ward.runner, ward.data, study).code == 0
    assert differences(ward.whole, contents(study)) == []


def test_the_comparison_sees_one_bit(ward, tmp_path):
    study = shutil.copytree(ward.folder / "whole", tmp_path / "copy")
    content = bytearray((study / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (study / "weights.safetensors").write_bytes(content)
    (unlike,) = differences(ward.whole, contents(study))
    assert unlike.startswith("weights.safetensors")


def test_a_kill_at_a_random_moment_changes_nothing(ward):
    assert wrong(ward.random_kills(3), all_struck=False) == []


def test_a_kill_at_every_named_point_changes_nothing(ward):
    assert wrong(ward.point_kills(times=slice(1, 2))) == []


def test_a_kill_while_it_goes_on_changes_nothing(ward):
    assert wrong(ward.double_kills(DOUBLE[::3])) == []


@pytest.mark.parametrize(
    ("point", "action", "every"),
    [
        ("file.mid_write", "enospc", 12),
        ("file.after_write", "eio", 19),
        ("log.mid_append", "enospc", 4),
    ],
)
def test_a_full_disk_costs_no_state(ward, point, action, every):
    assert wrong(ward.full_disks(point, action, every=every)) == []


def test_a_finished_study_that_is_asked_for_more_may_die_at_any_write(ward):
    more = ("--epochs", "7")
    longer = shutil.copytree(ward.folder / "whole", ward.folder / "longer")
    assert go_on(ward.runner, longer, *more).code == 0
    expected, number = contents(longer), 0
    for number in range(1, 40, 5):
        study = shutil.copytree(ward.folder / "whole", ward.folder / f"more{number}")
        died = go_on(ward.runner, study, *more, plan=f"file.after_rename=kill9@{number}")
        if died.code == 0:
            break
        assert died.code == KILLED
        shown = ward.runner.run(["show", study])
        assert shown.code == 0 or "--resume" in shown.err, shown.err
        ended = go_on(ward.runner, study, *more)
        assert (ended.code, number) == (0, number), ended.err
        assert differences(expected, contents(study)) == []
    assert number > 10
