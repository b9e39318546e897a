"""`zscape predict`: tables and pictures, as CSV and JSON; exit codes and what is kept."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from zscape.cli import main
from zscape.cli.predict import _words
from zscape.errors import StudyError
from zscape.measures.figure import Figure
from zscape.measures.prediction.student import student
from zscape.measures.prediction.views import seen
from zscape.study.predicting import ABOUT, NETWORK, predictor_of
from zscape.study.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Studies of rows and of pictures of which some are labelled, and what they came from."""
    folder = tmp_path_factory.mktemp("studies")
    rng = np.random.default_rng(0)
    ids = rng.integers(2, size=150)
    rows = rng.normal(size=(150, 3)) + 6 * ids[:, None]
    lines = [
        f"{a:.3f},{b:.3f},{c:.3f},{('low', 'high')[k] if n < 20 else ''}"
        for n, ((a, b, c), k) in enumerate(zip(rows, ids, strict=True))
    ]
    (folder / "rows.csv").write_text("\n".join(["u,v,w,kind", *lines]) + "\n")
    whole = [
        f"{line.rsplit(',', 1)[0]},{('low', 'high')[k]}" for line, k in zip(lines, ids, strict=True)
    ]
    (folder / "whole.csv").write_text("\n".join(["u,v,w,kind", *whole]) + "\n")
    (folder / "pictures").mkdir()
    for n in range(40):
        shade = rng.integers(0, 60, (8, 8), dtype=np.uint8) + np.uint8(150 * (n % 2))
        Image.fromarray(shade).save(folder / "pictures" / f"{n:02}.png")
    told = "\n".join(f"{n:02}.png,{('dark', 'light')[n % 2]}" for n in range(12))
    (folder / "pictures" / "labels.csv").write_text(f"file,label\n{told}\n")
    small = ["--epochs", "3", "--latent", "2", "--network", "mlp:8"]
    table = ["train", str(folder / "rows.csv"), "--label", "kind", "--out", str(folder / "r")]
    assert main([*table, *small]) == 0
    assert main(["train", str(folder / "pictures"), "--out", str(folder / "p"), *small]) == 0
    return folder


def test_rows_and_what_is_kept(studies, run, tmp_path):
    code, out, err = run("predict", studies / "r", studies / "whole.csv", "--label", "kind")
    assert code == 0
    lines = list(csv.DictReader(io.StringIO(out)))
    assert len(lines) == 150 and set(lines[0]) == {"item", "class", "p(high)", "p(low)"}
    for line in lines:
        assert float(line["p(high)"]) + float(line["p(low)"]) == pytest.approx(1, abs=2e-6)
    assert "20 of 150 things are labelled" in err
    assert (
        "accuracy on 150 labelled (150 of the study's own data): " in err
        and "share (estimate)" in err
    )
    assert "expected calibration error: " in err and "share (surrogate)" in err
    assert (studies / "r" / NETWORK).is_file() and (studies / "r" / ABOUT).is_file()
    target = tmp_path / "found.csv"
    code, again, _ = run("predict", studies / "r", studies / "whole.csv", "--out", target)
    assert code == 0 and again.strip() == str(target)
    assert (
        list(csv.DictReader(io.StringIO(target.read_text()))) == lines
    )  # the kept predictor says the same


def test_an_empty_column_of_labels_judges_nothing(studies, run, tmp_path):
    lines = (studies / "whole.csv").read_text().splitlines()[:9]
    bare = [line.rsplit(",", 1)[0] + "," for line in lines[1:]]
    (tmp_path / "new.csv").write_text("\n".join([lines[0], *bare]) + "\n")
    code, out, err = run("predict", studies / "r", tmp_path / "new.csv", "--label", "kind")
    assert code == 0 and len(out.splitlines()) == 9 and "accuracy on" not in err


def test_pictures_as_json(studies, run):
    code, out, _ = run("predict", studies / "p", studies / "pictures", "--json")
    record = json.loads(out)
    assert code == 0 and record["verb"] == "predict"
    assert record["names"] == ["dark", "light"]
    assert record["items"][:2] == ["00.png", "01.png"]
    assert record["classes"] == ["dark", "light"] * 20
    assert np.allclose(np.sum(record["probabilities"], 1), 1, atol=1e-5)
    kinds = {figure["figure"]: figure["kind"] for figure in record["figures"]}
    assert kinds["expected calibration error"] in ("surrogate", "estimate")


def test_mistakes(studies, run, tmp_path):
    for missing in ("nothing.csv", "nothing/"):
        code, _, err = run("predict", studies / "r", missing)
        assert code == 65 and "got none. Check the path." in err
    code, _, err = run("predict", studies / "r", studies / "pictures")
    assert code == 65 and "of a table with the columns u, v, w; pictures holds pictures" in err
    code, _, err = run("predict", studies / "r")
    assert code == 64
    assert main(["train", "digits", "--out", str(tmp_path / "n"), "--epochs", "1"]) == 0
    (tmp_path / "rows.csv").write_text("a,b\n" + "\n".join(f"{n},{n % 7}" for n in range(60)))
    table = ["train", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "m"), "--epochs", "1"]
    assert main(table) == 0
    code, _, err = run("predict", tmp_path / "m", tmp_path / "rows.csv")
    assert code == 64 and "must have some labels, got none" in err


def test_a_damaged_predictor_is_refused(studies, run):
    run("predict", studies / "p", studies / "pictures", "--json")
    kept = (studies / "p" / ABOUT).read_bytes()
    try:
        (studies / "p" / ABOUT).write_bytes(kept.replace(b"dark", b"dusk"))
        code, _, err = run("predict", studies / "p", studies / "pictures")
        assert code != 0 and ABOUT in err
    finally:
        (studies / "p" / ABOUT).write_bytes(kept)


def named(count):
    return lambda about, weights: about.update(names=[str(n) for n in range(count)])


def weighed(change):
    return lambda about, weights: weights.update({k: change(v) for k, v in weights.items()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (named(10**6), "must be that of the weights, and is larger"),
        (weighed(torch.Tensor.double), "must be torch.float32, got torch.float64"),
        (weighed(lambda v: v * torch.nan if v.is_floating_point() else v), "are not finite"),
        (lambda about, _: about["figures"][0].update(value="many"), "could not convert"),
    ],
)
def test_a_predictor_that_somebody_made_is_refused(studies, change, said, monkeypatch):
    study = Study.open(studies / "r")
    about = {"names": ["a", "b"], "temperature": 1.0, "notes": []}
    about["figures"] = [{"name": "a", "value": 1, "unit": "b", "kind": "c", "error": None}]
    weights = student(tuple(seen(study.space(), study.space().items[:2]).shape[1:]), 2).state_dict()
    change(about, weights)
    files = {NETWORK: save(weights), ABOUT: json.dumps(about).encode()}
    monkeypatch.setattr("zscape.study.predicting.has_file", lambda path, name: True)
    monkeypatch.setattr("zscape.study.predicting.read_file", lambda path, name: files[name])
    with pytest.raises(StudyError, match=said):
        predictor_of(study)


def test_figures_of_others_do_not_reach_the_terminal_raw():
    assert "\x1b" not in _words(Figure("\x1b[2J", 1.0, "\x1b[1m", "\x1b[0m"))
    assert "\x1b" not in _words(Figure("\x1b[2J", None, "", "undefined"))
