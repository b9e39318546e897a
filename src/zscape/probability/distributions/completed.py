"""Something that is known in part: its known cells are certain, the others as a base has them."""

from typing import Protocol

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from zscape.probability.distributions.shapes import Shape, expand_batch, sum_event


class PerUnit(Protocol):
    """A distribution whose cells are independent and measured one by one."""

    @property
    def mean(self) -> Tensor:
        """The centre, `[..., *event]`."""
        ...

    @property
    def event_shape(self) -> Size:
        """The shape of the event."""
        ...

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Draws `[*sample_shape, ..., *event]`."""
        ...

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each cell, `[..., *event]`."""
        ...

    def expand(self, batch_shape: Shape) -> "PerUnit":
        """The same distribution with leading dims `batch_shape`."""
        ...


class Completed(Distribution):
    """A base distribution given that some cells have the values they are known to have; nats.

    Known cells cost nothing, and come back to the bit in every draw and in the mean. Right only
    where the cells of the base are independent of each other.

    Args:
        base: of all cells.
        known: the values, nan where one is not known, `[..., *event]`.
    """

    def __init__(self, base: PerUnit, known: Tensor) -> None:
        self.base = base
        self.known = known
        ndims = len(base.event_shape)
        lead = known.shape[: known.ndim - ndims]
        super().__init__(lead, base.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The known cells, and the base's mean of the others, `[..., *event]`."""
        return self._with_known(self.base.mean)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """The known cells, and draws of the others, `[*sample_shape, ..., *event]`."""
        with torch.no_grad():
            return self._with_known(self.base.sample(Size(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats of the cells that are not known, summed."""
        cells = self.base.log_prob_per_unit(value)
        hidden = self.known.isnan().expand_as(cells)
        return sum_event(cells.where(hidden, 0.0), len(self._event_shape))

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Completed":
        """The same distribution with leading dims `batch_shape`; parameters become views."""
        known = expand_batch(self.known, batch_shape, len(self._event_shape))
        return Completed(self.base.expand(Size(batch_shape)), known)

    def _with_known(self, cells: Tensor) -> Tensor:
        known = self.known.expand_as(cells)
        return torch.where(known.isnan(), cells, known)
