"""Every prior, posterior and likelihood keeps the contract; a new member is one line here."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from tests.contracts.conditional import Case, Check, Points, checks_for
from torch import Tensor, nn

from zscape.networks.causal import Causal
from zscape.networks.denoiser import denoiser
from zscape.networks.events import NextEvent
from zscape.networks.masked import Masked
from zscape.probability import flows, likelihoods, posteriors, priors, quantisers
from zscape.probability.autoregressive import Autoregressive
from zscape.probability.conditional import Conditional
from zscape.probability.diffusion import Diffusion
from zscape.probability.quantised import Quantised, Uniform
from zscape.probability.sessions import Sessions
from zscape.probability.tokens import Tokens


def every(*axes: Tensor) -> Points:
    """The Cartesian product of the axes; the volume of a cell if they are spaced below one."""
    values = torch.cartesian_prod(*axes)
    values = values[:, None] if len(axes) == 1 else values
    volume = 1.0
    for axis in axes:
        step = float(axis[1] - axis[0]) if len(axis) > 1 else 1.0
        volume *= 1.0 if axis.equal(axis.round()) or len(axis) <= 4 else step
    return values, volume


BIT = torch.tensor([0.0, 1.0])
FOUR = torch.arange(4) / 3
UNIT = (torch.arange(300) + 0.5) / 300
LINE = torch.arange(-8, 8, 0.1) + 0.05
FINE = torch.arange(-8, 8, 0.002) + 0.001
COARSE = torch.arange(-8, 8, 0.25) + 0.125
COUNT = torch.arange(300.0)


def binary(*shape: int) -> Points:
    size = torch.Size(shape).numel()
    return torch.tensor(list(product([0.0, 1.0], repeat=size))).reshape(-1, *shape), 1.0


def choices() -> Points:
    counts = [c for c in product(range(5), repeat=3) if sum(c) == 4]
    return torch.tensor(counts, dtype=torch.float32), 1.0


def levels() -> Points:
    return torch.arange(256)[:, None] / 255, 1.0


def rgb() -> Points:
    return every(FOUR, FOUR, FOUR)[0].reshape(-1, 3, 1, 1), 1.0


def plane() -> Points:
    return every(LINE, LINE)


DISCRETE = (("categorical", 3), ("bernoulli", 1), ("categorical", 2))
NUMERIC = (("negative_binomial", 1), ("gaussian", 1))
HALF_LEVEL = "the mean of a discretized logistic is within half a level"
CLASSES = "an average of class numbers means nothing"
NO_MEAN = "a flow has no closed form of its mean"
POINT = "a point has no density"
CHOSEN = "the codes follow from the context, and others have no probability at all"
GRID = "the mean of codes is no code"
HEAVY = "a power for a tail: no sum of it ends; test_counts and test_sessions check the mass"
GREEDY = "one picture without chance stands for a mean, which would be a blur"


PUSHES = {"planar": flows.planar, "iaf": flows.autoregressive, "spline": flows.spline}


def vamp() -> priors.Vamp:
    torch.manual_seed(1)
    posterior = posteriors.Gaussian(4, 2)
    encode = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    return priors.Vamp(encode, posterior, shape=(3,), components=5)


def stirred(build: Callable[..., Conditional], *args: int, **options: Any) -> Conditional:
    """A flow away from its start, where it is the identity and half of its weights do nothing."""
    flow = build(*args, **options)
    for parameter in flow.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return flow


def pixels() -> Autoregressive:
    network = Masked(1, 1, context=2, depth=2, width=4)
    pixel = likelihoods.Bernoulli
    return Autoregressive(network, (1, 2, 2), pixel=pixel, levels=2, context=2)


def sessions() -> Sessions:
    network = NextEvent(3, context=3, width=8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return Sessions(network, longest=4, context=3)


def few_sessions() -> Points:
    """Sessions of 3 kinds of event: counts, then the first 4 events in their order."""
    orders = torch.cartesian_prod(*[torch.arange(1, 4)] * 4)
    counts = torch.stack([(orders == kind).sum(1) for kind in range(1, 4)], 1)
    return torch.cat([counts, orders], 1).float(), 1.0


def rounded(*, size: tuple[int, int] | None = None) -> quantisers.Rounding:
    return quantisers.Rounding(quantisers.Layout(2, 2, size), (3, 2))


def booked() -> quantisers.Codebook:
    torch.manual_seed(1)
    return quantisers.Codebook(quantisers.Layout(2, 2), 2, books=2)


def grids(quantiser: quantisers.Quantiser) -> Points:
    each = [torch.arange(size) for size in quantiser.sizes * quantiser.layout.positions]
    indices = torch.cartesian_prod(*each).unflatten(1, (quantiser.layout.positions, -1))
    return quantiser.layout.whole(quantiser.vectors(indices)), 1.0


def tokens(quantiser: quantisers.Quantiser, features: int = 0) -> Tokens:
    books = len(quantiser.sizes)
    length = quantiser.layout.positions * books
    network = Causal(length, quantiser.sizes[0], books=books, context=features, width=8, depth=1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return Tokens(network, quantiser, features=features)


def diffusion(features: int) -> Diffusion:
    source = priors.FullMixture(2, 3, classes=features)
    network = denoiser((2,), known=3 + (features + 1 if features else 0), width=8, depth=1)
    network.last.weight.data.normal_(std=0.1)  # at 0 nothing before it has an effect
    return Diffusion(source, network, shape=(2,), features=features, steps=16)


CASES = [
    Case("bernoulli", lambda: likelihoods.Bernoulli((3,)), (3,), lambda: binary(3)),
    Case(
        "bernoulli_picture",
        lambda: likelihoods.Bernoulli((1, 2, 2)),
        (1, 2, 2),
        lambda: binary(1, 2, 2),
    ),
    Case(
        "continuous_bernoulli",
        lambda: likelihoods.ContinuousBernoulli((2,)),
        (2,),
        lambda: every(UNIT, UNIT),
    ),
    Case("gaussian", lambda: likelihoods.Gaussian((2,), 0.5), (2,), plane),
    Case("gaussian_learned", lambda: likelihoods.GaussianLearned((2,)), (2,), plane),
    Case("gaussian_optimal", lambda: likelihoods.GaussianOptimal((2,)), (2,), plane),
    Case(
        "discretized_logistic",
        lambda: likelihoods.DiscretizedLogistic((2,), 4),
        (4,),
        lambda: every(FOUR, FOUR),
        tolerance=1 / 6,
        reason=HALF_LEVEL,
    ),
    Case("discretized_logistic_256", lambda: likelihoods.DiscretizedLogistic((1,)), (2,), levels),
    Case(
        "discretized_logistic_mixture",
        lambda: likelihoods.DiscretizedLogisticMixture((2,), 3, 4),
        (18,),
        lambda: every(FOUR, FOUR),
        tolerance=1 / 6,
        reason=HALF_LEVEL,
    ),
    Case(
        "discretized_logistic_mixture_256",
        lambda: likelihoods.DiscretizedLogisticMixture((1,), 3),
        (9,),
        levels,
    ),
    Case(
        "discretized_logistic_mixture_rgb",
        lambda: likelihoods.DiscretizedLogisticMixture((3, 1, 1), 2, 4),
        (20, 1, 1),
        rgb,
        tolerance=1 / 6,
        reason=HALF_LEVEL,
    ),
    Case(
        "spiked_logistic",
        lambda: likelihoods.SpikedLogistic((2,), 2, 4),
        (16,),
        lambda: every(FOUR, FOUR),
        tolerance=1 / 6,
        reason=HALF_LEVEL,
    ),
    Case("spiked_logistic_256", lambda: likelihoods.SpikedLogistic((1,)), (8,), levels),
    Case(
        "categorical",
        lambda: likelihoods.Categorical((2,), 3),
        (6,),
        lambda: every(torch.arange(3.0), torch.arange(3.0)),
        central="mode",
        reason=CLASSES,
    ),
    Case("poisson", lambda: likelihoods.Poisson((2,)), (2,), lambda: every(COUNT, COUNT)),
    Case(
        "negative_binomial",
        lambda: likelihoods.NegativeBinomial((2,)),
        (2,),
        lambda: every(COUNT, COUNT),
    ),
    Case(
        "zero_inflated_negative_binomial",
        lambda: likelihoods.ZeroInflatedNegativeBinomial((2,)),
        (4,),
        lambda: every(COUNT, COUNT),
    ),
    Case(
        "log_logistic",
        lambda: likelihoods.LogLogistic((2,)),
        (4,),
        lambda: every(COUNT, COUNT),
        whole=False,
        central="none",
        reason=HEAVY,
    ),
    Case(
        "sessions",
        sessions,
        (9,),
        few_sessions,
        whole=False,
        central="none",
        reason=HEAVY,
    ),
    Case("multinomial", lambda: likelihoods.Multinomial((3,), 4), (3,), choices),
    Case(
        "columns_discrete",
        lambda: likelihoods.Columns(DISCRETE),
        (6,),
        lambda: every(torch.arange(3.0), BIT, BIT),
        central="mode",
        reason=CLASSES,
    ),
    Case("columns_numeric", lambda: likelihoods.Columns(NUMERIC), (2,), lambda: every(COUNT, LINE)),
    Case("point", lambda: posteriors.Point(4, 2), (4,), None, reason=POINT),
    Case("gaussian_posterior", lambda: posteriors.Gaussian(4, 2), (4,), plane),
    Case(
        "flow_posterior",
        partial(stirred, posteriors.Flow, 4, 2),
        (4,),
        plane,
        central="none",
        reason=NO_MEAN,
    ),
    Case(
        "flow_posterior_one_unit",
        partial(stirred, posteriors.Flow, 4, 1),
        (4,),
        lambda: every(FINE),
        central="none",
        reason=NO_MEAN,
    ),
    *[
        Case(
            f"{name}_posterior",
            partial(stirred, posteriors.BentGaussian, 4, 2, push=partial(push, transforms=2)),
            (4,),
            plane,
            central="none",
            reason=NO_MEAN,
        )
        for name, push in PUSHES.items()
    ],
    Case(
        "normalised_posterior",
        lambda: posteriors.NormalisedGaussian(4, 2, mean_scale=0.6),
        (4,),
        plane,
    ),
    Case(
        "autoregressive",
        pixels,
        (2, 2, 2),
        lambda: binary(1, 2, 2),
        central="none",
        reason=GREEDY,
    ),
    Case("quantised", lambda: Quantised(4, booked()), (4,), None, reason=CHOSEN),
    Case("rounded", lambda: Quantised(4, rounded(size=(2, 1))), (4, 2, 1), None, reason=CHOSEN),
    Case(
        "uniform_grid",
        lambda: Uniform(rounded()),
        (0,),
        lambda: grids(rounded()),
        central="none",
        reason=GRID,
    ),
    Case(
        "tokens",
        lambda: tokens(rounded()),
        (0,),
        lambda: grids(rounded()),
        central="none",
        reason=GRID,
    ),
    Case(
        "tokens_of_two_books_with_state",
        lambda: tokens(booked(), 3),
        (3,),
        lambda: grids(booked()),
        central="none",
        reason=GRID,
    ),
    Case("standard", lambda: priors.Standard(2), (0,), plane),
    Case("mixture", lambda: priors.Mixture(2, 3), (0,), plane),
    Case("full_mixture", lambda: priors.FullMixture(2, 3), (0,), plane),
    Case("standardised", lambda: priors.Standardised(priors.FullMixture(2, 3), (2,)), (0,), plane),
    Case(
        "diffusion",
        lambda: diffusion(0),
        (0,),
        lambda: every(COARSE, COARSE),
        central="none",
        reason=NO_MEAN,
    ),
    Case("vamp", vamp, (0,), plane),
    Case("flow", partial(stirred, priors.Flow, 2), (0,), plane, central="none", reason=NO_MEAN),
    Case(
        "flow_one_unit",
        partial(stirred, priors.Flow, 1),
        (0,),
        lambda: every(FINE),
        central="none",
        reason=NO_MEAN,
    ),
    Case(
        "flow_three_passes",
        partial(stirred, priors.Flow, 2, passes=3, transforms=1),
        (0,),
        plane,
        central="none",
        reason=NO_MEAN,
    ),
    Case(
        "flow_with_state",
        partial(stirred, priors.Flow, 2, features=3),
        (3,),
        plane,
        central="none",
        reason=NO_MEAN,
    ),
]
CHECKS = [(case, check) for case in CASES for check in checks_for(case)]


@pytest.mark.parametrize(
    ("case", "check"), CHECKS, ids=[f"{case.name}-{check.name}" for case, check in CHECKS]
)
def test_contract(case: Case, check: Check):
    torch.manual_seed(0)
    check.run()
