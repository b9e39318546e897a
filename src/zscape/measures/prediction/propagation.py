"""Labels that spread among neighbours: a graph of nearest ones, and learning on it."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

NEIGHBOURS, ROUNDS, CHUNK = 10, 300, 1024


@dataclass(frozen=True, slots=True)
class Graph:
    """Nearest neighbours of N things.

    Attributes:
        neighbours: of each, the nearest first, `[N, k]`.
        weights: symmetric, `[N, N]`, sparse.
    """

    neighbours: np.ndarray
    weights: sparse.csr_matrix


def nearest_graph(x: Tensor, *, neighbours: int = NEIGHBOURS) -> Graph:
    """Each thing tied to its nearest ones; N^2 distances, a chunk at a time.

    The weight falls with the distance over that of the furthest of them.
    Source: Calder et al. 2020 (weights of its experiments), arXiv:2006.11184.

    Args:
        x: `[N, F]`.
        neighbours: of each, N - 1 at most.
    """
    count, k = len(x), min(neighbours, len(x) - 1)
    squares = x.square().sum(1)
    near, far = [], []
    for start in range(0, count, CHUNK):
        rows = x[start : start + CHUNK]
        apart = torch.addmm(squares[None], rows, x.T, alpha=-2)
        apart[torch.arange(len(rows)), torch.arange(start, start + len(rows))] = torch.inf
        least, which = apart.topk(k, largest=False)
        near.append(which)
        far.append((least + rows.square().sum(1, keepdim=True)).clamp(min=0))
    nearest, squared = torch.cat(near).numpy(), torch.cat(far).numpy()
    weights = np.exp(-4 * squared / np.maximum(squared[:, -1:], 1e-12))
    places = (np.repeat(np.arange(count), k), nearest.ravel())
    tied = sparse.csr_matrix((weights.ravel(), places), shape=(count, count))
    return Graph(nearest, tied.maximum(tied.T))


def poisson_learning(
    graph: Graph, places: np.ndarray, ids: np.ndarray, classes: int, *, rounds: int = ROUNDS
) -> np.ndarray:
    """Scores of the classes `[N, K]`, larger where more likely: labels as sources on the graph.

    Solves L u = sum over labelled things of (their class - the mean class), as a random walk does
    it; then weighs each class by its share among the labels. Better than spreading at very few
    labels, where that is flat.
    Source: Calder et al. 2020, algorithm 1, arXiv:2006.11184.

    Args:
        graph: of all things.
        places: of the labelled ones, `[M]`.
        ids: their classes, `[M]`.
        classes: K.
        rounds: of the walk; 300 are more than enough for tens of thousands of things.
    """
    told = np.eye(classes)[ids]
    sources = np.zeros((len(graph.neighbours), classes))
    sources[places] = told - told.mean(0)
    degrees = np.asarray(graph.weights.sum(1)).ravel()
    walk = sparse.diags(1 / degrees) @ graph.weights
    sources /= degrees[:, None]
    scores = np.zeros_like(sources)
    for _ in range(rounds):
        scores = walk @ scores + sources
    return scores / np.maximum(told.mean(0), 1e-12) / max(float(np.abs(scores).mean()), 1e-12)


def agreement(graph: Graph, classes: np.ndarray) -> np.ndarray:
    """The share of each thing's neighbours that are of its class, `[N]`."""
    return (classes[graph.neighbours] == classes[:, None]).mean(1)
