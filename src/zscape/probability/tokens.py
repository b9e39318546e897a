"""The prior of grids of codes, code by code, each given those before it and a context.

The network that sees only what came before is passed in; this module knows no network.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from zscape.probability.conditional import Conditional
from zscape.probability.distributions.grids import Grid
from zscape.probability.distributions.shapes import Shape, at_least_float32, broadcast_shape
from zscape.probability.quantisers import Quantiser


class Tokens(Conditional):
    """p(z | context) = prod_t p(k_t | k_before t, context), over positions in raster order.

    At each position the books follow one another. `log_prob` costs one pass of the network and is
    exact; a draw costs one short step a code.
    Source: van den Oord et al. 2017, section 3.3 (there a PixelCNN), arXiv:1711.00937; Esser et
    al. 2021, eq. 8 (a transformer), arXiv:2012.09841.

    Args:
        network: from tokens `[N, T]` and contexts `[N, F]` to logits `[N, T, K]`; its
            `unroll(context, choose)` makes tokens one by one.
        quantiser: what the codes are. It is used, not owned: the posterior stores it.
        features: F, of the state that it sees; 0 sees none.
    """

    def __init__(self, network: nn.Module, quantiser: Quantiser, *, features: int = 0) -> None:
        super().__init__()
        self.network = network
        self.features = features
        # Inside a tuple a module is not registered, so its codes appear once in the model.
        self.borrowed = (quantiser,)

    def forward(self, context: Tensor) -> "TokenGrid":
        """The distribution of the codes given a state `[..., F]`."""
        seen = context if self.features else context[..., :0]
        return TokenGrid(at_least_float32(seen), self)


class TokenGrid(Grid):
    """Grids whose codes follow one another in raster order.

    Args:
        context: `[..., F]`.
        conditional: that it is of.
    """

    def __init__(self, context: Tensor, conditional: Tokens) -> None:
        self.context, self.conditional = context, conditional
        super().__init__(conditional.borrowed[0], context.shape[:-1])

    def log_prob_of(self, indices: Tensor) -> Tensor:
        """The log-probability of indices `[..., P, M]` in nats, summed over all of them."""
        lead = broadcast_shape(indices[..., 0, 0], torch.empty(self.batch_shape))
        tokens = indices.expand(*lead, *indices.shape[-2:]).flatten(-2).reshape(-1, self._length)
        context = self.context.expand(*lead, -1).reshape(len(tokens), -1)
        said = at_least_float32(self.conditional.network(tokens, context)).log_softmax(-1)
        return said.gather(-1, tokens[..., None])[..., 0].sum(-1).reshape(lead)

    def draw(self, sample_shape: Shape) -> Tensor:
        """Indices drawn, `[*sample_shape, *batch_shape, P, M]`."""
        lead = (*sample_shape, *self.batch_shape)
        count = torch.Size(lead).numel()
        context = self.context.expand(*lead, -1).reshape(count, self.context.shape[-1])

        def choose(logits: Tensor) -> Tensor:
            drawn: Tensor = Categorical(
                logits=at_least_float32(logits), validate_args=False
            ).sample()
            return drawn

        tokens: Tensor = self.conditional.network.unroll(context, choose)  # type: ignore[operator]
        return tokens.reshape(*lead, -1, len(self.quantiser.sizes))

    def expand(self, batch_shape: Shape, _instance: object = None) -> "TokenGrid":
        """The same with leading dims `batch_shape`, as a view."""
        return TokenGrid(self.context.expand(*batch_shape, -1), self.conditional)

    @property
    def _length(self) -> int:
        return self.quantiser.layout.positions * len(self.quantiser.sizes)
