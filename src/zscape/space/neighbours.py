"""Nearest neighbours, by exact search."""

import torch
from torch import Tensor

CHUNK = 1024  # queries at a time


def nearest(points: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` points nearest to each query: Euclidean distances and places, `[Q, k]` each.

    Exact; nearest first; the squares are computed in double precision, since the expansion
    |a|^2 - 2 ab + |b|^2 loses the distances of near duplicates in single.

    Args:
        points: `[N, D]`, N at least `k`.
        queries: `[Q, D]`; a query that is itself a point finds itself first.
        k: how many.
    """
    base, lengths = points.double(), points.double().square().sum(1)
    found = []
    for some in queries.double().split(CHUNK):
        far = some.square().sum(1, keepdim=True) - 2 * some @ base.T + lengths
        squares, places = far.topk(k, dim=1, largest=False)
        found.append((squares.clamp(min=0).sqrt().to(points.dtype), places))
    return torch.cat([far for far, _ in found]), torch.cat([places for _, places in found])
