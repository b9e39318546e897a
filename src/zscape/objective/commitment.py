"""The commitment term: encoders pay for vectors far from their codes, and codes follow them."""

from zscape.errors import SpecError
from zscape.model.trace import Trace
from zscape.objective.objective import Part, Term
from zscape.probability.distributions.grids import Chosen


class Commitment(Term):
    """weight * ||h - code||^2, summed over the grid; its gradient moves the encoder alone.

    In training, codes that learn move towards the vectors that chose them: not by a gradient but
    as their moving average, at every call. Reported without its weight, in squared units of the
    code.
    Source: van den Oord et al. 2017, eq. 3 (third term; the second one as in appendix A.1),
    arXiv:1711.00937.

    Args:
        weight: what a unit of it costs, in nats.
    """

    def __init__(self, weight: float = 0.25) -> None:
        self.weight = weight

    def __call__(self, trace: Trace, step: int) -> Part:
        """The mean over the batch, summed over levels that are quantised."""
        chosen = [latent.q for latent in trace.latents if isinstance(latent.q, Chosen)]
        if not chosen:
            raise SpecError(
                "Commitment must have a level whose posterior is quantised, got none. "
                "Use it with posteriors of 'zscape.probability.quantised'."
            )
        for q in chosen:
            if q.quantiser.training and q.bounded.requires_grad:
                rows = q.quantiser.layout.rows(q.bounded.detach())
                q.quantiser.follow(rows.flatten(0, -2), q.indices.flatten(0, -2))
        each = [(q.bounded - q.z.detach()).square().flatten(q.indices.ndim - 2) for q in chosen]
        value = sum((e.sum(-1).mean() for e in each[1:]), start=each[0].sum(-1).mean())
        return Part("commitment", value, self.weight * value)
