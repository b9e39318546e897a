"""`zscape mix` on studies of one level, of two, and of rows."""

import json

import numpy as np
import pytest
from PIL import Image

from zscape.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mix")
    rows = folder / "rows.csv"
    numbers = np.random.default_rng(0).normal(size=(60, 3))
    np.savetxt(rows, numbers, delimiter=",", header="a,b,c", comments="")
    ladder = ["--recipe", "ladder_vae", "--network", "tiny", "--latent", "4"]
    for name, data, more in (
        ("flat", "digits", ["--latent", "5", "--network", "mlp:32"]),
        ("ladder", "digits", ladder),
        ("rows", rows, ["--latent", "2", "--network", "mlp:8"]),
    ):
        assert main(["train", str(data), "--out", str(folder / name), "--epochs", "1", *more]) == 0
    return folder


@pytest.mark.parametrize(
    ("study", "words", "shape"),
    [
        ("flat", ("#3", "#4", "--style", "units:0,2"), (76, 224)),
        ("flat", ("#3,#1", "#4,#5,#6", "--style", "units:0"), (232, 306)),
        ("ladder", ("#3", "#4"), (76, 224)),
        ("ladder", (), (528, 528)),
    ],
)
def test_mixes_of_pictures(study, words, shape, studies, run):
    code, out, err = run("mix", studies / study, *words)
    assert code == 0, err
    with Image.open(out.splitlines()[-1]) as picture:
        assert picture.size[::-1] == shape


def test_a_mix_of_rows_is_a_table_and_all_have_records(studies, run):
    code, out, err = run("mix", studies / "rows", "#3", "#4", "--style", "units:1", "--json")
    record = json.loads(out)
    assert code == 0 and err == ""
    assert (record["verb"], record["content"], record["style"]) == ("mix", ["#3"], ["#4"])
    assert (record["units"], record["told"]) == ([1], [])
    assert record["picture"].endswith("mix-3-in-4-units-1.png")


def test_files_are_mixed_as_items_are(studies, run, tmp_path):
    Image.fromarray(np.full((20, 20), 90, np.uint8)).save(tmp_path / "a,b.png")
    code, _, err = run("mix", studies / "ladder", tmp_path / "a,b.png", "#1,#2")
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "said", "wanted"),
    [
        (("#1", "#2"), "What is taken of the style must be named", 64),
        (("#1", "#2", "--style", "colour"), "Unknown style 'colour'", 64),
        (("#1", "#999999", "--style", "units:1"), "#999999", 65),
        (("#1,two.png", "#2", "--style", "units:1"), "is not there", 65),
    ],
)
def test_mistakes_are_one_sentence(words, said, wanted, studies, run):
    code, _, err = run("mix", studies / "flat", *words)
    assert code == wanted and said in err and "Traceback" not in err
