"""Neighbours are those that all distances tell."""

import torch

from zscape.space.neighbours import nearest


def test_they_are_the_smallest_of_all_distances():
    points, queries = torch.randn(300, 5), torch.randn(40, 5)
    distances, places = nearest(points, queries, 3)
    apart = (queries[:, None] - points).norm(dim=2)
    wanted = apart.topk(3, largest=False)
    assert torch.equal(places, wanted.indices)
    torch.testing.assert_close(distances, wanted.values)


def test_near_duplicates_far_from_the_origin_are_told_apart():
    points = torch.tensor([[1000.0], [1000.001], [1000.5]])
    distances, places = nearest(points, points[:1], 2)
    assert places.tolist() == [[0, 1]]
    torch.testing.assert_close(distances[0, 1], points[1, 0] - points[0, 0], rtol=1e-3, atol=0)
