"""`zscape neighbours`, `clusters`, `duplicates`, `label-errors`: pictures, rows and a ladder."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zscape.cli import main

pytestmark = pytest.mark.slow

NETWORKS = {"flat": ("--network", "mlp:32"), "ladder": ("--recipe", "ladder_vae")}


@pytest.fixture(scope="module", params=["flat", "ladder", "rows"])
def study(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    random, kinds = np.random.default_rng(0), np.arange(120) % 3
    if request.param == "rows":
        frame = pd.DataFrame(random.normal(size=(120, 3)) + 4 * np.eye(3)[kinds], columns=[*"abc"])
        frame["kind"] = np.array(["x", "y", "z"])[kinds]
        pd.concat([frame, frame[:2]]).to_csv(folder / "data.csv", index=False)
        data, words = folder / "data.csv", ("--label", "kind")
    else:
        pictures = np.zeros((122, 12, 12), np.uint8)
        for n in range(120):
            top = 4 * kinds[n]
            pictures[n, top : top + 4, 2:10] = random.integers(100, 255, (4, 8))
        pictures[120:] = pictures[:2]
        labels = np.append(kinds, kinds[:2])
        np.savez(folder / "data.npz", images=pictures, labels=labels)
        data, words = folder / "data.npz", NETWORKS[request.param]
    path, latent = folder / request.param, ("--latent", "3", "--epochs", "3")
    assert main(["train", str(data), "--out", str(path), *latent, *words]) == 0
    return path


def drawn(out):
    with Image.open(out.splitlines()[-1]) as picture:
        return picture.size


def test_neighbours_are_told_and_drawn(study, run):
    code, out, err = run("neighbours", study, "#0", "#4", "-k", "3")
    assert code == 0, err
    assert re.match(r"#0 \w: #120 \w at ", out) and " at 0, " in out and min(drawn(out)) > 20
    told = json.loads(run("neighbours", study, "#0", "-k", "2", "--json")[1])
    assert told["items"][0]["places"][0] == 120 and len(told["items"][0]["distances"]) == 2


def test_copies_are_told_and_drawn(study, run):
    code, out, err = run("duplicates", study)
    assert code == 0, err
    assert (
        out.startswith("2 groups of equal things, of which 2 can be left out")
        and min(drawn(out)) > 20
    )
    assert json.loads(run("duplicates", study, "--json")[1])["exact"] == [[0, 120], [1, 121]]


def test_clusters_are_told_and_drawn(study, run):
    code, out, err = run("clusters", study, "--number", "3")
    assert code == 0, err
    assert out.startswith("3 clusters: as asked") and min(drawn(out)) > 20
    told = json.loads(run("clusters", study, "--json")[1])
    assert sorted(n for one in told["clusters"] for n in one["members"]) == [*range(122)]


def test_label_errors_are_told(study, run):
    code, out, err = run("label-errors", study)
    assert code == 0, err
    assert "of 122 labels are contradicted by the codes, which tell " in out
    assert "are wrong if the codes mix no classes, fewer if they do (estimate)" in out
    assert json.loads(run("label-errors", study, "--json")[1])["examined"] == 122


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("neighbours", "{}"), "At least one item"),
        (("neighbours", "{}", "#500"), "between #0 and #121"),
        (("neighbours", "{}", "#0", "-k", "0"), "k must be from 1 to 121"),
        (("neighbours", "{}", "#0", "--level", "z9"), "Unknown level 'z9'"),
        (("duplicates", "{}", "--within", "3"), "within must be above 0"),
        (("clusters", "{}", "--number", "100"), "number must be from 1 to 61"),
        (("label-errors", "{}", "--attribute", "age"), "Unknown attribute 'age'"),
    ],
)
def test_what_cannot_be_is_one_sentence(study, run, words, said):
    code, _, err = run(*(word.format(study) for word in words))
    assert code in (64, 65) and said in err and "Traceback" not in err
