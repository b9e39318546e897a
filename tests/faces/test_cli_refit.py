"""`zscape refit-prior` by its words: what it prints, leaves and returns."""

import json

import pytest
import torch
from tests.contracts.space import digits

import zscape as zs
from zscape.errors import StudyError
from zscape.study.run import resume
from zscape.study.study import SPEC, Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("refit") / "digits"
    zs.fit(digits(), out=path, latent=4, network="mlp:32", epochs=6, learning_rate=3e-3)
    return path


def test_a_new_study_with_a_better_prior(study, run):
    code, out, err = run("refit-prior", study)
    assert code == 0
    assert "mixture of 1: " in err and "nats" in err
    assert "RATE" in out and "before" in out and "after" in out and "real against real" in out
    new = study.with_name("digits-refit")
    trained = Study.open(new)
    change = trained.prior_change()
    before, after = (row.figures[0] for row in change["rate"].rows)
    assert after.value < before.value and after.kind == "estimate"
    assert {"prior-before.png", "prior-after.png"} <= {p.name for p in (new / "pictures").iterdir()}
    assert b"The prior, before and after" in (new / "report.html").read_bytes()
    for words in (("sample", new), ("show", new), ("traverse", new), ("report", new)):
        assert run(*words)[0] == 0, words
    assert b"The prior, before and after" in (new / "report.html").read_bytes()
    assert run("refit-prior", study, "--out", f"{study}-refit")[0] == 65  # it is there


@pytest.mark.parametrize("kind", ["vamp", "flow", "diffusion"])
def test_saved_and_opened_to_the_bit(kind, study, run, tmp_path):
    words = ("--updates", 5, "--components", 2, "--out", tmp_path / kind, "--json")
    code, out, _ = run("refit-prior", study, "--prior", kind, *words)
    assert code == 0
    record = json.loads(out)
    assert record["prior"]["kind"] == kind and record["new"] == str(tmp_path / kind)
    first, second = (zs.open(tmp_path / kind) for _ in range(2))
    assert torch.equal(first.sample_tensor(4, seed=1), second.sample_tensor(4, seed=1))
    old = zs.open(study)
    assert torch.equal(old.codes.flat, first.codes.flat)
    assert torch.equal(old.decode_tensor(old.codes[:4]), first.decode_tensor(old.codes[:4]))


def test_classes_without_retraining(study, run, tmp_path):
    words = ("--by", "label", "--components", 1, "--out", tmp_path / "by")
    assert run("refit-prior", study, *words)[0] == 0
    space = zs.open(tmp_path / "by")
    assert space.sample(3, where={"label": "3"}, seed=0).shape == (3, 8, 8)
    assert run("sample", tmp_path / "by", "--where", "label=3")[0] == 0


def test_it_is_not_trained_on(study, run, tmp_path):
    run("refit-prior", study, "--components", 1, "--out", tmp_path / "new")
    with pytest.raises(StudyError, match="made from another"):
        resume(tmp_path / "new", digits())


def test_a_spec_that_was_tampered_with_is_refused(study, run, tmp_path):
    run("refit-prior", study, "--components", 1, "--out", tmp_path / "new")
    trained = Study.open(tmp_path / "new")
    for prior in ({"kind": "mixture", "components": 2}, {"kind": "other"}, {"components": 1}):
        asked = {**trained.asked, "prior": prior}
        Study(trained.path, asked, trained.modality, trained.recipe).write_spec()
        code, _, err = run("sample", trained.path)
        assert code in (64, 65) and err.startswith("zscape: "), err
    assert (tmp_path / "new" / SPEC).exists()


def test_a_point_code_has_a_density_instead_of_a_rate(run, tmp_path):
    zs.fit(digits(), recipe="ae", out=tmp_path / "ae", latent=3, network="mlp:16", epochs=2)
    code, out, _ = run("refit-prior", tmp_path / "ae", "--components", 2)
    assert code == 0
    assert "its rate is undefined" in out


@pytest.mark.parametrize(
    "words", [("--prior", "best"), ("--components", "-2"), ("--by", "size"), ("--steps", "1")]
)
def test_bad_options_are_one_sentence(words, study, run, tmp_path):
    code, out, err = run("refit-prior", study, *words, "--out", tmp_path / "new")
    assert code == 64 and not out
    assert err.startswith("zscape: ") and err.count("\n") == 1
    assert not (tmp_path / "new").exists()
