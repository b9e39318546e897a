"""What the data's own columns say of items, and which cells of a thing are worth a look."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from tests.faces.studio.conftest import API
from tests.faces.studio.test_routes import binary

import zscape as zs
from zscape.modalities.logs import Logs
from zscape.studio.work.cells import cell_values, telling, usual_of
from zscape.studio.work.columns import columns
from zscape.studio.work.items import item
from zscape.studio.work.jobs import _csv
from zscape.studio.work.judging import _histogram
from zscape.studio.work.looking import details, names
from zscape.studio.work.shelf import Shelf
from zscape.studio.work.verbs import units


@pytest.fixture(scope="module")
def table(home):
    space = zs.open(home / "table")
    found = space.modality.decode(space.modality.prepare(space.items))
    return found.drop(columns="always")  # which is constant, and tells nothing of an item


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """A log in which one session fails, and is much like the others else."""
    home = tmp_path_factory.mktemp("logs")
    usual, strange = ["open", "read", "close"], ["open", "fail", "fail", "close"]
    sessions = [strange if n == 7 else usual for n in range(40)]
    zs.fit(sessions, out=home / "jobs", latent=2, epochs=1, seed=0)
    return Shelf().open(str(home / "jobs"), "content")


def test_a_histogram_stays_legible_where_one_score_is_beyond_all_measure():
    told = _histogram(np.array([0.0, 3.0, np.nan, 5e15], np.float32), 100.0)
    assert (told["low"], told["high"], told["open"]) == (0.0, 100.0, True)
    assert sum(told["counts"]) == 3 and told["counts"][-1] == 1
    assert _histogram(np.array([0.0, 3.0]), 100.0)["open"] is False


def test_the_columns_of_a_table_are_columns_of_the_map(client, ids, table):
    path = f"{API}/studies/{ids['table']}/columns"
    found = {c["name"]: c for c in client.get(path).json()["columns"] if c["group"] == "column"}
    assert set(found) == set(table.columns)
    header, real = binary(client.get(f"{path}/{found['real']['id']}"))
    assert header["kind"] == "number" and np.isnan(real["values"]).sum() == table.real.isna().sum()
    assert np.allclose(real["values"], table.real, equal_nan=True)
    for name in ("word", "truth"):
        header, arrays = binary(client.get(f"{path}/{found[name]['id']}"))
        assert header["kind"] == "category"
        words = [header["classes"][value] if value >= 0 else None for value in arrays["values"]]
        expected = [None if cell is None or cell != cell else str(cell) for cell in table[name]]
        assert words == expected


def test_a_file_of_items_holds_their_cells(home, table):
    opened = Shelf().open(str(home / "table"), "content")
    made = list(csv.DictReader(io.StringIO(_csv(opened, [3, 5]).decode())))
    assert [row["item"] for row in made] == ["3", "5"]
    assert [row["word"] for row in made] == [str(table.word[3]), str(table.word[5])]
    assert float(made[0]["real"]) == pytest.approx(table.real[3], rel=1e-5)
    z = opened.space.codes.flat[3]
    assert [float(made[0][f"z{d}"]) for d in range(3)] == pytest.approx(z.tolist(), rel=1e-5)


def test_sessions_are_called_by_their_ids(tmp_path):
    lines = [f"INFO job-{job} {word}" for job in range(100, 120) for word in ("begins", "ends")]
    (tmp_path / "app.log").write_text("\n".join(lines))
    seen = zs.look(tmp_path / "app.log", session=r"job-\d+")
    zs.fit(seen, out=tmp_path / "jobs", latent=2, epochs=1, seed=0)
    opened = Shelf().open(str(tmp_path / "jobs"), "content")
    told = [json.loads(made.content) for made in (details(opened), names(opened), item(opened, 3))]
    assert told[0]["named"] and told[1]["names"][3] == told[2]["name"] == "job-103"
    rows = list(csv.DictReader(io.StringIO(_csv(opened, [3, 5]).decode())))
    assert [(row["item"], row["name"]) for row in rows] == [("3", "job-103"), ("5", "job-105")]


def test_things_without_names_are_called_by_their_numbers(client, ids, home):
    path = f"{API}/studies/{ids['table']}"
    assert client.get(f"{path}/names").json() == {"names": []}
    assert client.get(f"{path}/items/3").json()["name"] is None
    assert client.get(path).json()["details"]["named"] is False
    opened = Shelf().open(str(home / "table"), "content")
    assert b"name" not in _csv(opened, [3]).split(b"\r\n")[0].split(b",")


def test_a_draw_of_a_collapsed_code_is_on_the_data(jobs):
    told = json.loads(units(jobs).content)
    assert told["collapsed"] is True
    torch.manual_seed(0)
    z = jobs.space.draw(500)[0].flat
    by = {key: torch.tensor([one[key] for one in told["units"]]) for key in ("mean", "drawn")}
    z = z[:, [one["unit"] for one in told["units"]]]
    away = ((z - by["mean"]) / by["drawn"]).square().mean()
    assert float(away) == pytest.approx(1, rel=0.4)
    assert all(one["spread"] < one["drawn"] / 5 for one in told["units"])


def test_a_value_is_as_far_from_the_usual_as_it_is_less_likely():
    counted = usual_of(np.array([0, 0, 0, 0, 1, np.nan], np.float32))
    found = counted.below(np.array([0, 1, np.nan, 9], np.float32))
    assert found == pytest.approx([0, np.log(4), np.log(4), np.log(4)])
    numbers = np.arange(101, dtype=np.float32)
    deviation = numbers.std()
    found = usual_of(numbers).below(np.array([50, 50 + 2 * deviation], np.float32))
    assert found == pytest.approx([0, 2], rel=1e-4)  # z^2 / 2 nats


def test_the_cells_that_tell_most_come_first(client, ids, table):
    path = f"{API}/studies/{ids['table']}"
    row = int(table["real"].sub(table["real"].mean()).abs().idxmax())
    code = binary(client.get(f"{path}/codes?dtype=f32"))[1]["z"][row].tolist()
    asked = {"places": [{"item": row}, {"code": code}]}
    own, made = client.post(f"{path}/telling", json=asked).json()["rows"]
    assert own[0]["name"] == "real" and float(own[0]["words"]) == pytest.approx(table.real[row])
    assert {cell["name"] for cell in own} == {cell["name"] for cell in made} == set(table.columns)
    pictures = client.post(f"{API}/studies/{ids['pictures']}/telling", json=asked)
    assert pictures.status_code == 404
    assert client.post(f"{path}/telling", json={"places": []}).status_code == 422


def test_a_session_says_what_came_and_what_came_strangely_often(jobs):
    usual, strange = json.loads(telling(jobs, [{"item": 0}, {"item": 7}]).content)["rows"]
    assert usual == [{"name": "", "words": "open read close"}]
    assert strange[0] == {"name": "", "words": "open failx2 close"}
    assert {"name": "fail", "words": "2 times"} in strange
    assert {"name": "read", "words": "never"} in strange


def test_events_are_counted_as_they_came():
    logs = Logs(events=("a", "b"), longest=4)
    x = logs.prepare(logs.encode([["a", "b", "b"], ["c"]]))
    assert [cell_values(logs, x, place).tolist() for place in range(3)] == [[3, 1], [1, 0], [2, 0]]
    assert cell_values(logs, torch.tensor([[0.6, -3.0, 0.2, 0, 0, 0, 0]]), 0).tolist() == [1]


def test_columns_that_are_too_many_for_a_list_are_counted(home, monkeypatch):
    opened = Shelf().open(str(home / "table"), "now")
    whole = json.loads(columns(opened).content)
    monkeypatch.setattr("zscape.studio.work.cells.MOST_COLUMNS", 2)
    some = json.loads(columns(opened).content)
    assert whole["left_out"] == 0
    assert some["left_out"] == len(whole["columns"]) - len(some["columns"]) > 0
