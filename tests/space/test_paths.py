"""Paths: their ends, the great circle, single units, walks, and what is refused."""

import numpy as np
import pytest
import torch
from tests.contracts.space import digits_space, table_space

from zscape.errors import DataError, ShapeError, SpecError
from zscape.model.codes import Codes
from zscape.space.paths import (
    central_item,
    interpolate,
    interpolate_codes,
    spherical,
    straight,
    traverse,
    walk,
    walk_codes,
)
from zscape.space.space import Space
from zscape.space.units import informative_units, spread, unit_rates


@pytest.fixture
def space():
    return digits_space()


def unit_vectors(size=5):
    vectors = torch.randn(2, 1, size, dtype=torch.float64)
    return vectors / vectors.norm(dim=-1, keepdim=True)


def test_spherical_stays_on_the_great_circle():
    a, b = unit_vectors()
    path = spherical(a, b, torch.linspace(0, 1, 11))
    torch.testing.assert_close(path.norm(dim=1), torch.ones(11, dtype=torch.float64))
    # All points lie in the plane of a and b, and equal angles apart.
    residual = path - path @ torch.linalg.pinv(torch.cat([a, b])) @ torch.cat([a, b])
    assert residual.abs().max() < 1e-12
    angles = (path[1:] * path[:-1]).sum(1).acos()
    torch.testing.assert_close(angles, angles[:1].expand(10))


def test_spherical_halfway_between_right_angles():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    middle = spherical(a, b, torch.tensor([0.5]))
    torch.testing.assert_close(middle, torch.full((1, 2), 0.5**0.5))


@pytest.mark.parametrize("factor", [1.0, 3.0, -2.0, 0.0])
def test_spherical_falls_back_to_the_line(factor):
    a, t = torch.randn(1, 4), torch.linspace(0, 1, 5)
    assert torch.equal(spherical(a, factor * a, t), straight(a, factor * a, t))


def test_ends_are_exact():
    a, b = torch.randn(2, 1, 8)
    for path in (straight, spherical):
        way = path(a, b, torch.linspace(0, 1, 3))
        assert torch.equal(way[:1], a) and torch.equal(way[-1:], b)


@pytest.mark.parametrize("steps", [2, 3, 9])
def test_interpolation_between_anything(space, steps):
    thing = space.modality.decode(space.modality.prepare(space.item(2)))
    way = interpolate(space, thing, space.codes[7], steps=steps)
    assert way.shape == (steps, 8, 8) and way.dtype == np.uint8
    assert np.array_equal(way[0], space.decode(space.codes[2])[0])
    assert np.array_equal(way[-1], space.decode(space.codes[7])[0])


def test_interpolation_of_rows_gives_rows():
    way = interpolate(table_space(), 0, 1, steps=4)
    assert next(iter(way.columns)) == "size" and len(way) == 4


def test_only_the_named_level_moves():
    two = Codes({"coarse": torch.randn(4, 2), "fine": torch.randn(4, 2, 3)})
    space = digits_space()
    space = Space(space.model, space.modality, two, space.items, space.kept)
    way = interpolate_codes(space, 0, 1, steps=3, level="fine")
    assert torch.equal(way["coarse"], two["coarse"][:1].expand(3, -1))
    torch.testing.assert_close(way["fine"][1], two["fine"][:2].mean(0))
    whole = interpolate_codes(space, 0, 1, steps=3)
    torch.testing.assert_close(whole["coarse"][-1], two["coarse"][1])
    with pytest.raises(SpecError, match=r"Unknown level 'fin'\. Did you mean 'fine'"):
        interpolate_codes(space, 0, 1, level="fin")


def test_each_level_has_its_own_great_circle():
    two = Codes({"a": torch.eye(2), "b": 5 * torch.eye(3)[:2]})
    space = digits_space()
    space = Space(space.model, space.modality, two, space.items, space.kept)
    way = interpolate_codes(space, 0, 1, steps=5, method="spherical")
    torch.testing.assert_close(way["a"].norm(dim=1), torch.ones(5))
    torch.testing.assert_close(way["b"].norm(dim=1), torch.full((5,), 5.0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"method": "sperical"}, "Did you mean 'spherical'"),
    ],
)
def test_refusals(space, arguments, words):
    with pytest.raises(SpecError, match=words):
        interpolate(space, 0, 1, **arguments)


def test_one_thing_at_a_time(space):
    with pytest.raises(ShapeError, match="One thing is needed here, got 2"):
        interpolate(space, space.codes[:2], 0)
    with pytest.raises(DataError, match="#400"):
        interpolate(space, 400, 0)


def test_traversal_moves_by_standard_deviations(space):
    moved = traverse(space, 3, units=[4, 1], steps=5, span=2.0)
    assert moved.units == (4, 1) and moved.offsets == (-2.0, -1.0, 0.0, 1.0, 2.0)
    delta = (moved.codes.flat - space.codes[3].flat).reshape(2, 5, -1)
    offsets = torch.tensor(moved.offsets)
    for row, unit in enumerate(moved.units):
        torch.testing.assert_close(delta[row, :, unit], offsets * spread(space)[unit])
        delta[row, :, unit] = 0
    assert not delta.any()
    assert moved.things.shape == (10, 8, 8)


def test_traversal_starts_near_the_mean(space):
    moved = traverse(space, units=[0], steps=3)
    assert torch.equal(moved.codes.flat[1], space.codes.flat[central_item(space)])


def test_the_central_item_is_kept_and_near_the_mean(space):
    item = central_item(space)
    assert item in space.kept
    far = ((space.codes.flat - space.codes.flat.mean(0)) / spread(space)).norm(dim=1)
    assert far[item] == far[space.kept].min()


def test_traversal_takes_the_most_informative_units(space):
    rates = unit_rates(space)
    moved = traverse(space, steps=2)
    assert rates[list(moved.units)].tolist() == sorted(rates.tolist(), reverse=True)
    points = digits_space("ae")
    assert unit_rates(points) is None
    variances = spread(points)[informative_units(points)].tolist()
    assert variances == sorted(variances, reverse=True)


@pytest.mark.parametrize("unit", [-1, 6])
def test_unknown_units_are_refused(space, unit):
    with pytest.raises(SpecError, match=f"between 0 and 5, got {unit}"):
        traverse(space, units=[unit])


def test_a_closed_walk_can_be_repeated(space):
    codes = walk_codes(space, [0, 1, 2], steps=4, closed=True).flat
    assert len(codes) == 9
    # The step that would come next is the first item: equal steps along the last leg.
    torch.testing.assert_close(codes[0] - codes[8], codes[8] - codes[7])


def test_a_walk_takes_things_at_once(space):
    things = space.decode(space.codes[:3])
    assert walk(space, things, steps=3).shape == (5, 8, 8)
    frame = table_space().decode(table_space().codes[:3])
    assert len(walk(table_space(), frame, steps=3)) == 5
    codes = walk_codes(space, space.codes[:3], steps=2)
    assert torch.equal(codes.flat, space.codes[:3].flat)


def test_a_walk_needs_two_items(space):
    with pytest.raises(SpecError, match="at least 2 items, got 1"):
        walk(space, [0])
    with pytest.raises(SpecError, match="at least 2 items, got 1"):
        walk(space, space.decode(space.codes[0])[0])
