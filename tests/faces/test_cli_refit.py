"""`zscape refit-prior` by its words: what it prints, leaves and returns."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tests.contracts.space import digits

import zscape as zs
from zscape.errors import StudyError
from zscape.measures.figure import Figure
from zscape.measures.priors import verdict
from zscape.measures.row import Row
from zscape.measures.sections import Report, Section
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
    assert f"The new prior is better: held-out rate {before.value:.3f} nats before" in out
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


def test_labels_are_known_by_their_own_name_and_as_label(run, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 3)), columns=list("abc"))
    frame.assign(sort=rng.choice(["x", "y"], 120)).to_csv(tmp_path / "rows.csv", index=False)
    data = zs.look(tmp_path / "rows.csv", label="sort")
    zs.fit(data, out=tmp_path / "rows", latent=2, network="mlp:8", epochs=2)
    for name in ("sort", "label"):
        new = tmp_path / name
        words = ("--by", name, "--components", 1, "--out", new)
        assert run("refit-prior", tmp_path / "rows", *words)[0] == 0
        assert run("sample", new, "--where", f"{name}=x", "-n", 2)[0] == 0
    assert "(sort" in run("refit-prior", tmp_path / "rows", "--by", "size")[2]


def test_a_prior_that_suits_the_study_where_none_is_named(run, tmp_path):
    options = {"latent": 2, "network": "mlp:16", "epochs": 1}
    zs.fit(digits(), recipe="conditional_vae", out=tmp_path / "told", **options)
    words = ("--updates", 3, "--json")
    code, out, _ = run("refit-prior", tmp_path / "told", *words)
    assert code == 0 and json.loads(out)["prior"]["kind"] == "flow"


def test_whether_it_helped_is_said():
    def found(gain, error):
        old = Figure("rate", 5.0, "nats", "estimate")
        new = Figure("rate", 5.0 - gain, "nats", "estimate")
        rows = (
            Row("before", (old, Figure("gain", None, "nats", "estimate"))),
            Row("after", (new, Figure("gain", gain, "nats", "estimate", error))),
        )
        return verdict(Report((Section("rate", "", rows),), 10, True))

    assert found(1.0, 0.1).startswith("The new prior is better: held-out rate 5.000 nats before, 4")
    assert found(-1.0, 0.1).startswith("The new prior did not help")
    assert found(0.1, 0.1).startswith("The new prior makes no difference beyond chance")


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
