"""Geodesics: short ways through where the codes of data lie, as the decoder measures length.

A graph of neighbouring codes finds the way round what is empty; some steps down the energy of the
decoded way smooth it. No Jacobian is formed. Ways that need no data stand in `paths`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra
from torch import Tensor
from torch.distributions import Distribution

from zscape.model.codes import Codes
from zscape.probability.distributions import Categorical, NegativeBinomial, Poisson, Row
from zscape.space.neighbours import CHUNK, nearest
from zscape.space.space import Space, in_chunks

MOST_POINTS = 4000  # codes in a graph, evenly spread over the data
NEIGHBOURS = 10
FEWEST_FRAMES = 17  # that a way is refined with, however few are asked for
REFINEMENTS = 20  # steps down the energy
EVEN_ROUNDS = 3  # of spreading frames evenly
POWER = 3  # of the sparseness: how much a way keeps to where data are
LEAST_SPARSE = 0.05  # so that codes that are many times there cost something
SKETCH = 256  # numbers by which decoded things are compared: distances are off by some 5 %
TORN = 2  # times as far from one side as the other side is: a way between them leads elsewhere
TINY = 1e-12  # what a step between equal codes costs, since an edge of 0 is none

Decode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Graph:
    """Codes of data and which of them are neighbours.

    Attributes:
        points: codes, `[N, D]`.
        sketches: of what they decode to, `[N, S]`.
        edges: the squared distance of the sketches from each to its nearest others, sparse
            `[N, N]`.
        neighbours: how many of them.
        typical: the mean squared distance of codes from each to the nearest others.
    """

    points: Tensor
    sketches: Tensor
    edges: sparse.csr_array
    neighbours: int
    typical: float

    def sparseness(self, z: Tensor) -> Tensor:
        """The mean squared distance of codes `[T, D]` to their nearest points, over the typical."""
        with torch.no_grad():
            apart = self.points.square().sum(1) - 2 * z @ self.points.T
            places = apart.topk(max(self.neighbours, 1), largest=False).indices
        far = (z[:, None] - self.points[places]).square().sum(-1).mean(1)
        return (far / self.typical).clamp(min=LEAST_SPARSE)


def neighbour_graph(points: Tensor, decode: Decode, *, neighbours: int = NEIGHBOURS) -> Graph:
    """The graph of codes `[N, D]`, at most 4,000 of them, each joined to its nearest others.

    Near is what decodes to nearly the same, since codes can tear what belongs together: the ends
    of a curve can be the same angle. An edge costs the squared distance, so that a way takes many
    short steps through where data are dense rather than a long one across what is empty. Islands
    are joined by their shortest bridges, so that some way leads everywhere.

    Source: Hwang et al. 2016, eq. 1 (power-weighted shortest paths), arXiv:1202.0045; Chen et al.
    2019, section 2 (a graph of codes for geodesics), arXiv:1812.08284.
    """
    points = points[:: -(-len(points) // MOST_POINTS)]
    neighbours = min(neighbours, len(points) - 1)
    sketches = torch.cat([_sketched(decode, part) for part in points.split(CHUNK)])
    far, places = nearest(sketches, sketches, neighbours + 1)
    edges = _edges(torch.arange(len(points)), far, places, len(points))
    while (islands := connected_components(edges, directed=False))[0] > 1:
        edges = edges + _bridges(sketches, torch.from_numpy(islands[1]))
    typical = nearest(points, points, neighbours + 1)[0].square().mean().item() + TINY
    return Graph(points, sketches, edges, neighbours, typical)


def shortest_way(decode: Decode, graph: Graph, a: Tensor, b: Tensor) -> Tensor:
    """The codes on the cheapest way from `a` to `b` `[1, D]`, both among them, `[M, D]`.

    Both are joined to their nearest points.
    """
    number, ends = len(graph.points), torch.cat([a, b])
    far, places = nearest(graph.sketches, _sketched(decode, ends), graph.neighbours + 1)
    edges = graph.edges.copy()
    edges.resize((number + 2, number + 2))
    edges = edges + _edges(number + torch.arange(2), far, places, number + 2)
    _, before = dijkstra(edges, directed=False, indices=number, return_predecessors=True)
    way = [number + 1]
    while way[-1] != number:
        way.append(int(before[way[-1]]))
    return torch.cat([graph.points, ends])[way[::-1]]


def geodesic(
    decode: Decode,
    graph: Graph,
    a: Tensor,
    b: Tensor,
    *,
    steps: int,
    refinements: int = REFINEMENTS,
) -> Tensor:
    """A short way from `a` to `b` `[1, D]` by the decoder's measure, through data, `[steps, D]`.

    The cheapest way of the graph, spread evenly in what it decodes to, refined, and spread again.

    Args:
        decode: codes `[T, D]` to what they stand for, `[T, F]`, differentiable.
        graph: of the codes that it may lead through.
        a: the first code.
        b: the last code.
        steps: how many codes, both ends among them.
        refinements: steps down the energy.

    Source: Shao et al. 2018, algorithm 1, arXiv:1711.08014 (descent of the energy, there by
    Jacobians); Arvanitidis et al. 2018, section 3, arXiv:1710.11379 (the decoder's metric).
    """
    way = evenly(decode, shortest_way(decode, graph, a, b), max(steps, FEWEST_FRAMES))
    return evenly(decode, refine(decode, way, graph=graph, steps=refinements), steps)


def refine(
    decode: Decode, way: Tensor, *, graph: Graph | None = None, steps: int = REFINEMENTS
) -> Tensor:
    """A way whose energy is lower; its ends stay.

    The energy is sum_t w_t |f(z_t+1) - f(z_t)|^2, where w_t is the cube of the sparseness of the
    data around. Without w the way would cut across where there are no data and the decoder was
    taught nothing. Quasi-Newton steps, in coordinates in which a bend of one frame and of the whole
    way weigh the same: z = z_0 + C^-T y, where C C^T is the second difference along the way.

    Args:
        decode: codes `[T, D]` to what they stand for, `[T, F]`, differentiable.
        way: `[T, D]`.
        graph: of the data that the way keeps to; none: w_t is 1.
        steps: how many.

    Source: the weight: after Arvanitidis et al. 2016, section 4 (a metric that grows where data
    are few), arXiv:1606.02518.
    """
    inner = len(way) - 2
    if inner < 1 or steps < 1:
        return way
    second = 2 * torch.eye(inner) - torch.diag(torch.ones(inner - 1), 1)
    root = torch.linalg.cholesky(second - torch.diag(torch.ones(inner - 1), -1)).T.to(way.dtype)
    bend = torch.zeros_like(way[1:-1]).requires_grad_()
    descent = torch.optim.LBFGS([bend], max_iter=steps, line_search_fn="strong_wolfe")

    def bent() -> Tensor:
        return torch.cat([way[:1], way[1:-1] + torch.linalg.solve(root, bend), way[-1:]])

    def closure() -> Tensor:
        z = bent()
        squares = decode(z).diff(dim=0).square().sum(1)
        if graph is not None:
            weight = graph.sparseness(z) ** POWER
            squares = squares * (weight[1:] + weight[:-1]) / 2
        value = squares.sum()
        bend.grad = torch.autograd.grad(value, bend)[0].contiguous()
        return value

    with torch.enable_grad():
        descent.step(closure)
    found = bent().detach()
    return found if bool(found.isfinite().all()) else way


@torch.no_grad()
def evenly(decode: Decode, way: Tensor, steps: int) -> Tensor:
    """`steps` codes along the broken line through `way` `[M, D]`, equally far apart once decoded.

    What decodes to one thing throughout is spread by its codes instead. No code is put where the
    way crosses a tear of the code: between its sides the decoder leads all the way round.
    """
    for _ in range(EVEN_ROUNDS):
        seen = decode(way).double()
        far = seen.diff(dim=0).norm(dim=1)
        if far.sum() == 0:
            far = way.double().diff(dim=0).norm(dim=1) + TINY
        passed = torch.cat([far.new_zeros(1), far.cumsum(0)])
        wanted = torch.linspace(0, 1, steps, dtype=far.dtype) * passed[-1]
        after = torch.searchsorted(passed, wanted).clamp(1, len(way) - 1)
        share = ((wanted - passed[after - 1]) / far[after - 1].clamp(min=TINY)).clamp(0, 1)
        share, start, end = share.to(way.dtype)[:, None], way[after - 1], way[after]
        astray = decode(start.lerp(end, share)).double() - seen[after - 1]
        torn = astray.norm(dim=1, keepdim=True) > TORN * far[after - 1, None]
        spread = start.lerp(end, torch.where(torn, share.round(), share))
        way = torch.cat([way[:1], spread[1:-1], way[-1:]])  # the ends to the bit
    return way


def energy(path: Tensor) -> Tensor:
    """sum_t |x_t+1 - x_t|^2 of `[T, F]`: least for what is straight and evenly passed."""
    return path.diff(dim=0).square().sum()


def decoder_around(space: Space, code: Codes, units: range) -> Decode:
    """From some units of a code, the others as in `code`, to what it stands for, `[T, F]`.

    What a code stands for is a vector that changes smoothly with it: the likelihood's mean; of
    classes the probabilities, and of counts the square root, as their spread grows with them.
    """
    before, after = code.flat[:, : units.start], code.flat[:, units.stop :]

    def decode(z: Tensor) -> Tensor:
        flat = torch.cat([before.expand(len(z), -1), z, after.expand(len(z), -1)], dim=1)
        return _decode(space, flat)

    return decode


@torch.inference_mode()
def decoded(space: Space, codes: Codes) -> Tensor:
    """What codes stand for as the vectors in which the length of a way is measured, `[T, F]`."""
    return in_chunks(lambda rows: _decode(space, codes.flat[rows]), len(codes))


def _decode(space: Space, flat: Tensor) -> Tensor:
    given = dict(space.codes.like(flat).tensors)
    return _smooth(space.model.generate(len(flat), given=given).likelihood)


def _smooth(likelihood: Distribution) -> Tensor:
    if isinstance(likelihood, Row):
        return torch.cat([_smooth(group) for group in likelihood.groups], dim=1)
    if isinstance(likelihood, Categorical):
        classes = likelihood.logits.ndim - len(likelihood.event_shape) - 1
        return likelihood.logits.softmax(classes).flatten(1)
    mean: Tensor = likelihood.mean
    if isinstance(likelihood, NegativeBinomial | Poisson):
        mean = (mean + 0.375).sqrt()  # Anscombe 1948: never 0, where a root has no slope
    return mean.flatten(1)


@torch.no_grad()
def _sketched(decode: Decode, z: Tensor) -> Tensor:
    """What codes `[N, D]` decode to in few numbers that are about as far apart, `[N, S]`.

    Source: Johnson and Lindenstrauss 1984, lemma 1 (random projections), doi:10.1090/conm/026.
    """
    x = decode(z)
    if x.shape[1] <= SKETCH:
        return x
    generator = torch.Generator().manual_seed(SKETCH)
    axes = torch.randn(x.shape[1], SKETCH, generator=generator) / SKETCH**0.5
    return x @ axes.to(x.dtype)


def _bridges(points: Tensor, islands: Tensor) -> sparse.csr_array:
    """The shortest edge from each island to any other (a round of Boruvka's algorithm)."""
    number, found = len(points), []
    for rows in torch.arange(number).split(CHUNK):
        apart = torch.cdist(points[rows].double(), points.double())
        found.append(apart.masked_fill(islands[rows, None] == islands, torch.inf).min(1))
    far, place = (torch.cat(parts) for parts in zip(*found, strict=True))
    starts = []
    for island in range(int(islands.max()) + 1):
        own = (islands == island).nonzero().flatten()
        starts.append(own[far[own].argmin()])
    chosen = torch.stack(starts)
    return _edges(chosen, far[chosen, None], place[chosen, None], number)


def _edges(nodes: Tensor, far: Tensor, places: Tensor, size: int) -> sparse.csr_array:
    """Squared distances `[R, k]` from some nodes `[R]` to others, as a sparse `[size, size]`."""
    costs = far.double().square().flatten().numpy() + TINY
    starts = nodes.repeat_interleave(far.shape[1]).numpy()
    return sparse.csr_array((costs, (starts, places.flatten().numpy())), shape=(size, size))
