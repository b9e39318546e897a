"""What each level of a space holds: its nats, and what changes when it is drawn anew."""

from collections.abc import Callable

from torch import Tensor

from zscape.measures.features import Features, choose_features
from zscape.measures.figure import NATS, Figure, mean, undefined
from zscape.measures.likelihood import rate_per_level
from zscape.measures.row import Row
from zscape.measures.smoothness import real_things
from zscape.space.levels import level_names, redraw_tensor
from zscape.space.space import Space
from zscape.space.units import measuring_places

Classify = Callable[[Tensor], Tensor]
Views = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]


def levels(
    space: Space,
    *,
    most: int = 512,
    seed: int = 0,
    features: Features | None = None,
    classify: Classify | None = None,
) -> tuple[Row, ...]:
    """What each level holds, the coarsest first, on held-out items; none where there is one level.

    The rate in nats; how far things move, in features and in values, when this level alone is
    redrawn from its prior; how often that changes their class; and how often the class is kept
    when this level and the coarser ones are kept and all finer ones are redrawn. Moves are over
    the typical distance of two unlike real things: 1 says that nothing of a thing is left.

    Args:
        space: a space.
        most: items at most.
        seed: of the draws.
        features: what things are compared in; none: what suits the space.
        classify: things as a model sees them `[N, *shape]` to classes `[N]`; none: the commonest
            class of the 5 nearest real things, where classes are known.

    Source: after Sonderby et al. 2016, section 3, arXiv:1602.02282.
    """
    names = level_names(space)
    if len(names) < 2:
        return ()
    chosen = choose_features(space, seed=seed) if features is None else features
    if classify is None and space.labels is not None:
        real = real_things(space, chosen)
        classify = real.classify if real.labels is not None else None
    places = measuring_places(space, most)
    codes = {name: z[space.kept[places]] for name, z in space.codes.tensors.items()}
    x = space.modality.prepare(space.items[places])
    own, rates = redraw_tensor(space, codes, ()), rate_per_level(space.model, x, seed=seed)
    views = (chosen, lambda things: things.flatten(1))
    return tuple(
        Row(
            name,
            (
                Figure("rate", rate.value, NATS, rate.kind, rate.error, rate.source),
                *_alone(x, own, redraw_tensor(space, codes, [name], seed=seed), views, classify),
                _kept(own, redraw_tensor(space, codes, names[k + 1 :], seed=seed), classify),
            ),
        )
        for k, (name, rate) in enumerate(zip(names, rates or _unknown(names), strict=True))
    )


def _unknown(names: list[str]) -> list[Figure]:
    return [undefined("rate", NATS) for _ in names]


def _alone(
    x: Tensor, own: Tensor, made: Tensor, views: Views, classify: Classify | None
) -> tuple[Figure, ...]:
    moves = [_moves(view(x), view(own), view(made)) for view in views]
    name = "class changed when redrawn"
    return (
        mean("move in features when redrawn", moves[0], "ratio", "estimate"),
        mean("move in values when redrawn", moves[1], "ratio", "estimate"),
        undefined(name, "share")
        if classify is None
        else mean(name, (classify(own) != classify(made)).double(), "share", "estimate"),
    )


def _kept(own: Tensor, made: Tensor, classify: Classify | None) -> Figure:
    name = "class kept when finer levels are redrawn"
    if classify is None:
        return undefined(name, "share")
    return mean(name, (classify(own) == classify(made)).double(), "share", "estimate")


def _moves(real: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """How far each moved, over the mean distance of two different real ones, `[N]`."""
    real, before, after = real.double(), before.double(), after.double()
    unlike = (real - real.roll(1, 0)).norm(dim=1).mean().clamp(min=1e-12)
    return (after - before).norm(dim=1) / unlike
