"""How much of the data comes back from the code, beside what a linear code of that size gives."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.measures.figure import Figure, undefined
from zscape.measures.linear import components
from zscape.probability import distributions
from zscape.space.space import Space

BATCH = 256
NOISE = 0x5EED_F1DE  # not what a training began with, which is in the weights
CONSTANT = 1e-3  # standard deviation, in the data's own, below which a column is not scaled
MOST_FACTORED = 200  # columns up to which a linear code has a noise of its own for each
_SHARE = "share of variance"
_SOURCES = {
    "PCA": "Tipping and Bishop 1999, eqs. 7 and 8",
    "factor analysis": "Bartholomew et al. 2011, chapter 3",
}
_SPREAD = (
    distributions.DiagonalGaussian,
    distributions.Poisson,
    distributions.NegativeBinomial,
)
# Their mean is the product of independent parts, so that it is one decode away.
_DIRECT = (
    distributions.Bernoulli,
    distributions.ContinuousBernoulli,
    distributions.DiscretizedLogistic,
    distributions.DiscretizedLogisticMixture,
    distributions.LogLogistic,
    distributions.Row,
    distributions.ZeroInflatedNegativeBinomial,
    *_SPREAD,
)
_COUNTS = (
    distributions.LogLogistic,
    distributions.Poisson,
    distributions.NegativeBinomial,
    distributions.ZeroInflatedNegativeBinomial,
)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How much of held-out data comes back.

    Attributes:
        explained: the share of the variance that the decoded code explains; undefined where parts
            are predicted from each other, or are classes.
        linear: the share that a linear code of as many units explains: probabilistic PCA of
            pictures, factor analysis of rows, so that the noise of a column is not asked for.
        twice: the same for twice as many.
        dispersion: squared residuals over the variance that the likelihood states: 1 is right,
            above it data vary more; undefined where it states none.
        tight: the share of the varying dimensions whose stated standard deviation is under a
            thirtieth of the data's; undefined where none is stated.
    """

    explained: Figure
    linear: Figure
    twice: Figure
    dispersion: Figure
    tight: Figure

    def figures(self) -> tuple[Figure, ...]:
        """Those that are defined, for the end of a diagnosis."""
        found = (self.explained, self.linear, self.dispersion)
        return tuple(figure for figure in found if figure.value is not None)


@torch.inference_mode()
def fidelity(space: Space, x: Tensor, trained_x: Tensor) -> Fidelity:
    """Measures a space on held-out examples; the components are fitted to training ones.

    Args:
        space: the space.
        x: held-out examples, `[N, *shape]`.
        trained_x: training ones, `[M, *shape]`.
    """
    latent = space.codes.flat.shape[1]
    likelihood = space.model.encode(x[:2]).likelihood
    spread = _spread(space, x) if _states_spread(likelihood) else (_no("dispersion"), _no("tight"))
    if not isinstance(likelihood, _DIRECT):
        nothing = _no("variance explained by the code")
        return Fidelity(nothing, _no("by PCA"), _no("by PCA"), *spread)
    made = torch.cat([space.model.encode(part).likelihood.mean for part in x.split(BATCH)])
    counts = isinstance(likelihood, _COUNTS)
    columns = _columns(space)
    scaled = _Scale(_numbers(trained_x, columns, counts), equal=len(space.modality.shape) > 1)
    data, back = (scaled(_numbers(values, columns, counts, like=x)) for values in (x, made))
    base = scaled(_numbers(trained_x, columns, counts))
    name = "variance explained by the code"
    if not data.shape[1]:
        return Fidelity(_no(name), _no("by PCA"), _no("by PCA"), *spread)
    rows = len(space.modality.shape) == 1 and data.shape[1] <= MOST_FACTORED
    explain, how = (_by_factors, "factor analysis") if rows else (_by_components, "PCA")
    once, twice = (
        Figure(
            f"variance explained by {how} of {count} units",
            explain(base, data, count),
            _SHARE,
            "estimate",
            source=_SOURCES[how],
        )
        for count in (latent, 2 * latent)
    )
    explained = Figure(name, _share(data, data - back, base), _SHARE, "estimate")
    return Fidelity(explained, once, twice, *spread)


class _Scale:
    """Columns brought to one scale, so that none counts for its unit; pixels share one."""

    def __init__(self, values: Tensor, *, equal: bool) -> None:
        self.mean = values.mean(0)
        self.scale = values.new_ones(values.shape[1])
        if not equal:
            spread = values.std(0, correction=0)
            self.scale = torch.where(spread > CONSTANT, spread, 1.0)

    def __call__(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.scale


def _columns(space: Space) -> Tensor:
    """Which numbers of an example are quantities; classes are none."""
    kinds = space.modality.columns
    if not kinds:
        return torch.ones(torch.Size(space.modality.shape).numel(), dtype=torch.bool)
    return torch.tensor([word != "categorical" for word, _ in kinds])


def _numbers(values: Tensor, columns: Tensor, counts: bool, like: Tensor | None = None) -> Tensor:
    """Quantities `[N, P]`; of counts their logarithms; a missing cell is where it changes nothing.

    `like` are the examples whose missing cells are to be left out.
    """
    flat = values.flatten(1)[:, columns]
    if counts:
        flat = flat.clamp(min=0).log1p()
    missing = (values if like is None else like).flatten(1)[:, columns].isnan()
    return torch.where(missing, flat.nanmean(0).nan_to_num(), flat)


def _share(data: Tensor, residual: Tensor, base: Tensor) -> float:
    total = (data - base.mean(0)).square().sum().clamp(min=1e-12)
    return (1 - residual.square().sum() / total).item()


def _by_components(base: Tensor, data: Tensor, count: int) -> float:
    """The share of the variance of `data` that a linear code fitted to `base` explains.

    Its posterior means decoded: W (W'W + sigma^2)^-1 W' shrinks component i by 1 - sigma^2 / l_i.
    Source: Tipping and Bishop 1999, eqs. 7 and 8.
    """
    found = components(base, count)
    kept = (1 - found.rest**2 / found.scale.square().clamp(min=1e-12)).clamp(min=0)
    return _share(data, data - found.decode(found.encode(data) * kept), base)


def _by_factors(base: Tensor, data: Tensor, count: int) -> float:
    """The same where each column has a noise of its own.

    With as many of the factors as make held-out data the likeliest: one that stands for the noise
    of a single column explains it too, and nothing else.
    """
    from sklearn.decomposition import FactorAnalysis

    independent = torch.distributions.Normal(base.mean(0), base.std(0).clamp(min=CONSTANT))
    best, explained = independent.log_prob(data).sum(1).mean().item(), 0.0
    most = min(count, base.shape[1])
    for factors in sorted({*(2**power for power in range(8) if 2**power < most), most}):
        model = FactorAnalysis(factors, max_iter=100, tol=1.0, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a floor need not have converged
            model.fit(base.numpy())
            score = float(model.score(data.numpy()))
        if score > best:
            made = torch.from_numpy(model.transform(data.numpy()) @ model.components_ + model.mean_)
            best, explained = score, _share(data, data - made.to(data.dtype), base)
    return explained


def _states_spread(likelihood: Distribution) -> bool:
    return isinstance(likelihood, _SPREAD)


def _spread(space: Space, x: Tensor) -> tuple[Figure, Figure]:
    """Squared residuals over the stated variance, and the share of dimensions stated too tight."""
    ratios, stated = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(NOISE)
        for part in x.split(BATCH):
            drawn = space.model(part).likelihood
            variance = drawn.variance[0].clamp(min=1e-12)
            ratios.append(((part - drawn.mean[0]).square() / variance).flatten(1))
            stated.append(variance.flatten(1))
    spread = x.flatten(1).std(0, correction=0)
    varies = spread > 1e-6
    each = torch.cat(ratios)[:, varies].mean(1).double()
    error = (each.std() / len(each) ** 0.5).item() if len(each) > 1 else None
    scale = torch.cat(stated).mean(0).sqrt()
    tight = (scale < spread / 30)[varies].double().mean().item()
    return (
        Figure(
            "squared residual over the stated variance",
            each.mean().item(),
            "(1 is right)",
            "estimate",
            error,
        ),
        Figure("dimensions stated too tightly", tight, "share", "estimate"),
    )


def _no(name: str) -> Figure:
    return undefined(name, _SHARE)
