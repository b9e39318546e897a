"""Neighbours are those that all distances tell, with faiss and without."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zscape.errors import DataError, SpecError
from zscape.model.codes import Codes
from zscape.space import neighbours as module
from zscape.space.neighbours import nearest, neighbours
from zscape.study.run import fit

ITEMS = (np.random.default_rng(0).random((60, 8, 8)) * 255).astype("uint8")


@pytest.fixture(scope="module", params=["vae", "ladder_vae"])
def space(request):
    options = {"network": "tiny"} if request.param == "ladder_vae" else {"network": "mlp:16"}
    return fit(ITEMS, recipe=request.param, latent=3, epochs=1, seed=0, **options)


def test_they_are_the_smallest_of_all_distances():
    points, queries = torch.randn(300, 5), torch.randn(40, 5)
    distances, places = nearest(points, queries, 3)
    apart = (queries[:, None] - points).norm(dim=2)
    wanted = apart.topk(3, largest=False)
    assert torch.equal(places, wanted.indices)
    torch.testing.assert_close(distances, wanted.values)


def test_equally_near_ones_stand_in_the_order_of_the_data():
    points = torch.tensor([[1.0], [0.0], [1.0], [-1.0], [5.0], [1.0]])
    distances, places = nearest(points, torch.zeros(1, 1), 5)
    assert places.tolist() == [[1, 0, 2, 3, 5]] and distances.tolist() == [[0, 1, 1, 1, 1]]


def test_near_duplicates_far_from_the_origin_are_told_apart():
    points = torch.tensor([[1000.0], [1000.001], [1000.5]])
    distances, places = nearest(points, points[:1], 2)
    assert places.tolist() == [[0, 1]]
    torch.testing.assert_close(distances[0, 1], points[1, 0] - points[0, 0], rtol=1e-3, atol=0)


def test_faiss_says_the_same(monkeypatch):
    pytest.importorskip("faiss", exc_type=ImportError)
    points = torch.randn(3000, 6) + 50  # off the middle, where single precision loses most
    points[1] = points[0] + 1e-4
    without = nearest(points, points[:200], 7)
    monkeypatch.setattr(module, "LARGE", 0)
    found = nearest(points, points[:200], 7)
    assert torch.equal(found[1], without[1])
    torch.testing.assert_close(found[0], without[0], atol=1e-5, rtol=1e-5)
    few = nearest(points[:5], points[:5], 5)
    assert few[1].sort().values.tolist() == [[0, 1, 2, 3, 4]] * 5


def test_an_example_is_no_neighbour_of_its_own_but_of_its_copy(space):
    found = neighbours(space, [3, 7], 4)
    codes = space.codes.flat
    apart = torch.cdist(codes[[3, 7]].double(), codes.double())
    apart[[0, 1], [3, 7]] = torch.inf
    assert np.array_equal(found.places, apart.topk(4, largest=False).indices.numpy())
    np.testing.assert_allclose(found.distances, apart.topk(4, largest=False).values, rtol=1e-4)
    assert [len(things) for things in found.things] == [4, 4]
    assert np.array_equal(found.things[1][0], ITEMS[found.places[1, 0]])
    by_thing = neighbours(space, ITEMS[3], 1)
    assert by_thing.places.tolist() == [[3]] and by_thing.distances[0, 0] < 1e-4
    by_code = neighbours(space, space.codes[3], 5)
    assert by_code.places[0].tolist() == [3, *found.places[0]]


def test_a_level_alone_may_say_what_is_near(space):
    name = list(space.codes.tensors)[-1]
    found = neighbours(space, 0, 3, level=name)
    codes = space.codes[name].flatten(1)
    apart = (codes - codes[0]).norm(dim=1)
    apart[0] = torch.inf
    assert found.places[0].tolist() == apart.topk(3, largest=False).indices.tolist()
    with pytest.raises(SpecError, match="Unknown level 'z9'"):
        neighbours(space, 0, 3, level="z9")


def test_equals_beyond_number_push_nothing_out(space):
    same = Codes({name: torch.zeros_like(z) for name, z in space.codes.tensors.items()})
    found = neighbours(replace(space, codes=same), 59, 4)
    assert found.places.shape == (1, 4) and 59 not in found.places


@pytest.mark.parametrize("k", [0, 60])
def test_more_than_there_are_is_refused(space, k):
    with pytest.raises(SpecError, match=f"k must be from 1 to 59.*got {k}"):
        neighbours(space, 0, k)
    with pytest.raises(DataError, match="between #0 and #59"):
        neighbours(space, [0, 60], 3)
    with pytest.raises(DataError, match="At least one thing"):
        neighbours(space, [], 3)
