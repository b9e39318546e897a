"""`zscape export` by its words."""

import json

import numpy as np
import pytest

from zscape.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    np.save(folder / "rows.npy", np.random.default_rng(0).normal(size=(80, 5)))
    words = ["--out", str(folder / "rows"), "--epochs", "1", "--network", "mlp:16"]
    assert main(["train", str(folder / "rows.npy"), *words]) == 0
    return folder / "rows"


def test_both_halves_are_written_and_told_of(study, run, tmp_path):
    pytest.importorskip("onnxruntime", exc_type=ImportError)
    code, out, err = run("export", study, "-o", tmp_path / "rows.onnx")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("encoder: largest difference") and "(measured)" in lines[1]
    assert lines[2:] == [str(tmp_path / f"rows-{half}.onnx") for half in ("encoder", "decoder")]
    assert all((tmp_path / f"rows-{half}.onnx").stat().st_size for half in ("encoder", "decoder"))


def test_plain_files_are_told_of_in_json(study, run, tmp_path):
    code, out, err = run("export", study, "--format", "torch", "-o", tmp_path, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert max(told["differences"].values()) < 1e-5 and len(told["files"]) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "keras"), "Unknown format 'keras'"),
        (("--where", "smile=1"), "told of conditions"),
    ],
)
def test_what_cannot_be_is_one_sentence(study, run, words, said, tmp_path):
    code, _, err = run("export", study, "-o", tmp_path / "out", *words)
    assert code == 64 and said in err and not (tmp_path / "out").exists()
