"""Classes of rows and pictures from a few labels, as probabilities; what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.contracts.space import digits_space

import zscape as zs
from zscape.errors import DataError, ShapeError, SpecError
from zscape.measures.prediction import fit_predictor, predict
from zscape.measures.prediction.predictor import _apart
from zscape.measures.prediction.teaching import teach
from zscape.measures.prediction.views import oriented_gradients, seen, straightened
from zscape.study.data import look

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures():
    """200 kept digits of 400, 60 of them labelled, and the classes of the kept."""
    space = digits_space()
    labels = np.where(np.arange(len(space.labels)) < 120, space.labels, -1)
    return replace(space, labels=labels), space.labels[space.kept.numpy()]


@pytest.fixture(scope="module")
def digits(pictures):
    return fit_predictor(pictures[0])


def test_pictures(pictures, digits):
    space, truth = pictures
    things = space.modality.decode(space.modality.prepare(space.items))
    found = predict(digits, things)
    assert found.probabilities.shape == (len(truth), 10)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-9)
    assert (found.probabilities >= 0).all()
    assert (found.probabilities.argmax(1) == truth)[60:].mean() > 0.8
    assert found.classes[0] == space.label_names[truth[0]]
    assert all("by what taught the network" in figure.name for figure in digits.figures[:2])
    names = [row.name for row in digits.rows]
    assert names[0] == "propagation" and "nearest neighbour without the model" in names
    assert digits.figures[-1].kind == "surrogate"  # 60 labels are too few to keep some back
    assert any("60 of 200 things are labelled" in note for note in digits.notes)


def test_an_answer_does_not_depend_on_its_company(pictures, digits):
    space, _ = pictures
    things = space.modality.decode(space.modality.prepare(space.items[:5]))
    together = predict(digits, things).probabilities
    alone = [predict(digits, thing).probabilities[0] for thing in things]
    np.testing.assert_allclose(np.stack(alone), together, atol=1e-5)


def test_a_thing_that_is_mostly_ink_is_seen_alone_as_in_company(pictures):
    space = replace(pictures[0], modality=replace(pictures[0].modality, inky=True))
    things = torch.cat([space.items[:5], 255 - space.items[5:6] // 4])
    assert torch.equal(seen(space, things)[5:], seen(space, things[5:]))


def test_it_repeats_and_leaves_the_generator_alone(pictures):
    space = replace(pictures[0], items=pictures[0].items[:150], kept=pictures[0].kept[:150])
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    first, second = fit_predictor(space, seed=1), fit_predictor(space, seed=1)
    assert torch.equal(torch.rand(1), wanted)
    assert first.temperature == second.temperature
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.fixture(scope="module")
def table():
    """Rows with gaps and a category, 30 of 400 labelled, and the classes of all."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    ids = rng.integers(3, size=400)
    rows = pd.DataFrame(rng.normal(size=(400, 3)) + 5 * np.eye(3)[ids], columns=["u", "v", "w"])
    rows["colour"] = np.array(["red", "green"])[rng.integers(2, size=400)]
    rows.loc[rng.random(400) < 0.1, "u"] = np.nan
    names = np.array(["one", "three", "two"])[ids]
    labels = [name if n < 30 else None for n, name in enumerate(names)]
    space = zs.fit(rows, labels=labels, latent=2, network="mlp:16", epochs=10, patience=0)
    return space, rows, names


def test_tables(table):
    space, rows, names = table
    predictor = fit_predictor(space)
    found = predict(predictor, rows)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-9)
    assert (np.array(found.classes) == names).mean() > 0.95
    with pytest.raises(DataError, match="DataFrame"):
        predict(predictor, rows.to_numpy())


def test_labels_may_be_given_and_all_be_known(table):
    space, rows, names = table
    predictor = fit_predictor(replace(space, labels=None), list(names))
    assert predictor.names == ("one", "three", "two")
    assert predictor.figures[-1].kind == "estimate"
    assert (np.array(predict(predictor, rows).classes) == names).mean() > 0.97


def test_what_it_refuses(pictures, table):
    space, _ = pictures
    with pytest.raises(SpecError, match="must have some labels, got none"):
        fit_predictor(replace(space, labels=None))
    with pytest.raises(SpecError, match="at least two classes, got only '3'"):
        fit_predictor(space, [3, *[None] * 399])
    with pytest.raises(SpecError, match="got none among the kept things"):
        fit_predictor(replace(space, items=space.items[60:], kept=space.kept[60:]))
    with pytest.raises(DataError, match="one per example, 400 here"):
        fit_predictor(space, [3, 4])
    with pytest.raises(ShapeError):
        predict(fit_predictor(space), np.zeros((2, 9, 9), np.uint8))


def test_two_labelled_things_do_not_both_calibrate():
    apart, _ = _apart(np.array([0, 1]), seed=0)
    assert apart.sum() == 1


def test_one_label_of_a_class_cannot_be_judged_and_labels_spread():
    x = torch.cat([torch.randn(30, 2), torch.randn(30, 2) + 20])
    found = teach(x, x, np.array([0, 40]), np.array([0, 1]), 2, seed=0)
    assert found.name == "propagation"
    assert all(figure.kind == "undefined" for row in found.rows for figure in row.figures)
    assert found.scores.argmax(1).tolist() == [0] * 30 + [1] * 30


def test_a_floor_that_is_better_is_taken_and_said():
    torch.manual_seed(0)
    ids = torch.arange(120) % 2
    good, noise = torch.randn(120, 2) + 9 * ids[:, None], torch.randn(120, 8)
    found = teach(noise, good, np.arange(80), ids[:80].numpy(), 2, seed=0)
    assert found.name.endswith("without the model")
    assert (found.scores.argmax(1) == ids).double().mean() > 0.95


def test_gradients_ignore_contrast_and_see_directions():
    ramp = torch.arange(28.0).expand(1, 1, 28, 28) / 28
    flat = oriented_gradients(torch.cat([ramp, 0.5 + 0.3 * ramp, ramp.flip(3), ramp.mT]))
    assert flat.shape == (4, 36 * 32)
    assert torch.allclose(flat[0], flat[1], atol=0.05)
    assert (flat[0] - flat[2]).norm() > 1 and (flat[0] - flat[3]).norm() > 1
    assert oriented_gradients(torch.rand(2, 3, 8, 8)).isfinite().all()


def test_straight_strokes_stand_upright_in_the_middle():
    rows = torch.arange(6, 22)
    slanted = torch.zeros(1, 1, 28, 28)
    for row in rows.tolist():
        slanted[0, 0, row, 4 + row // 2] = 1
    made = straightened(slanted)[0, 0]
    columns = (made * torch.arange(28.0)).sum(1)[8:20] / made.sum(1)[8:20]
    assert columns.std() < 0.5
    assert columns.mean().item() == pytest.approx(13.5, abs=0.6)
    assert straightened(torch.zeros(1, 1, 28, 28)).sum() == 0


def test_photographs_of_few_things_work_too():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 20, 20, 3), dtype=np.uint8)
    x[:30, :10] //= 4
    labels = [0] * 5 + [None] * 25 + [1] * 5 + [None] * 25
    assert look(x).modality.channels == 3
    space = zs.fit(x, labels=labels, latent=2, network="mlp:8", epochs=2, patience=0)
    found = predict(fit_predictor(space), x)
    assert (found.probabilities.argmax(1)[30:] == 1).mean() > 0.8


def test_without_codes_nothing_of_the_model_tells_rows_apart():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 4)).astype("float32")
    labels = [("a", "b")[int(row[0] > 0)] if n < 60 else None for n, row in enumerate(x)]
    space = zs.fit(look(x, labels=labels), latent=2, epochs=1, seed=0)
    turned = replace(space, codes=space.codes.like(space.codes.flat.flip(0) * 7 + 3))
    bare, other = (fit_predictor(each, codes=False) for each in (space, turned))
    assert bare.network(torch.zeros(1, 4)).shape == (1, 2)
    things = space.modality.decode(space.modality.prepare(space.items[:9]))
    np.testing.assert_array_equal(
        predict(bare, things).probabilities, predict(other, things).probabilities
    )
