"""M2 learns a class from a few labels, says it, and draws of one class when asked."""

import numpy as np
import pytest
import torch
from tests.contracts.recipe import DATA, KNOWN

import zscape as zs
from zscape.errors import SpecError
from zscape.measures.prediction import fit_predictor
from zscape.modalities.conditions import Conditions, Field
from zscape.recipes import m2_vae
from zscape.space.directions import find_direction
from zscape.study.study import Study


def clusters(n=600, seed=0):
    """Two far groups of rows, and labels of which most are None."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(2, size=n)
    rows = rng.normal(size=(n, 4)) + 6.0 * ids[:, None] * np.array([1, -1, 0, 0])
    labels = [("left", "right")[k] if i < 12 else None for i, k in enumerate(ids)]
    return rows, ids, labels


def fitted(**settings):
    rows, ids, labels = clusters()
    common = {"recipe": "m2_vae", "latent": 2, "network": "mlp:32", "epochs": 30, "ema": 0.0}
    return zs.fit(rows, labels=labels, patience=0, **{**common, **settings}), rows, ids


def test_twelve_labels_tell_two_groups_apart_and_draw_from_one():
    space, rows, ids = fitted()
    assert (space.codes["y"].argmax(1).numpy() == ids).mean() > 0.99
    assert (space.labels >= 0).sum() == 12
    trace = space.model.generate(200, torch.ones(200, 1))
    assert torch.equal(trace["y"].z, torch.tensor([0.0, 1.0]).expand(200, 2))
    made = space.modality.decode(trace.likelihood.mean)
    assert np.abs(made.mean(0) - rows[ids == 1].mean(0)).max() < 1.0
    same = space.model.generate(200, given={"y": torch.tensor([0.0, 1.0]).expand(200, 2)})
    assert torch.allclose(same.likelihood.mean.mean(0), trace.likelihood.mean.mean(0), atol=0.5)
    assert zs.diagnose(space).named("duplicate units") is None  # of two classes, one says both


def test_m1_and_m2_are_two_calls():
    rows, ids, labels = clusters()
    first = zs.fit(rows, latent=3, network="mlp:32", epochs=10, patience=0)
    codes = np.asarray(first.codes)
    second = zs.fit(
        codes, labels=labels, recipe="m2_vae", latent=2, network="mlp:32", epochs=20, patience=0
    )
    assert (second.encode(codes)["y"].argmax(1).numpy() == ids).mean() > 0.98


def test_a_study_of_half_labelled_rows_opens_as_it_was(tmp_path):
    space, rows, _ = fitted(out=tmp_path / "s", epochs=2)
    again = zs.open(tmp_path / "s")
    assert np.array_equal(again.labels, space.labels)
    assert torch.equal(again.encode(rows[:5]).flat, space.encode(rows[:5]).flat)
    assert again.model.start.known.fields[0].names == ("left", "right")


def test_labels_of_noise_are_not_said_to_be_known():
    rng = np.random.default_rng(0)
    labels = [str(k) for k in rng.integers(2, size=100)]
    settings = {
        "latent": 2,
        "network": "mlp:64",
        "label_weight": 50.0,
        "learning_rate": 1e-2,
        "ema": 0.0,
    }
    rows = rng.normal(size=(100, 10))
    space = zs.fit(rows, labels=labels, recipe="m2_vae", epochs=100, patience=0, **settings)
    knows = (space.codes["y"].argmax(1).numpy() == space.labels).mean()
    predictor = fit_predictor(space)
    assert knows > 0.8 and predictor.figures[0].value < 0.65
    assert any("labels taught them" in note for note in predictor.notes)
    assert find_direction(space, "1").score is None


def test_the_bound_of_the_log_has_all_rates(tmp_path):
    fitted(out=tmp_path / "s", epochs=1, beta=3.0)
    parts = Study.open(tmp_path / "s").log()[-1]["parts"]
    spent = parts["distortion"] + parts["rate"] + parts["rate_y"]
    assert parts["rate_y"] > 0 and parts["elbo"] == pytest.approx(-spent)


def test_a_label_of_two_classes_is_needed():
    with pytest.raises(SpecError, match=r"label of at least two classes to be told, got none"):
        m2_vae(DATA["bits"][0], Conditions((Field("size"),)))
    with pytest.raises(SpecError, match=r"got only 'a'\. Name the column"):
        m2_vae(DATA["bits"][0], Conditions((Field("label", ("a",)),)))
    with pytest.raises(SpecError, match=r"labelled must be between 0 and 0\.9, got 1"):
        m2_vae(DATA["bits"][0], KNOWN, labelled=1.0)
    with pytest.raises(SpecError, match="must be told something"):
        zs.fit(clusters()[0], recipe="m2_vae", epochs=1)
