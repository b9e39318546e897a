import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.logs.written import log_of, normal_jobs, strange_jobs

from zscape.cli import main

pytestmark = pytest.mark.slow

SOURCE = str(Path(__file__).parents[2] / "src")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A log, a study of it, and a later log in which three jobs are strange."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "app.log").write_text("\n".join(log_of(normal_jobs(250))) + "\n")
    (folder / "new.log").write_text("\n".join(log_of(strange_jobs(), seed=3)) + "\n")
    words = f"train {folder}/app.log --out {folder}/study --latent 2 --network mlp:32 --epochs 12"
    words += " --learning-rate 0.01 --ema 0.9"
    assert main([*words.split(), "--session", r"job-\d+"]) == 0
    return folder


def test_what_is_found_is_said_without_training(folder, capsys):
    assert main(["data", f"{folder}/app.log", "--session", r"job-\d+"]) == 0
    out = capsys.readouterr().out
    assert "250 sessions of 6 to 8 events" in out
    assert "E1 'INFO job-<*> accepted from <*>'" in out
    assert main(["data", f"{folder}/app.log", "--window", "10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["likelihood"] == "sessions"


def test_a_later_file_is_scored_with_reasons(folder, capsys):
    table = folder / "strange.csv"
    words = ["score", f"{folder}/study", f"{folder}/new.log", "--out", str(table)]
    assert main(words) == 0
    assert "3 of 30 flagged" in capsys.readouterr().out
    rows = table.read_text().splitlines()
    assert rows[0].startswith("item,flagged,p,counts,order,count_neighbours,following")
    flagged = [row for row in rows if ",true," in row]
    assert sorted(row.split(",")[0] for row in flagged) == ["job-1007", "job-1012", "job-1020"]
    assert "never more than once before" in next(row for row in flagged if "1020" in row)


def test_lines_on_standard_input_are_judged(folder, capsys, monkeypatch):
    with (folder / "new.log").open() as lines:
        monkeypatch.setattr("sys.stdin", lines)
        assert main(["score", f"{folder}/study", "-", "--json"]) == 0
    captured = capsys.readouterr()
    found = [json.loads(line) for line in captured.out.splitlines()]
    assert {session["name"] for session in found} == {"job-1007", "job-1012", "job-1020"}
    assert all(session["flagged"] and session["reason"] for session in found)
    assert "3 of 30 sessions flagged at 0.01" in captured.err
    assert "25 held-out normals are few for a threshold of 0.01" in captured.err
    assert all(0 < session["p"] <= 0.01 for session in found)


def test_a_stream_writes_the_table_and_says_what_a_file_says(folder, capsys, monkeypatch):
    told = {}
    for words in (["-"], [f"{folder}/new.log"]):
        table = folder / "told.csv"
        with (folder / "new.log").open() as lines:
            monkeypatch.setattr("sys.stdin", lines)
            assert main(["score", f"{folder}/study", *words, "--out", str(table)]) == 0
        out = capsys.readouterr().out.splitlines()
        rows = csv.DictReader(table.read_text().splitlines())
        told[words[0]] = (
            {row["item"]: (row["flagged"], row["reason"]) for row in rows},
            {line.strip() for line in out if "  p " in line},
        )
    one, other = told.values()
    assert one == other and len(one[0]) == 30 and len(one[1]) == 3
    assert "Disk failure while writing job-1012" in one[0]["job-1012"][1]


def test_sessions_of_the_study_keep_their_ids(folder, capsys):
    table = folder / "own.csv"
    assert main(["score", f"{folder}/study", "--threshold", "10%", "--out", str(table)]) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    items = [row["item"] for row in rows]
    assert sorted(items) == sorted(f"job-{n}" for n in range(1000, 1250))
    strangest = min(rows, key=lambda row: float(row["p"]))["item"]
    capsys.readouterr()
    assert main(["neighbours", f"{folder}/study", strangest, "#0", "-k", "1"]) == 0
    by_name, by_number = capsys.readouterr().out.splitlines()[:2]
    assert by_name.startswith(f"#{items.index(strangest)} {strangest}: #")
    assert by_number.startswith(f"#0 {items[0]}: #") and " job-1" in by_number.split(": ")[1]
    assert main(["neighbours", f"{folder}/study", "job-1"]) != 0
    err = capsys.readouterr().err
    assert f"such as '{items[0]}'" in err and "'job-1' is not there" in err
    assert main(["clusters", f"{folder}/study"]) == 0
    assert "; medoid #" in (out := capsys.readouterr().out) and " job-1" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "What came must hold lines of sessions"), (["--idle", "0"], "idle must be")],
)
def test_a_pipe_of_something_else_is_no_silence(folder, capsys, monkeypatch, words, said):
    (folder / "people.csv").write_text("name,age\nann,3\n")
    with (folder / "people.csv").open() as lines:
        monkeypatch.setattr("sys.stdin", lines)
        assert main(["score", f"{folder}/study", "-", *words]) in (64, 65)
    err = capsys.readouterr().err
    assert said in err and "0 of 0" not in err


def started(folder, *words: str) -> subprocess.Popen[str]:
    """`zscape score STUDY -` in a process of its own."""
    command = [sys.executable, "-m", "zscape", "score", f"{folder}/study", "-", *words]
    path = os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")])
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, text=True, env={**os.environ, "PYTHONPATH": path}, **pipes)


def test_strange_sessions_are_told_while_lines_come_and_ctrl_c_ends_it(folder):
    with started(folder, "--idle", "40") as run:
        run.stdin.write((folder / "new.log").read_text())
        run.stdin.flush()  # and it stays open
        assert run.stdout.readline().startswith("job-1007  p ")
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
        said = run.stderr.read()
    assert "sessions flagged" in said and "stopped by Ctrl-C" in said


def test_a_reader_that_goes_away_ends_it(folder):
    with started(folder) as run:
        run.stdout.close()
        run.stdin.write((folder / "new.log").read_text())
        run.stdin.close()
        assert run.wait(60) == 141
        assert "Traceback" not in run.stderr.read()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data", "{}/app.log", "--session", "("], "must be a regular expression"),
        (["data", "{}/app.log", "--session", "a", "--window", "3"], "in one way"),
        (["data", "{}/app.log", "--window", "0"], "at least 1 line or more than 0 seconds, got 0"),
        (["data", "digits", "--session", "a"], "are for files of log lines"),
        (["score", "{}/study", "{}/none.log"], "There must be a file"),
        (["fill", "{}/study", "{}/new.log"], "must have been trained with holes"),
    ],
)
def test_one_sentence_for_bad_input(folder, capsys, words, said):
    assert main([word.replace("{}", str(folder)) for word in words]) in (64, 65)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["sample {} -n 3", "reconstruct {} #0", "interpolate {} #0 #9", "traverse {} #0"]
)
def test_the_usual_verbs_work(folder, capsys, words):
    assert main(words.format(folder / "study").split()) == 0
    assert capsys.readouterr().out.strip().endswith(".png")
