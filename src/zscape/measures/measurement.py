"""Everything that can be measured of a space, in one call.

How each figure is had stands in the modules beside this one; verdicts are the doctor's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from zscape.errors import DataError, ShapeError, SpecError
from zscape.measures.aggregate import draw_codes, moments_gap, mutual_information, two_sample_test
from zscape.measures.collapse import book_usage, code_gain, dead_levels, duplicate_units
from zscape.measures.disentanglement.scores import disentanglement
from zscape.measures.features import Features, choose_features
from zscape.measures.figure import Figure
from zscape.measures.levels import levels
from zscape.measures.likelihood import (
    active_units,
    bits_per_dimension,
    elbo,
    importance_weighted,
    rate_per_level,
)
from zscape.measures.linear import components
from zscape.measures.row import Row
from zscape.measures.samples.quality import sample_quality
from zscape.measures.sections import Report, Section
from zscape.measures.smoothness import smoothness
from zscape.measures.usefulness import usefulness
from zscape.modalities.labels import code_labels
from zscape.space.space import Space, encode_stored
from zscape.space.units import MOST_MEASURED, measuring_items, measuring_places

MOST_WEIGHED = 256  # examples whose likelihood is weighed by importance: each costs all the draws
DRAWS = 200
FEWEST = 10  # things of one's own, below which figures say nothing
MOST_COMPARED = 1024  # things in each set that samples are judged by


def measure(
    space: Space,
    data: Any = None,
    labels: Any = None,
    factors: Any = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Report:
    """Every measure that applies to a space: likelihood, code, samples, ways, usefulness, factors.

    On the held-out examples that the space kept, or on things of one's own. Takes seconds for small
    models, minutes for large pictures; it repeats exactly under its seed.

    Args:
        space: a trained space.
        data: things to measure on, of the kind it was trained on; none: its own held-out ones.
        labels: a class for each of `data`, or for each example of the space where there is no
            `data`, None where it is unknown; none: the classes that the space knows.
        factors: known factors of the same things, for disentanglement: a DataFrame, a mapping of
            columns, or an array `[N, F]`; none: the attributes that the space knows.
        draws: K of the importance-weighted NLL.
        seed: of all draws.

    Raises:
        ShapeError: labels or factors of another length than the things.
        DataError: things, or factors, that cannot be measured.
        SpecError: fewer than one draw.
    """
    *_, whole = measuring(space, data, labels, factors, draws=draws, seed=seed)
    return whole


def measuring(
    space: Space,
    data: Any = None,
    labels: Any = None,
    factors: Any = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Iterator[Report]:
    """The report of `measure` as it grows, a section more each time; the last one is whole."""
    if not isinstance(space, Space):
        raise SpecError(
            f"measure must be given a space, got {type(space).__name__}. Open the study first: "
            "zs.measure(zs.open(path))."
        )
    view = space if data is None else _view(space, data)
    if labels is not None:
        view = _labelled(view, labels)
    named = _factors(view, factors)
    stored, were_held_out = measuring_items(view)
    x = view.modality.prepare(stored)
    report = Report((), len(x), were_held_out and data is None)
    for section in _sections(view, x, named, draws, seed, chosen=factors is not None):
        if section is not None:
            report = replace(report, sections=(*report.sections, section))
            yield report


def _sections(
    space: Space,
    x: torch.Tensor,
    factors: Mapping[str, np.ndarray],
    draws: int,
    seed: int,
    *,
    chosen: bool,
) -> Iterator[Section | None]:
    yield _likelihood(space, x, draws, seed)
    yield _code(space, x, seed)
    features = choose_features(space, seed=seed)
    yield _samples(space, features, seed)
    yield _ways(space, features, seed)
    yield _levels(space, features, seed)
    yield _uses(space, seed)
    if factors:
        yield _disentangled(space, factors, seed, chosen=chosen)


def _view(space: Space, data: Any) -> Space:
    """The same model with other things in place of its own."""
    stored = space.modality.encode(data)
    if len(stored) < FEWEST:
        raise DataError(
            f"There must be at least {FEWEST} things to measure on, got {len(stored)}. "
            "A few hundred give figures that mean something."
        )
    return replace(
        space,
        codes=encode_stored(space.model, space.modality, stored),
        items=stored,
        kept=torch.arange(len(stored)),
        labels=None,
        label_names=(),
        attributes={},
        held_out=None,
        names=(),
    )


def _labelled(space: Space, labels: Any) -> Space:
    _same_length("labels", len(labels), space)
    ids, names = code_labels(labels, len(labels))
    return replace(space, labels=ids, label_names=names)


def _factors(space: Space, factors: Any) -> dict[str, np.ndarray]:
    if factors is None:
        return {n: v for n, v in space.attributes.items() if len(np.unique(v)) > 1}
    if isinstance(factors, np.ndarray | torch.Tensor | list | tuple):
        table = np.atleast_2d(np.asarray(factors).T)
        columns = {f"factor {number}": column for number, column in enumerate(table)}
    else:  # a DataFrame or a mapping
        columns = {str(name): np.asarray(factors[name]) for name in factors}
    for name, column in columns.items():
        _same_length(f"factor {name!r}", len(column), space)
    return columns


def _same_length(what: str, length: int, space: Space) -> None:
    if length != len(space.codes):
        raise ShapeError(
            f"The {what} must have a value for each of the {len(space.codes):,} things, in their "
            f"order, got {length:,}. Give one row a thing."
        )


def _likelihood(space: Space, x: torch.Tensor, draws: int, seed: int) -> Section:
    bound = elbo(space.model, x, seed=seed)
    few = x[:: -(-len(x) // MOST_WEIGHED)]
    nll, size = importance_weighted(space.model, few, draws=draws, seed=seed)
    rates = rate_per_level(space.model, x, seed=seed)
    figures = [*bound, nll, size, bits_per_dimension(nll, int(np.prod(space.modality.shape)))]
    if len(rates) > 1:
        figures += [*rates, dead_levels(rates)]
    lead = (
        "How likely the model finds these things. The ELBO is a lower bound, minus rate minus "
        f"distortion; the importance-weighted NLL, over {len(few):,} of them, is the tighter bound."
    )
    return Section("likelihood", lead, (Row("model", tuple(figures)),))


def _code(space: Space, x: torch.Tensor, seed: int) -> Section:
    by_rate, by_variance = active_units(space.model, x)
    information, divergence = mutual_information(space.model, x, seed=seed)
    taken = draw_codes(space.model, x[:MOST_MEASURED], seed=seed)
    means, variances = moments_gap(taken)
    figures = [
        by_rate,
        by_variance,
        information,
        divergence,
        _largest("largest shift of a unit's mean from the prior's", means),
        _largest("largest gap of a unit's variance to the prior's", variances),
        two_sample_test(taken.codes, taken.prior, seed=seed),
        code_gain(space.model, x, seed=seed),
        Figure(
            "pairs of units that repeat each other",
            float(len(duplicate_units(space.codes.flat))),
            "pairs",
            "exact",
        ),
    ]
    for usage in book_usage(space.model, x):
        figures += [usage.perplexity, usage.used, usage.dead]
    lead = (
        "Whether the code is used, and whether codes of data lie where the prior has them: told "
        "apart half of the time is best, more means that samples fall where no data is."
    )
    return Section("code", lead, (Row("model", tuple(figures)),))


def _samples(space: Space, features: Features, seed: int) -> Section | None:
    if len(measuring_places(space, 4)) < 4:
        return None  # two sets of two are the least that can be compared
    quality = sample_quality(space, n=MOST_COMPARED, seed=seed, features=features)
    lead = (
        f"{quality.examples:,} samples beside as many real things, compared by {quality.features}. "
        "Read each column against real things (the best there is), N(0, I) and a Gaussian without "
        "a model; where N(0, I) is the prior, that column differs from the samples' by chance "
        f"alone. {quality.note}"
    )
    return Section("samples", lead.strip(), quality.rows)


def _ways(space: Space, features: Features, seed: int) -> Section | None:
    if len(measuring_places(space, 2)) < 2:
        return None
    lead = (
        "Straight ways between the codes of real things beside a cross-fade: even steps, short "
        "curves, one change of class, and a middle that is near real things."
    )
    return Section("interpolation", lead, smoothness(space, seed=seed, features=features))


def _levels(space: Space, features: Features, seed: int) -> Section | None:
    rows = levels(space, seed=seed, features=features)
    lead = (
        "What each level holds, the coarsest first: its nats, how far things move when it alone is "
        "redrawn (1: as far as unlike things are apart), and what that does to their class."
    )
    return Section("levels", lead, rows) if rows else None


def _uses(space: Space, seed: int) -> Section:
    lead = (
        "What the codes are good for, beside principal components of the same size, the data "
        "itself, and a guess."
    )
    return Section("usefulness", lead, usefulness(space, seed=seed))


def _disentangled(
    space: Space, factors: Mapping[str, np.ndarray], seed: int, *, chosen: bool
) -> Section | None:
    codes = space.codes.flat.double().numpy()
    table = np.empty((len(codes), len(factors)), dtype=object)  # each column keeps its type
    for place, column in enumerate(factors.values()):
        table[:, place] = column
    try:
        scores = disentanglement(codes, table, tuple(factors), seed=seed)
    except DataError:
        if chosen:
            raise
        return None  # nobody asked: these attributes are no factors
    rows = [Row("codes", scores.figures)]
    data = space.items.flatten(1).float()
    if len(data) == len(codes) and not bool(data.isnan().any()):
        floor = components(data, min(codes.shape[1], *data.shape))
        plain = floor.encode(data).double().numpy()
        rows.append(Row("principal components", disentanglement(plain, table, seed=seed).figures))
    lead = (
        f"How single units go with single factors ({', '.join(factors)}); 1 is best. InfoM rewards "
        "dropping factors, so it stands beside InfoE."
    )
    return Section("disentanglement", lead, tuple(rows))


def _largest(name: str, figures: list[Figure]) -> Figure:
    worst = max(figures, key=lambda figure: abs(figure.value or 0.0))
    return Figure(name, worst.value, worst.unit, worst.kind, worst.error, worst.source)
