"""The page of a sweep: the trade as a curve, its knee, the best value, and what values do to data.

Everything on it was measured elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from zscape.measures.curves import trade_chart, value_chart
from zscape.measures.figure import DENSITY, Figure
from zscape.measures.page import definitions, document, section, table, text, tiles
from zscape.measures.tradeoff import Choice, Point, Value, told
from zscape.modalities.modality import Pictures, Rows
from zscape.space.space import Space, encode_stored
from zscape.space.units import measuring_items

SHOWN = 14  # things in a row


@dataclass(frozen=True, slots=True)
class Family:
    """What the page of a sweep tells.

    Attributes:
        option: what was varied.
        asked: recipe, settings and data of all runs.
        notes: what was found in the data.
        points: per value, the figures over its seeds.
        knee: where the curve bends.
        best: the value to take.
        failed: why runs failed, by the name of their study.
        spaces: one trained space per value.
    """

    option: str
    asked: Mapping[str, Any]
    notes: Sequence[str]
    points: Sequence[Point]
    knee: Choice
    best: Choice
    failed: Mapping[str, str]
    spaces: Mapping[Value, Space]


def sweep_page(family: Family) -> str:
    """One self-contained HTML page of a sweep; it asks no network and runs no script."""
    body = [
        _header(family),
        _choices_part(family),
        _curve_part(family),
        _table_part(family),
        _pictures_part(family),
        _asked_part(family),
        "<footer>Written by zscape.</footer>",
    ]
    return document(_title(family), "".join(body))


def _title(family: Family) -> str:
    return f"{family.option} of {family.asked['recipe']}, {family.asked['data']['source']}"


def _header(family: Family) -> str:
    runs = sum(len(point.seeds) for point in family.points)
    seeds = max(len(point.seeds) for point in family.points)
    least = min(len(point.seeds) for point in family.points)
    each = "one seed" if seeds == 1 else f"{'' if least == seeds else 'up to '}{seeds} seeds"
    lead = (
        f"{family.notes[0] if family.notes else 'The data'}. Trained {runs} times: "
        f"{len(family.points)} values of {family.option} with {each} each."
    )
    return f'<h1>{text(_title(family))}</h1>\n<p class="lead">{text(lead)}</p>\n'


def _choices_part(family: Family) -> str:
    cards = [
        _card(f"best {family.option}", family.best),
        _card(f"knee at {family.option}", family.knee),
    ]
    return section(
        "Which value",
        "The best value has the highest ELBO, or the cheapest code of those that cannot be told "
        "from it; the knee is where a further nat of code stops being worth it.",
        f'<div class="columns wide" style="margin-top: 16px">{"".join(cards)}</div>',
    )


def _card(name: str, choice: Choice) -> str:
    value = "none" if choice.value is None else told(choice.value)
    return (
        f'<div class="figure"><span class="name">{text(name)}</span><b>{text(value)}</b>'
        f'<span class="faint">{text(choice.reason)}</span></div>'
    )


def _curve_part(family: Family) -> str:
    known = [point for point in family.points if point.rate.value is not None]
    if not known:
        return section("The trade", "The code is a point: there is no rate to trade.")
    marks = {"knee": family.knee, "best": family.best}
    trade = trade_chart(known, label=f"distortion over rate for {family.option}", **marks)
    values = value_chart(known, label=f"ELBO over {family.option}", **marks)
    lead = (
        "Each point is one value, its bars one standard error over seeds. Left: what a code "
        "costs against what is lost in decoding. Right: minus their sum. Seeds share their ups "
        "and downs, so values can differ for sure although their bars overlap."
    )
    ringed = "the knee is ringed, the best value orange"
    return section(
        "The trade",
        lead,
        '<div class="columns wide">'
        f"<figure><figcaption><b>rate and distortion</b>, held-out; {ringed}</figcaption>"
        f"{trade}</figure><figure><figcaption><b>ELBO</b> by {text(family.option)}, held-out"
        f"</figcaption>{values}</figure></div>",
    )


def _table_part(family: Family) -> str:
    unit = family.points[0].distortion.unit
    columns = (family.option, "seeds", "ELBO", "rate", "distortion", "active units", "")
    cells = [
        (
            told(point.value),
            str(len(point.seeds)),
            *(number(figure) for figure in (point.elbo, point.rate, point.distortion)),
            "" if point.active.value is None else f"{point.active.value:.1f}",
            _marks(point, family),
        )
        for point in family.points
    ]
    first = family.points[0]
    kinds = ", ".join(f"{f.name} {f.kind}" for f in (first.elbo, first.rate, first.distortion))
    said = f"In {unit} per example, means over held-out examples and seeds ± standard error; "
    said += f"{kinds}. The held-out examples also ended each training."
    if unit == DENSITY:
        said += " Values are continuous, so likelihoods are densities, which may exceed 1."
    shown = table(Rows(columns, tuple(cells)))
    failed = [f"<li>{text(name)}: {text(why)}</li>" for name, why in family.failed.items()]
    warned = f'<p class="warning">Failed:</p><ul>{"".join(failed)}</ul>' if failed else ""
    return section("Every value", said, shown, warned)


def number(figure: Figure) -> str:
    """A figure's value and error as text, `undefined` where it has none."""
    if figure.value is None:
        return "undefined"
    error = "" if figure.error is None else f" ± {figure.error:.2f}"
    return f"{figure.value:.2f}{error}".replace("-", "\N{MINUS SIGN}")


def shown_items(space: Space, most: int) -> Tensor:
    """Held-out examples that were kept, at most so many and evenly spread, `[M, *shape]`."""
    stored, _ = measuring_items(space)
    return stored[:: max(len(stored) // most, 1)][:most]


def _marks(point: Point, family: Family) -> str:
    marks = {"best": family.best, "knee": family.knee}
    return ", ".join(name for name, choice in marks.items() if choice.value == point.value)


def _pictures_part(family: Family) -> str:
    if not family.spaces:
        return ""
    space = next(iter(family.spaces.values()))
    stored = shown_items(space, SHOWN)
    before = space.modality.show(space.modality.prepare(stored))
    if not isinstance(before, Pictures):
        return ""
    made, drawn = [before.tiles], []
    for found in family.spaces.values():
        codes = encode_stored(found.model, found.modality, stored)
        made.append(_tiles(found, found.decode_tensor(codes)))
        drawn.append(_tiles(found, found.sample_tensor(len(stored), seed=0)))
    names = [f"<b>{text(told(value))}</b>" for value in family.spaces]
    parts = [
        "<h3>Held-out examples, and what each value makes of them</h3>",
        _rows(made, ["as it is", *names], len(stored), "reconstructions by value"),
        "<h3>Samples</h3>",
        _rows(drawn, names, len(stored), "samples by value"),
    ]
    return section(
        "What it does",
        f"One model per value of {family.option}, of the first seed. A cheap code loses detail; a "
        "rich one keeps it, and leaves the prior more room to miss.",
        *parts,
    )


def _tiles(space: Space, x: Any) -> np.ndarray:
    shown = space.modality.show(x)
    assert isinstance(shown, Pictures)
    return shown.tiles


def _rows(rows: Sequence[np.ndarray], names: Sequence[str], columns: int, label: str) -> str:
    return tiles(np.concatenate(list(rows)), columns=columns, names=names, label=label)


def _asked_part(family: Family) -> str:
    data = {"source": family.asked["data"]["source"]}
    data["examples"] = f"{family.asked['data']['num_examples']:,}"
    settings = list({"recipe": family.asked["recipe"], **family.asked["settings"]}.items())
    half = (len(settings) + 1) // 2
    halves = (definitions(dict(part)) for part in (settings[:half], settings[half:]))
    return section(
        "What was asked",
        f"All runs share these; {family.option} and the seed vary. Each is a study of its own in "
        "the folder of this page.",
        "<h3>Settings and data</h3>",
        f'<div class="columns">{"".join(halves)}{definitions(data)}</div>',
    )
