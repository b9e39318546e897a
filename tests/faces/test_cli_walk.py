"""`zscape interpolate` and `walk` on trained studies: strips, animations, what is told."""

import json

import pandas as pd
import pytest
from PIL import Image

from zscape.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk") / "digits"
    words = ["digits", "--out", str(folder), "--epochs", "3", "--latent", "5"]
    assert main(["train", *words]) == 0
    return folder


def test_a_geodesic_is_drawn_and_told(digits, run):
    code, out, err = run("interpolate", digits, "#5", "#11", "--method", "geodesic", "--details")
    assert code == 0, err
    assert "evenness 1.0" in out and "exact" in out
    assert (digits / "pictures/interpolate-5-11-geodesic-details-9.png").exists()


def test_a_closed_walk_has_a_row_for_each_leg(digits, run):
    words = ("walk", digits, "#5", "#11", "#2", "--closed", "--steps", "4", "--json")
    code, out, err = run(*words)
    assert code == 0, err
    told = json.loads(out)
    assert len(told["codes"]) == 9 and told["closed"]
    assert [figure["figure"] for figure in told["figures"]] == ["evenness", "length", "energy"]
    with Image.open(told["picture"]) as drawn:
        assert drawn.size == (2 + 4 * 74, 2 + 3 * 74)


@pytest.mark.parametrize(("suffix", "words"), [("gif", ("--fps", "10")), ("webp", ())])
def test_animations_have_every_frame(digits, run, tmp_path, suffix, words):
    out = tmp_path / f"way.{suffix}"
    code, said, err = run("walk", digits, "#5", "#11", "--steps", "6", "--out", out, *words)
    assert code == 0 and str(out) in said, err
    with Image.open(out) as made:
        assert made.n_frames == 6


def test_an_animation_lasts_as_long_as_is_said(digits, run, tmp_path):
    out = tmp_path / "way.gif"
    code, _, err = run("interpolate", digits, "#5", "#11", "--seconds", "2.5", "--out", out)
    assert code == 0, err
    with Image.open(out) as made:
        made.seek(1)
        assert made.n_frames == 25 and made.info["duration"] == 100


def test_rows_walk_too_but_do_not_move(tmp_path, run):
    frame = pd.DataFrame({"size": range(80), "kind": ["a", "b"] * 40})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    study = tmp_path / "study"
    words = (tmp_path / "rows.csv", "--out", study, "--epochs", "2", "--latent", "2")
    assert run("train", *words)[0] == 0
    code, out, err = run("walk", study, "#1", "#30", "#7", "--method", "geodesic")
    assert code == 0 and ("evenness" in out or "undefined" in out), err
    code, _, err = run("walk", study, "#1", "#30", "--out", tmp_path / "way.gif")
    assert code == 64 and "must end in .png for rows" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("walk", "{}", "#5"), "at least 2 items, got 1"),
        (("walk", "{}", "#5", "#7", "--method", "geodetic"), "Did you mean 'geodesic'"),
        (("walk", "{}", "#5", "#7", "--method", "geodesic", "--through", "x"), "Unknown class 'x'"),
        (("walk", "{}", "#5", "#7", "--fps", "3"), "must come with an animation"),
        (("walk", "{}", "#5", "#7", "--out", "way.avi"), "must end in .png, .gif"),
        (("walk", "{}", "#5", "#7", "--out", "{}/w.gif", "--fps", "3", "--seconds", "1"), "both"),
        (("walk", "{}", "#5", "#7", "--out", "{}/w.gif", "--seconds", "0"), "frames a second"),
    ],
)
def test_what_cannot_be_is_one_sentence(digits, run, words, said):
    code, _, err = run(*(word.format(digits) for word in words))
    assert code in (64, 65) and said in err and "Traceback" not in err
