"""Opening what was made to do harm: a sentence, a documented exit code, little time and memory.

The benchmark `faults` opens all of these folders by every verb; here it is a quarter, each by one.
"""

import pytest
from tests.faults.hostile_studies import changes, commands, hostile_studies
from tests.faults.judging import MOST_SECONDS, complaint

EVERY = 12

pytestmark = pytest.mark.slow


def test_there_are_many_of_them():
    assert len(changes()) >= 300


@pytest.mark.parametrize("place", [0, 1, 2])
def test_hostile_studies_are_refused_in_a_sentence(place, runner, true, tmp_path):
    complaints = []
    for name, study in hostile_studies(true, tmp_path, names=list(changes())[place * 3 :: EVERY]):
        words = commands(name)[place % len(commands(name))]
        seconds = 6.0 if words[0] == "train" else MOST_SECONDS
        if found := complaint(runner.run([*words, study]), seconds=seconds):
            complaints.append((name, words, found))
    assert complaints == []


def test_going_on_through_a_link_leaves_what_it_leads_to(runner, true, tmp_path):
    names = ["state: the log a link"]
    for _, study in hostile_studies(true, tmp_path, names=names):
        before = (tmp_path / "somebody's").read_bytes()
        assert runner.run(["train", "--resume", study]).code == 65
        assert (tmp_path / "somebody's").read_bytes() == before


def test_the_true_study_opens(runner, true):
    ended = runner.run(["show", true])
    assert (ended.code, complaint(ended)) == (0, "")
