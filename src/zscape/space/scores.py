"""How strange things are: several scores, their p-values on held-out normals, and one of them all.

What makes a thing strange, `explanations` says; how scores become p-values, `calibration`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from zscape.errors import DataError, SpecError, unknown
from zscape.modalities.image import Image
from zscape.modalities.logs import Logs
from zscape.space.beside import (
    CODE_NEIGHBOURS,
    ERROR,
    MEANINGS,
    NEIGHBOURS,
    OF_A_RATE,
    OF_OTHERS,
    OF_PICTURES,
    OF_ROWS,
    RATE,
    TAXICAB,
    WITHOUT_MODEL,
    beside,
    kind_of,
    scores_beside,
    together,
)
from zscape.space.calibration import (
    LEAST_P,
    Pair,
    combine,
    few_normals,
    p_of,
    p_words,
    require_threshold,
    surprise,
)
from zscape.space.explanations import Unseen, stored_of
from zscape.space.sessions import WHOLE
from zscape.space.space import Space
from zscape.space.stages import Stage, Stages, outcome
from zscape.space.walks import manner

THRESHOLD = 0.01
DRAWS = 32
OF_A_SUM = {ERROR: 0.5}  # of surprises by pictures; by the neighbours 1


@dataclass(frozen=True, slots=True)
class Part:
    """One score of N things, higher is stranger.

    Attributes:
        name: such as "rate".
        values: `[N]`, in `unit`.
        unit: of the values.
        kind: exact, estimate or surrogate, of the values.
        surprise: -log p by this score alone, in nats, `[N]`.
        combined: whether it counts in the whole.
        normals: how many calibrated it.
    """

    name: str
    values: Tensor
    unit: str
    kind: str
    surprise: Tensor
    combined: bool
    normals: int

    @property
    def p(self) -> Tensor:
        """The share of normals that score as high, `[N]`; extrapolated beyond them."""
        return p_of(self.surprise)

    def p_words(self, place: int) -> str:
        """The p-value of one thing for people, as `calibration.p_words` writes it."""
        return p_words(float(self.p[place]), self.normals)


@dataclass(frozen=True, slots=True, repr=False)
class Scores:
    """How strange N things are.

    Attributes:
        parts: the scores, by name.
        surprise: -log p of the whole, in nats, `[N]`; higher is stranger.
        leading: the name of the score that is the most surprised by each thing.
        threshold: share of normals that may be flagged.
        flagged: which things have p at most that, bool `[N]`.
        normals: how many normals calibrated the whole.
        false_alarms: how many of these would be flagged.
        notes: what was left out and why, and what limits the p-values; a sentence each.
        unseen: by the place of a row its cells of a category that training never saw, as (column,
            what came); its p is the least there is.
    """

    parts: Mapping[str, Part]
    surprise: Tensor
    leading: tuple[str, ...]
    threshold: float
    flagged: Tensor
    normals: int
    false_alarms: int
    notes: tuple[str, ...]
    unseen: Unseen

    @property
    def p(self) -> Tensor:
        """The share of normals as strange, `[N]`; extrapolated beyond them, and never 0."""
        return p_of(self.surprise)

    def lead(self, place: int) -> Part:
        """The score that is the most surprised by one thing."""
        return self.parts[self.leading[place]]

    def __len__(self) -> int:
        return len(self.surprise)

    def __getitem__(self, name: str) -> Part:
        if name not in self.parts:
            raise unknown("score", name, list(self.parts))
        return self.parts[name]

    def __repr__(self) -> str:
        """How many are flagged, by what."""
        counted = f"{int(self.flagged.sum()):,} of {len(self):,} flagged at {self.threshold:g}"
        return f"Scores({counted}; {', '.join(self.parts)})"


def score(
    space: Space | Sequence[Space],
    things: Any = None,
    *,
    parts: Sequence[str] = (),
    threshold: float = THRESHOLD,
    draws: int = DRAWS,
    seed: int = 0,
) -> Scores:
    """How strange things are, by several scores and as one, with p-values from normals alone.

    The data of the space count as normal. Scores, each higher where a thing is stranger:
    `reconstruction` -log p(x | z) and `rate` KL(q || p) at the posterior's centre; `likelihood`,
    the importance-weighted -log p(x); `density`, -log of the density of codes (the model's own
    prior where that was learned, else a mixture fitted to the codes); `error` of pictures, the
    squared difference to the reconstruction, both blurred and of unit length; `neighbours`, the
    mean distance to the 2 nearest normals (rows standardised; pictures blurred, of unit length,
    and moved by a pixel where that brings them nearer), with
    `taxicab_neighbours` of rows the same by absolute differences; and `code_neighbours`, likewise
    in [0.3 z / sigma, residual / its scale].

    Each becomes a p-value by the items that were held out of training; of neighbours, where
    nothing was trained, by all items, each left out in turn. The whole of rows is the largest
    -log p among neighbours, taxicab_neighbours and code_neighbours; of pictures, that of the
    neighbours and half of that of the error, added; calibrated again.

    Sessions of a log have scores of their own: `counts` and `order`, -log p by the model;
    `count_neighbours`, the distance to the nearest count vector, each count in units of its
    deviation; and `following`, the rarest step from one event to the next. The whole is the sum of
    their surprises, calibrated again.

    Args:
        space: trained on things that count as normal; or several, trained on the same with other
            folds held out (`fit(data, validation=0.25, fold=k)` for k from 0 to 3): every normal
            then counts unseen, which small data want, and a thing's scores are the means.
        things: of the person's own kind; None: the space's own kept items, each left out of its
            own neighbours.
        parts: names of scores to have and to combine; none: all, of which the usual are combined.
        threshold: share of normals that may be flagged.
        draws: of a likelihood.
        seed: of the draws.

    Raises:
        SpecError: a threshold that is no share, a score that there is not, or other data.
        DataError: nothing to score, values that these things cannot have, or fewer than 5 normals.
        ShapeError: things of another size than those it was trained on.

    Source: An and Cho 2015 (reconstruction probability); Ramaswamy et al. 2000 (neighbours),
    doi:10.1145/342009.335437; Laxhammar and Falkman 2014 (p-values).
    """
    asked: dict[str, Any] = {"parts": parts, "threshold": threshold, "draws": draws, "seed": seed}
    return outcome(scoring(space, things, **asked))


def scoring(
    space: Space | Sequence[Space],
    things: Any = None,
    *,
    parts: Sequence[str] = (),
    threshold: float = THRESHOLD,
    draws: int = DRAWS,
    seed: int = 0,
) -> Stages[Scores]:
    """Scores things as `score` does, and yields how far it is; the last one has the scores."""
    require_threshold(threshold)
    if draws < 1:
        raise SpecError(f"draws must be at least 1, got {draws}. {DRAWS} is usual.")
    spaces = _alike((space,) if isinstance(space, Space) else tuple(space))
    first, (names, whole, notes) = spaces[0], _chosen(spaces[0], parts)
    stored, unseen = (first.items, {}) if things is None else stored_of(first, things)
    if not len(stored):
        raise DataError("Things to score must be at least one, got none. Pass some.")
    benches, values = beside(spaces, own=things is None), dict[str, list[Pair]]()
    for number, (one, others) in enumerate(zip(spaces, benches, strict=True)):
        asked = [name for name in names if not number or name not in WITHOUT_MODEL]
        for words, share, found in scores_beside(
            one, stored, others, asked, draws=draws, seed=seed
        ):
            for name, pair in found.items():
                values.setdefault(name, []).append(pair)
            yield Stage(words, (number + share) / len(spaces))
    pairs = {name: together(values[name]) for name in names}
    notes += benches[0].notes
    yield Stage("done", 1.0, _concluded(first, pairs, whole, threshold, notes, unseen))


def usual_parts(space: Space) -> tuple[str, ...]:
    """The scores that the whole is made of where none are asked for."""
    if isinstance(space.modality, Logs):
        return WHOLE
    pictures = isinstance(space.modality, Image)
    return (NEIGHBOURS, ERROR) if pictures else (NEIGHBOURS, TAXICAB, CODE_NEIGHBOURS)


def _weights(space: Space) -> Mapping[str, float] | None:
    """Of the sum that the whole is; None where the largest part counts alone."""
    if isinstance(space.modality, Logs):
        return {}
    return OF_A_SUM if isinstance(space.modality, Image) else None


def _alike(spaces: tuple[Space, ...]) -> tuple[Space, ...]:
    """The same spaces, where they are of the same items."""
    if not spaces:
        raise SpecError("Things must be scored by at least one space, got none. Pass one.")
    for other in spaces[1:]:
        same = other.items.shape == spaces[0].items.shape and torch.allclose(
            other.items, spaces[0].items, atol=0, rtol=0, equal_nan=True
        )
        if other.modality != spaces[0].modality or not same:
            raise SpecError(
                "Several spaces must be trained on the same data, and these were not. Train them "
                "with other folds: fit(data, validation=0.25, fold=1)."
            )
    return spaces


def _chosen(
    space: Space, asked: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The scores to have, those that count in the whole, and what is left out and why."""
    pictures, rated = isinstance(space.modality, Image), manner(space).has_rate
    others = OF_ROWS if pictures else OF_PICTURES
    among = (*WHOLE, RATE) if isinstance(space.modality, Logs) else OF_OTHERS
    possible = tuple(n for n in among if n not in others and (rated or n not in OF_A_RATE))
    for name in asked:
        if name in OF_A_RATE and not rated:
            raise SpecError(
                f"A {name} must be of a model whose code is drawn, and the code of this one is a "
                f"point. Leave it out; {', '.join(possible)} are there."
            )
        if name not in possible:
            raise unknown("score", name, list(possible))
    left = ("rate and likelihood are undefined, since a code of this model is a point",)
    notes = () if rated or asked else left
    return tuple(asked) or possible, tuple(asked) or usual_parts(space), notes


def _concluded(
    space: Space,
    values: Mapping[str, Pair],
    whole: tuple[str, ...],
    threshold: float,
    notes: tuple[str, ...],
    unseen: Unseen,
) -> Scores:
    combined = combine({name: values[name] for name in whole}, weights=_weights(space))
    surprises = combined.surprise.clone()
    surprises[list(unseen)] = -math.log(LEAST_P)  # none of the normals can hold such a cell
    combined = replace(combined, surprise=surprises)
    parts = {}
    for name, (normals, found) in values.items():
        alone = combined.surprises[name] if name in whole else surprise(normals, found)
        unit, kind = MEANINGS[name][0], kind_of(space, name)
        known = int((~normals.isnan()).sum())
        parts[name] = Part(name, found, unit, kind, alone, name in whole, known)
    alarms = combined.false_alarms(threshold)
    return Scores(
        parts=parts,
        surprise=combined.surprise,
        leading=tuple(whole[int(place)] for place in combined.leading),
        threshold=threshold,
        flagged=combined.flagged(threshold),
        normals=len(alarms),
        false_alarms=int(alarms.sum()),
        notes=notes + few_normals(len(alarms), threshold),
        unseen=unseen,
    )
