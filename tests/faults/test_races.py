"""Of several processes on one folder exactly one trains, and the others say so at once."""

import pytest
from tests.faults.races import named_apart, races, resuming_races

pytestmark = pytest.mark.slow

BUSY = 20.0  # seconds: the benchmark holds 2, and a test is not timed


def test_one_of_eight_trains(runner, tmp_path):
    assert list(races(runner, tmp_path, 2, seconds=BUSY)) == ["", ""]


def test_one_of_eight_goes_on(runner, tmp_path):
    assert resuming_races(runner, tmp_path) == ""


def test_studies_without_a_name_never_share_a_folder(runner, tmp_path):
    assert named_apart(runner, tmp_path, 20) == 20
