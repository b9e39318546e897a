"""`zscape prune`: a smaller study that opens like any other."""

import json

import pytest
import torch

import zscape as zs
from zscape.cli import main
from zscape.errors import StudyError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prune") / "digits"
    words = ["digits", "--out", str(folder), "--epochs", "4", "--latent", "12", "--beta", "3"]
    assert main(["train", *words]) == 0
    return folder


def test_a_pruned_study_has_fewer_units_and_opens(digits, run):
    code, out, err = run("prune", digits, "--keep", "90%", "--json")
    assert code == 0, err
    told = json.loads(out)
    kept = told["units"]
    assert 1 <= len(kept) < 12 and told["share"] >= 0.9
    assert told["weights"][1] < told["weights"][0]
    old, new = zs.open(digits), zs.open(told["new"])
    assert torch.equal(new.codes.flat, old.codes.flat[:, kept])
    things = old.modality.decode(old.modality.prepare(old.items[:3]))
    torch.testing.assert_close(new.encode(things).flat, old.encode(things).flat[:, kept])
    for words in (("show",), ("sample",), ("traverse",), ("doctor",)):
        assert run(*words, told["new"])[0] == 0
    with pytest.raises(StudyError, match="made from another"):
        zs.resume(told["new"])


def test_a_pruned_study_can_be_trained_further(digits, run, tmp_path):
    words = ("--keep", "70%", "--json", "--out")
    plain = json.loads(run("prune", digits, *words, tmp_path / "plain")[1])
    code, out, err = run("prune", digits, *words, tmp_path / "tuned", "--updates", "50")
    assert code == 0, err
    tuned = json.loads(out)
    assert tuned["updates"] == 50 and tuned["units"] == plain["units"]
    assert tuned["elbo_change"] > plain["elbo_change"]
    space = zs.open(tuned["new"])
    things = space.modality.decode(space.modality.prepare(space.items[:3]))
    torch.testing.assert_close(space.encode(things).flat, space.codes.flat[:3])


@pytest.mark.parametrize("keep", ["0", "much", "120%", "nan"])
def test_a_share_that_cannot_be_is_one_sentence(digits, run, keep, tmp_path):
    code, _, err = run("prune", digits, "--keep", keep, "--out", tmp_path / "p")
    assert code in (64, 65) and "keep" in err and "Traceback" not in err
    assert not (tmp_path / "p").exists()


def test_a_folder_that_is_there_is_not_written(digits, run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    code, _, err = run("prune", digits, "--out", tmp_path / "full")
    assert code == 65 and "new or empty folder" in err
