"""Label errors: planted wrong labels are found, with the evidence that was planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zscape.errors import DataError, SpecError
from zscape.model.codes import Codes
from zscape.space.label_errors import label_errors
from zscape.study.run import fit

RANDOM = np.random.default_rng(0)
NUMBER = 900
CLASSES = np.arange(NUMBER) % 3
CODES = np.eye(3)[CLASSES] * 4 + RANDOM.normal(size=(NUMBER, 3))
WRONG = RANDOM.permutation(NUMBER)[:45]


@pytest.fixture(scope="module")
def bare():
    items = (RANDOM.random((NUMBER, 6, 6)) * 255).astype("uint8")
    space = fit(items[:20], recipe="ae", latent=3, network="mlp:4", epochs=1, seed=0)
    return replace(space, codes=Codes({"z": torch.from_numpy(CODES).float()}))


@pytest.fixture(scope="module")
def space(bare):
    labels = CLASSES.copy()
    labels[WRONG] = (labels[WRONG] + 1) % 3
    return replace(bare, labels=labels, label_names=("a", "b", "c"))


def test_planted_errors_are_found_and_mended(space):
    found = label_errors(space)
    told = {one.index: one for one in found.suspects}
    right = [n for n in WRONG if n in told]
    assert len(right) > 0.8 * len(WRONG) and len(right) > 0.8 * len(told)
    assert found.share == pytest.approx(len(WRONG) / NUMBER, abs=0.02)
    assert found.examined == NUMBER and found.accuracy > 0.9
    mended = sum(told[n].suggested == "abc"[CLASSES[n]] for n in right)
    assert mended == len(right)
    margins = [one.probability - one.probability_suggested for one in found.suspects]
    assert margins == sorted(margins)


def test_the_neighbours_that_speak_against_it_are_counted(space):
    one = label_errors(space).suspects[0]
    apart = np.linalg.norm(CODES - CODES[one.index], axis=1)
    votes = space.labels[np.argsort(apart)[1:11]]
    assert one.neighbours == (votes == "abc".index(one.label)).sum()
    assert one.neighbours_suggested == (votes == "abc".index(one.suggested)).sum()


def test_right_labels_are_hardly_suspected(bare):
    found = label_errors(replace(bare, labels=CLASSES))
    assert len(found.suspects) < 0.02 * NUMBER and found.share < 0.02


def test_unknown_labels_and_tiny_classes_are_left_out(space):
    labels = space.labels.copy()
    labels[:100], labels[100:103] = -1, 3
    found = label_errors(replace(space, labels=labels, label_names=("a", "b", "c", "d")))
    assert found.examined == NUMBER - 103 and min(one.index for one in found.suspects) >= 103


def test_an_attribute_may_hold_the_labels(space):
    values = np.where(CLASSES == 0, 1.0, 0.0)
    values[::300] = np.nan
    values[WRONG] = 1 - values[WRONG]
    found = label_errors(replace(space, attributes={"smile": values}), "smile")
    assert {one.label for one in found.suspects} <= {"0", "1"}
    assert found.examined == NUMBER - int(np.isnan(values).sum())


def test_what_cannot_be_told_is_refused_in_a_sentence(space):
    with pytest.raises(DataError, match="none are known"):
        label_errors(replace(space, labels=None))
    with pytest.raises(DataError, match="2 to 50 classes of at least 5"):
        label_errors(replace(space, labels=np.zeros(NUMBER, int)))
    with pytest.raises(SpecError, match="Unknown attribute 'smiel'"):
        label_errors(space, "smiel")


def test_codes_that_labels_taught_are_no_evidence():
    items = (RANDOM.random((40, 6, 6)) * 255).astype("uint8")
    labels = np.arange(40) % 2
    space = fit(items, labels=labels, recipe="m2_vae", latent=2, epochs=1, seed=0)
    with pytest.raises(SpecError, match="labels taught these"):
        label_errors(space)
