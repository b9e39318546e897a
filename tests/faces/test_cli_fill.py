"""`zscape fill` by its words: a strip of a picture, a file of rows, and what it refuses."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.contracts.space import digits

from zscape.study.run import prepare, train

pytestmark = pytest.mark.slow
SETTINGS = {"latent": 2, "network": "mlp:16", "epochs": 2}


def trained(data, path, recipe="fill_vae"):
    for _ in train(prepare(data, recipe=recipe, out=path, **SETTINGS)):
        pass
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return trained(digits(), tmp_path_factory.mktemp("fill") / "digits")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=80), "k": rng.choice(["x", "y"], 80)})
    return trained(frame, tmp_path_factory.mktemp("fill") / "rows"), frame


def test_a_strip_of_what_is_given_completions_and_the_truth(pictures, run, tmp_path):
    out = tmp_path / "strip.png"
    code, said, err = run("fill", pictures, "#3", "--mask", "right", "-n", 4, "--out", out)
    assert (code, err) == (0, "")
    assert said == f"from left to right: what is given, 4 completions, the truth\n{out}\n"
    strip = np.asarray(Image.open(out))
    side = strip.shape[0] - 4
    assert strip.shape[1] == 2 + 6 * (side + 2)
    given, *completions, truth = [strip[2:-2, 2 + i * (side + 2) :][:, :side] for i in range(6)]
    for tile in (given, *completions):
        assert np.array_equal(tile[:, : side // 2], truth[:, : side // 2])
    assert not np.array_equal(completions[0], completions[1])


def test_a_picture_says_what_is_hidden(pictures, run, tmp_path):
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    strips = []
    for words in ("right", tmp_path / "mask.png"):
        out = tmp_path / "strip.png"
        assert run("fill", pictures, "#3", "--mask", words, "--out", out)[0] == 0
        strips.append(np.asarray(Image.open(out)))
    assert np.array_equal(*strips)


@pytest.mark.parametrize(
    ("side", "value", "said"),
    [
        (8, 0, "A mask must hide something, got one that hides nothing."),
        (8, 255, "A mask must leave something known, and 'mask.png' hides all."),
        (12, None, "A mask must have the size of the picture, 8x8, got 12x12."),
    ],
)
def test_a_mask_that_says_nothing_or_fits_nothing_is_told(
    pictures, run, tmp_path, side, value, said
):
    mask = np.full((side, side), value or 0, np.uint8)
    mask[:, : side // 2] = 255 if value is None else value
    Image.fromarray(mask).save(tmp_path / "mask.png")
    code, out, err = run("fill", pictures, "#3", "--mask", tmp_path / "mask.png")
    assert code in (64, 65) and not out and said in err and err.count("\n") == 1


def test_a_mask_may_be_of_the_size_of_its_own_picture(pictures, run, tmp_path):
    large = np.zeros((16, 16), np.uint8)
    Image.fromarray(large).save(tmp_path / "large.png")
    large[:, 8:] = 255
    Image.fromarray(large).save(tmp_path / "mask.png")
    words = (tmp_path / "large.png", "--mask", tmp_path / "mask.png", "--out", tmp_path / "s.png")
    assert run("fill", pictures, *words)[0] == 0


def test_json_is_one_object(pictures, run):
    code, out, _ = run("fill", pictures, "#3", "--mask", "box:0,0,4,4", "--json")
    record = json.loads(out)
    assert code == 0 and record["mask"] == "box:0,0,4,4"
    assert record["picture"].endswith("fill-3-box-0-0-4-4-seed0.png")


def test_rows_with_empty_cells(rows, run, tmp_path):
    study, frame = rows
    empty = frame.copy()
    empty.loc[[1, 5], "a"] = np.nan
    empty.loc[[2], "k"] = None
    empty.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "filled.csv"
    code, said, err = run("fill", study, tmp_path / "rows.csv", "--out", out)
    assert (code, err, said) == (0, "", f"3 empty cells filled\n{out}\n")
    filled, given = pd.read_csv(out), pd.read_csv(tmp_path / "rows.csv")
    assert filled.notna().all(axis=None)
    assert filled.where(given.notna(), np.nan).equals(given)


def test_a_column_that_is_all_empty_is_filled(rows, run, tmp_path):
    study, frame = rows
    empty = frame.head(4).assign(k=None)
    empty.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "filled.csv"
    assert run("fill", study, tmp_path / "rows.csv", "--out", out)[0] == 0
    assert set(pd.read_csv(out)["k"]) <= set(frame["k"].dropna())


def test_the_cell_that_is_no_number_is_named(rows, run, tmp_path):
    study, frame = rows
    wrong = frame.head(4).astype({"a": object})
    wrong.loc[2, "a"] = "tall"
    wrong.to_csv(tmp_path / "rows.csv", index=False)
    code, _, err = run("fill", study, tmp_path / "rows.csv", "--out", tmp_path / "f.csv")
    assert code == 65 and "'a' holds 1 cell that is not numeric, first 'tall' in row 3" in err


def test_given_cells_stay_as_they_were_spelled(run, tmp_path):
    rng = np.random.default_rng(0)
    age, pay = rng.integers(20, 60, 120), rng.normal(30, 5, 120).round(2)
    kind = rng.choice(["x", "y"], 120)
    frame = pd.DataFrame({"age": age, "pay": pay, "kind": kind})
    study = trained(frame, tmp_path / "study")
    text = 'age,pay,kind\r\n047,1.50e1,"x"\r\n,,\r\n\r\n38,NA,y\r\n45,30.10,'
    (tmp_path / "rows.csv").write_bytes(text.encode())
    assert run("fill", study, tmp_path / "rows.csv", "--out", tmp_path / "f.csv")[0] == 0
    one = r'age,pay,kind\r\n047,1.50e1,"x"\r\n\d+,\d+\.\d{1,2},[xy]\r\n\r\n38,\d+\.\d{1,2},y\r\n'
    assert re.fullmatch(one + "45,30.10,[xy]", (tmp_path / "f.csv").read_bytes().decode())

    rows = pd.DataFrame({"age": pd.array([40, None, 50], "Int64"), "pay": pay[:3], "kind": "x"})
    rows.to_parquet(tmp_path / "rows.parquet")
    code, _, err = run("fill", study, tmp_path / "rows.parquet", "--out", tmp_path / "f.csv")
    assert code == 64 and "--out must end in .parquet" in err
    out = tmp_path / "f.parquet"
    assert run("fill", study, tmp_path / "rows.parquet", "--out", out)[0] == 0
    filled, before = pq.read_table(out), pq.read_table(tmp_path / "rows.parquet")
    assert filled.schema == before.schema and filled["age"].null_count == 0
    assert filled["age"].to_pylist()[::2] == [40, 50] and filled["pay"] == before["pay"]


def test_a_mask_that_is_not_there_is_missing_data(pictures, run):
    code, _, err = run("fill", pictures, "#3", "--mask", "no.png")
    assert code == 65 and "A mask must be a file, and 'no.png' is not there" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("#3",),
            "What is filled must be rows of a table, or pictures with a --mask",
        ),
        (("#3", "--mask", "up"), "A mask must be right, left, top, bottom, or box:y0,x0,y1,x1"),
        (("#9999", "--mask", "top"), "An item must be between #0 and"),
    ],
)
def test_mistakes_are_one_sentence(pictures, run, words, said):
    code, out, err = run("fill", pictures, *words)
    assert code in (64, 65) and out == "" and err.startswith(f"zscape: {said}")


def test_other_studies_say_so(rows, run, tmp_path):
    study = trained(digits(), tmp_path / "plain", recipe="vae")
    assert "Train the recipe fill_vae" in run("fill", study, "#1", "--mask", "top")[2]
    assert "Rows to fill must be a file" in run("fill", rows[0], "#1")[2]
    assert "Empty cells are what is filled" in run("fill", rows[0], "x.csv", "--mask", "top")[2]
