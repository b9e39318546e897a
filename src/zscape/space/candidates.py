"""Fitting each kind of prior to draws of the posterior, made in `refitting`."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from zscape.networks import Encoder
from zscape.probability import priors
from zscape.probability.conditional import Conditional
from zscape.probability.diffusion import Diffusion
from zscape.probability.distributions import FullGaussianMixture
from zscape.probability.expectation import ROUNDS, fit_mixture
from zscape.probability.fitting import Loss, minimise
from zscape.probability.tokens import Tokens
from zscape.space.slot import Slot, build_prior, features_of
from zscape.space.space import CHUNK, Space, own_draws, seeded

STREAM = 0x9E1F  # its draws are not those of anybody else's small seed
MOST_EXPECTED = 60_000  # codes that EM looks at
ABSENT = -1e4  # log-weight of another class's component
COMPONENTS, BY_CLASS = (1, 3, 10, 25, 50, 100), (1, 2, 5, 10, 20)
SOURCES = COMPONENTS[:-1]  # a step of a diffusion costs as much as its components are many
UPDATES = {"flow": 2_000, "diffusion": 4_000, "diagonal": 1_000, "vamp": 300, "tokens": 1_000}
TOLD = 3  # times as many where a prior must learn what a model is told
PACE = {"flow": 2e-3, "diffusion": 1e-3, "diagonal": 1e-2, "vamp": 1e-2, "tokens": 3e-3}
BATCH = 512
BATCHES = {"tokens": 64}
SOURCE_SHARE = 0.2  # of the work on a diffusion, until its source is fitted


@dataclass(frozen=True, slots=True)
class Attempt:
    """How far the fitting of a candidate is.

    Attributes:
        words: what is fitted, for a person.
        share: of its work that is done, 0 to 1.
        loss: the last mean of what is minimised; NaN before there is one.
        slot: of the candidate.
        prior: the fitted prior, when it is done.
        nats: its mean -log p(z) over the codes that pick, in nats, when it is done.
    """

    words: str
    share: float
    loss: float
    slot: Slot
    prior: Conditional | None = None
    nats: float = float("nan")


@dataclass(frozen=True, slots=True)
class Task:
    """What candidates are fitted to and picked by: draws of the posterior, flat and standardised.

    Attributes:
        space: whose top level it is.
        places: where the fitted items stand among the kept ones.
        z: codes that are fitted, `[N, D]`.
        known: what a prior sees beside each, `[N, F]`: its class, one-hot, or what its walk starts
            from where the model is told something; F is 0 where there is neither.
        posteriors: means and standard deviations that the codes were drawn from, `[N', 2 D]`, in
            the order of the codes; the codes, and deviations 0, where those are no Gaussians.
        picking_posteriors: likewise of the codes that pick.
        picking: codes that pick, `[M, D]`.
        picking_known: likewise.
        shift: what was taken from all codes, `[*event]`.
        scale: what they were divided by, `[*event]`.
        components: as asked; 0: to be picked.
        updates: of what is fitted by gradients; 0: as many as usual.
        seed: of all draws.
    """

    space: Space
    places: Tensor
    z: Tensor
    known: Tensor
    posteriors: Tensor
    picking_posteriors: Tensor
    picking: Tensor
    picking_known: Tensor
    shift: Tensor
    scale: Tensor
    components: int
    updates: int
    seed: int

    def outside(self, z: Tensor) -> Tensor:
        """Codes `[N, *event]` in the units of the model."""
        return self.shift + self.scale * z.reshape(-1, *self.shift.shape)


def best(attempts: Iterable[Attempt]) -> Attempt:
    """The fitted candidate that gives the codes that pick the highest density."""
    done = [attempt for attempt in attempts if attempt.prior is not None]
    return min(done, key=lambda attempt: attempt.nats)


def fit_mixtures(task: Task, slot: Slot, usual: tuple[int, ...] = COMPONENTS) -> Iterator[Attempt]:
    """Ever more components until the codes that pick say twice that it was enough.

    Args:
        task: what is fitted.
        slot: of the prior.
        usual: how many are tried, where none are asked for and none are by classes.
    """
    usual, lowest, worse = BY_CLASS if slot.classes else usual, np.inf, 0
    tried = (task.components,) if task.components else usual
    for number, components in enumerate(tried):
        for attempt in _fit_mixture(task, slot, components):
            yield replace(attempt, share=(number + attempt.share) / len(tried))
        worse = worse + 1 if attempt.nats > lowest else 0
        lowest = min(lowest, attempt.nats)
        if worse == 2:
            return


def _fit_mixture(task: Task, slot: Slot, components: int) -> Iterator[Attempt]:
    classes, found = len(slot.classes), []
    words = f"mixture of {components}" + (f" for each of {classes} classes" if classes else "")
    attempt, most = Attempt(words, 0.0, math.nan, slot), MOST_EXPECTED // max(classes, 1)
    for c in range(max(classes, 1)):
        own = task.z[task.known[:, c] > 0] if classes else task.z
        better = fit_mixture(own[:most], components, seed=task.seed)
        for number, mixture in enumerate(better):
            share = (c + number / ROUNDS) / max(classes, 1)
            yield replace(attempt, share=min(share, 1.0))
            last = mixture
        found.append((last, len(own) / len(task.z)))
    whole, joint = _joined(found)
    own_slot = replace(slot, components=len(whole.loc))
    prior = _fresh(task, own_slot)
    assert isinstance(prior, priors.Standardised) and isinstance(prior.inner, priors.FullMixture)
    prior.inner.take(whole, joint)
    yield _done(task, own_slot, prior, words)


def _joined(
    found: Sequence[tuple[FullGaussianMixture, float]],
) -> tuple[FullGaussianMixture, Tensor]:
    """Mixtures side by side, and log-weights `[classes, K]` of class and component together."""
    sizes = [len(mixture.loc) for mixture, _ in found]
    joint = torch.full((len(found), sum(sizes)), ABSENT)
    for c, (mixture, share) in enumerate(found):
        start = sum(sizes[:c])
        joint[c, start : start + sizes[c]] = mixture.logits.log_softmax(-1) + math.log(share)
    loc = torch.cat([mixture.loc for mixture, _ in found])
    scale_tril = torch.cat([mixture.scale_tril for mixture, _ in found])
    return FullGaussianMixture(joint.logsumexp(0), loc, scale_tril), joint


def _fit_diagonal(task: Task, slot: Slot) -> Iterator[Attempt]:
    slot = replace(slot, components=min(task.components or 50, len(task.z) // 2))
    prior = _fresh(task, slot)
    assert isinstance(prior, priors.Standardised) and isinstance(prior.inner, priors.Mixture)
    *_, start = fit_mixture(task.z[:MOST_EXPECTED], slot.components, rounds=3, seed=task.seed)
    with torch.no_grad():
        prior.inner.logits.copy_(start.logits)
        prior.inner.loc.copy_(start.loc)
        prior.inner.log_variance.copy_(start.scale_tril.square().sum(-1).log())
    words = f"mixture of {slot.components} diagonal Gaussians"
    yield from _descended(task, slot, prior, prior.inner, words)


def fit_flow(task: Task, slot: Slot) -> Iterator[Attempt]:
    """A spline flow, by gradients."""
    prior = _fresh(task, slot)
    assert isinstance(prior, priors.Standardised)
    yield from _descended(task, slot, prior, prior.inner, "flow")


def _fit_vamp(task: Task, slot: Slot) -> Iterator[Attempt]:
    """The pseudo-inputs begin at examples, and the encoder stays as it is."""
    slot, space = replace(slot, components=task.components or 100), task.space
    prior = _fresh(task, slot)
    assert isinstance(prior, priors.Vamp) and isinstance(space.model.encoder, Encoder)
    items = _some(task.places, slot.components, task.seed)
    with torch.no_grad():
        x = space.modality.prepare(space.items[items])
        prior.pseudo_inputs.copy_(space.model.encoder.front(x))
    words = f"vamp of {slot.components}"
    yield from _descended(task, slot, prior, prior, words)


def fit_diffusion(task: Task, slot: Slot, source: Attempt | None = None) -> Iterator[Attempt]:
    """The mixture that is picked, then the flow in time that carries its draws further.

    Args:
        task: what is fitted.
        slot: of the prior.
        source: the mixture, where it was picked before.
    """
    if source is None:
        found = []
        for attempt in fit_mixtures(task, replace(slot, kind="mixture"), SOURCES):
            found.append(attempt)
            yield replace(attempt, prior=None, share=SOURCE_SHARE * attempt.share)
        source = best(found)
    slot = replace(slot, components=source.slot.components)
    prior = _fresh(task, slot)
    assert isinstance(prior, priors.Standardised) and isinstance(prior.inner, Diffusion)
    assert isinstance(source.prior, priors.Standardised)
    prior.inner.source.load_state_dict(source.prior.inner.state_dict())
    inner = prior.inner
    points = task.posteriors, task.known[: len(task.posteriors)]
    for attempt in _minimised(
        task,
        slot,
        prior,
        inner.network,
        "diffusion",
        inner.matcher(),
        points,
        task.picking_posteriors,
    ):
        yield replace(attempt, share=SOURCE_SHARE + (1 - SOURCE_SHARE) * attempt.share)


def fit_tokens(task: Task, slot: Slot) -> Iterator[Attempt]:
    """A causal transformer of the grid's codes, by their exact rate."""
    prior = _fresh(task, slot)
    assert isinstance(prior, Tokens)
    (quantiser,) = prior.borrowed
    # Nothing is drawn from such a posterior, so its draws repeat those of the first.
    z, known = task.z[: len(task.places)], task.known[: len(task.places)]

    def read(codes: Tensor) -> Tensor:
        return quantiser.read(quantiser.layout.rows(task.outside(codes))).flatten(1)

    def nats(tokens: Tensor, told: Tensor) -> Tensor:
        indices = tokens.unflatten(1, (-1, len(quantiser.sizes)))
        return -prior.forward(told).log_prob_of(indices)

    yield from _minimised(
        task, slot, prior, prior, "tokens", nats, (read(z), known), read(task.picking)
    )


def _descended(
    task: Task,
    slot: Slot,
    prior: Conditional,
    fitted: nn.Module,
    words: str,
) -> Iterator[Attempt]:
    """The fitting of a prior by gradients of -log p(z)."""
    moved = (lambda z: z) if isinstance(prior, priors.Standardised) else task.outside
    inner = prior.inner if isinstance(prior, priors.Standardised) else prior

    def nats(z: Tensor, known: Tensor) -> Tensor:
        found: Tensor = -inner.forward(known).log_prob(moved(z))
        return found

    points = task.z, task.known
    yield from _minimised(task, slot, prior, fitted, words, nats, points, task.picking)


def _minimised(
    task: Task,
    slot: Slot,
    prior: Conditional,
    fitted: nn.Module,
    words: str,
    loss: Loss,
    points: tuple[Tensor, Tensor],
    picking: Tensor,
) -> Iterator[Attempt]:
    usual = UPDATES[slot.kind] * (TOLD if features_of(task.space.model) else 1)
    steps = task.updates or usual
    records = minimise(
        fitted,
        loss,
        points,
        held=(picking, task.picking_known),
        steps=steps,
        batch=BATCHES.get(slot.kind, BATCH),
        learning_rate=PACE[slot.kind],
        seed=task.seed,
    )
    for step, value in own_draws(records, STREAM + task.seed):
        yield Attempt(words, step / steps, value, slot)
    yield _done(task, slot, prior, words)


@torch.no_grad()
def _done(task: Task, slot: Slot, prior: Conditional, words: str) -> Attempt:
    prior.eval()
    total = 0.0
    with seeded(STREAM + task.seed):
        for z, known in zip(
            task.picking.split(CHUNK), task.picking_known.split(CHUNK), strict=True
        ):
            total -= prior.forward(known).log_prob(task.outside(z)).double().sum().item()
    nats = total / len(task.picking)
    return Attempt(words, 1.0, nats, slot, prior, nats)


def _fresh(task: Task, slot: Slot) -> Conditional:
    with seeded(STREAM + task.seed):
        prior = build_prior(task.space.model, slot)
    if isinstance(prior, priors.Standardised):
        prior.shift.copy_(task.shift)
        prior.scale.copy_(task.scale)
    return prior


def _some(rows: Tensor, number: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(STREAM + seed)
    return rows[torch.randint(len(rows), (number,), generator=generator)]


FITS: dict[str, Callable[[Task, Slot], Iterator[Attempt]]] = {
    "mixture": fit_mixtures,
    "diagonal": _fit_diagonal,
    "vamp": _fit_vamp,
    "flow": fit_flow,
    "diffusion": fit_diffusion,
    "tokens": fit_tokens,
}
