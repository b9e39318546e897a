"""Smoothness of ways: values worked by hand, and spaces whose ways are known."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.contracts.space import array_space, digits_space, table_space
from torch import nn

from zscape.errors import SpecError
from zscape.measures.features import Features, pixel_features, row_features
from zscape.measures.smoothness import (
    class_changes,
    evenness,
    smoothness,
    stretch,
    traversal_smoothness,
)
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import DiagonalGaussian
from zscape.probability.priors import Standard
from zscape.space.space import Space, encode_stored
from zscape.study.data import look

PLAIN = Features("as it is", lambda x: x.flatten(1))


class Tight(Conditional):
    """N(context, 1)."""

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(2))

    def forward(self, context):
        return DiagonalGaussian(context, self.log_scale.expand_as(context))


class Bent(nn.Module):
    """The first number as it is; the second rises as a step at 0."""

    def forward(self, z):
        return torch.stack([z[..., 0], 5.0 * (z[..., 1] > 0)], dim=-1)


def plane_space(x, decoder=None, labels=None, held_out=None):
    """A space over points of a plane whose code is the point itself."""
    data = look(np.asarray(x, dtype=float))
    level = Flat("z", prior=Standard(2), posterior=Tight())
    model = Model(nn.Identity(), [level], Decoder(decoder or nn.Identity(), Tight())).eval()
    codes = encode_stored(model, data.modality, data.x)
    kept = torch.arange(len(data.x))
    return Space(
        model, data.modality, codes, data.x, kept, labels=labels, label_names=(), held_out=held_out
    )


def test_even_steps_and_jumps():
    even = torch.linspace(0, 1, 5)[:, None] * torch.tensor([3.0, 4.0])
    jump = torch.tensor([[0.0, 0], [0, 0], [0, 0], [3, 4], [3, 4]])
    uneven = torch.tensor([[0.0, 0], [1, 0], [1, 2], [1, 2], [1, 3]])
    found = evenness(torch.stack([even, jump, uneven]))
    torch.testing.assert_close(found, torch.tensor([1.0, 4.0, 2.0]).double())
    assert evenness(torch.ones(4, 2)).isnan()


def test_stretch_is_length_over_the_straight_line():
    corner = torch.tensor([[0.0, 0], [3, 0], [3, 4]])
    assert stretch(corner).item() == pytest.approx(7 / 5)
    assert stretch(corner[:2]).item() == 1


def test_class_changes_are_counted():
    classes = torch.tensor([[1, 1, 2, 2], [1, 2, 1, 2], [3, 3, 3, 3]])
    assert class_changes(classes).tolist() == [1, 3, 0]


def test_a_straight_space_has_straight_ways():
    space = plane_space(np.random.default_rng(0).normal(size=(60, 2)))
    way, fade = smoothness(space, pairs=20, features=PLAIN)
    assert way.name == "ways through the space" and fade.name == "cross-fade"
    for row in (way, fade):
        assert row["evenness"].value == pytest.approx(1, abs=1e-4)
        assert row["stretch"].value == pytest.approx(1, abs=1e-4)
        assert row["class changes"].kind == "undefined"
    assert [f.value for f in way.figures[4:]] == pytest.approx(
        [f.value for f in fade.figures[4:]], rel=1e-4
    )


def literal_nearness(points, pairs, share):
    """Mean distance of a point on each way to the nearest other point, over the typical one."""
    nearest = [
        min(np.linalg.norm(p - q) for q in np.delete(points, i, 0)) for i, p in enumerate(points)
    ]
    # The lower median, as torch takes it.
    typical = np.sort(nearest)[(len(nearest) - 1) // 2]
    away = []
    for a, b in pairs:
        frame = (1 - share) * points[a] + share * points[b]
        others = np.delete(points, [a, b], 0)
        away.append(min(np.linalg.norm(frame - q) for q in others) / typical)
    return np.mean(away)


def test_middle_and_ends_against_a_literal_version():
    x = np.random.default_rng(1).normal(size=(30, 2))
    space = plane_space(x)
    seen = []

    def record(x):
        seen.append(x)
        return x.flatten(1)

    way, _ = smoothness(space, pairs=12, steps=5, features=Features("recorded", record))
    points = space.modality.prepare(space.items).double().numpy()
    frames = next(x for x in seen[1:] if len(x) == 60).view(12, 5, 2).double().numpy()
    place = [
        [np.linalg.norm(points - end, axis=1).argmin() for end in path[[0, -1]]] for path in frames
    ]
    middle = literal_nearness(points, place, 0.5)
    ends = (literal_nearness(points, place, 0) + literal_nearness(points, place, 1)) / 2
    assert way["middle to the nearest real thing"].value == pytest.approx(middle, rel=1e-5)
    assert way["ends to the nearest real thing"].value == pytest.approx(ends, rel=1e-5)


def two_blobs():
    generator = np.random.default_rng(0)
    labels = np.arange(80) % 2
    return generator.normal(size=(80, 2)) * 0.05 + labels[:, None] * [1.0, 1.0], labels


def test_ways_between_classes_change_class_once():
    x, labels = two_blobs()
    way, fade = smoothness(plane_space(x, labels=labels), pairs=30, features=PLAIN)
    assert way["class changes"].value == 1 and way["class changes"].error == 0
    assert way["exactly one class change"].value == 1
    # Between the blobs there is nothing.
    assert way["middle to the nearest real thing"].value > 10
    assert way["ends to the nearest real thing"].value < 3
    assert fade["exactly one class change"].value == 1


def test_a_jump_shows_beside_the_fade():
    x, labels = two_blobs()
    way, fade = smoothness(plane_space(x, decoder=Bent(), labels=labels), pairs=30, features=PLAIN)
    assert way["evenness"].value > 2 * fade["evenness"].value
    assert way["stretch"].value > 1.1


def test_the_classifier_can_be_given():
    x, labels = two_blobs()
    space = plane_space(x, labels=labels)
    way, _ = smoothness(space, pairs=9, features=PLAIN, classify=lambda x: torch.zeros(len(x)))
    assert way["class changes"].value == 0 and way["exactly one class change"].value == 0


def test_pairs_are_held_out():
    x, labels = two_blobs()
    held_out = torch.arange(80) < 10
    space = plane_space(x, labels=labels, held_out=held_out)
    seen = []

    def record(x):
        seen.append(x)
        return x.flatten(1)

    smoothness(space, pairs=40, steps=3, features=Features("recorded", record))
    frames = next(x for x in seen[1:] if len(x) == 120).view(40, 3, 2)
    allowed = space.modality.prepare(space.items[held_out])
    for ends in (frames[:, 0], frames[:, -1]):
        assert torch.cdist(ends, allowed).amin(1).max() < 1e-3


def test_units_that_jump_are_found():
    x = np.random.default_rng(0).normal(size=(60, 2))
    figures = traversal_smoothness(plane_space(x, decoder=Bent()), steps=9, features=PLAIN)
    by_name = {figure.name: figure for figure in figures}
    assert by_name["evenness of unit 0"].value == pytest.approx(1, abs=1e-3)
    assert by_name["evenness of unit 1"].value == pytest.approx(8, abs=1e-3)


def test_a_unit_that_does_nothing_is_undefined():
    class First(nn.Module):
        def forward(self, z):
            return z * torch.tensor([1.0, 0.0])

    x = np.random.default_rng(0).normal(size=(60, 2))
    figures = traversal_smoothness(plane_space(x, decoder=First()), features=PLAIN)
    kinds = {figure.name: figure.kind for figure in figures}
    assert kinds == {"evenness of unit 0": "estimate", "evenness of unit 1": "undefined"}


@pytest.mark.parametrize("trained", [digits_space, table_space, array_space])
def test_smoothness_of_trained_spaces(trained):
    space = trained()
    features = pixel_features() if trained is digits_space else row_features(space)
    before = torch.get_rng_state()
    rows = smoothness(space, pairs=10, features=features)
    units = traversal_smoothness(space, features=features)
    assert torch.equal(torch.get_rng_state(), before)
    assert rows == smoothness(space, pairs=10, features=features)
    assert rows != smoothness(space, pairs=10, seed=1, features=features)
    assert len(units) == space.codes.flat.shape[1]
    names = [[figure.name for figure in row.figures] for row in rows]
    assert names[0] == names[1]
    # Both rows go between the same ends.
    ends = [row["ends to the nearest real thing"].value for row in rows]
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)
    known = [row["exactly one class change"].kind for row in rows]
    assert known == (["estimate"] * 2 if space.labels is not None else ["undefined"] * 2)
    for row in rows:
        for figure in row.figures:
            assert figure.value is None or np.isfinite(figure.value)


def test_two_items_are_enough_and_settings_are_checked():
    x, labels = two_blobs()
    space = plane_space(x, labels=labels, held_out=torch.arange(80) < 1)
    assert smoothness(space, pairs=4, features=PLAIN)[0]["stretch"].value is not None
    two = dataclasses.replace(
        space, items=space.items[:2], kept=space.kept[:2], held_out=None, labels=None
    )
    row = smoothness(two, pairs=4, features=PLAIN)[0]
    assert row["middle to the nearest real thing"].kind == "undefined"
    with pytest.raises(SpecError, match="at least 1 pair and 2 steps"):
        smoothness(space, steps=1)
    with pytest.raises(SpecError, match="at least 1 pair and 2 steps"):
        smoothness(space, pairs=0)
