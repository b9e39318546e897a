"""`zscape compress` and `zscape decompress`: files come back, on this computer and on another."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import zscape as zs
from zscape.cli import main

pytestmark = pytest.mark.slow

# Another processor, as far as one process can pretend: no wide vectors, two threads.
ELSEWHERE = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "OMP_NUM_THREADS": "2",
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compress") / "digits"
    words = ["digits", "--out", str(folder), "--epochs", "1", "--likelihood", "spiked_logistic"]
    assert main(["train", *words]) == 0
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory, digits):
    """Pictures of the study's kind, one of another size, an array and a text."""
    folder = tmp_path_factory.mktemp("files")
    space = zs.open(digits)
    pictures = space.modality.decode(space.modality.prepare(space.items[:300]))
    for number in range(40):
        Image.fromarray(pictures[number]).save(folder / f"{number}.png")
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)).save(folder / "odd.png")
    Image.fromarray(pictures[0]).convert("RGB").save(folder / "rgb.bmp")
    np.save(folder / "all.npy", pictures)
    (folder / "note.txt").write_text("as it is, byte by byte")
    return sorted(folder.iterdir())


def same(before, after):
    if before.suffix in (".png", ".bmp"):
        one, other = Image.open(before), Image.open(after)
        return one.mode == other.mode and np.array_equal(np.asarray(one), np.asarray(other))
    return before.read_bytes() == after.read_bytes()


def test_files_come_back_here_and_elsewhere(digits, files, run, tmp_path):
    archive = tmp_path / "out.zz"
    code, out, err = run("compress", digits, *files, "-o", archive, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (
        told["bytes"]
        == archive.stat().st_size
        < told["raw"]
        == sum(file.stat().st_size for file in files)
    )
    assert told["things"] >= 300 and 0 < told["bits_per_number"] < 8
    assert run("decompress", digits, archive, "-o", tmp_path / "here")[0] == 0
    words = ["decompress", str(digits), str(archive), "-o", str(tmp_path / "there")]
    subprocess.run([sys.executable, "-m", "zscape", *words], env=os.environ | ELSEWHERE, check=True)
    for file in files:
        assert same(file, tmp_path / "here" / file.name)
        assert same(file, tmp_path / "there" / file.name)


def test_it_says_what_it_cost_and_compares(digits, files, run, tmp_path):
    arrays = [file for file in files if file.suffix == ".npy"]
    code, out, err = run("compress", digits, *arrays, "--out", tmp_path / "o.zz", "--chains", 9)
    assert code == 0, err
    for words in ("bits per pixel", "by xz", "ELBO (estimate)", "MB/s, checked by decoding"):
        assert words in out


def test_files_go_beside_and_other_kinds_are_refused(digits, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    np.save("noise.npy", noise)
    code, out, _ = run("compress", digits, "noise.npy", "-o", "noise.zz")
    assert code == 0 and "the archive is no smaller than the files" in out
    assert run("decompress", digits, "noise.zz")[0] == 0
    assert np.array_equal(np.load("noise-files/noise.npy"), noise)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    code, _, err = run("compress", digits, "rows.csv", "-o", "rows.zz")
    assert code == 65 and "This study is of pictures, 8x8, grey; rows.csv holds a table." in err


def test_tables_come_back_cell_by_cell(run, tmp_path):
    drawn = np.random.default_rng(0).integers(0, 3, (1000, 5))
    frame = pd.DataFrame({"kind": drawn[:, 0], "flag": drawn[:, 1] > 0, "size": drawn[:, 2] / 4})
    for place in (3, 4):
        frame[f"word{place}"] = np.array(["low", "middle", "high"])[drawn[:, place]]
    frame.loc[7, "word3"] = None
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    words = ("--epochs", 1, "--latent", 2, "--out", tmp_path / "study")
    assert run("train", path, *words)[0] == 0
    code, out, err = run("compress", tmp_path / "study", path, "-o", tmp_path / "o.zz", "--json")
    assert code == 0, err
    assert json.loads(out)["things"] == 1000
    assert run("decompress", tmp_path / "study", tmp_path / "o.zz", "-o", tmp_path / "back")[0] == 0
    assert (tmp_path / "back" / "rows.csv").read_bytes() == path.read_bytes()


def test_mistakes_are_one_sentence(digits, files, run, tmp_path):
    code, _, err = run("compress", digits, "-o", tmp_path / "o.zz")
    assert code == 64 and "files to compress" in err
    code, _, err = run("compress", digits, tmp_path / "none.png", "-o", tmp_path / "o.zz")
    assert code == 65 and "must be a file, and" in err
    code, _, err = run("decompress", digits, files[0], "-o", tmp_path)
    assert code == 65 and "archive of files" in err
    assert run("compress", digits, files[0], "-o", tmp_path / "o.zz")[0] == 0
    code, _, err = run("decompress", digits, tmp_path / "o.zz", "-o", files[0].parent)
    assert code == 64 and files[0].name in err
    broken = bytearray((tmp_path / "o.zz").read_bytes())
    broken[-3] ^= 1
    (tmp_path / "o.zz").write_bytes(broken)
    code, _, err = run("decompress", digits, tmp_path / "o.zz", "-o", tmp_path / "new")
    assert code == 65 and "Traceback" not in err and not (tmp_path / "new").exists()
