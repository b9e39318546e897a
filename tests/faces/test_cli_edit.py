"""`zscape direction`, `directions` and `edit` on trained studies."""

import json

import numpy as np
import pandas as pd
import pytest

from zscape.cli import main
from zscape.space.directions import find_direction
from zscape.study.directions import DIRECTIONS, kept_directions
from zscape.study.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edit") / "digits"
    words = ["digits", "--out", str(folder), "--epochs", "3", "--latent", "5"]
    assert main(["train", *words]) == 0
    return folder


def test_a_direction_is_found_kept_listed_and_used(digits, run):
    code, out, err = run("direction", digits, "0", "--apart-from", "1", "--name", "round")
    assert code == 0, err
    assert "AUC" in out and (digits / "pictures/direction-round.png").exists()
    code, out, _ = run("directions", digits, "--json")
    told = json.loads(out)
    assert [one["name"] for one in told["directions"]] == ["round"]
    assert abs(told["directions"][0]["leakage"]["1"]) < 1e-3
    assert "7" in told["known"]
    code, out, err = run("edit", digits, "#5", "round=+1.5", "7=-1", "--json")
    assert code == 0, err
    moved = np.array(json.loads(out)["codes"][0])
    space = Study.open(digits).space()
    kept = kept_directions(Study.open(digits), 5)
    wanted = space.codes[5].flat[0] + 1.5 * kept["round"].vector
    wanted = wanted - find_direction(space, "7").vector
    np.testing.assert_allclose(moved, wanted.numpy(), atol=1e-5)


def test_naming_a_direction_keeps_it_once(digits, run):
    for name in ("3", "three"):
        assert run("direction", digits, "3", "--name", name)[0] == 0
    told = json.loads(run("directions", digits, "--json")[1])
    names = [one["name"] for one in told["directions"]]
    assert "three" in names and "3" not in names and "3" in told["known"]


def test_examples_make_a_direction_of_their_own(digits, run):
    some = [word for n in range(0, 10) for word in ("--positive", f"#{n}")]
    others = [word for n in range(20, 30) for word in ("--negative", f"#{n}")]
    code, out, err = run("direction", digits, *some, *others, "--name", "early")
    assert code == 0 and "early" in out, err


def test_every_edit_has_a_picture_of_its_own(digits, run, tmp_path):
    files = []
    for word in ("3=+1.5", "3=-1.5", "3=+1.25"):
        code, out, err = run("edit", digits, "#5", word, "--json")
        assert code == 0, err
        files.append(json.loads(out)["picture"])
    assert len(set(files)) == 3


def test_yes_and_no_say_how_far_they_went(digits, run):
    told = {}
    for word in ("yes", "no"):
        code, out, err = run("edit", digits, "#5", f"3={word}", "--json")
        assert code == 0, err
        told[word] = json.loads(out)
        assert f"3-{word}" in told[word]["picture"]
    assert told["no"]["strengths"]["3"] <= 0 <= told["yes"]["strengths"]["3"]
    code, out, _ = run("edit", digits, "#5", "3=yes")
    assert code == 0 and f"3 {told['yes']['strengths']['3']:+.2f} sd" in out


def test_far_edits_are_warned_of(digits, run):
    code, _, err = run("edit", digits, "#5", "3=+30")
    assert code == 0 and "warning: the edit leaves the data" in err


def test_rows_are_edited_as_rows(tmp_path, run):
    rows = pd.DataFrame({"width": np.arange(200.0) % 17, "depth": np.arange(200.0) % 5})
    rows["kind"] = np.where(rows.width > 8, "wide", "narrow")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    study = tmp_path / "rows"
    words = (tmp_path / "rows.csv", "--out", study, "--epochs", "5", "--label", "kind")
    assert run("train", *words)[0] == 0
    code, _, err = run("edit", study, "#3", "wide=2", "--json")
    assert code == 0, err
    assert run("direction", study, "wide")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("direction", "{}"), "got neither"),
        (("direction", "{}", "nine"), "Unknown attribute or class 'nine'"),
        (("direction", "{}", "--positive", "#1"), "must have a --name"),
        (("edit", "{}", "#5"), "at least one direction"),
        (("edit", "{}", "#5", "smile"), "NAME=STRENGTH"),
        (("edit", "{}", "#5", "3=much"), "NAME=STRENGTH"),
        (("edit", "{}", "#5", "3=nan"), "NAME=STRENGTH"),
        (("directions", "{}", "--method", "tsne"), "Unknown method"),
        (("direction", "{}", "0", "--name", "a=b"), "without '='"),
    ],
)
def test_what_cannot_be_is_one_sentence(digits, run, words, said):
    code, _, err = run(*(word.format(digits) for word in words))
    assert code in (64, 65) and said in err and "Traceback" not in err


@pytest.mark.parametrize(
    "content",
    [
        "round = 3",
        "[round]\nvector = [1.0]",
        '[round]\nvector = "a"\nreadout = []\nmeasure = "AUC"\nnumber = 1\nleakage = {}',
        "[round]\nvector = [nan,0,0,0,0]\nreadout = [0,0,0,0,0]\nmeasure='A'\nnumber=1\nleakage={}",
        "[round]\nvector = [0,0,0,0,0]\nreadout = [0,0,0,0,0]\nmeasure='A'\nnumber=1\nleakage=3",
        "[round]\nvector = [0,0,0,0,0]\nreadout = [0,0,0,0,0]\nmeasure='A'\nnumber=inf\nleakage={}",
    ],
)
def test_a_file_that_holds_no_directions_is_told(digits, run, content):
    Study.open(digits).add({DIRECTIONS: content.encode()})
    code, _, err = run("directions", digits)
    assert code == 65 and "directions.toml must hold directions" in err
