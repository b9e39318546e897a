"""The distributions that the conditionals return, light and finite from logits and log-scales.

They follow torch's contract; whatever follows it too (a zuko flow) may stand in their place.
"""

from zscape.probability.distributions.bent import Bent
from zscape.probability.distributions.binary import Bernoulli, ContinuousBernoulli
from zscape.probability.distributions.classes import OneHot
from zscape.probability.distributions.completed import Completed
from zscape.probability.distributions.counts import (
    LogLogistic,
    Multinomial,
    NegativeBinomial,
    Poisson,
    ZeroInflatedNegativeBinomial,
)
from zscape.probability.distributions.discretized import (
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)
from zscape.probability.distributions.divergence import center, kl_per_unit
from zscape.probability.distributions.gaussians import (
    Delta,
    DiagonalGaussian,
    GaussianMixture,
    OptimalGaussian,
    StandardGaussian,
)
from zscape.probability.distributions.mixtures import FullGaussianMixture, Moved
from zscape.probability.distributions.rows import Categorical, Row
from zscape.probability.distributions.spiked import SpikedLogistic

__all__ = [
    "Bent",
    "Bernoulli",
    "Categorical",
    "Completed",
    "ContinuousBernoulli",
    "Delta",
    "DiagonalGaussian",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "FullGaussianMixture",
    "GaussianMixture",
    "LogLogistic",
    "Moved",
    "Multinomial",
    "NegativeBinomial",
    "OneHot",
    "OptimalGaussian",
    "Poisson",
    "Row",
    "SpikedLogistic",
    "StandardGaussian",
    "ZeroInflatedNegativeBinomial",
    "center",
    "kl_per_unit",
]
