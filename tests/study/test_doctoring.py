"""The doctor on studies: what it proposes exists, and what it changes cures."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.contracts.space import digits

from zscape.errors import ShapeError, SpecError
from zscape.study import doctoring
from zscape.study.doctoring import diagnose_study, fix
from zscape.study.run import prepare, train
from zscape.study.study import Study

pytestmark = pytest.mark.slow


def trained(path: Path, **settings) -> Study:
    settings = {"latent": 4, "network": "mlp:32", "epochs": 15, "learning_rate": 3e-3} | settings
    study = prepare(digits(), out=path, **settings)
    for _ in train(study):
        pass
    return Study.open(path)


@pytest.fixture(scope="module")
def sick(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("sick") / "study", beta=1000.0)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_collapse_is_cured_in_a_new_folder(sick, tmp_path):
    before = files(sick.path)
    cure = fix(sick, folder=lambda number: tmp_path / f"new-{number}")
    assert files(sick.path) == before
    assert cure.finding.name == "posterior collapse"
    (only,) = cure.rounds
    assert only.cured and cure.best is only
    assert only.changes == {"beta": 1.0}
    assert cure.before.active.value == 0 and only.after.active.value >= 2
    assert only.after.nll.value < cure.before.nll.value
    new = Study.open(only.path)
    assert new.asked["options"] == dict(sick.asked["options"]) | {"beta": 1.0}
    assert new.asked["training"] == sick.asked["training"]
    # The same examples measure before and after.
    assert (new.space().held_out == sick.space().held_out).all()
    assert diagnose_study(new).named("posterior collapse") is None
    words = str(cure)
    assert "before" in words and "beta = 1.0" in words and "cured" in words
    assert json.loads(json.dumps(cure.to_json()))["best"] == str(only.path)


def test_a_sound_study_has_nothing_to_fix(tmp_path):
    sound = trained(tmp_path / "sound", epochs=40)
    cure = fix(sound, folder=lambda number: tmp_path / f"new-{number}")
    assert cure.rounds == () and cure.best is None
    assert "Nothing" in str(cure)
    assert not (tmp_path / "new-1").exists()


def test_further_remedies_follow_while_the_finding_remains(sick, tmp_path, monkeypatch):
    made = []

    def stubborn(study, seen, changes, path, *, lines):
        made.append(dict(changes))
        return sick

    monkeypatch.setattr(doctoring, "_retrained", stubborn)
    cure = fix(sick, folder=lambda number: tmp_path / f"new-{number}")
    assert len(cure.rounds) == doctoring.ROUNDS
    assert made[0] == {"beta": 1.0}
    assert made[1].keys() > made[0].keys() and made[2].keys() > made[1].keys()
    assert not any(r.cured for r in cure.rounds)
    assert cure.best is not None
    assert "not cured" in str(cure)


def test_a_cure_that_costs_likelihood_is_replaced(sick, tmp_path, monkeypatch):
    sound = trained(tmp_path / "sound", epochs=40)
    made = []

    def costly(study, seen, changes, path, *, lines):
        made.append(dict(changes))
        return sound

    monkeypatch.setattr(doctoring, "_retrained", costly)
    monkeypatch.setattr(doctoring, "_is_worse", lambda after, before: True)
    cure = fix(sick, folder=lambda number: tmp_path / f"new-{number}")
    assert len(made[1]) == 1 and made[1] != made[0]
    assert not any(r.cured for r in cure.rounds)


def test_data_are_needed_where_not_all_were_kept(sick, tmp_path, monkeypatch):
    from zscape.study import study as module

    monkeypatch.setattr(module, "KEPT_BYTES", 64 * 100)
    partial = trained(tmp_path / "partial", beta=1000.0, epochs=3)
    monkeypatch.undo()
    with pytest.raises(SpecError, match="--data"):
        fix(partial, folder=lambda number: tmp_path / f"new-{number}")
    assert not (tmp_path / "new-1").exists()
    pictures = digits().x[:, 0].numpy()
    cure = fix(partial, folder=lambda number: tmp_path / f"new-{number}", data=pictures)
    assert cure.rounds
    with pytest.raises(ShapeError, match="same data"):
        fix(partial, folder=lambda n: tmp_path / f"{n}", data=np.zeros((30, 3), dtype=np.uint8))


def test_a_change_of_recipe_keeps_what_both_have(sick):
    assert doctoring._recipe(sick, {"recipe": "iwae"}) == "iwae"
    assert doctoring._recipe(sick, {}) == "vae"
