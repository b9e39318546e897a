"""Fitting a better prior to the codes of a trained space, everything else frozen.

What is minimised is the rate, of which only -log p(z) depends on the prior, over draws of the
posterior that are made once. Candidates are picked by it on examples held out of training.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from zscape.errors import DataError, SpecError
from zscape.modalities.conditions import class_key
from zscape.model.start import Told
from zscape.probability.distributions import Delta, DiagonalGaussian
from zscape.space.candidates import (
    FITS,
    SOURCES,
    STREAM,
    Attempt,
    Task,
    best,
    fit_diffusion,
    fit_flow,
    fit_mixtures,
)
from zscape.space.slot import (
    SEEING,
    TOKENS,
    Slot,
    checked,
    code_shape,
    features_of,
    quantiser_of,
    suited,
    top,
    with_prior,
)
from zscape.space.space import CHUNK, Space, seeded

AUTO, SUITING = "auto", ""
LABEL = "label"  # what the labels may be called whatever their own name
MOST_DRAWS = 200_000  # codes that are fitted
FEWEST, FEWEST_HELD = 20, 40  # examples, and held-out ones, below which a part of all picks
MOST_PICKING = 5_000
MOST_CLASSES, FEWEST_OF_A_CLASS = 100, 2


def refit_prior(
    space: Space,
    prior: str = SUITING,
    *,
    by: str = "",
    components: int = 0,
    steps: int = 8,
    guidance: float = 1.0,
    updates: int = 0,
    seed: int = 0,
) -> Space:
    """The same space with a better prior in the top level of its model; all else is bit for bit.

    Samples come from where codes lie, and the rate falls. A mixture of Gaussians with full
    covariances takes seconds and is hard to beat; a diffusion takes minutes. By classes, samples
    of one of them need no retraining (`space.sample(where=...)`). The prior of a model that is told
    something sees all of that, and a diffusion can be led by it more strongly than it was learned.

    Args:
        space: a trained space whose top level has a real-valued code, or a grid of codes.
        prior: "mixture", "diagonal" (a mixture of diagonal Gaussians), "vamp", "flow",
            "diffusion", or "auto": the mixture, flow or diffusion with the lowest rate. Of a grid
            of codes: "tokens", a causal transformer, which "auto" takes too. Of a model that is
            told something: "flow" or "diffusion". Where none is named, the first that suits: a
            mixture, tokens for a grid, a flow for what is told something.
        by: the labels' own name or "label", or an attribute with few values: every class gets
            components of its own, and is asked for by that name.
        components: Gaussians (by classes: of each), or pseudo-inputs; 0: picked by the rate.
        steps: of a diffusion's sampler, 4 to 64.
        guidance: of a diffusion by its classes or by what the model is told: 0 not at all, 1 as
            learned, more exaggerates.
        updates: steps of what is fitted by gradients; 0: as many as usual.
        seed: of all draws.

    Raises:
        SpecError: an option that cannot be, or a code without a density.
        DataError: fewer than 20 examples, or classes that are not known.

    Source: Dai and Wipf 2019, section 4 (a second stage on codes), arXiv:1903.05789; Tomczak and
    Welling 2018, eq. 5 (the best prior is the aggregate posterior), arXiv:1705.07120.
    """
    asked = {"by": by, "components": components, "steps": steps, "guidance": guidance}
    with torch.random.fork_rng(devices=[]):
        found = refitting(space, prior, updates=updates, seed=seed, **asked)  # type: ignore[arg-type]
        done = best(found)
        assert done.prior is not None
        return replace(space, model=with_prior(space.model, done.slot, done.prior))


def refitting(
    space: Space,
    prior: str = SUITING,
    *,
    by: str = "",
    components: int = 0,
    steps: int = 8,
    guidance: float = 1.0,
    updates: int = 0,
    seed: int = 0,
) -> Iterator[Attempt]:
    """Fits the candidates of `refit_prior` one after the other, and yields how far they are."""
    if prior == AUTO and quantiser_of(space.model) is not None:
        prior = TOKENS
    sees = features_of(space.model) > 0
    if prior == SUITING:
        prior = TOKENS if quantiser_of(space.model) is not None else "flow" if sees else "mixture"
    kind = ("flow" if sees else "mixture") if prior == AUTO else prior
    slot = checked(Slot(kind, components or 1, by, (), steps, float(guidance)))
    suited(space.model, slot)
    if sees and kind not in SEEING:
        raise SpecError(
            f"The prior of a model that is told something must be one that sees it "
            f"({' or '.join(SEEING)}), got {kind!r}. Use --prior diffusion."
        )
    names, ids = _classes(space, by)
    slot = checked(replace(slot, classes=names))
    fitted = {"components": components, "updates": updates, "seed": seed}
    task = _task(space, ids, len(names), whole=kind == "flow", **fitted)
    if prior != AUTO:
        yield from FITS[prior](task, slot)
        return
    if sees:
        yield from fit_flow(task, slot)
        task = _task(space, ids, 0, whole=False, **fitted)
        yield from fit_diffusion(task, replace(slot, kind="diffusion"))
        return
    yield from _usual(task, slot)


def _usual(task: Task, slot: Slot) -> Iterator[Attempt]:
    """The mixtures, the flow, and the diffusion from the best mixture."""
    mixtures = []
    for attempt in fit_mixtures(task, slot):
        mixtures.append(attempt)
        yield attempt
    if not slot.classes and task.z.shape[1] > 1:
        yield from fit_flow(task, replace(slot, kind="flow"))
    free = slot.classes or task.components
    sources = [m for m in mixtures if free or m.slot.components <= max(SOURCES)]
    yield from fit_diffusion(task, replace(slot, kind="diffusion"), best(sources))


def parts(space: Space, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Where the kept items stand that fit, that pick and that only measure, each rising.

    The last two are halves of the held-out items; where there are fewer than 40 of them, of a fifth
    of all kept items, which the model has seen.

    Args:
        space: a space.
        seed: of the halves.

    Raises:
        DataError: fewer than 20 items.
    """
    count = len(space.items)
    if count < FEWEST:
        raise DataError(
            f"A prior must be fitted to at least {FEWEST} examples, got {count}. Train on more."
        )
    generator = torch.Generator().manual_seed(STREAM + seed)
    order = torch.randperm(count, generator=generator)
    held = torch.zeros(count, dtype=torch.bool) if space.held_out is None else space.held_out
    if held.sum() < FEWEST_HELD:
        held = torch.zeros(count, dtype=torch.bool)
        held[order[: count // 5]] = True
    apart = order[held[order]]
    half = len(apart) // 2
    fitting = (~held).nonzero().flatten()
    return fitting, apart[:half].sort().values, apart[half:].sort().values


def draws_of(
    space: Space, places: Tensor, draws: int, *, seed: int
) -> tuple[Tensor, Tensor | None]:
    """Codes `[S, N, *event]` drawn from the posterior of the top level, and log q `[S, N]`.

    Args:
        space: a space.
        places: of N kept items.
        draws: S.
        seed: of the draws.

    Returns:
        The second is None where a code is a point, which has no density.
    """
    found = _inferred(space, places, draws, seed)
    return found.codes, found.density


def start_of(
    space: Space, places: Tensor, like: Tensor, *, withheld: bool = False, whole: bool = True
) -> Tensor:
    """Where the walks of kept items start: from what the model is told of them, `[N, ...]`.

    Args:
        space: a space.
        places: of N kept items.
        like: a tensor of N of the model's device.
        withheld: whether parts of it are left out at random, as in training.
        whole: whether all of it may be at once.

    Raises:
        DataError: the space does not hold what its items were told.
    """
    start = space.model.start
    if not isinstance(start, Told):
        return start(None, like)
    if space.told is None:
        raise DataError(
            "A prior that sees what a model is told must have it of each example, and this study "
            "was made before that was kept. Train it again."
        )
    told = space.told[places]
    return start(start.withheld(told, whole=whole) if withheld else told, like)


@dataclass(frozen=True, slots=True)
class _Inferred:
    """What the top level infers of N items.

    Attributes:
        codes: `[S, N, *event]`.
        density: log q of them, `[S, N]`; None of points.
        shapes: means and standard deviations, `[2, N, *event]`; None where it is no Gaussian.
        starts: `[N, ...]`.
    """

    codes: Tensor
    density: Tensor | None
    shapes: Tensor | None
    starts: Tensor


@torch.inference_mode()
def _inferred(space: Space, places: Tensor, draws: int, seed: int, **left_out: bool) -> _Inferred:
    codes, densities, shapes, starts, level = [], [], [], [], top(space.model)
    with seeded(STREAM + seed):
        for part in places.split(CHUNK):
            x = space.modality.prepare(space.items[part])
            starts.append(start_of(space, part, x, **left_out))
            q = level.infer(starts[-1], space.model.encoder(x), level.prior.forward(starts[-1]))
            codes.append(q.sample((draws,)))
            densities.append(None if isinstance(q, Delta) else q.log_prob(codes[-1]))
            if isinstance(q, DiagonalGaussian):
                shapes.append(torch.stack([q.mean, q.stddev]))
    known = [density for density in densities if density is not None]
    return _Inferred(
        torch.cat(codes, dim=1),
        torch.cat(known, dim=1) if known else None,
        torch.cat(shapes, dim=1) if shapes else None,
        torch.cat(starts),
    )


def _task(
    space: Space,
    ids: np.ndarray,
    classes: int,
    *,
    whole: bool,
    components: int,
    updates: int,
    seed: int,
) -> Task:
    """What is fitted; `whole`: whether now and then nothing is told, as a diffusion does itself."""
    with seeded(STREAM + seed):
        code_shape(space.model)
    fitting, picking, _ = parts(space, seed=seed)
    found = _drawn(space, fitting, whole=whole, seed=seed)
    apart = _inferred(space, picking[:MOST_PICKING], 1, seed + len(found))
    z = torch.cat([each.codes.flatten(0, 1) for each in found])
    shift, scale = z.mean(0), z.std(0).clamp(min=1e-4)
    known = _one_hot(ids, classes)
    _require_enough(known[space.kept[fitting]])

    def seen(places: Tensor, found: Sequence[_Inferred]) -> Tensor:
        if features_of(space.model):
            return torch.cat([one.starts for one in found])
        return known[space.kept[places]].repeat(len(found[0].codes), 1)

    return Task(
        space=space,
        places=fitting,
        z=((z - shift) / scale).flatten(1),
        known=seen(fitting, found),
        picking=((apart.codes[0] - shift) / scale).flatten(1),
        posteriors=torch.cat([_posteriors(each, shift, scale) for each in found]),
        picking_posteriors=_posteriors(apart, shift, scale),
        picking_known=seen(picking[:MOST_PICKING], [apart]),
        shift=shift,
        scale=scale,
        components=components,
        updates=updates,
        seed=seed,
    )


def _drawn(space: Space, fitting: Tensor, *, whole: bool, seed: int) -> list[_Inferred]:
    """The draws that are fitted, several of each item."""
    draws = min(max(MOST_DRAWS // len(fitting), 1), 8)
    if not features_of(space.model):
        return [_inferred(space, fitting, draws, seed)]
    # What is withheld differs from draw to draw, and with it where a walk starts.
    seeds = range(seed, seed + draws)
    return [_inferred(space, fitting, 1, own, withheld=True, whole=whole) for own in seeds]


def _require_enough(known: Tensor) -> None:
    if known.shape[1] and known.sum(0).min() < FEWEST_OF_A_CLASS:
        raise DataError(
            f"Every class must have at least {FEWEST_OF_A_CLASS} examples to fit, and one has "
            "fewer. Refit without classes, or leave the rare ones out of the data."
        )


def _posteriors(found: _Inferred, shift: Tensor, scale: Tensor) -> Tensor:
    """Standardised means and deviations side by side, `[N, 2 D]`; of points, one draw, none."""
    if found.shapes is None:
        mean, spread = found.codes.flatten(0, 1), torch.zeros_like(found.codes.flatten(0, 1))
    else:
        mean, spread = found.shapes.clone()
    return torch.cat([((mean - shift) / scale).flatten(1), (spread / scale).flatten(1)], dim=1)


def _classes(space: Space, by: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of classes, and the class of each example of the space, `[N]`, -1 where unknown."""
    if not by:
        return (), np.zeros(len(space.codes), dtype=np.int64)
    columns = {name: np.asarray(c, np.float64) for name, c in space.attributes.items()}
    if space.labels is not None:
        columns = {space.label: np.where(space.labels < 0, np.nan, space.labels), **columns}
    of_labels = (
        space.labels is not None and by in (space.label, LABEL) and by not in (space.attributes)
    )
    columns |= {by: columns[space.label]} if of_labels else {}
    if by not in columns:
        raise SpecError(
            f"by must name what is known of the data ({', '.join(columns) or 'nothing'}), "
            f"got {by!r}. Leave it out, or train with labels."
        )
    is_known = np.isfinite(columns[by])
    values = np.unique(columns[by][is_known])
    if not 2 <= len(values) <= MOST_CLASSES:
        raise SpecError(
            f"by must name something of 2 to {MOST_CLASSES} values, got {by!r} of {len(values)}. "
            "Choose another."
        )
    named = space.label_names if of_labels else ()
    names = tuple(class_key(v, named) for v in values.tolist())
    return names, np.where(is_known, np.searchsorted(values, columns[by]), -1)


def _one_hot(ids: np.ndarray, classes: int) -> Tensor:
    """`[N, K]` of class numbers, zeros where one is -1; K is 0 where there are no classes."""
    numbers = torch.from_numpy(ids)
    known = one_hot(numbers.clamp(min=0), max(classes, 1)).float() * (numbers >= 0)[:, None]
    return known[:, :classes]
