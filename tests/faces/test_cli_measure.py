"""`zscape measure` by its words."""

import json

import numpy as np
import pandas as pd
import pytest

import zscape as zs
from zscape.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured") / "study"
    settings = {"latent": 3, "network": "mlp:16", "epochs": 2}
    zs.fit("digits", out=folder, **settings)
    return folder


def test_it_prints_a_table_a_section_and_keeps_them_in_the_report(study, capsys):
    assert main(["measure", str(study), "--draws", "4"]) == 0
    printed = capsys.readouterr().out
    assert "held-out examples" in printed
    assert "importance-weighted NLL (4 draws)" in printed and "real against real" in printed
    assert "How good is it?" in (study / "report.html").read_text()
    assert zs.Study.open(study).measures().held_out
    assert len(zs.open(study).codes) == 1797


def test_json_is_one_object(study, capsys):
    assert main(["measure", str(study), "--draws", "2", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["verb"] == "measure" and record["sections"][0]["name"] == "likelihood"


def test_factors_come_from_a_table(study, capsys, tmp_path):
    labels = zs.open(study).labels
    table = tmp_path / "factors.csv"
    pd.DataFrame({"odd": labels % 2, "digit": labels}).to_csv(table, index=False)
    assert main(["measure", str(study), "--factors", str(table), "--draws", "2"]) == 0
    printed = capsys.readouterr().out
    assert "disentanglement" in printed and "MIG" in printed and "InfoE" in printed


def test_other_data_is_measured_and_the_page_stays(study, capsys, tmp_path):
    page = (study / "report.html").read_bytes()
    things = zs.open(study).items[:60, 0].numpy()
    np.save(tmp_path / "mine.npy", things)
    assert main(["measure", str(study), str(tmp_path / "mine.npy"), "--draws", "2"]) == 0
    assert "measured on 60 examples" in capsys.readouterr().out
    assert (study / "report.html").read_bytes() == page


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--factors", "nowhere.csv"], 65, "--factors must be a file"),
        (["--label", "kind"], 64, "--label names a column of DATA"),
        (["--draws", "0"], 64, "draws must be at least 1"),
        (["nowhere.npy"], 65, "got none"),
    ],
)
def test_mistakes_are_one_sentence(study, capsys, words, code, said):
    assert main(["measure", str(study), *words]) == code
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_factors_must_have_a_row_a_thing(study, capsys, tmp_path):
    table = tmp_path / "short.csv"
    pd.DataFrame({"odd": [0, 1, 0]}).to_csv(table, index=False)
    assert main(["measure", str(study), "--factors", str(table)]) == 65
    assert "must have a value for each of the 1,797 things" in capsys.readouterr().err
