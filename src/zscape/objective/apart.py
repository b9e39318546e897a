"""One's own codes tell nothing of the group: those of group mates are no more alike than others."""

import torch
from torch import Tensor

from zscape.model.parted import others
from zscape.model.trace import Trace
from zscape.objective.objective import Part, Term

LEAST = 1e-4  # standard deviation of a unit that is divided by


class Apart(Term):
    """weight * the correlation of group mates in a level, summed over its units.

    About 0 where the level's codes have the same mean in every group, its number of units where
    they follow from the group: the intraclass correlation, by random pairs of a batch. What differs
    from group to group in anything but its mean is not seen.
    Source: Fisher 1925, section 38 (the intraclass correlation); it is the Hilbert-Schmidt
    independence criterion of Gretton et al. 2005, section 3, with a linear kernel of the code,
    doi:10.1007/11564089_7.

    Args:
        name: of the level, which holds vectors.
        weight: what a correlation of 1 in one unit costs, in nats.
    """

    def __init__(self, name: str, weight: float) -> None:
        self.name = name
        self.weight = weight

    def __call__(self, trace: Trace, step: int) -> Part:
        """Of the first draw of the examples that have a mate in the batch; 0 without any."""
        assert trace.context is not None, "groups are told in training"
        z, mates = trace[self.name].z[0], others(trace.context[:, 0])
        unit = standardised(z)
        paired = (mates != torch.arange(len(z), device=z.device)).to(z.dtype)
        # Two of a batch whose mean was taken off are that much less alike than two of all.
        alike = (unit * unit[mates]).sum(-1) + z.shape[-1] / max(len(z) - 1, 1)
        value = (alike * paired).sum() / paired.sum().clamp(min=1)
        return Part("apart", value, self.weight * value)


def standardised(z: Tensor) -> Tensor:
    """Codes `[B, D]` of which each unit has mean 0 and, unless it is dead, deviation 1."""
    return (z - z.mean(0)) / z.std(0, correction=0).clamp(min=LEAST)
