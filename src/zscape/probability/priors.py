"""Conditionals that say where codes lie before anything was observed.

A Gaussian that depends on the state is `posteriors.Gaussian` itself.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from zuko.distributions import NormalizingFlow
from zuko.flows import NSF

from zscape.probability.conditional import Conditional
from zscape.probability.distributions import GaussianMixture, OneHot, StandardGaussian
from zscape.probability.distributions.shapes import at_least_float32, soft_log_scale
from zscape.probability.flows import in_full_precision
from zscape.probability.posteriors import Gaussian


class Standard(Conditional):
    """N(0, 1) in every unit, whatever the state.

    Args:
        latent: size of the code.
    """

    zeros: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("zeros", torch.zeros(latent), persistent=False)

    def forward(self, context: Tensor) -> StandardGaussian:
        """The same distribution for every state `[..., features]`."""
        return StandardGaussian(self.zeros.expand(*context.shape[:-1], -1))


class Classes(Conditional):
    """Every class as likely as any other, but for the one that the state tells.

    Args:
        classes: K.
    """

    zeros: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("zeros", torch.zeros(classes), persistent=False)

    def forward(self, context: Tensor) -> OneHot:
        """The distribution of the class given a state `[..., 1]`, nan where nothing is told."""
        return OneHot(self.zeros.expand(*context.shape[:-1], -1), context[..., 0])


class Mixture(Conditional):
    """A mixture of learned diagonal Gaussians, whatever the state.

    The rate has no closed form and is estimated from the draws. It costs `components` densities
    per draw.

    Args:
        latent: size of the code.
        components: how many Gaussians.
    """

    def __init__(self, latent: int, components: int = 10) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, latent))
        self.log_variance = nn.Parameter(torch.zeros(components, latent))

    def forward(self, context: Tensor) -> GaussianMixture:
        """The same distribution for every state `[..., features]`."""
        log_scale = soft_log_scale(self.log_variance)
        return GaussianMixture(self.logits, self.loc, log_scale).expand(context.shape[:-1])


class Vamp(Conditional):
    """The posterior, averaged over learned pseudo-inputs.

    Each call encodes all pseudo-inputs: with 500 of them and a batch of 128, training costs about
    five times the encoder.
    Source: Tomczak and Welling 2018, eq. 10, arXiv:1705.07120.

    Args:
        encode: the model's encoder, x `[K, *shape]` to `[K, features]`. It is used, not owned: its
            weights are stored and trained once, by the model.
        posterior: the model's posterior, used and not owned too.
        shape: shape of a pseudo-input, which is that of x.
        components: K, how many pseudo-inputs.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        posterior: Gaussian,
        *,
        shape: tuple[int, ...],
        components: int = 100,
    ) -> None:
        super().__init__()
        self.pseudo_inputs = nn.Parameter(torch.rand(components, *shape))
        # Inside a tuple a module is not registered, so its weights appear once in the model.
        self.borrowed = (encode, posterior)

    def forward(self, context: Tensor) -> GaussianMixture:
        """The same distribution for every state `[..., features]`."""
        encode, posterior = self.borrowed
        q = posterior.forward(encode(self.pseudo_inputs))
        logits = q.loc.new_zeros(len(self.pseudo_inputs))
        return GaussianMixture(logits, q.loc, q.log_scale).expand(context.shape[:-1])


class Flow(Conditional):
    """A spline flow from N(0, 1), which may see the state.

    With `passes=2` each layer is a coupling: drawing costs two passes of its network. Codes beyond
    +-5 are left as they are by the splines.
    Source: Durkan et al. 2019, arXiv:1906.04032; Huang et al. 2017, arXiv:1611.05013 (flow prior).

    Args:
        latent: size of the code.
        features: size of the state that it sees; 0 sees none.
        transforms: how many layers.
        hidden: widths of the network in each layer.
        passes: 2 is coupling; `latent` is autoregressive, closer and slower to draw from.
    """

    def __init__(
        self,
        latent: int,
        *,
        features: int = 0,
        transforms: int = 3,
        hidden: tuple[int, ...] = (64, 64),
        passes: int = 2,
    ) -> None:
        super().__init__()
        self.features = features
        flow = NSF(latent, features, transforms=transforms, hidden_features=hidden, passes=passes)
        self.flow = in_full_precision(flow)

    def forward(self, context: Tensor) -> NormalizingFlow:
        """The distribution of the code given a state `[..., features]`."""
        if self.features:
            return self.flow(at_least_float32(context))
        return self.flow(None).expand(context.shape[:-1])
