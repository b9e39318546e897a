"""Codes in parts that say different things: what a group of examples shares, and what is one's own.

Which group an example is of is known in training alone; no part needs it afterwards.
"""

import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.model.level import Evidence, Level
from zscape.probability.conditional import Conditional


class Part(Level):
    """A flat level whose posterior sees the evidence alone, as if there were no other level.

    The state begins with the number of the example's group, nan where it is not known, and the
    codes so far follow. In training the evidence of a shared part is that of another example of
    the same group in the batch, where there is one, so that it can hold nothing but what the group
    shares; the average that the sources take holds some of one's own.

    Args:
        name: of the level.
        prior: of its code.
        posterior: of the evidence that it reads, `[..., H]`.
        shared: whether it holds what a group shares.
        reads: which of the evidence it sees.

    Source: Bouchacourt et al. 2018, section 3.2, arXiv:1705.08841; Hosoya 2019, section 3,
    arXiv:1809.02383.
    """

    def __init__(
        self,
        name: str,
        *,
        prior: Conditional,
        posterior: Conditional,
        shared: bool,
        reads: slice = slice(None),
    ) -> None:
        super().__init__(name, prior=prior, posterior=posterior)
        self.shared = shared
        self.reads = reads

    def infer(self, state: Tensor, evidence: Evidence, p: Distribution) -> Distribution:
        """The posterior of evidence `[B, H]`."""
        assert isinstance(evidence, Tensor), "a part has evidence of one place"
        if self.training and self.shared:
            groups = state.reshape(-1, len(evidence), state.shape[-1])[0, :, 0]
            evidence = evidence.index_select(0, others(groups))
        return self.read(evidence)

    def read(self, evidence: Tensor) -> Distribution:
        """The posterior of evidence `[..., H]`, whatever others are of the group."""
        return self.posterior.forward(evidence[..., self.reads])

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """`[..., 1 + F + D]` from `[..., 1 + F]` and `[..., D]`."""
        return torch.cat([state.expand(*z.shape[:-1], -1), z], -1)


def others(groups: Tensor) -> Tensor:
    """A random other example of the same group, by its place `[B]`; its own where there is none.

    Args:
        groups: a number for each example `[B]`, nan where it is not known.
    """
    alike = groups[:, None] == groups[None]
    alike.fill_diagonal_(False)
    drawn = torch.rand_like(alike, dtype=torch.float32).masked_fill(~alike, -1.0)
    own = torch.arange(len(groups), device=groups.device)
    return torch.where(alike.any(1), drawn.argmax(1), own)
