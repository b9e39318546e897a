"""The report of a study as one HTML page: what was asked, how it went, what the space holds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from zscape.measures.assessment import diagnosis_part, measured_part
from zscape.measures.charts import Bar, Line, bar_chart, line_chart, short
from zscape.measures.doctor import Diagnosis
from zscape.measures.figure import BINARISED, DENSITY, Figure
from zscape.measures.likelihood import (
    active_units,
    bits_per_dimension,
    elbo,
    kl_per_dimension,
)
from zscape.measures.page import definitions, document, section, text
from zscape.measures.sections import Report
from zscape.measures.showcase import (
    interpolation_part,
    map_part,
    reconstruction_part,
    sample_part,
    traversal_part,
)
from zscape.objective.steering import tell_beta
from zscape.space.space import Space
from zscape.space.units import ACTIVE, measuring_items

MOST_CHARTS = 6
MANY_NOTES = 8  # from here on they stand in two columns
CHARTS = {"elbo": "ELBO", "rate": "rate", "distortion": "distortion"}


def report(
    space: Space,
    log: Sequence[Mapping[str, Any]],
    *,
    study: Mapping[str, Any],
    notes: Sequence[str] = (),
    diagnosis: Diagnosis | None = None,
    measured: Report | None = None,
    prior: str = "",
) -> str:
    """One self-contained HTML page about a trained space; it asks no network and runs no script.

    Costs a few hundred decodes and one pass over at most 2,048 kept examples. Repeats exactly: all
    its draws are seeded. Whatever comes from data is escaped.

    Args:
        space: the trained space.
        log: records of the training run with `step`, `loss` and `parts`; may be empty.
        study: what was asked: `recipe`, `options`, `training`, `data`, `zscape`, `versions`,
            `seed`; each may be missing.
        notes: what was found in the data, a line each.
        diagnosis: what the doctor found.
        measured: the figures of `measure`.
        prior: HTML that says what a refitted prior changed, as of `prior_part`.
    """
    stored, were_held_out = measuring_items(space)
    x = space.modality.prepare(stored)
    bound = elbo(space.model, x)
    units = kl_per_dimension(space.model, x)
    has_prior = bound[1].kind != "undefined"
    body = [
        _header(space, study, notes),
        _figures_part(space, x, bound, over=_over(len(x), were_held_out)),
        "" if diagnosis is None else diagnosis_part(diagnosis),
        prior,
        "" if measured is None else measured_part(measured),
        _asked_part(study, notes),
        _training_part(log),
        _units_part(units, has_prior),
        sample_part(space, has_prior=has_prior),
        reconstruction_part(space),
        interpolation_part(space),
        traversal_part(space, [unit.value or 0.0 for unit in units]),
        map_part(space),
        _footer(study),
    ]
    return document(_title(study), "".join(body))


def _title(study: Mapping[str, Any]) -> str:
    recipe, source = str(study.get("recipe", "model")), _source(study)
    return f"{recipe} of {source}" if source else recipe


def _source(study: Mapping[str, Any]) -> str:
    data = study.get("data")
    return str(data.get("source", "")) if isinstance(data, Mapping) else ""


def _header(space: Space, study: Mapping[str, Any], notes: Sequence[str]) -> str:
    size = space.codes.flat.shape[1]
    found = notes[0] if notes else f"{len(space.codes):,} examples"
    numbers = "1 number" if size == 1 else f"{size} numbers"
    lead = f"{found}. Each of them became a code of {numbers}; this page shows what the codes hold."
    return f'<h1>{text(_title(study))}</h1>\n<p class="lead">{text(lead)}</p>\n'


def _figures_part(
    space: Space, x: torch.Tensor, bound: tuple[Figure, Figure, Figure], *, over: str
) -> str:
    total, rate, distortion = bound
    by_rate, by_variance = active_units(space.model, x)
    size = space.codes.flat.shape[1]
    used = by_variance if by_rate.value is None else by_rate
    shown = [total, rate, distortion, bits_per_dimension(total, math.prod(space.modality.shape))]
    cards = [_card(figure) for figure in shown if figure.value is not None]
    cards.append(_card(used, of=size))
    lead = (
        "The ELBO is a lower bound on how likely the model finds an example: minus what is lost "
        "in decoding (distortion), minus what the code costs (rate). Higher is better."
    )
    words = "All in nats per example"
    if total.value is None:
        lead = "The code of this model is a point: its rate, and so the ELBO, are undefined."
        words = "In nats per example"
    over = f"{words}: the mean over {over}, ± its standard error."
    if distortion.unit == DENSITY:
        over += " Values are continuous, so likelihoods are densities, which may exceed 1."
    if distortion.unit == BINARISED:
        over += " Grey is read as the chance of ink: likelihoods are of pictures binarised by it."
    parts = [_sum_line(bound), f'<div class="figures">{"".join(cards)}</div>']
    parts.append(f'<p class="faint">{text(over)}</p>')
    return section("In numbers", lead, *parts)


def _over(count: int, were_held_out: bool) -> str:
    if not were_held_out:
        return f"{count:,} of the study's examples, training ones among them"
    return f"{count:,} examples that were held out of training"


def _sum_line(bound: tuple[Figure, Figure, Figure]) -> str:
    values = [figure.value for figure in bound]
    if any(value is None for value in values):
        return ""
    total, rate, distortion = (_number(value or 0.0) for value in values)
    minus = "\N{MINUS SIGN}"
    return f'<p class="sum">ELBO {total} = {minus}(rate {rate} + distortion {distortion}) nats</p>'


def _card(figure: Figure, *, of: int | None = None) -> str:
    assert figure.value is not None
    beside = f" ± {figure.error:.2g}" if figure.error else ""
    whole = beside if of is None else f" of {of}"
    value = _number(figure.value) if of is None else f"{figure.value:.0f}"
    return (
        f'<div class="figure"><span class="name">{text(figure.name)}</span>'
        f"<b>{value}<small>{whole}</small></b>"
        f'<span class="faint">{text(figure.unit)} · {text(figure.kind)}</span></div>'
    )


def _number(value: float) -> str:
    """A number with the decimals that a standard error usually leaves it."""
    decimals = 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _asked_part(study: Mapping[str, Any], notes: Sequence[str]) -> str:
    options = {"recipe": study.get("recipe", "unknown"), **dict(study.get("options", {}))}
    training = dict(study.get("training", {}))
    if "seed" in study:
        training["seed"] = study["seed"]
    found = "".join(f"<li>{text(note)}</li>" for note in notes)
    parts = [f"<div><h3>Recipe</h3>{definitions(options)}</div>"]
    if training:
        parts.append(f"<div><h3>Training</h3>{definitions(training)}</div>")
    many = ' class="many"' if len(notes) > MANY_NOTES else ""
    data = f"<h3>Data</h3><ul{many}>{found}</ul>" if notes else ""
    return section(
        "What was asked",
        "What was found in the data, and every option of the recipe and of training.",
        data,
        f'<div class="columns">{"".join(parts)}</div>',
    )


def _training_part(log: Sequence[Mapping[str, Any]]) -> str:
    names = {name for record in log for name in record.get("parts", {})}
    trained = [n for n in names if not n.startswith("validation_") and n != "active"]
    order = [name for name in CHARTS if name in trained]
    order += sorted(name for name in trained if name not in CHARTS)
    charts = [_chart(log, name) for name in order[:MOST_CHARTS]]
    if not any(charts):
        return ""
    chosen = tell_beta([record.get("parts", {}) for record in log])
    return section(
        "Training",
        "The curves should level off; where validation gets worse while training still improves, "
        "the model has begun to learn its examples by heart.",
        f"<p>{text(chosen)}</p>" if chosen else "",
        f'<div class="columns">{"".join(charts)}</div>',
    )


def _chart(log: Sequence[Mapping[str, Any]], name: str) -> str:
    found = [
        Line("training", "train", tuple(_series(log, name))),
        Line("validation", "validation", tuple(_series(log, f"validation_{name}"))),
    ]
    lines = [line for line in found if line.points]
    if not lines:
        return ""
    ends = " · ".join(
        f'<span class="{line.style}">{line.name} {short(line.points[-1][1])}</span>'
        for line in lines
    )
    title, unit = CHARTS.get(name, name.replace("_", " ")), ", nats" if name in CHARTS else ""
    label = f"{title} over training steps"
    return (
        f"<figure><figcaption><b>{text(title)}</b>{unit}<br>{ends}</figcaption>"
        f"{line_chart(lines, label=label)}</figure>"
    )


def _series(log: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    return [
        (float(record["step"]), float(record["parts"][name]))
        for record in log
        if name in record.get("parts", {}) and math.isfinite(record["parts"][name])
    ]


def _units_part(units: Sequence[Figure], has_prior: bool) -> str:
    title = "What each unit carries"
    if not units:
        why = (
            "The prior or posterior does not split into units, so the rate has no parts to show."
            if has_prior
            else "The code of this model is a point: it has no rate, in whole or per unit."
        )
        return section(title, why)
    rates = [unit.value or 0.0 for unit in units]
    order = sorted(range(len(rates)), key=lambda unit: -rates[unit])
    bars = [Bar(str(unit), rates[unit], rates[unit] > ACTIVE) for unit in order]
    active = sum(rate > ACTIVE for rate in rates)
    return section(
        title,
        "The rate of every unit in nats (exact, mean over examples), the largest first: tall bars "
        "say much about an example, and units near zero say nothing and are free to be left out.",
        f"<figure><figcaption>{active} of {len(rates)} units above {ACTIVE} nats; grey ones are "
        f"below</figcaption>{bar_chart(bars, label='rate of each unit in nats')}</figure>",
    )


def _footer(study: Mapping[str, Any]) -> str:
    versions = {str(k): v for k, v in dict(study.get("versions", {})).items()}
    if "zscape" in study:
        versions = {"zscape": study["zscape"], **versions}
    written = " · ".join(f"{text(name)} {text(version)}" for name, version in versions.items())
    return f"<footer>Written by zscape. {written}</footer>"
