"""Geodesics: closed forms, the graph, evenness, classes, and details that fade."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.contracts.space import digits_space, ladder_space, table_space

from zscape.errors import SpecError
from zscape.measures.smoothness import way_figures
from zscape.space.geodesics import (
    decoded,
    decoder_around,
    energy,
    evenly,
    geodesic,
    neighbour_graph,
    refine,
    shortest_way,
)
from zscape.space.nearby import of_classes
from zscape.space.paths import interpolate_codes, straight, walk_codes, way


def circle(count=200):
    angles = torch.linspace(0, 2 * torch.pi, count + 1)[:-1]
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def same(z):
    return z


def hill(z):
    """The plane with a hill in its middle, as a decoder."""
    return torch.cat([z, 4 * (-2 * z.square().sum(1, keepdim=True)).exp()], dim=1)


def test_of_a_linear_decoder_it_is_the_straight_line_evenly_passed():
    torch.manual_seed(0)
    matrix, (a, b) = torch.randn(9, 3), torch.randn(2, 1, 3)
    line = straight(a, b, torch.linspace(0, 1, 9))
    rough = torch.cat([a, torch.randn(7, 3), b])
    found = refine(lambda z: z @ matrix.T, rough)
    torch.testing.assert_close(found, line, atol=2e-3, rtol=0)
    # Data on the line itself, unevenly, and a longer way beside it.
    points = torch.cat([straight(a, b, torch.rand(200) ** 2), 3 + torch.randn(50, 3)])

    def across(z):
        return z @ matrix.T

    found = geodesic(across, neighbour_graph(points, across), a, b, steps=9)
    torch.testing.assert_close(found, line, atol=2e-2, rtol=0)
    assert torch.equal(found[:1], a) and torch.equal(found[-1:], b)


def test_it_goes_round_what_is_dear():
    points, t = circle(), torch.linspace(0, 1, 33)
    a, b = points[3:4], points[101:102]  # nearly opposite
    way = shortest_way(hill, neighbour_graph(points, hill), a, b)
    torch.testing.assert_close(way.norm(dim=1), torch.ones(len(way)))
    assert len(way) >= 2 + (101 - 3) // 10  # no step is longer than to a neighbour
    found = geodesic(hill, neighbour_graph(points, hill), a, b, steps=33)
    assert found.norm(dim=1).min() > 0.85 > 0.1 > straight(a, b, t).norm(dim=1).min()

    assert energy(hill(found)) < 0.5 * energy(hill(straight(a, b, t)))
    steps = hill(found).diff(dim=0).norm(dim=1)
    assert steps.max() / steps.mean() < 1.02


def test_a_circle_that_is_torn_in_the_code_is_crossed_where_it_is_torn():
    points = torch.linspace(0, 1, 400)[:, None]

    def turn(z):
        angles = 2 * torch.pi * z
        return torch.cat([angles.cos(), angles.sin()], dim=1)

    found = turn(
        geodesic(turn, neighbour_graph(points, turn), points[40:41], points[-41:-40], steps=17)
    )
    assert energy(found) < 1.25 * energy(turn(torch.linspace(0.1, -0.1, 17)[:, None]))


def test_wide_things_are_compared_by_sketches():
    torch.manual_seed(0)
    points, matrix = torch.randn(300, 2), torch.randn(5000, 2)
    wide, narrow = (neighbour_graph(points, to) for to in (lambda z: z @ matrix.T, same))
    assert wide.sketches.shape == (300, 256)
    shared = (wide.edges > 0).multiply(narrow.edges > 0).sum() / (narrow.edges > 0).sum()
    assert shared > 0.9


def test_refinement_lowers_the_energy_and_keeps_the_ends():
    torch.manual_seed(0)
    points = torch.randn(400, 2)
    rough = evenly(
        hill, shortest_way(hill, neighbour_graph(points, hill), points[:1], points[1:2]), 17
    )
    smooth = refine(hill, rough)
    assert energy(hill(smooth)) < energy(hill(rough))
    assert torch.equal(smooth[[0, -1]], rough[[0, -1]])
    assert torch.equal(refine(hill, rough, steps=0), rough)


def test_islands_are_joined_by_their_shortest_bridges():
    torch.manual_seed(0)
    islands = [torch.rand(60, 2) + torch.tensor([9.0 * n, 0.0]) for n in range(4)]
    points = torch.cat(islands)
    way = shortest_way(same, neighbour_graph(points, same), points[:1], points[-1:])
    steps = way.diff(dim=0).norm(dim=1)
    assert (steps > 5).sum() == 3  # in turn, and none is passed over
    for left, right in pairwise(islands):
        shortest = torch.cdist(left, right).min()
        assert (steps - shortest).abs().min() < 1e-5


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_and_equal_codes_are_enough(count):
    points = torch.ones(count, 2)
    found = geodesic(hill, neighbour_graph(points, hill), points[:1], points[:1], steps=3)
    assert torch.equal(found, torch.ones(3, 2))


@pytest.mark.parametrize("space", [digits_space, ladder_space, table_space])
def test_ways_of_models_are_even_and_among_data(space):
    space = space()
    found, line = (way(space, [0, 9], method=method) for method in ("geodesic", "linear"))
    told = [{f.name: f.value for f in way_figures(space, some)} for some in (found, line)]
    assert told[0]["evenness"] < 1.1 and told[0]["evenness"] < told[1]["evenness"]
    assert told[1]["length"] == told[1]["energy"] == 1
    codes = of_classes(space, [0, 9])
    decode = decoder_around(space, space.codes[0], range(codes.shape[1]))
    graph = neighbour_graph(codes, decode)
    sparse = [graph.sparseness(some.codes.flat).mean() for some in (found, line)]
    assert sparse[0] < sparse[1]
    again = interpolate_codes(space, 0, 9, method="geodesic")
    assert torch.equal(found.codes.flat, again.flat)


def test_only_the_named_level_moves():
    space = ladder_space()
    fine = list(space.codes.tensors)[-1]
    found = interpolate_codes(space, 0, 9, method="geodesic", level=fine)
    for name, codes in found.tensors.items():
        same = torch.equal(codes, space.codes[0][name].expand_as(codes))
        assert same == (name != fine)
    torch.testing.assert_close(found[fine][-1:], space.codes[9][fine])


def test_rows_are_measured_by_what_changes_smoothly():
    space = table_space()
    seen = decoded(space, space.codes[:5])
    names = [word for word, _ in space.modality.columns]
    assert "categorical" in names or "bernoulli" in names
    assert seen.shape[1] >= len(names) and ((seen % 1) != 0).any()


def test_a_closed_loop_ends_where_it_began():
    space = digits_space()
    found = way(space, [0, 7, 3], steps=5, closed=True, method="geodesic")
    legs = found.legs()
    assert legs.shape == (3, 5) and legs[0, 0] == legs[-1, -1] == 0
    for stop, item in zip(found.stops(), (0, 7, 3), strict=True):
        torch.testing.assert_close(found.codes[stop].flat, space.codes[item].flat)
    opened = way(space, [0, 7, 3], steps=5)
    assert opened.legs().tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]


@pytest.mark.parametrize("method", ["linear", "geodesic"])
def test_details_of_the_ends_fade_by_the_middle(method):
    space = digits_space()
    plain = way(space, [2, 8], steps=5, method=method).x
    whole = way(space, [2, 8], steps=5, method=method, keep_details=True).x
    before = space.modality.prepare(space.items[[1, 4]])  # every other item is kept
    torch.testing.assert_close(whole[[0, -1]], before)
    torch.testing.assert_close(whole[2], plain[2])
    half = (plain[1] + 0.5 * (before[0] - plain[0])).clamp(0, 1)
    torch.testing.assert_close(whole[1], half)
    rows = way(table_space(), [2, 8], steps=5, keep_details=True).x
    assert torch.equal(rows, way(table_space(), [2, 8], steps=5).x)


def test_ways_keep_to_the_classes_of_their_ends():
    space = digits_space()
    a, b = int(np.flatnonzero(space.labels == 3)[0]), int(np.flatnonzero(space.labels == 8)[0])
    both = space.codes.flat[torch.from_numpy(np.isin(space.labels, (3, 8)))]
    assert torch.equal(of_classes(space, [a, b]), both)
    assert torch.equal(of_classes(space, [0, 1], ["3", 8]), both)
    # A thing without a label is of the class of the codes around it.
    assert torch.equal(of_classes(space, [space.codes[a], space.codes[b]]), both)
    with pytest.raises(SpecError, match="Unknown class '11'"):
        of_classes(space, [0, 1], [11])
    with pytest.raises(SpecError, match="Classes must be known"):
        of_classes(table_space(), [0, 1], [1])


def test_legs_through_the_same_codes_share_one_graph(monkeypatch):
    free, built = replace(digits_space(), labels=None), []

    def counted(points, decode):
        built.append(len(points))
        return neighbour_graph(points, decode)

    legs = [interpolate_codes(free, a, b, steps=5, method="geodesic") for a, b in ((0, 7), (7, 3))]
    monkeypatch.setattr("zscape.space.paths.neighbour_graph", counted)
    walked = walk_codes(free, [0, 7, 3], steps=5, method="geodesic")
    assert len(built) == 1
    assert torch.equal(walked.flat, torch.cat([legs[0].flat[:-1], legs[1].flat]))
