"""Labels on a graph small enough to solve by hand, and calibration that is known."""

import numpy as np
import pytest
import torch
from scipy import sparse

from zscape.measures.prediction.calibration import calibration_error, temperature
from zscape.measures.prediction.propagation import (
    Graph,
    agreement,
    nearest_graph,
    poisson_learning,
)


def chain(n):
    """n things in a row, each tied to the next by 1; the walk rests half of the time."""
    ties = sparse.diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1]).tocsr()
    ties = ties + sparse.eye(n, format="csr")  # or it would swing between odd and even
    return Graph(np.zeros((n, 1), dtype=int), ties.tocsr())


def test_poisson_learning_solves_its_equation():
    graph, places, ids = chain(6), np.array([0, 5]), np.array([0, 1])
    scores = poisson_learning(graph, places, ids, 2, rounds=2000)
    # L u = y - mean y: halves of a unit flow from one end to the other, so u falls evenly.
    first = scores[:, 0]
    assert np.allclose(np.diff(first), np.diff(first)[0])
    assert first[0] > 0 > first[-1]
    assert np.allclose(scores[:, 0], -scores[:, 1])
    degrees = np.asarray(graph.weights.sum(1)).ravel()
    assert abs((degrees * first).sum()) < 1e-9 * np.abs(first).max()
    flow = np.diag(degrees) @ scores - graph.weights @ scores
    assert np.allclose(flow[1:-1], 0, atol=1e-9)
    assert np.allclose(flow[0], -flow[-1])


def test_every_thing_of_two_far_groups_takes_the_one_label_of_its_own():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(80, 2)) + np.repeat([[0, 0], [40, 0]], 40, 0)).float()
    graph = nearest_graph(x, neighbours=5)
    assert graph.neighbours.shape == (80, 5)
    assert (graph.weights != graph.weights.T).nnz == 0
    assert graph.weights.diagonal().sum() == 0
    guesses = poisson_learning(graph, np.array([3, 70]), np.array([1, 0]), 2).argmax(1)
    assert guesses.tolist() == [1] * 40 + [0] * 40
    assert (agreement(graph, guesses) == 1).all()
    guesses[0] = 0
    assert agreement(graph, guesses)[0] == 0


def test_neighbours_are_the_nearest():
    x = torch.randn(50, 3)
    wanted = torch.cdist(x, x).fill_diagonal_(torch.inf).topk(4, largest=False).indices
    assert np.array_equal(nearest_graph(x, neighbours=4).neighbours, wanted.numpy())
    assert nearest_graph(x[:3]).neighbours.shape == (3, 2)


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_temperature_undoes_a_known_one(scale):
    torch.manual_seed(0)
    honest = 2 * torch.randn(20_000, 3)
    ids = torch.distributions.Categorical(logits=honest).sample()
    assert temperature(scale * honest, ids) == pytest.approx(scale, rel=0.05)
    error = calibration_error(honest.softmax(1), ids)
    assert error.value < 0.015 and error.kind == "estimate"
    assert calibration_error((5 * honest).softmax(1), ids).value > 0.1


def test_a_few_right_answers_prove_no_certainty():
    scores, ids = torch.tensor([[9.0, 0.0], [0.0, 9.0]] * 2), torch.tensor([0, 1] * 2)
    assert (scores / temperature(scores, ids)).softmax(1).max() < 0.9


def test_the_calibration_error_by_hand():
    shares = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    error = calibration_error(shares, torch.tensor([0, 1, 0, 1]))
    assert error.value == pytest.approx((2 * abs(0.9 - 0.5) + 2 * abs(0.6 - 1)) / 4)
    assert calibration_error(shares[:0], torch.zeros(0).long()).kind == "undefined"
