"""The level of a ladder: its posterior is its prior moved by what the evidence adds."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.distributions import Distribution

from zscape.model.level import Evidence, Level
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import DiagonalGaussian
from zscape.probability.distributions.shapes import at_least_float32, soft_log_scale

BOUND = 5.0  # of the log-scale of a prior, and of what a posterior adds to it


class Placed(Conditional):
    """A diagonal Gaussian over vectors or maps, whose parameters a network tells.

    Args:
        network: context to `[..., 2 C]` or `[..., 2 C, H, W]`: means, then log-variances.
        ndims: 1 for vectors, 3 for maps.
    """

    def __init__(self, network: nn.Module, *, ndims: int) -> None:
        super().__init__()
        self.network = network
        self.ndims = ndims

    def forward(self, context: Tensor) -> DiagonalGaussian:
        """The distribution of the code; its scales are between exp(-5) and exp(5)."""
        told = at_least_float32(self.network(context))
        loc, log_variance = told.chunk(2, dim=-self.ndims)
        return DiagonalGaussian(loc, soft_log_scale(log_variance, BOUND), self.ndims)


class Informed(Conditional):
    """What evidence adds to a prior: a shift and a stretch in units of the prior's scale.

    Args:
        meeting: of a state and the evidence at its place, `(state, evidence) -> context`.
        network: as of `Placed`.
        ndims: 1 for vectors, 3 for maps.
    """

    def __init__(self, meeting: nn.Module, network: nn.Module, *, ndims: int) -> None:
        super().__init__()
        self.meeting = meeting
        self.residual = Placed(network, ndims=ndims)

    def forward(self, context: Tensor) -> DiagonalGaussian:
        """The residual, which is N(0, 1) where the evidence says nothing."""
        return self.residual.forward(context)


class Rung(Level):
    """One group of a ladder: q = prior + residual, and a state that takes the code in.

    Where the residual is zero the posterior is the prior and the rate is zero, whatever the prior.
    Shift and stretch are in units of the prior's scale, so the rate does not depend on it:
    (m^2 + s^2 - 1) / 2 - log s for a shift m and a stretch s, bounded because both are.
    A prior without a scale of its own (a mixture, a flow) is taken for N(0, 1) here.

    Args:
        name: of the level.
        prior: p(z | state).
        posterior: the residual.
        place: the number of its place in the evidence.
        intake: `(state, z) -> state`.

    Source: Sonderby et al. 2016, section 2.2, arXiv:1602.02282; Vahdat and Kautz 2020, section 3.2
    (residual normal distributions, there with shifts in absolute units), arXiv:2007.03898.
    """

    def __init__(
        self,
        name: str,
        *,
        prior: Conditional,
        posterior: Informed,
        place: int,
        intake: nn.Module,
    ) -> None:
        super().__init__(name, prior=prior, posterior=posterior)
        self.place = place
        self.intake = intake

    def infer(self, state: Tensor, evidence: Evidence, p: Distribution) -> Distribution:
        """The posterior `[..., *event]` at a state, from the evidence at this rung's place."""
        assert isinstance(evidence, Mapping), "a ladder's encoder tells evidence by place"
        assert isinstance(self.posterior, Informed)
        context = self.posterior.meeting(state, evidence[self.place])
        return moved(p, self.posterior.forward(context))

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """The state, at the place of the next rung."""
        taken: Tensor = self.intake(state, z)
        return taken


def moved(p: Distribution, residual: DiagonalGaussian) -> DiagonalGaussian:
    """The prior shifted and stretched by a residual, or the residual where p has no scale."""
    if not isinstance(p, DiagonalGaussian):
        return residual
    return DiagonalGaussian(
        p.loc + p.scale * residual.loc,
        p.log_scale + residual.log_scale,
        len(residual.event_shape),
    )
