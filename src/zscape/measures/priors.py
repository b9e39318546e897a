"""What a better prior changed: the rate and the samples of a space before and after."""

import numpy as np
import torch
from torch import Tensor

from zscape.measures.assessment import figure_table
from zscape.measures.features import Features, choose_features
from zscape.measures.figure import NATS, Figure, mean
from zscape.measures.page import section, text
from zscape.measures.row import Row
from zscape.measures.samples.quality import sample_quality
from zscape.measures.sections import Report, Section
from zscape.modalities.modality import Pictures
from zscape.space.pictures import picture
from zscape.space.refitting import draws_of, parts, start_of
from zscape.space.slot import top
from zscape.space.space import CHUNK, Space, seeded

SAMPLES = 1024  # things that samples are compared by, at most
SHOWN, COLUMNS, SEED = 40, 10, 0
SURE = 2.0  # standard errors before a gain is one
SOURCE = "Tomczak and Welling 2018, eq. 5"


def prior_change(
    before: Space,
    after: Space,
    *,
    n: int = SAMPLES,
    seed: int = 0,
    features: Features | None = None,
) -> Report:
    """The rate of the top level and the quality of samples, before and after, beside their floors.

    Rates are over held-out items that neither fitted the prior nor picked it; the same draws of the
    posterior serve both. Where the code is a point its rate is undefined, and -log p(z) stands for
    it. Samples are compared as `sample_quality` does.

    Args:
        before: a space.
        after: the same space with another prior.
        n: things that samples are compared by.
        seed: of all draws; of the refitting, so that the items are others.
        features: what samples are compared in; none: what suits the space.
    """
    judging = parts(before, seed=seed)[2]
    rates = _rates(before, after, judging, seed)
    chosen = choose_features(before, seed=seed) if features is None else features
    old, new = (sample_quality(s, n=n, seed=seed, features=chosen) for s in (before, after))
    rows = {row.name: row for row in old.rows}
    made = [Row("before", rows["samples"].figures)]
    made += [Row("after", next(r for r in new.rows if r.name == "samples").figures)]
    made += [rows[name] for name in ("real against real", "samples from N(0, I)", "PCA-Gaussian")]
    held_out = before.held_out is not None and bool(before.held_out[judging].all())
    seen = "" if held_out else " They were seen in training, for want of held-out ones."
    lead = (
        f"What the code of the top level costs under the prior, over {len(judging):,} examples "
        f"that neither fitted nor picked it.{seen}"
    )
    told = (
        f"{old.examples:,} samples before and after, in features: {old.features}. A row is as good "
        f"as it is near real against real. {old.note}"
    )
    sections = (Section("rate", lead, rates), Section("samples", told.strip(), tuple(made)))
    return Report(sections, len(judging), held_out)


def verdict(report: Report) -> str:
    """Whether a refitted prior helped, in a sentence, by the rates of a `prior_change`."""
    before, after = report["rate"].rows
    (old, _), (new, gain) = before.figures, after.figures
    assert old.value is not None and new.value is not None and gain.value is not None
    rates = f"held-out {old.name} {old.value:.3f} nats before, {new.value:.3f} after"
    if gain.value > SURE * (gain.error or 0.0):
        return f"The new prior is better: {rates}."
    if gain.value < -SURE * (gain.error or 0.0):
        return f"The new prior did not help: {rates}. Keep the study with the old one."
    return f"The new prior makes no difference beyond chance: {rates}. The old one will do."


def prior_sheet(space: Space) -> np.ndarray:
    """Samples of a space as one picture; the same seed before and after."""
    shown = space.modality.show(space.sample_tensor(SHOWN, seed=SEED))
    return picture(shown, columns=COLUMNS if isinstance(shown, Pictures) else None)


def prior_part(report: Report, words: str, sheets: str) -> str:
    """The section of a page that says what a refitted prior changed.

    Args:
        report: as of `prior_change`.
        words: what the prior is.
        sheets: HTML of the samples before and after.
    """
    body = []
    for part in report.sections:
        body.append(f"<h3>{text(part.name.capitalize())}</h3>")
        body.append(f'<p class="faint">{text(part.lead)}</p>{figure_table(part.rows)}')
    lead = f"After training the prior became a {words}, fitted to codes; all else is as trained."
    return section("The prior, before and after", lead, *body, sheets)


def _rates(before: Space, after: Space, places: Tensor, seed: int) -> tuple[Row, ...]:
    codes, density = draws_of(before, places, 1, seed=seed + 2)
    old, new = (_log_prior(space, places, codes[0], seed) for space in (before, after))
    if density is None:
        name = "-log p(z) (the code is a point: its rate is undefined)"
        values = [-old, -new]
    else:
        name, values = "rate", [density[0] - old, density[0] - new]
    kind = "estimate"
    gain = mean("gain, paired", values[0] - values[1], NATS, kind, SOURCE)
    rows = []
    for row, found in zip(("before", "after"), values, strict=True):
        first = mean(name, found, NATS, kind, SOURCE)
        second = gain if row == "after" else Figure(gain.name, None, NATS, kind, None, SOURCE)
        rows.append(Row(row, (first, second)))
    return tuple(rows)


@torch.no_grad()
def _log_prior(space: Space, places: Tensor, codes: Tensor, seed: int) -> Tensor:
    """Log p(z) of the codes `[N, *event]` of N items under the top level's prior, nats, `[N]`."""
    found, level = [], top(space.model)
    with seeded(seed):
        for part, z in zip(places.split(CHUNK), codes.clone().split(CHUNK), strict=True):
            found.append(level.prior.forward(start_of(space, part, z)).log_prob(z))
    return torch.cat(found)
