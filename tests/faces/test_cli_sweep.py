"""`zscape sweep` and `zscape compare` by their words."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zscape.cli import main

pytestmark = pytest.mark.slow

SOURCE = str(Path(__file__).parents[2] / "src")
SMALL = ("--epochs", "1", "--network", "mlp:8", "--seeds", "1", "--jobs", "1")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A table file and a finished sweep over its latent size."""
    folder = tmp_path_factory.mktemp("data")
    lines = "\n".join(f"{i % 7 + i / 100:.2f},{'ab'[i % 2]}" for i in range(120))
    (folder / "rows.csv").write_text(f"width,kind\n{lines}\n")
    words = [folder / "rows.csv", "--over", "latent=1..4", "--out", folder / "s", *SMALL]
    assert main(["sweep", *map(str, words)]) == 0
    return folder


def test_a_sweep_names_its_runs_and_prints_a_table(run, rows, tmp_path):
    words = ("sweep", rows / "rows.csv", "--over", "beta=0.5..8", "--points", "3")
    code, out, err = run(*words, "--out", tmp_path / "s", *SMALL)
    assert code == 0
    assert "3 runs: beta = 0.5, 2, 8; 1 each, 1 at a time" in err
    assert "3 of 3  beta 8, seed 0: ELBO" in err
    for said in ("beta", "ELBO", "knee", "best", "sweep.html"):
        assert said in out
    assert (tmp_path / "s" / "beta-0.5-seed-0" / "report.html").is_file()


def test_the_same_command_goes_on(run, rows):
    words = ("sweep", rows / "rows.csv", "--over", "latent=1..4", "--out", rows / "s", *SMALL)
    code, out, err = run(*words, "--json")
    assert code == 0
    assert "3 of 3 were run before and are kept" in err
    record = json.loads(out)
    assert [point["value"] for point in record["points"]] == [1, 2, 4]
    assert {run["reason"] for run in record["runs"]} == {""}


def test_a_sweep_without_out_has_a_folder_of_its_own(run, rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("sweep", rows / "rows.csv", "--over", "beta=1,4", *SMALL, "--json")
    code, out, _ = run(*words)
    assert code == 0
    assert json.loads(out)["folder"] == "studies/rows.csv-vae-beta-sweep-1"


def test_flags_of_the_recipe_are_taken(run, rows, tmp_path):
    words = ("sweep", rows / "rows.csv", "--over", "off-diagonal=1,5", "--recipe", "dip_vae")
    assert run(*words, "--diagonal", "2", "--out", tmp_path / "s", *SMALL)[0] == 0
    study = (tmp_path / "s" / "off_diagonal-5-seed-0" / "study.toml").read_text()
    assert "diagonal = 2.0" in study
    code, out, _ = run("sweep", "--recipe", "dip_vae", "--help")
    assert code == 0
    for flag in ("--off-diagonal", "--over", "--jobs", "--learning-rate"):
        assert flag in out


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--over", "beta"), "--over must be OPTION=VALUES", 64),
        (("--over", "bta=1..2"), "beta", 64),
        (("--over", "beta=2..1"), "must rise", 64),
        (("--over", "latent=0,2"), "latent must be at least 1", 64),
        (("--over", "beta=1,2", "--beta", "3"), "swept", 64),
        (("--over", "beta=1,2", "--jobs", "none"), "jobs must be", 64),
        ((), "over", 64),
    ],
)
def test_mistakes_are_one_sentence(run, rows, tmp_path, monkeypatch, words, said, code):
    monkeypatch.chdir(tmp_path)
    got, _, err = run("sweep", rows / "rows.csv", *words)
    assert got == code
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("study.toml"))


def test_data_that_is_not_there(run):
    assert run("sweep", "no/such/file.csv", "--over", "beta=1,2")[0] == 65


def test_a_full_folder(run, rows):
    code, _, err = run("sweep", rows / "rows.csv", "--over", "beta=1,2", "--out", rows, *SMALL)
    assert code == 65
    assert "rows.csv" in err


def test_compare_prints_figures_differences_and_settings(run, rows, tmp_path):
    studies = (rows / "s" / "latent-1-seed-0", rows / "s" / "latent-4-seed-0")
    code, out, _ = run("compare", *studies, "--out", tmp_path / "page.html")
    assert code == 0
    for said in ("vae latent 1", "95 % interval", "one seed", "settings that differ"):
        assert said in out
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    code, out, _ = run("compare", rows / "s", "--json")
    assert code == 0
    assert len(json.loads(out)["groups"]) == 3


def test_compare_refuses_what_is_no_study(run, rows):
    assert run("compare", rows / "s" / "latent-1-seed-0")[0] == 64
    code, _, err = run("compare", rows / "s" / "latent-1-seed-0", rows / "nothing")
    assert code == 65
    assert "must be a folder" in err
    assert run("compare")[0] == 64


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(rows, tmp_path):
    words = (str(rows / "rows.csv"), "--over", "beta=1,2", "--seeds", "9", "--epochs", "40")
    process = subprocess.Popen(
        [sys.executable, "-m", "zscape", "sweep", *words, "--out", "s", "--jobs", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    end = time.monotonic() + 300
    while not (tmp_path / "s" / "sweep.json").is_file() and time.monotonic() < end:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command with --out s goes on" in err.decode()
    assert json.loads((tmp_path / "s" / "sweep.json").read_text())["runs"]
