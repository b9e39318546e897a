"""Opening what was made to do harm: a sentence, a documented exit code, little time and memory.

The benchmark `faults` opens every one of these folders by three verbs; here it is every sixth.
"""

import pytest
from tests.faults.harness import SMALL, Runner, write_rows
from tests.faults.hostile_studies import changes, hostile_studies
from tests.faults.judging import complaint

EVERY = 6


@pytest.fixture(scope="module")
def runner():
    with Runner() as running:
        yield running


@pytest.fixture(scope="module")
def true(runner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("true")
    words = ["train", write_rows(folder), "--out", folder / "study", "--label", "kind", *SMALL]
    assert runner.run(words).code == 0
    return folder / "study"


def test_there_are_many_of_them():
    assert len(changes()) >= 300


@pytest.mark.parametrize("verb", ["show", "report"])
def test_hostile_studies_are_refused_in_a_sentence(verb, runner, true, tmp_path):
    names = list(changes())[::EVERY]
    complaints = [
        (name, found)
        for name, study in hostile_studies(true, tmp_path, names=names)
        if (found := complaint(runner.run([verb, study])))
    ]
    assert complaints == []


def test_the_true_study_opens(runner, true):
    ended = runner.run(["show", true])
    assert (ended.code, complaint(ended)) == (0, "")
