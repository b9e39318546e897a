"""The interface of the probability layer: a module whose call returns a distribution.

Prior, posterior and likelihood are roles that a conditional plays, not classes.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution


class Conditional(nn.Module, ABC):
    """A conditional distribution p(. | context).

    Leading dimensions of the context become the batch shape of the distribution.
    """

    @abstractmethod
    def forward(self, context: Tensor) -> Distribution:
        """The distribution given a context `[..., *features]`."""
