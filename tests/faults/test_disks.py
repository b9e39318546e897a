"""A disk that is really full costs no state, and says what it needs."""

import pytest
from tests.faults.disks import filled_disks, limited_files, small_disk

pytestmark = pytest.mark.slow


def test_a_small_disk(ward, tmp_path):
    with small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("mounting is not permitted here")
        trials = list(filled_disks(ward, tmp_path / "disk", (0, 48)))
    assert [(trial.name, trial.wrong) for trial in trials if trial.wrong] == []
    assert any(trial.struck for trial in trials)


def test_files_of_limited_size(ward):
    trials = list(limited_files(ward, (2_000, 20_000)))
    assert [(trial.name, trial.wrong) for trial in trials if trial.wrong] == []
    assert all(trial.struck for trial in trials)
