"""How strange sessions of a log are, and why: by what the model says, and by what was seen before.

P-values are `calibration`'s business.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import pad

from zscape.modalities.found import counted, quote
from zscape.modalities.logs import Logs
from zscape.model.bound import has_rate, sum_rates
from zscape.model.model import Model
from zscape.model.trace import Trace
from zscape.probability.distributions import DiagonalGaussian
from zscape.space.calibration import Pair
from zscape.space.space import Space

LEAST_SCALE = 0.1  # of a count: once more than ever before is then ten deviations off
RARE = 0.05  # share of the normal sessions, or of the steps, of which a reason tells
DOUBT = 0.5  # how often what never followed is taken to have followed
PART = 512  # sessions at a time
DRAWS = 4  # codes of each session, as it is only there that the decoder was taught anything
NOISE = 0x5E55
AT_ONCE = 2**18  # numbers of these beside what was seen: they stay in the cache


@dataclass(frozen=True, slots=True)
class Seen:
    """What normal sessions were like; no model.

    Attributes:
        counts: the count vectors there were, each once, `[U, K]`.
        often: how many sessions had each, `[U]`.
        scale: standard deviations of the counts, at least 0.1, `[K]`.
        follows: how often event b came right after a, `[K + 1, K + 1]`; 0 is the beginning as a,
            the end as b, else 1 + event.
    """

    counts: Tensor
    often: Tensor
    scale: Tensor
    follows: Tensor

    def nearest(self, counts: Tensor, *, own: bool = False) -> Pair:
        """The distance to the nearest count vector, and where it stands, `[N]` each.

        The sum of absolute differences, each in units of its scale.

        Args:
            counts: `[N, K]`.
            own: whether the sessions are among those that were seen, each left out.
        """
        base = (self.counts / self.scale).sum(1)
        columns = self.counts.T.contiguous()
        kinds = int((counts > 0).sum(1).max())
        found, places = [], []
        for part in counts.split(max(AT_ONCE // (kinds * len(base)), 1)):
            # Where a session has no such event, |x - u| is u, which the base has: few are left.
            there, events = part.topk(kinds, dim=1)
            others = columns[events]
            apart = ((there[..., None] - others).abs() - others) / self.scale[events][..., None]
            far = base + apart.sum(1)
            if own:
                far = far.masked_fill((far < 1e-3) & (self.often == 1), torch.inf)
            least = far.min(1)
            found.append(least.values.where(least.values.isfinite(), 0.0).clamp(min=0))
            places.append(least.indices)
        return torch.cat(found).double(), torch.cat(places)

    def surprises(self, order: Tensor, *, own: bool = False) -> Tensor:
        """-log of the share of times that each event came right after the one before, `[N, T + 1]`.

        The end counts as an event where it is told.

        Args:
            order: 1 + event in their order, 0 beyond the end, `[N, T]`.
            own: whether the sessions are among those that were seen, each left out.
        """
        before, after, there = _steps(order)
        together = self.follows[before, after]
        whole = self.follows.sum(1)[before]
        if own:
            pairs = torch.where(there, before * len(self.follows) + after, -1)
            firsts = torch.where(there, before, -1)
            together = together - (pairs[:, :, None] == pairs[:, None]).sum(-1)
            whole = whole - (firsts[:, :, None] == firsts[:, None]).sum(-1)
        share = (together + DOUBT) / (whole + DOUBT * len(self.follows))
        return -share.clamp(min=1e-9).log().masked_fill(~there, 0.0).double()


def seen(x: Tensor, kinds: int) -> Seen:
    """What sessions were like.

    Args:
        x: counts, then the order, `[N, K + T]`.
        kinds: K.
    """
    counts, order = x[:, :kinds].float(), x[:, kinds:].long()
    unique, often = counts.unique(dim=0, return_counts=True)
    before, after, there = _steps(order)
    pairs = (before * (kinds + 1) + after)[there].bincount(minlength=(kinds + 1) ** 2)
    scale = counts.std(0, correction=0).clamp(min=LEAST_SCALE)
    return Seen(unique, often, scale, pairs.reshape(kinds + 1, kinds + 1).float())


def seen_of(space: Space) -> Seen:
    """What the sessions of a space were like, which count as normal."""
    return seen(space.items, len(_logs(space).events) + 1)


@torch.inference_mode()
def nats_of(space: Space, stored: Tensor) -> tuple[Tensor, Tensor]:
    """-log p(x | z) of each count and event, the mean of some codes, and rates, in nats.

    The centre of a posterior that says little lies where no code of training was.

    Returns:
        `[N, K + T]`, and `[N]`; rates are nan where a code is a point.
    """
    costs, rates = [], []
    for part in stored.split(PART):
        x = space.modality.prepare(part)
        trace, again, said = _walked(space.model, x)
        found = said.log_prob_per_unit(again)  # type: ignore[attr-defined]
        costs.append(-found.unflatten(0, (DRAWS, -1)).mean(0))
        nothing = x.new_full((len(x),), torch.nan)
        rates.append(sum_rates(trace) if has_rate(trace) else nothing)
    return torch.cat(costs).double(), torch.cat(rates).double()


def _walked(model: Model, x: Tensor) -> tuple[Trace, Tensor, Distribution]:
    """A walk of sessions `[N]` along the centres, and S codes of each with x and likelihood there.

    All sessions have the same noise, so that a score does not depend on who is scored beside.
    """
    trace = model.encode(x)
    generator = torch.Generator().manual_seed(NOISE)
    given = {}
    for latent in trace.latents:
        z = latent.z.expand(DRAWS, *latent.z.shape)
        if isinstance(latent.q, DiagonalGaussian):
            noise = torch.randn(DRAWS, 1, *z.shape[2:], generator=generator)
            z = z + latent.q.stddev * noise.to(z)
        given[latent.name] = z.flatten(0, 1)
    again = x.repeat(DRAWS, 1)
    return trace, again, model.generate(len(again), given=given).likelihood


COUNTS, ORDER, RATE = "counts", "order", "rate"
COUNT_NEIGHBOURS, FOLLOWING = "count_neighbours", "following"
OF_SESSIONS = {
    COUNTS: ("nats", "the model finds its counts unlikely"),
    ORDER: ("nats", "the model finds its order unlikely"),
    COUNT_NEIGHBOURS: ("distance", "no normal session has counts like it"),
    FOLLOWING: ("nats", "events follow each other as they hardly ever did"),
}
UNTAUGHT = (COUNT_NEIGHBOURS, FOLLOWING)  # for which nothing was trained
WHOLE = (COUNTS, ORDER, COUNT_NEIGHBOURS, FOLLOWING)


def session_scores(
    space: Space, before: Seen, stored: Tensor, *, own: bool
) -> Mapping[str, Tensor]:
    """Each score of stored sessions, `[N]` by its name.

    Args:
        space: of sessions.
        before: what normal ones were like.
        stored: `[N, K + T]`.
        own: whether they are among the normal ones, each left out of what was seen.
    """
    kinds = len(_logs(space).events) + 1
    costs, rates = nats_of(space, stored)
    x = stored.float()
    return {
        COUNTS: costs[:, :kinds].sum(1),
        ORDER: costs[:, kinds:].sum(1),
        RATE: rates,
        COUNT_NEIGHBOURS: before.nearest(x[:, :kinds], own=own)[0],
        FOLLOWING: before.surprises(x[:, kinds:].long(), own=own).amax(1),
    }


Reason = tuple[str, float]


@torch.inference_mode()
def reasons(
    space: Space, before: Seen, stored: Tensor, odd: Mapping[int, str]
) -> Iterator[list[Reason]]:
    """What is strange about stored sessions `[N, K + T]`: in words and nats, the worst first.

    Events are called by their names; `Logs.legend` says what these are.

    Args:
        space: of sessions.
        before: what normal ones were like.
        stored: `[N, K + T]`.
        odd: by the place of a session its first line that is like none in training.
    """
    logs, kinds = _logs(space), len(_logs(space).events) + 1
    lines = iter([odd.get(n, "") for n in range(len(stored))])
    for part in stored.split(PART):
        x = space.modality.prepare(part)
        _, again, said = _walked(space.model, x)
        found = said.log_prob_per_unit(again)  # type: ignore[attr-defined]
        costs = -found.unflatten(0, (DRAWS, -1)).mean(0)
        drawn = said.likeliest(again).long()  # type: ignore[attr-defined]
        likeliest = drawn.unflatten(0, (DRAWS, -1)).mode(0).values
        # A session that was seen once may be this one, which says nothing: the next is asked.
        near = before.counts[before.nearest(x[:, :kinds], own=True)[1]]
        follow = before.surprises(x[:, kinds:].long())
        for n, row in enumerate(x):
            counts, order = row[:kinds], row[kinds:].long()
            found = _of_counts(logs, before, counts, near[n], costs[n, :kinds], next(lines))
            found += _of_order(logs, order, likeliest[n], costs[n, kinds:])
            step, share = _of_steps(logs, before, order, follow[n])
            # What is strange in no one way is so in its rarest step, if in any.
            found += [step] if share <= RARE or not found else []
            yield sorted(found, key=lambda reason: -reason[1])


def _of_counts(
    logs: Logs, before: Seen, counts: Tensor, near: Tensor, costs: Tensor, odd: str
) -> list[Reason]:
    """The events that came as often as in few normal sessions, or not as in the most similar."""
    most, every, found = before.counts.amax(0), int(before.often.sum()), []
    alike = ((before.counts == counts) * before.often[:, None]).sum(0)
    rare = alike <= RARE * every
    for event in (rare | (counts != near)).nonzero().flatten().tolist():
        came, usual, ever, same = (int(v[event]) for v in (counts, near, most, alike))
        nats = float(costs[event])
        if rare[event]:  # a model may have learned to expect what hardly ever came
            nats = max(nats, -math.log(max(same, DOUBT) / every))
        told = f"{logs.called(event)} {f'came {_times(came)}' if came else 'never came'}"
        if event == len(logs.events) and not ever:
            words = f"{counted(came, 'line')} like none in training"
            words += f", {'first ' if came > 1 else ''}{quote(odd)}" if odd else ""
        elif came > ever:
            words = f"{told}, never more than {_times(ever)} before"
        elif rare[event]:
            words = f"{told}, as in {same or 'none'} of {every:,} normal sessions"
        else:
            words = f"{told}, {_times(usual)} in the most similar normal session"
        found.append((words, nats))
    return found


def _of_order(logs: Logs, order: Tensor, likeliest: Tensor, costs: Tensor) -> list[Reason]:
    """The least likely place of the order, where something else was expected first."""
    place = int(costs.argmax())
    came, wanted = int(order[place]) - 1, int(likeliest[place])
    if came < 0 or wanted in (came, len(logs.events)):
        return []
    words = f"{logs.called(wanted)} expected before {logs.called(came)}"
    return [(words, float(costs[place]))]


def _of_steps(logs: Logs, before: Seen, order: Tensor, follow: Tensor) -> tuple[Reason, float]:
    """The step that was least seen, and its share of those from the same event."""
    place = int(follow.argmax())
    last, after, _ = (part[0] for part in _steps(order[None]))
    first, then = int(last[place]), int(after[place])
    times, every = int(before.follows[first, then]), int(before.follows[first].sum())
    often = f"as {times:,} of {every:,} times"
    if not first:
        words = f"it begins with {logs.called(then - 1)}, {often if times else 'as none before'}"
    elif not then:
        words = f"it ends after {logs.called(first - 1)}, {often if times else 'as none before'}"
    else:
        words = f"{logs.called(then - 1)} came right after {logs.called(first - 1)}, "
        words += often if times else "as never before"
    return (words, float(follow[place])), times / max(every, 1)


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _logs(space: Space) -> Logs:
    assert isinstance(space.modality, Logs), "only sessions of a log are counted like this"
    return space.modality


def _steps(order: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Event before, event after and whether there is such a step, `[N, T + 1]` each."""
    before, after = pad(order, (1, 0)), pad(order, (0, 1))
    there = (after > 0) | (before > 0)
    # Where the order fills all places, the end is not told.
    there[:, -1] = False
    there[:, 0] = True
    return before, after, there
