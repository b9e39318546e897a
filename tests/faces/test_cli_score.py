"""`zscape score`: tables and pictures, as CSV and JSON; what is written and what is refused."""

import csv
import json

import numpy as np
import pytest

from zscape.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Studies of rows and of pictures, and things of which some are spoilt."""
    folder = tmp_path_factory.mktemp("studies")
    rng = np.random.default_rng(0)
    a = rng.normal(size=260)
    rows = np.stack([a, 3 * a + rng.normal(0, 0.2, 260), rng.normal(size=260)], axis=1)
    rows[200, 1], rows[201, 2] = -9.0, 40.0
    head = "width,height,weight"
    for name, part in (("train", rows[:200]), ("new", rows[200:])):
        np.savetxt(folder / f"{name}.csv", part, delimiter=",", header=head, comments="")
    (folder / "empty.csv").write_text(head + "\n")
    pictures = rng.integers(0, 40, (90, 8, 8)).astype(np.uint8)
    pictures[:, 2:5] += 180
    pictures[60] = 255 - pictures[60]
    np.save(folder / "train.npy", pictures[:60])
    np.save(folder / "new.npy", pictures[60:])
    small = ["--latent", "2", "--network", "mlp:16", "--validation", "0.2", "--patience", "0"]
    small += ["--learning-rate", "0.01"]
    for name, kind, epochs in (("r", "train.csv", "60"), ("p", "train.npy", "5")):
        words = ["train", str(folder / kind), "--out", str(folder / name), *small]
        assert main([*words, "--epochs", epochs]) == 0
    return folder


def test_rows_get_scores_p_values_and_reasons(studies, run, tmp_path):
    table = tmp_path / "scores.csv"
    code, out, err = run("score", studies / "r", studies / "new.csv", "--out", table)
    assert code == 0 and " of 60 flagged at 1%" in out and str(table) in out
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 60 and [row["flagged"] for row in rows[:2]] == ["true", "true"]
    assert "height is -9 where" in rows[0]["reason"] and "weight is 40" in rows[1]["reason"]
    flagged = [row["flagged"] == "true" for row in rows]
    assert flagged == [float(row["p"]) <= 0.01 for row in rows]
    assert all(bool(row["reason"]) == said for row, said in zip(rows, flagged, strict=True))
    assert "40 held-out normals are few" in err
    assert (studies / "r" / "pictures" / "score-new-1percent.png").stat().st_size > 1000


def test_an_unseen_category_is_flagged_and_the_rest_is_scored(studies, run):
    rng = np.random.default_rng(1)
    for name, cities in (("c-train", "abab" * 20), ("c-new", "abxab")):
        lines = [f"{rng.normal()},{city}" for city in cities]
        (studies / f"{name}.csv").write_text("\n".join(["size,city", *lines]) + "\n")
    words = ("--latent", "2", "--network", "mlp:8", "--epochs", "2", "--out", studies / "c")
    assert run("train", studies / "c-train.csv", *words)[0] == 0
    table = studies / "c.csv"
    code, out, _ = run("score", studies / "c", studies / "c-new.csv", "--out", table)
    assert code == 0 and "2  p <1e-9  city: 'x' was never seen in training" in out
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 5 and rows[2]["flagged"] == "true" and float(rows[2]["p"]) > 0
    words = ("encode", studies / "c", studies / "c-new.csv", "--out", studies / "codes")
    code, _, err = run(*words)
    assert code == 65 and "training did not see" in err


def test_json_holds_what_the_table_does(studies, run):
    words = ("score", studies / "r", studies / "new.csv", "--threshold", "0.05", "--json")
    code, out, _ = run(*words)
    told = json.loads(out)
    assert code == 0 and told["number"] == len(told["p"]) == 60 and told["normals"] == 40
    assert {"0", "1"} <= set(told["flagged"]) and set(told["reasons"]) == set(told["flagged"])
    assert told["scores"]["rate"]["unit"] == "nats" and told["scores"]["rate"]["kind"] == "exact"


def test_pictures_are_shown_beside_what_was_made_of_them(studies, run):
    code, out, _ = run("score", studies / "p", studies / "new.npy", "--threshold", "5%")
    assert code == 0 and "\n  0  p " in out
    assert (studies / "p" / "pictures" / "score-new-5percent.png").stat().st_size > 1000


def test_studies_with_other_folds_score_together(studies, run):
    small = ["--latent", "2", "--network", "mlp:16", "--validation", "0.2", "--epochs", "3"]
    other = studies / "fold1"
    assert (
        main(["train", str(studies / "train.csv"), "--out", str(other), *small, "--fold", "1"]) == 0
    )
    words = ("score", studies / "r", studies / "new.csv", "--also", other, "--json")
    code, out, _ = run(*words)
    assert code == 0 and json.loads(out)["normals"] == 80
    code, _, err = run("score", studies / "r", studies / "new.csv", "--also", studies / "p")
    assert code == 64 and "must be trained on the same data" in err


def test_the_studys_own_things(studies, run):
    code, out, err = run("score", studies / "r", "--parts", "neighbours", "--json")
    assert code == 0 and list(json.loads(out)["scores"]) == ["neighbours"]
    assert "trained the model" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new.csv", "--threshold", "often"], "--threshold must be a share, as 1% or 0.01"),
        (["new.csv", "--threshold", "200%"], "between 0 and 1, got 2"),
        (["empty.csv"], "must be at least one, got none"),
        (["new.npy"], "of a table with the columns width, height, weight; new.npy holds"),
        (["nowhere.csv"], "got none"),
        (["new.csv", "--out", "x.txt"], "--out must end in .csv"),
        (["new.csv", "--parts", "error"], "Unknown score 'error'"),
    ],
)
def test_mistakes_are_told_in_a_sentence(studies, run, words, said):
    code, _, err = run("score", studies / "r", studies / words[0], *words[1:])
    assert code in (64, 65) and said in err and len(err.splitlines()) == 1
