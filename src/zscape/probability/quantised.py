"""Conditionals over grids of codes: the posterior that chooses one, and the uniform prior."""

from torch import Tensor, nn

from zscape.probability.conditional import Conditional
from zscape.probability.distributions.grids import Chosen, UniformGrid
from zscape.probability.distributions.shapes import at_least_float32
from zscape.probability.quantisers import Quantiser


class Quantised(Conditional):
    """The codes nearest to vectors that are linear in the context, without chance.

    The gradient of a code is taken for that of the vector it stands for. Nothing is drawn, so the
    rate is exact: what the prior asks for naming the codes.
    Source: van den Oord et al. 2017, eqs. 1 and 2 and section 3.2, arXiv:1711.00937.

    Args:
        features: of the context: F of a vector, or the channels of a map `[F, H, W]`.
        quantiser: what the codes are, and how they lie.
    """

    def __init__(self, features: int, quantiser: Quantiser) -> None:
        super().__init__()
        layout = quantiser.layout
        each = layout.dimension * (layout.positions if layout.size is None else 1)
        self.linear = nn.Linear(features, each)
        self.quantiser = quantiser

    def forward(self, context: Tensor) -> Chosen:
        """The codes given a context `[..., F]` or `[..., F, H, W]`."""
        quantiser, layout = self.quantiser, self.quantiser.layout
        rows = context if layout.size is None else layout.rows(context)
        raw = at_least_float32(self.linear(rows))
        bounded = quantiser.bounded(layout.rows(raw) if layout.size is None else raw)
        indices = quantiser.choose(bounded)
        # The sum of the codes and of zeros with a gradient: codes to the bit.
        straight = quantiser.vectors(indices).detach() + (bounded - bounded.detach())
        return Chosen(layout.whole(straight), indices, layout.whole(bounded), quantiser)


class Uniform(Conditional):
    """Every code as likely as any other at every position, whatever the state: ln K nats each.

    Args:
        quantiser: what the codes are. It is used, not owned: the posterior stores it.
    """

    def __init__(self, quantiser: Quantiser) -> None:
        super().__init__()
        # Inside a tuple a module is not registered, so its codes appear once in the model.
        self.borrowed = (quantiser,)

    def forward(self, context: Tensor) -> UniformGrid:
        """The same distribution for every state `[..., features]`."""
        return UniformGrid(self.borrowed[0], context.shape[:-1])
