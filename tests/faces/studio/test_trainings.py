"""Trainings as a page asks for them and is told of them."""

import asyncio
import json
import tomllib

import numpy as np
import pytest
from tests.faces.studio.conftest import API

import zscape
from zscape.recipes import RECIPES
from zscape.studio.events import Events
from zscape.studio.jobs import OFTEN, Job, Jobs
from zscape.studio.trainings import ending_of
from zscape.studio.work import asked
from zscape.studio.work.jobs import _Watch, train_job
from zscape.study.run import prepare, resume, train


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"options": {"latent": "many"}}, "latent", "must be a whole number, got 'many'"),
        ({"options": {"latent": -3}}, "latent", "must be at least 1, got -3"),
        ({"options": {"latent": 2.5}}, "latent", "must be a whole number, got 2.5"),
        ({"options": {"beta": "much"}}, "beta", "must be a number or 'auto'"),
        ({"options": {"network": "nut"}}, "network", "Unknown network 'nut'"),
        ({"options": {"epochs": 0}}, "epochs", "must be at least 1, got 0"),
        ({"options": {"seed": 2**62}}, "seed", "must be below 2^62"),
        ({"options": {"epochs": 1e300}}, "epochs", "a number within 1e9"),
        ({"options": {"levels": 3}}, "levels", "Unknown option 'levels'"),
        ({"recipe": "nut"}, "recipe", "must be one of those that the form lists"),
        ({"data": "/etc"}, "data", "must be built in or those of a study"),
        ({"data": None}, "data", "must have data"),
        ({"name": "../x"}, "name", "up to 60 letters"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_there_is_a_job(client, ids, body, field, words):
    usual = {"kind": "train", "name": "new", "data": {"study": ids["table"]}, "recipe": "vae"}
    answer = client.post(f"{API}/jobs", json=usual | body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["field"] == field
    assert words in error["sentence"]
    assert client.get(f"{API}/jobs").json()["jobs"] == []


def test_all_that_is_wrong_is_told_at_once_each_of_its_field(client, ids):
    wrong = {"latent": "many", "beta": 2.0, "network": "nut", "epochs": 0, "likelihood": "nut"}
    body = {"kind": "train", "name": "new", "data": {"study": ids["table"]}, "recipe": "vae"}
    error = client.post(f"{API}/jobs", json=body | {"options": wrong}).json()["error"]
    told = {fault["field"]: fault["sentence"] for fault in error["faults"]}
    assert set(told) == set(wrong) - {"beta"} and len(told) == len(error["faults"])
    assert told[error["field"]] == error["sentence"]
    assert "Unknown network 'nut'" in told["network"] and "got 0" in told["epochs"]
    # The words name another field first, and the fault is of that which is wrong all the same.
    options = {"latent": 4, "free_bits": 0.1, "free_bits_per": "latent"}
    error = client.post(f"{API}/jobs", json=body | {"options": options}).json()["error"]
    assert [fault["field"] for fault in error["faults"]] == ["free_bits_per"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_usual_can_be_asked_of_every_recipe(recipe):
    told = asked.checked(recipe, {"seed": 1}, {"name": "digits"}).content
    assert json.loads(told) == {"faults": []}


@pytest.fixture
def ended(tmp_path):
    """What is told of a training with some settings, of which so many records were waited for."""
    data = tmp_path / "numbers.npy"
    np.save(data, np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32))

    def call(records=10**6, **settings):
        study = prepare(zscape.look(data), out=tmp_path / "study", latent=2, **settings)
        told = train(study)
        for _ in zip(range(records), told, strict=False):
            pass
        told.close()
        return told_of(study.path)

    return call


def told_of(path):
    return ending_of(path, tomllib.loads((path / "study.toml").read_text()))


def test_a_training_that_ran_all_its_epochs_says_so(ended):
    told = ended(epochs=2, patience=0)
    assert (told["why"], told["epoch"], told["epochs"]) == ("epochs", 2, 2)


def test_one_that_ran_all_its_epochs_goes_on_with_more_and_tells_how_far_in_few_words(
    ended, tmp_path
):
    ended(epochs=2, patience=0)
    path, said = tmp_path / "study", []
    train_job(lambda what, _=b"", **of: said.append({"say": what, **of}), {"path": path}, epochs=5)
    shares = [one for one in said if one["say"] == "share"]
    assert (shares[-1]["share"], shares[-1]["epoch"], shares[0]["epochs"]) == (1, 5, 5)
    assert [one["epoch"] for one in shares if "epoch" in one] == [3, 4, 5]
    assert any("memory: about" in one.get("note", "") for one in shares)
    assert max(len(one["words"]) for one in shares) < 50
    assert told_of(path)["why"] == "epochs" and told_of(path)["epochs"] == 5


def test_what_is_heard_last_of_a_short_run_is_told_too():
    async def followed():
        events = Events()
        jobs, job = Jobs(events, lambda job: None), Job("user", "train", None, {})
        for k in range(1, 5):
            record = {"say": "share", "share": k / 4, "words": f"epoch {k}", "epoch": k}
            jobs._heard(job, record, b"")
        await asyncio.sleep(1.5 * OFTEN)
        return [json.loads(lines.split("data: ")[1]) for _, _, lines in events._kept]

    told = asyncio.run(followed())
    assert len(told) < 4  # not all of what came at once
    assert (told[-1]["share"], told[-1]["words"]) == (1, "epoch 4")


def test_one_that_was_broken_off_says_so_and_can_go_on(ended, tmp_path):
    told = ended(records=1, epochs=9)
    assert (told["why"], told["epoch"], told["goes_on"]) == ("broken", 1, True)
    assert list(train(resume(tmp_path / "study")))[-1].epoch == 9
    assert told_of(tmp_path / "study")["why"] == "epochs"


def test_one_that_ended_early_goes_on_only_where_it_is_asked_to_be_as_patient_again(
    ended, tmp_path
):
    told = ended(epochs=400, patience=1, learning_rate=0.1)
    path = tmp_path / "study"
    log = [json.loads(line) for line in (path / "training.jsonl").read_text().splitlines()]
    losses = [one["parts"]["validation_loss"] for one in log if "validation_loss" in one["parts"]]
    assert (told["why"], told["patience"], told["epochs"]) == ("patience", 1, 400)
    assert told["epoch"] == log[-1]["epoch"] == len(losses) < 400
    assert told["best"] == min(losses) < losses[-1]
    assert list(train(resume(path))) == []
    assert list(train(resume(path, epochs=told["epochs"])))
    assert told_of(path)["epoch"] > told["epoch"]


def test_one_whose_numbers_left_the_finite_says_so(ended, tmp_path):
    ended(records=1, epochs=9)
    newest = max((tmp_path / "study" / "checkpoints").iterdir(), key=lambda one: int(one.name))
    told = json.loads((newest / "state.json").read_text())
    told["state"]["returns"] = 2
    (newest / "state.json").write_text(json.dumps(told))
    assert told_of(tmp_path / "study")["why"] == "diverged"


def test_what_is_not_as_it_was_written_tells_nothing(ended, tmp_path):
    ended(records=1, epochs=9)
    for state in (tmp_path / "study" / "checkpoints").glob("*/state.json"):
        state.write_text('{"state": {"epoch": -1}}')
    assert told_of(tmp_path / "study") is None
    assert ending_of(tmp_path / "none", {"training": {"epochs": 1, "patience": 1}}) is None


def test_what_a_training_makes_of_rows_is_told_as_rows(client, ended, tmp_path):
    ended(epochs=1)
    said = []
    watch = _Watch(
        lambda *what, **further: said.append((what, further)), resume(tmp_path / "study")
    )
    watch.look(last=True)
    [((_, payload), record)] = said
    job = Job(client.studio.logins.first.id, "train", None, {}, state="done")
    client.studio.jobs._all[job.id] = job
    client.studio.jobs._keep_snapshot(job, record, payload)
    path = f"{API}/jobs/{job.id}/snapshots"
    [told] = client.get(path).json()["snapshots"]
    assert (told["epoch"], told["shows"]) == (1, "rows")
    rows = client.get(f"{path}/{told['step']}").json()["rows"]
    assert len(rows["columns"]) == 4
    for name, count in (("samples", 32), ("originals", 6), ("reconstructions", 6)):
        assert [len(cells) for cells in rows[name]] == [4] * count
    assert client.get(f"{path}/{told['step']}/samples.png").status_code == 404
