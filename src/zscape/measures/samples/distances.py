"""Distances between two sets of features `[N, F]`: Frechet, kernel, and by nearest neighbours.

Every figure carries the standard error over random halves of both sets, and is undefined where a
set has fewer than 12 examples. None of them knows models.
"""

import torch
from torch import Tensor

from zscape.measures.figure import Figure, undefined
from zscape.measures.halves import FEWEST, half_errors

ROUNDING = 1e-9  # relative to the mean squared length: distances closer than this are equal


def frechet(real: Tensor, made: Tensor, *, seed: int = 0) -> Figure:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the two means and covariances.

    Sees nothing but means and covariances. Biased upward, the more so the fewer the examples and
    the more the features: compare only at the same number of examples, and beside real against
    real. Also right where examples are fewer than features.

    Args:
        real: features of real things, `[N, F]`.
        made: features of what is compared with them, `[M, F]`.
        seed: of the halves that the error comes from.

    Source: Dowson and Landau 1982, eq. 4; as a measure Heusel et al. 2017, eq. 6,
    arXiv:1706.08500.
    """
    name, unit = f"Frechet distance ({_numbers(real, made)})", "squared feature distance"
    source = "Heusel et al. 2017, eq. 6"
    if _are_few(real, made):
        return undefined(name, unit, source)
    real, made = real.double(), made.double()

    def of_halves(some: Tensor, others: Tensor) -> Tensor:
        return _frechet(real[some], made[others])[None]

    errors = half_errors(of_halves, len(real), len(made), seed=seed)
    value = _frechet(real, made).item()
    return _figure(name, value, unit, errors, 0, source)


def kernel_distance(real: Tensor, made: Tensor, *, seed: int = 0) -> Figure:
    """The squared maximum mean discrepancy under the kernel (x y / F + 1)^3, without bias.

    Its mean is 0 for two sets from one source, whatever their size, so it may come out negative.
    Depends on the scale of the features.

    Args:
        real: features of real things, `[N, F]`.
        made: features of what is compared with them, `[M, F]`.
        seed: of the halves that the error comes from.

    Source: Binkowski et al. 2018, section 4.1 (KID), arXiv:1801.01401; Gretton et al. 2012, eq. 3.
    """
    name, unit = f"KID ({_numbers(real, made)})", "squared MMD"
    source = "Binkowski et al. 2018, section 4.1"
    if _are_few(real, made):
        return undefined(name, unit, source)
    real, made = real.double(), made.double()
    kernels = [
        (left @ right.T / left.shape[1] + 1) ** 3
        for left, right in ((real, real), (made, made), (real, made))
    ]
    within_real, within_made, between = kernels

    def discrepancy(some: Tensor, others: Tensor) -> Tensor:
        # A product with a mask reads a kernel matrix once, where cutting it out copies it.
        left, right = _mask(len(real), some), _mask(len(made), others)
        first, last = _mean_of_pairs(within_real, left), _mean_of_pairs(within_made, right)
        return (first + last - 2 * (left @ between @ right) / (len(some) * len(others)))[None]

    errors = half_errors(discrepancy, len(real), len(made), seed=seed)
    value = discrepancy(torch.arange(len(real)), torch.arange(len(made))).item()
    return _figure(name, value, unit, errors, 0, source)


def neighbourhood(
    real: Tensor, made: Tensor, *, nearest: tuple[int, int] = (3, 5), seed: int = 0
) -> tuple[Figure, Figure, Figure, Figure]:
    """Precision, recall, density and coverage: which things lie among which, by k-th neighbours.

    A ball around each thing reaches to its k-th neighbour among its own. Precision is the share of
    made things in some real ball, and falls when samples look wrong; recall the share of real
    things in some made ball, and falls when kinds of things are missing; one outlier with a large
    ball can raise either. Density is in how many real balls a made thing lies, over k, and may
    pass 1 where samples crowd; coverage the share of real balls with a made thing in them. Real
    against real has density 1 on average and, for two sets of one size, coverage 1 - 2^-k.

    Args:
        real: features of real things, `[N, F]`.
        made: features of what is compared with them, `[M, F]`.
        nearest: k of precision and recall, and of density and coverage.
        seed: of the halves that the errors come from.

    Source: Kynkaanniemi et al. 2019, eq. 1 and 2, arXiv:1904.06991; Naeem et al. 2020, eq. 3
    and 4, arXiv:2002.09797.
    """
    words = [f"k = {k}, {_numbers(real, made)}" for k in nearest]
    if _are_few(real, made):
        return _neighbour_figures(None, None, words)
    real, made, slack = _centred(real, made)
    within_real, within_made = squared_distances(real, real), squared_distances(made, made)
    between = squared_distances(real, made)

    def shares(some: Tensor, others: Tensor) -> Tensor:
        near, far = nearest
        real_balls = _part(within_real, some, some).topk(max(nearest) + 1, largest=False).values
        made_balls = _part(within_made, others, others).topk(near + 1, largest=False).values
        apart = _part(between, some, others)
        # The nearest of all is the thing itself. Balls are closed in the one paper, open in the
        # other: that matters where things are equal, and rounding must not decide it.
        inside = apart < real_balls[:, far, None] - slack
        parts = (
            (apart <= real_balls[:, near, None] + slack).any(0).double(),
            (apart <= made_balls[:, near] + slack).any(1).double(),
            inside.sum(0).double() / far,
            inside.any(1).double(),
        )
        return torch.stack([part.mean() for part in parts])

    errors = half_errors(shares, len(real), len(made), seed=seed)
    whole = shares(torch.arange(len(real)), torch.arange(len(made)))
    return _neighbour_figures(whole, errors, words)


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """|a - b|^2 of each pair, `[N, M]` from `[N, F]` and `[M, F]`; never below 0."""
    lengths = left.square().sum(1)[:, None] + right.square().sum(1)
    return (lengths - 2 * left @ right.T).clamp(min=0)


def _frechet(real: Tensor, made: Tensor) -> Tensor:
    roots = [_root(real), _root(made)]
    gap = (real.mean(0) - made.mean(0)).square().sum()
    # tr (S1 S2)^(1/2) is the sum of the singular values of A1 A2' where Si = Ai' Ai: no square
    # root of a matrix is taken, and covariances of low rank need no care.
    product = roots[0] @ roots[1].T
    gram = product @ product.T if len(product) <= product.shape[1] else product.T @ product
    overlap = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().sum()
    return gap + roots[0].square().sum() + roots[1].square().sum() - 2 * overlap


def _root(x: Tensor) -> Tensor:
    """A with A' A the covariance of `[N, F]`, and min(N, F) rows."""
    centred = (x - x.mean(0)) / (len(x) - 1) ** 0.5
    root: Tensor = torch.linalg.qr(centred, mode="r").R if len(x) > x.shape[1] else centred
    return root


def _mask(size: int, some: Tensor) -> Tensor:
    """1 for some of so many examples, else 0."""
    return torch.zeros(size, dtype=torch.float64).index_fill(0, some, 1.0)


def _mean_of_pairs(kernel: Tensor, mask: Tensor) -> Tensor:
    """The mean over pairs of two different examples in the mask."""
    number = mask.sum()
    return (mask @ kernel @ mask - mask @ kernel.diagonal()) / (number * (number - 1))


def _centred(real: Tensor, made: Tensor) -> tuple[Tensor, Tensor, float]:
    """Both sets around the mean of the real ones, and what rounding may do to a distance."""
    real, made = real.double(), made.double()
    middle = real.mean(0)
    real, made = real - middle, made - middle
    largest = torch.cat([real, made]).square().sum(1).mean().item()
    return real, made, ROUNDING * largest


def _neighbour_figures(
    values: Tensor | None, errors: Tensor | None, words: list[str]
) -> tuple[Figure, Figure, Figure, Figure]:
    names = ("precision", "recall", "density", "coverage")
    figures = []
    for place, name in enumerate(names):
        word, source = words[0], "Kynkaanniemi et al. 2019, eq. 1 and 2"
        if place > 1:
            word, source = words[1], "Naeem et al. 2020, eq. 3 and 4"
        name, unit = f"{name} ({word})", "ratio" if name == "density" else "share"
        if values is None:
            figures.append(undefined(name, unit, source))
        else:
            figures.append(_figure(name, float(values[place]), unit, errors, place, source))
    return figures[0], figures[1], figures[2], figures[3]


def _part(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    part: Tensor = matrix[rows[:, None], columns]
    return part


def _numbers(real: Tensor, made: Tensor) -> str:
    """How many examples there are, as figures of other numbers do not compare."""
    n, m = len(real), len(made)
    return f"N = {n:,}" if n == m else f"N = {n:,} and {m:,}"


def _are_few(real: Tensor, made: Tensor) -> bool:
    return min(len(real), len(made)) < FEWEST


def _figure(
    name: str, value: float, unit: str, errors: Tensor | None, place: int, source: str
) -> Figure:
    error = None if errors is None else float(errors[place])
    return Figure(name, value, unit, "estimate", error, source)
