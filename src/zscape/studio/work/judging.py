"""What takes seconds: the doctor, strange items, comparisons. A process of its own does it."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import unknown
from zscape.measures.figure import record_of
from zscape.space.beside import MEANINGS
from zscape.space.calibration import p_words
from zscape.space.explanations import OF_COSTS, explain
from zscape.space.scores import Part, Scores, scoring
from zscape.studio.work.columns import Column
from zscape.studio.work.made import Doing, Made, Missing, packed, told
from zscape.studio.work.shelf import Opened
from zscape.study.comparison import compare
from zscape.study.doctoring import diagnosing_study
from zscape.study.figures import figures as figures_of

SCORES, COMBINED = "scores", "surprise"  # where they are remembered; the name of the whole
COLUMN = "score"  # how the ids of their columns begin
WHOLE = {"name": COMBINED, "unit": "nats", "kind": "estimate", "combined": True, "column": COLUMN}
BINS = 60
MOST_NATS = 100.0  # of a surprise, in a histogram: p below 1e-43, where more says no more
DRAWS = 8  # of a likelihood, which is most of the work and no part of the whole of pictures


def figures(opened: Opened) -> Made:
    """ELBO, rate, distortion and active units over held-out items."""
    return told({"figures": [record_of(figure) for figure in figures_of(opened.space)]})


def health(opened: Opened) -> Iterator[Doing | Made]:
    """What the doctor says, and what `measure` said last."""
    measured = opened.study.measures()
    for step in diagnosing_study(opened.study):
        if step.outcome is None:
            yield Doing(step.words, step.share)
        else:
            further = {"measured": None if measured is None else measured.to_json()}
            yield told({**step.outcome.to_json(), **further})


def compared(opened: Opened, other: Opened) -> Made:
    """Two studies side by side."""
    made = compare([opened.study, other.study]).to_json()
    for group in made["groups"]:  # names of folders, not where they are
        group["studies"] = [Path(str(study)).name for study in group["studies"]]
    data = [one.study.asked["data"].get("sha256") for one in (opened, other)]
    return told({**made, "same_items": data[0] == data[1] and data[0] is not None})


def anomalies(opened: Opened, name: str, limit: int, start: int) -> Iterator[Doing | Made]:
    """The strangest items first, by one score or by all."""
    yield from _scoring(opened)
    yield _strangest(opened, name, limit, start)


def _strangest(opened: Opened, name: str, limit: int, start: int) -> Made:
    scores = _scores(opened)
    kept = opened.space.kept.numpy()
    if name in ("", COMBINED):
        values, p, threshold = scores.surprise, scores.p, -math.log(scores.threshold)
    elif name in scores.parts:
        values, p, threshold = scores[name].values, scores[name].p, None
    else:
        raise unknown("score", name, list(scores.parts))
    order = values.argsort(descending=True, stable=True)
    chosen = order[start : start + limit]
    more = start + limit < len(order)
    return told(
        {
            "scores": [WHOLE, *(_part(part) for part in scores.parts.values())],
            "score": name or COMBINED,
            "notes": list(scores.notes),
            "threshold": threshold,
            "histogram": _histogram(
                values.numpy(), MOST_NATS if name in ("", COMBINED) else math.inf
            ),
            "total": len(order),
            "items": [
                {
                    "id": int(kept[i]),
                    "value": float(values[i]),
                    "p": float(p[i]),
                    "p_words": p_words(float(p[i]), scores.normals),
                }
                for i in chosen.tolist()
            ],
            "next": start + limit if more else None,
        }
    )


def explained(opened: Opened, index: int) -> Iterator[Doing | Made]:
    """What makes a kept item strange: the score that leads, then columns or places, and units."""
    space = opened.space
    stored = space.item(opened.item(index))
    yield from _scoring(opened)
    made = explain(space, space.modality.decode(space.modality.prepare(stored)))
    scores, place = _scores(opened), int(torch.searchsorted(space.kept, index))
    yield told(
        {
            "leading": _said(scores.lead(place), place),
            "scores": [_said(part, place) for part in scores.parts.values()],
            "words": str(made),
            "blames": [asdict(blame) for blame in made.blames],
            "units": [asdict(blame) for blame in made.units],
        }
    )


def _said(part: Part, place: int) -> dict[str, Any]:
    return {
        "name": part.name,
        "words": MEANINGS[part.name][1],
        "p_words": part.p_words(place),
        "of_costs": part.name in OF_COSTS,
        "combined": part.combined,
    }


def score_column(opened: Opened, wanted: str) -> Made:
    """A score of all items, NaN where an item was not kept."""
    scores = _scores(opened)
    found = {COLUMN: (COMBINED, "nats", scores.surprise)}
    found |= {f"{COLUMN}-{p.name}": (p.name, p.unit, p.values) for p in scores.parts.values()}
    if wanted not in found:
        raise Missing("not_found", "A score must be one of the study's. Ask for /anomalies.")
    name, unit, values = found[wanted]
    column = Column(wanted, name, unit=unit, group="score")
    return packed(column.record(), {"values": _spread(opened, values)})


def _scoring(opened: Opened) -> Iterator[Doing]:
    """Scores all items, once."""
    if SCORES not in opened.memory:
        for step in scoring(opened.space, draws=DRAWS):
            yield Doing(f"scoring by {step.words}".replace("_", " "), step.share)
        opened.memory[SCORES] = step.outcome


def _scores(opened: Opened) -> Scores:
    list(_scoring(opened))
    found: Scores = opened.memory[SCORES]
    return found


def _spread(opened: Opened, values: Tensor) -> np.ndarray:
    whole = np.full(len(opened.space.codes), np.nan, np.float32)
    whole[opened.space.kept.numpy()] = values.numpy()
    return whole


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "unit": part.unit,
        "kind": part.kind,
        "combined": part.combined,
        "column": f"{COLUMN}-{part.name}",
    }


def _histogram(values: np.ndarray, most: float) -> dict[str, Any]:
    """Counts from the lowest to the highest; what is above `most` counts at its end."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"low": 0.0, "high": 1.0, "counts": [0] * BINS, "open": False}
    counts, edges = np.histogram(known.clip(max=most), BINS)
    ends = {"low": float(edges[0]), "high": float(edges[-1])}
    return {**ends, "counts": counts.tolist(), "open": bool(known.max() > most)}
