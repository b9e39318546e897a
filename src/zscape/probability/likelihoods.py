"""Conditionals that say how likely data is, given what a decoder wants to say.

Each has `features`, the event shape of the context it asks a network for; none knows networks.
Table rows of mixed columns are in `columns.py`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zscape.errors import unknown
from zscape.probability import distributions
from zscape.probability.columns import Columns
from zscape.probability.conditional import Conditional
from zscape.probability.distributions.shapes import at_least_float32, soft_clamp, soft_log_scale

LOG_RATE_RANGE = (-20.0, 20.0)  # counts up to 5e8; exp overflows far beyond
LOG_DISPERSION_RANGE = (-7.0, 7.0)  # above, differences of lgamma lose digits; it is Poisson there
LOG_COUNT_SCALE_RANGE = (-4.0, 3.0)  # of log(1 + count): one more than 3 is 7 nats off, and flat
LOGISTIC_LOG_SCALE_RANGE = (-7.0, 7.0)  # on [-1, 1]: from an eighth of a level to flat


def likelihood(
    word: str, shape: tuple[int, ...], columns: tuple[tuple[str, int], ...] = ()
) -> Conditional:
    """The likelihood that a word names, for data of that shape.

    `columns` holds (word, number of classes or 1) per column: "columns" needs it, "categorical"
    reads the number of classes from its first entry (2 without one), the others ignore it.

    Raises:
        SpecError: no likelihood has that name.
    """
    if word == "columns":
        return Columns(columns)
    if word == "categorical":
        return Categorical(shape, columns[0][1] if columns else 2)
    if word not in _LIKELIHOODS:
        raise unknown("likelihood", word, [*_LIKELIHOODS, "categorical", "columns"])
    return _LIKELIHOODS[word](shape)


class Bernoulli(Conditional):
    """Independent coins from logits; right for binary x, usual for grey x in [0, 1].

    For grey x it is a cross entropy and no density; `ContinuousBernoulli` is one.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape

    def forward(self, context: Tensor) -> distributions.Bernoulli:
        """The distribution of x given logits `[..., *features]`."""
        return distributions.Bernoulli(at_least_float32(context), len(self.shape))


class ContinuousBernoulli(Conditional):
    """A density of grey x in [0, 1] from logits.

    Source: Loaiza-Ganem and Cunningham 2019, arXiv:1907.06845.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape

    def forward(self, context: Tensor) -> distributions.ContinuousBernoulli:
        """The distribution of x given logits `[..., *features]`."""
        return distributions.ContinuousBernoulli(at_least_float32(context), len(self.shape))


class Gaussian(Conditional):
    """A Gaussian around the context with one fixed standard deviation.

    `scale` weighs distortion against rate: beta of a beta-VAE is its square.
    """

    log_scale: Tensor

    def __init__(self, shape: tuple[int, ...], scale: float = 1.0) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape
        self.register_buffer("log_scale", torch.tensor(scale).log(), persistent=False)

    def forward(self, context: Tensor) -> distributions.DiagonalGaussian:
        """The distribution of x given means `[..., *features]`."""
        loc = at_least_float32(context)
        return distributions.DiagonalGaussian(loc, self.log_scale, len(self.shape))


class GaussianLearned(Conditional):
    """A Gaussian around the context with a learned standard deviation per dimension.

    `floor`, in the unit of x, keeps a constant dimension from an infinite density.
    """

    def __init__(self, shape: tuple[int, ...], floor: float = 1e-3) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape
        self.floor = floor
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def forward(self, context: Tensor) -> distributions.DiagonalGaussian:
        """The distribution of x given means `[..., *features]`."""
        variance = (2 * self.log_scale.clamp(max=10.0)).exp() + self.floor**2
        loc = at_least_float32(context)
        return distributions.DiagonalGaussian(loc, 0.5 * variance.log(), len(self.shape))


class GaussianOptimal(Conditional):
    """A Gaussian around the context whose one sigma is the most likely one: no weight to tune.

    In training each batch has its own sigma, and a running variance is kept; in evaluation the
    kept one is used, so that an answer does not depend on its co-batch.
    Source: Rybkin et al. 2021, section 4.2, arXiv:2006.13202.
    """

    variance: Tensor
    num_batches: Tensor

    def __init__(self, shape: tuple[int, ...], floor: float = 1e-3) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape
        self.floor = floor
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("num_batches", torch.zeros(()))

    def forward(
        self, context: Tensor
    ) -> distributions.DiagonalGaussian | distributions.OptimalGaussian:
        """The distribution of x given means `[..., *features]`."""
        loc, log_scale = at_least_float32(context), 0.5 * self.variance.log()
        stored = distributions.DiagonalGaussian(loc, log_scale, len(self.shape))
        if not self.training:
            return stored
        return distributions.OptimalGaussian(stored, self.floor, self._keep)

    def _keep(self, variance: Tensor) -> None:
        # The mean of the first hundred batches, then a running mean over about a hundred.
        self.num_batches += 1
        self.variance += (variance - self.variance) / self.num_batches.clamp(max=100)


class DiscretizedLogistic(Conditional):
    """A logistic cut into the levels of a digital picture, x = k / (levels - 1).

    Its nats are those of the stored picture, comparable across models and lossless coding.
    Source: Kingma et al. 2016, eq. 14, arXiv:1606.04934.
    """

    def __init__(self, shape: tuple[int, ...], levels: int = 256) -> None:
        super().__init__()
        self.shape = shape
        self.features = (2 * shape[0], *shape[1:])
        self.levels = levels

    def forward(self, context: Tensor) -> distributions.DiscretizedLogistic:
        """The distribution of x given centres and log-scales `[..., *features]`."""
        ndims = len(self.shape)
        loc, log_scale = at_least_float32(context).chunk(2, -ndims)
        log_scale = soft_clamp(log_scale, *LOGISTIC_LOG_SCALE_RANGE)
        return distributions.DiscretizedLogistic(loc, log_scale, self.levels, ndims)


class DiscretizedLogisticMixture(Conditional):
    """A mixture of discretized logistics in each pixel; three channels are coupled linearly.

    Sharper than one logistic where a pixel may be either of two things; 10 numbers a component
    and pixel for RGB.
    Source: Salimans et al. 2017, section 2, arXiv:1701.05517.
    """

    def __init__(self, shape: tuple[int, ...], components: int = 5, levels: int = 256) -> None:
        super().__init__()
        self.shape = shape
        self.components = components
        self.levels = levels
        self.coupled = len(shape) == 3 and shape[0] == 3
        self.features = ((10 if self.coupled else 3 * shape[0]) * components, *shape[1:])

    def forward(self, context: Tensor) -> distributions.DiscretizedLogisticMixture:
        """The distribution of x given weights, centres, log-scales (and couplings)."""
        ndims = len(self.shape)
        parts = torch.unflatten(at_least_float32(context), -ndims, (self.components, -1))
        if self.coupled:
            logits, loc, log_scale, coupling = parts.split_with_sizes([1, 3, 3, 3], -ndims)
            coupling = coupling.tanh()
        else:
            logits, loc, log_scale = parts.tensor_split(3, -ndims)
            coupling = None
        log_scale = soft_clamp(log_scale, *LOGISTIC_LOG_SCALE_RANGE)
        return distributions.DiscretizedLogisticMixture(
            logits, loc, log_scale, coupling, self.levels, ndims
        )


class SpikedLogistic(Conditional):
    """Black, white, or a mixture of discretized logistics over the greys between: ink on paper.

    Its nats are those of the stored picture. Where most pixels are black or white it costs little
    more than coins do.

    Args:
        shape: of a picture.
        components: logistics.
        levels: of grey, black and white among them.
    """

    def __init__(self, shape: tuple[int, ...], components: int = 2, levels: int = 256) -> None:
        super().__init__()
        self.shape = shape
        self.components = components
        self.levels = levels
        self.features = ((2 + 3 * components) * shape[0], *shape[1:])

    def forward(self, context: Tensor) -> distributions.SpikedLogistic:
        """The distribution of x given weights, centres and log-scales `[..., *features]`."""
        ndims = len(self.shape)
        parts = torch.unflatten(at_least_float32(context), -ndims, (-1, self.shape[0]))
        sizes = [2 + self.components, self.components, self.components]
        logits, loc, log_scale = parts.split_with_sizes(sizes, -ndims - 1)
        log_scale = soft_log_scale(2 * log_scale, LOGISTIC_LOG_SCALE_RANGE[1])
        return distributions.SpikedLogistic(logits, loc, log_scale, self.levels, ndims)


class Categorical(Conditional):
    """A class number in each place, from logits; x holds 0, 1, ..., classes - 1."""

    def __init__(self, shape: tuple[int, ...], classes: int = 2) -> None:
        super().__init__()
        self.shape = shape
        self.classes = classes
        self.features = (classes * shape[0], *shape[1:])

    def forward(self, context: Tensor) -> distributions.Categorical:
        """The distribution of x given logits `[..., *features]`, the classes outermost."""
        ndims = len(self.shape)
        places = (self.classes, self.shape[0])
        logits = torch.unflatten(at_least_float32(context), -ndims, places)
        return distributions.Categorical(logits, ndims)


class Poisson(Conditional):
    """Counts with variance equal to their mean, from log-rates."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape

    def forward(self, context: Tensor) -> distributions.Poisson:
        """The distribution of x given log-rates `[..., *features]`."""
        log_rate = at_least_float32(context).clamp(*LOG_RATE_RANGE)
        return distributions.Poisson(log_rate, len(self.shape))


class NegativeBinomial(Conditional):
    """Counts that vary more than Poisson's, with a learned dispersion per dimension.

    Source: Lopez et al. 2018, doi:10.1038/s41592-018-0229-2.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape
        self.log_dispersion = nn.Parameter(torch.zeros(shape))

    def forward(self, context: Tensor) -> distributions.NegativeBinomial:
        """The distribution of x given log-means `[..., *features]`."""
        log_mean = at_least_float32(context).clamp(*LOG_RATE_RANGE)
        log_dispersion = soft_clamp(self.log_dispersion, *LOG_DISPERSION_RANGE)
        return distributions.NegativeBinomial(log_mean, log_dispersion, len(self.shape))


class ZeroInflatedNegativeBinomial(Conditional):
    """A negative binomial with more zeros than its mean explains (dropouts of a measurement).

    Source: Lopez et al. 2018, doi:10.1038/s41592-018-0229-2.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.features = (2 * shape[0], *shape[1:])
        self.log_dispersion = nn.Parameter(torch.zeros(shape))

    def forward(self, context: Tensor) -> distributions.ZeroInflatedNegativeBinomial:
        """The distribution of x given log-means and log-odds of silence `[..., *features]`."""
        ndims = len(self.shape)
        log_mean, zero_logits = at_least_float32(context).chunk(2, -ndims)
        log_dispersion = soft_clamp(self.log_dispersion, *LOG_DISPERSION_RANGE)
        counts = distributions.NegativeBinomial(
            log_mean.clamp(*LOG_RATE_RANGE), log_dispersion, ndims
        )
        return distributions.ZeroInflatedNegativeBinomial(counts, zero_logits)


class LogLogistic(Conditional):
    """Counts of a learned width each, from the centres and log-scales of their logarithms.

    Unlike Poisson's, the width may be next to nothing: right where counts are nearly certain.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.features = (2 * shape[0], *shape[1:])

    def forward(self, context: Tensor) -> distributions.LogLogistic:
        """The distribution of x given centres and log-scales `[..., *features]`."""
        ndims = len(self.shape)
        loc, log_scale = at_least_float32(context).chunk(2, -ndims)
        loc, log_scale = loc.clamp(*LOG_RATE_RANGE), soft_clamp(log_scale, *LOG_COUNT_SCALE_RANGE)
        return distributions.LogLogistic(loc, log_scale, ndims)


class Multinomial(Conditional):
    """How often each of the things along the last dimension was chosen, from logits.

    A value may hold any number of choices; a draw makes `total`.
    Source: Liang et al. 2018, arXiv:1802.05814.
    """

    def __init__(self, shape: tuple[int, ...], total: int = 1) -> None:
        super().__init__()
        self.shape = shape
        self.features = shape
        self.total = total

    def forward(self, context: Tensor) -> distributions.Multinomial:
        """The distribution of x given logits `[..., *features]`."""
        return distributions.Multinomial(at_least_float32(context), self.total, len(self.shape))


_LIKELIHOODS: dict[str, Callable[[tuple[int, ...]], Conditional]] = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "gaussian_learned": GaussianLearned,
    "gaussian_optimal": GaussianOptimal,
    "discretized_logistic": DiscretizedLogistic,
    "discretized_logistic_mixture": DiscretizedLogisticMixture,
    "spiked_logistic": SpikedLogistic,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
    "zero_inflated_negative_binomial": ZeroInflatedNegativeBinomial,
    "log_logistic": LogLogistic,
    "multinomial": Multinomial,
}
