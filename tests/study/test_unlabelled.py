"""Labels that are known for some examples only, from every kind of data to all that read them."""

import io
import tarfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow
from tests.contracts.space import digits_space

import zscape as zs
from zscape.cli import main
from zscape.errors import DataError
from zscape.measures.features import choose_features
from zscape.measures.report import report
from zscape.measures.showcase import map_part, unlike_pairs
from zscape.measures.smoothness import smoothness
from zscape.measures.usefulness import usefulness
from zscape.modalities.labels import code_labels
from zscape.space.scatter import LIGHT, class_colour, class_counts, class_name, scatter
from zscape.study.data import fingerprint, look
from zscape.study.training.split import repeated, split

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 3))
LABELS = [("a", "b", None)[i % 3] for i in range(60)]
IDS = [(0, 1, -1)[i % 3] for i in range(60)]
NOTE = "2 labels (20 of each), 40 of 60 labelled"


def frame():
    return pd.DataFrame(ROWS, columns=["u", "v", "w"]).assign(kind=LABELS)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "frame", "array"])
def test_empty_cells_are_unknown(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        frame().to_csv(path, index=False)
    elif suffix == "jsonl":
        frame().to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        frame().to_parquet(path)
    given = {"frame": frame(), "array": ROWS}.get(suffix, path)
    data = look(given, labels=LABELS) if suffix == "array" else look(given, label="kind")
    assert data.labels.tolist() == IDS and data.labels.dtype == np.int64
    assert data.label_names == ("a", "b")
    assert NOTE in data.notes[0]
    assert fingerprint(data) != fingerprint(replace(data, labels=np.maximum(data.labels, 0)))


def test_pictures_without_a_row_or_a_cell_are_unknown(tmp_path):
    pictures = RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8)
    for n, picture in enumerate(pictures):
        Pillow.fromarray(picture).save(tmp_path / f"{n:02}.png")
    beside = pd.DataFrame({"file": [f"{n:02}.png" for n in range(12)]})
    beside["label"] = [None, *[1, 2] * 5, None]
    beside.to_csv(tmp_path / "labels.csv", index=False)
    data = look(tmp_path)
    assert data.labels.tolist() == [-1, *[0, 1] * 5, *[-1] * 9]
    assert data.label_names == ("1", "2")
    assert "10 of 20 labelled" in data.notes[0]
    assert any("no row for 8 pictures" in note for note in data.notes)


def test_pictures_in_shards_may_lack_a_class(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for n in range(12):
            file = io.BytesIO()
            Pillow.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
            members = {f"{n}.png": file.getvalue()} | ({f"{n}.cls": b"7"} if n < 4 else {})
            for name, content in members.items():
                about = tarfile.TarInfo(name)
                about.size = len(content)
                tar.addfile(about, io.BytesIO(content))
    data = look(tmp_path)
    assert sorted(data.labels.tolist()) == [-1] * 8 + [0] * 4
    assert "warning: all examples with a label are of one class" in data.notes


def test_ids_below_0_of_named_classes_are_unknown():
    ids, names = code_labels([1, -1, 0], 3, ("x", "y"))
    assert ids.tolist() == [1, -1, 0] and names == ("x", "y")


def test_a_split_parts_the_unlabelled_like_a_class():
    labels = np.array([-1] * 900 + [0] * 50 + [1] * 50)
    training, measuring = split(1000, share=0.1, seed=0, labels=labels)
    sizes = {k: int((labels[measuring] == k).sum()) for k in (-1, 0, 1)}
    assert sizes == {-1: 90, 0: 5, 1: 5}
    assert len(training) + len(measuring) == 1000


def test_labelled_examples_are_repeated_to_a_share():
    context = torch.full((100, 2), torch.nan)
    context[[3, 50], 0] = 1.0
    training = torch.arange(0, 100, 1)
    found = repeated(training, context, 0.1)
    counts = torch.bincount(found, minlength=100)
    assert counts[3] == counts[50] == 6 and counts.sum() == 110
    assert counts.sum() - 12 == 98  # 12 of 110 are above a tenth, 10 of 108 are not
    assert repeated(training, context, 0.0) is training
    assert repeated(training, None, 0.5) is training
    assert repeated(training, context, 0.02) is training
    assert repeated(torch.arange(10, 20), context, 0.1).equal(torch.arange(10, 20))


@pytest.fixture(scope="module")
def partly():
    """A space of digits with a fifth of the labels."""
    space = digits_space()
    labels = np.where(np.arange(len(space.labels)) % 5 == 0, space.labels, -1)
    return replace(space, labels=labels)


def test_colours_say_unknown():
    points, labels = RNG.normal(size=(200, 2)), np.array([0, -1, 1, -1] * 50)
    assert class_name(-1, ("a",)) == "unknown"
    assert class_colour(-1) == LIGHT.faint
    assert class_counts(labels) == [(0, 50), (1, 50), (-1, 100)]
    assert scatter(points, labels, ("a", "b")).shape[2] == 3
    assert scatter(points, np.full(200, -1)).shape[2] == 3


def test_measures_leave_the_unlabelled_out(partly):
    found = usefulness(partly)
    wanted = usefulness(partly, np.where(partly.labels < 0, np.nan, partly.labels))
    assert found == wanted
    names = {figure.name: figure for figure in found[0].figures}
    assert names["linear probe accuracy"].value > 0.3
    assert "trained on 10 classes" in choose_features(partly).name
    for a, b in unlike_pairs(partly):
        pair = partly.labels[[a, b]]
        assert pair.min() < 0 or pair[0] != pair[1]


@pytest.mark.slow
def test_a_page_of_a_partly_labelled_space(partly):
    figures = {
        figure.name: figure for row in smoothness(partly, pairs=16) for figure in row.figures
    }
    assert figures["class changes"].kind != "undefined"
    page = report(partly, [], study={})
    assert "unknown" in page
    assert "unknown" in map_part(partly)


def test_a_study_keeps_which_labels_are_unknown(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    frame().to_csv(path, index=False)
    command = ["train", str(path), "--label", "kind", "--out", str(tmp_path / "s"), "--epochs", "1"]
    assert main([*command, "--network", "mlp:8", "--latent", "2"]) == 0
    assert NOTE in capsys.readouterr().err
    assert zs.open(tmp_path / "s").labels.tolist() == IDS
    assert main(["map", str(tmp_path / "s")]) == 0


def test_what_is_known_twice_harms_only_recipes_that_are_told_it():
    data = look(ROWS.astype("float32"), labels=LABELS)
    data = replace(data, attributes={"label": np.arange(60.0)})
    assert zs.fit(data, latent=2, epochs=1, seed=0).codes.flat.shape == (60, 2)
    with pytest.raises(DataError, match="'label' twice"):
        zs.fit(data, recipe="conditional_vae", latent=2, epochs=1, seed=0)
