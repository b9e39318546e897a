"""The cycle of a swap: a thing of mixed codes is read as the codes that it was made of."""

import torch
from torch import Tensor

from zscape.model import parted
from zscape.model.model import Model
from zscape.model.trace import Trace
from zscape.objective.objective import Part, Term
from zscape.objective.schedules import Schedule, at


class Cycle(Term):
    """weight * -log q(codes | decoded mix), in nats per mix.

    The first code of some examples is joined with the last code of others and decoded; the
    posterior of what comes is to find both. It bounds from below what a mix tells of its codes, so
    that no part can be passed over. Too much of it holds on to whatever parts there are at first.
    Source: Chen et al. 2016, eq. 5 (the bound), arXiv:1606.03657; Huang et al. 2018, eqs. 3 and 4
    (codes found again, there by L1), arXiv:1804.04732.

    Args:
        model: of two parts; used, not owned.
        weight: what a nat of it costs; a number or a schedule.
        share: of the batch that is mixed: a mix costs about as much as an example.
    """

    def __init__(self, model: Model, weight: float | Schedule, *, share: float) -> None:
        self.model = model
        self.weight = weight
        self.share = share
        self.steady = not callable(weight)

    def __call__(self, trace: Trace, step: int) -> Part:
        """The mean over the mixes, each of an example with the style of the one half a batch on."""
        content, style = (latent.z[0] for latent in trace.latents)
        count = max(round(self.share * len(content)), 1)
        mixed = content[:count], style.roll(len(style) // 2, 0)[:count]
        nowhere = content.new_full((count, 1), torch.nan)
        made: Tensor = self.model.decoder(torch.cat([nowhere, *mixed], -1)).mean
        evidence = self.model.encoder(made)
        spent = []
        for level, code in zip(self.model.levels, mixed, strict=True):
            assert isinstance(level, parted.Part), "a cycle is of contents and styles"
            spent.append(-level.read(evidence).log_prob(code.detach()))
        value = torch.stack(spent).sum(0).mean()
        return Part("cycle", value, at(self.weight, step) * value)
