"""The likelihood of a session of events: how often each comes, and then in which order.

The network that says what comes next is passed in; this module knows no network.
"""

from collections.abc import Callable

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import one_hot, pad

from zscape.probability.conditional import Conditional
from zscape.probability.distributions import LogLogistic
from zscape.probability.distributions.shapes import (
    Shape,
    at_least_float32,
    broadcast_shape,
    soft_clamp,
)
from zscape.probability.likelihoods import LOG_COUNT_SCALE_RANGE, LOG_RATE_RANGE

_NEVER = -1e30  # a logit for events of which none is left; finite, so that gradients are


class Sessions(Conditional):
    """p(x | context) = p(counts | context) prod_t p(event t | events before, counts, context).

    Counts are drawn event by event (`LogLogistic`); the order is then drawn without replacement:
    an event of which none is left cannot come, and one of which n are left comes n times as
    readily as one of which one is, times what the network says. x holds K counts, then the first T
    events as 1 + event, 0 beyond the end. With a network that says nothing every order of the
    same events is as likely.
    The order by next events follows Du et al. 2017 (DeepLog), doi:10.1145/3133956.3134015.

    Args:
        network: of the last events `[N, T, past]`, counts of those left `[N, T, K]` and a context
            `[N, F]` to logits `[N, T, K]`; it has `events` K and `past`.
        longest: T, how many events the order tells.
        context: F.
    """

    def __init__(self, network: nn.Module, *, longest: int, context: int) -> None:
        super().__init__()
        self.network = network
        self.events, self.past = int(network.events), int(network.past)  # type: ignore[arg-type]
        self.longest = longest
        self.shape = (self.events + longest,)
        self.features = (2 * self.events + context,)

    def forward(self, context: Tensor) -> "Session":
        """The distribution of x given `[..., 2 K + F]`: centres, log-scales, what is told."""
        said = at_least_float32(context)
        loc, log_scale, told = said.tensor_split([self.events, 2 * self.events], -1)
        log_scale = soft_clamp(log_scale, *LOG_COUNT_SCALE_RANGE)
        return Session(LogLogistic(loc.clamp(*LOG_RATE_RANGE), log_scale), told, self)


class Session(Distribution):
    """Sessions `[..., K + T]`, in nats; see `Sessions`."""

    has_rsample = False

    def __init__(self, counts: LogLogistic, told: Tensor, conditional: Sessions) -> None:
        self.counts = counts
        self.told = told
        self.conditional = conditional
        super().__init__(told.shape[:-1], Size(conditional.shape), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """A central session `[..., K + T]`: centres of counts, and the likeliest event each time.

        The counts are not whole; the order is one of the counts as rounded. As no session is
        empty, the most frequent event comes once where all counts would be rounded to 0.
        """
        counts = self.counts.mean
        empty = (counts < 0.5).all(-1, keepdim=True)
        most = one_hot(counts.argmax(-1), counts.shape[-1]).bool()
        counts = torch.where(empty & most, 1.0, counts)
        return torch.cat([counts, self._unroll(counts, self.told, _likeliest)], -1)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Exact draws `[*sample_shape, ..., K + T]`."""
        counts = self.counts.sample(sample_shape)
        told = self.told.expand(*sample_shape, *self.told.shape)
        return torch.cat([counts, self._unroll(counts, told, _drawn)], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats, of counts and order."""
        return self.log_prob_per_unit(value).sum(-1)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """The log-probability in nats of each count and each event given those before it."""
        counts = value[..., : self.conditional.events]
        of_counts = self.counts.log_prob_per_unit(counts)
        lead, parts = self._alike(value)
        of_order = self._of_order(*parts).reshape(*lead, -1)
        return torch.cat([of_counts.expand(*lead, -1), of_order], -1)

    def likeliest(self, value: Tensor) -> Tensor:
        """The event that was likeliest at each place, given those before it, `[..., T]`.

        One of those that were still to come; 0 beyond the end.
        """
        lead, (counts, order, told) = self._alike(value)
        chances = self._chances(counts, order, told)
        return chances.argmax(-1).masked_fill(order == 0, 0).reshape(*lead, -1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Session":
        """The same sessions with leading dims `batch_shape`, as a view."""
        told = self.told.expand(*batch_shape, -1)
        return Session(self.counts.expand(batch_shape), told, self.conditional)

    def _alike(self, value: Tensor) -> tuple[Size, tuple[Tensor, Tensor, Tensor]]:
        """The leading dims, and counts, order and what is told with these as one, `[N, ...]`."""
        lead = broadcast_shape(value[..., 0], self.told[..., 0])
        rows, told = (x.expand(*lead, -1).reshape(-1, x.shape[-1]) for x in (value, self.told))
        counts, order = rows.split([self.conditional.events, self.conditional.longest], -1)
        return lead, (counts, order.round().long(), told)

    def _of_order(self, counts: Tensor, order: Tensor, told: Tensor) -> Tensor:
        """Log-probabilities `[N, T]` of events given those before; 0 beyond the end."""
        chances = self._chances(counts, order, told)
        chosen = chances.gather(-1, (order - 1).clamp(min=0)[..., None])[..., 0]
        return chosen.masked_fill(order == 0, 0.0)

    def _chances(self, counts: Tensor, order: Tensor, told: Tensor) -> Tensor:
        """Log-probabilities `[N, T, K]` of each event at each place."""
        came = one_hot(order, self.conditional.events + 1)[..., 1:].to(counts.dtype)
        left = (counts[:, None] - came.cumsum(1) + came).clamp(min=0)
        ago = range(1, self.conditional.past + 1)
        before = torch.stack([pad(order, (n, 0))[:, : order.shape[1]] for n in ago], -1)
        return self._logits(before, left, told).log_softmax(-1)

    def _logits(self, before: Tensor, left: Tensor, told: Tensor) -> Tensor:
        said = at_least_float32(self.conditional.network(before, left, told))
        return torch.where(left > 0.5, said + left.clamp(min=1).log(), _NEVER)

    @torch.no_grad()
    def _unroll(self, counts: Tensor, told: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """An order `[..., T]` of so many events, each chosen from its logits."""
        lead = counts.shape[:-1]
        left, told = counts.reshape(-1, counts.shape[-1]).round(), told.reshape(-1, told.shape[-1])
        # The first length and not len(), which would fix the number of rows of an export.
        before = torch.zeros(left.shape[0], 1, self.conditional.past, dtype=torch.long)
        before, order = before.to(left.device), []
        for _ in range(self.conditional.longest):
            event = choose(self._logits(before, left[:, None], told)[:, 0])
            left = left - one_hot(event, self.conditional.events)
            # Where nothing was left before, the choice is none, and stays so.
            event = (event + 1).masked_fill((left < 0).any(-1), 0)
            left = left.clamp(min=0)
            before = torch.cat([event[:, None, None], before[..., :-1]], -1)
            order.append(event)
        return torch.stack(order, -1).to(counts.dtype).reshape(*lead, -1)


def _likeliest(logits: Tensor) -> Tensor:
    return logits.argmax(-1)


def _drawn(logits: Tensor) -> Tensor:
    noise = -torch.empty_like(logits).exponential_().log()
    return (logits + noise).argmax(-1)
