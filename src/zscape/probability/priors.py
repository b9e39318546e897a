"""Conditionals that say where codes lie before anything was observed.

A Gaussian that depends on the state is `posteriors.Gaussian` itself.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from zscape.probability import flows
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import (
    Bent,
    FullGaussianMixture,
    GaussianMixture,
    Moved,
    OneHot,
    StandardGaussian,
)
from zscape.probability.distributions.shapes import at_least_float32, soft_log_scale
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
    """N(0, 1) bent by a spline flow, or by an affine one, that may see the state.

    Measuring costs one pass of each layer's network. With `passes=2` each spline layer is a
    coupling: drawing costs two passes. Codes beyond +-5 are left as they are by the splines.
    Source: Durkan et al. 2019, arXiv:1906.04032; Chen et al. 2017, arXiv:1611.02731 (flow prior).

    Args:
        latent: size of the code.
        features: size of the state that it sees; 0 sees none.
        transforms: how many layers.
        hidden: widths of the network in each layer.
        passes: of a spline layer, 2 is coupling; `latent` is autoregressive, closer and slower to
            draw from.
        kind: "spline" or "coupling", whose layers are affine.
    """

    def __init__(
        self,
        latent: int,
        *,
        features: int = 0,
        transforms: int = 3,
        hidden: tuple[int, ...] = (64, 64),
        passes: int = 2,
        kind: str = "spline",
    ) -> None:
        super().__init__()
        self.features = features
        build = partial(flows.spline, passes=passes) if kind == "spline" else flows.coupling
        self.flow = build(latent, features, transforms=transforms, hidden=hidden)

    def forward(self, context: Tensor) -> Bent:
        """The distribution of the code given a state `[..., features]`."""
        noise = StandardGaussian(self.flow.base.loc.expand(*context.shape[:-1], -1))
        seen = at_least_float32(context) if self.features else None
        return Bent(noise, self.flow.transform(seen).inv)


class FullMixture(Conditional):
    """A mixture of Gaussians with full covariances, which may know a class.

    Fitted by expectation maximisation (`expectation.fit_mixture`), it is the strongest of the
    simple priors: it follows what units do together.

    Args:
        latent: size of the code.
        components: how many Gaussians.
        classes: how many classes are known; each has weights of its own. 0: none.
    """

    def __init__(self, latent: int, components: int = 50, *, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        # Registered before they are filled: what a guard refuses has touched no memory.
        self.logits = nn.Parameter(torch.empty(max(classes, 1), components))
        self.loc = nn.Parameter(torch.empty(components, latent))
        self.scale_tril = nn.Parameter(torch.empty(components, latent, latent))
        with torch.no_grad():
            self.logits.zero_()
            self.loc.normal_()
            self.scale_tril.copy_(torch.eye(latent))

    def forward(self, context: Tensor) -> FullGaussianMixture:
        """The distribution given the class, one-hot `[..., classes]`.

        A context of zeros, or one of size 0, says nothing of the class. Where no class is known,
        it is the same distribution for every state `[..., features]`.
        """
        logits = self._log_weights(context)
        # Beside its triangle and with a negative diagonal a matrix would be no root.
        low, diagonal = self.scale_tril.tril(-1), self.scale_tril.diagonal(dim1=-2, dim2=-1)
        scale_tril = low + torch.diag_embed(diagonal.abs().clamp(min=1e-6))
        return FullGaussianMixture(logits, self.loc, scale_tril)

    @torch.no_grad()
    def take(self, mixture: FullGaussianMixture, joint: Tensor | None = None) -> None:
        """Becomes this mixture.

        Args:
            mixture: of as many components.
            joint: log-weights of class and component together, `[classes, K]`.
        """
        self.logits.copy_(mixture.logits.log_softmax(-1) if joint is None else joint)
        self.loc.copy_(mixture.loc)
        self.scale_tril.copy_(mixture.scale_tril)

    def _log_weights(self, context: Tensor) -> Tensor:
        if not self.classes or context.shape[-1] == 0:
            return self.logits.logsumexp(0).expand(*context.shape[:-1], -1)
        chance = at_least_float32(context)
        known = chance.sum(-1, keepdim=True) > 0
        # Not log 0: e^-69 of another class's components is nothing, and has a gradient.
        told = torch.where(known, chance, 1.0).clamp(min=1e-30).log()
        return (told[..., None] + self.logits).logsumexp(-2)


class Standardised(Conditional):
    """A prior in the units of the codes: the prior inside sees them standardised, and flat.

    Args:
        inner: over standardised vectors `[D]`, or over `[*event]`.
        event: shape of a code.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, inner: Conditional, event: tuple[int, ...]) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("shift", torch.zeros(event))
        self.register_buffer("scale", torch.ones(event))

    def forward(self, context: Tensor) -> Moved:
        """The distribution of the code `[*event]` given what the prior inside is given."""
        return Moved(self.inner.forward(context), self.shift, self.scale)
