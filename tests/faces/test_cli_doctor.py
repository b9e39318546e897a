"""`zscape doctor` by its words: what it prints, leaves and returns."""

import json

import pytest
from tests.contracts.space import digits

from zscape.study.run import prepare, train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("doctor") / "digits"
    settings = {"latent": 4, "network": "mlp:32", "epochs": 12, "learning_rate": 3e-3}
    for _ in train(prepare(digits(), out=path, beta=1000.0, **settings)):
        pass
    return path


def test_findings_are_told_and_are_no_error(study, run):
    code, out, err = run("doctor", study)
    assert (code, err) == (0, "")
    assert "serious: posterior collapse" in out
    assert "Change: --beta 1" in out
    assert "Likely cause: beta is 1000" in out


def test_json_is_one_object(study, run):
    code, out, err = run("doctor", study, "--json")
    record = json.loads(out)
    assert (code, err) == (0, "")
    assert record["verb"] == "doctor" and record["healthy"] is False
    assert record["findings"][0]["name"] == "posterior collapse"


def test_fix_leaves_a_new_study_beside_the_old_one(study, run):
    code, out, err = run("doctor", study, "--fix")
    assert code == 0
    assert "epoch 1 " in err and "posterior collapse" in err
    new = study.parent / "digits-fixed-1"
    assert f"keep {new}" in out
    assert "before" in out and "active units" in out and "cured" in out
    assert run("show", new)[0] == 0
    assert "posterior collapse" not in run("doctor", new)[1]


def test_fix_goes_where_it_is_told(study, run, tmp_path):
    code, out, _ = run("doctor", study, "--fix", "--out", tmp_path / "mended", "--json")
    assert code == 0
    record = json.loads(out)
    assert record["best"] == str(tmp_path / "mended")
    assert record["rounds"][0]["changes"] == {"beta": 1.0}
    assert run("doctor", study, "--fix", "--out", study)[0] == 65


@pytest.mark.parametrize("words", [["--out", "new"], ["--data", "digits"]])
def test_flags_of_the_fix_need_it(words, study, run):
    code, _, err = run("doctor", study, *words)
    assert code == 64
    assert "--fix" in err


def test_no_study_is_bad_data(run, tmp_path):
    code, _, err = run("doctor", tmp_path / "nowhere")
    assert code == 65
    assert err.startswith("zscape: ")


@pytest.mark.parametrize(("beta", "told"), [(1000, True), (0.1, False)])
def test_the_end_of_a_training_names_a_collapse(run, tmp_path, beta, told):
    words = ["--latent", 2, "--network", "mlp:16", "--epochs", 12, "--learning-rate", 3e-3]
    _, _, err = run("train", "digits", "--out", tmp_path / "study", "--beta", beta, *words)
    assert (f"posterior collapse): 'zscape doctor {tmp_path / 'study'}'" in err) == told
