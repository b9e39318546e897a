"""Editing things: moved along directions, and all that the code does not say left as it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.model.codes import Codes
from zscape.space.directions import Direction, unjudged
from zscape.space.known import known_numbers
from zscape.space.space import Space, codes_of

LEAST_VARIANCE = 1e-12  # of codes that are all the same
WORDS = {"yes": 1, "no": -1}  # what a person may say in place of a strength
REACH = 1.5  # ways from the middle of two sides to the mean of one, at which most things flip
LEAVES = 0.999  # share of the data that lies nearer to the middle than an edit that is warned of


@dataclass(frozen=True, slots=True, repr=False)
class Edited:
    """A thing that was edited.

    Attributes:
        things: it, as the person's own kind of thing, one of them.
        x: it, as a model sees it, `[1, *shape]`.
        before: the same before the edit.
        codes: the code after the edit.
        beyond: share of the data whose codes lie nearer to the middle than the edited one.
        warning: a sentence where the edit left the data; else nothing.
        strengths: how far it went along each direction.
    """

    things: Any
    x: Tensor
    before: Tensor
    codes: Codes
    beyond: float
    warning: str
    strengths: dict[str, float]


def edit(
    space: Space,
    thing: Any,
    strengths: Mapping[str, float | str],
    *,
    directions: Mapping[str, Direction] | None = None,
    keep_details: bool = True,
) -> Edited:
    """A thing moved along named directions, each so many standard deviations of its property.

    Of a picture x the edit is x + decode(z + a v) - decode(z), so that details that the code does
    not hold stay; rows are decoded.

    Args:
        space: a space.
        thing: an index into the space's data, a code, or a thing.
        strengths: by the name of a direction, attribute or class: `{"smile": 2, "glasses": -1}`;
            "yes" or "no" goes just so far that it is read to have a class, or not: `strength_to`.
        directions: by name; what is not among them is found from what is known of the data.
        keep_details: of a picture; False: as it is decoded.

    Raises:
        SpecError: no strength, a word that is none, or a name that is neither given nor known.
        DataError: no such item.
        ShapeError: not one thing.

    Source: White 2016, section 2.3 (attribute vectors), arXiv:1609.04468.
    """
    if not strengths:
        raise SpecError("An edit must name at least one direction, got none. Say 'smile=2'.")
    given, code = directions or {}, codes_of(space, thing)
    shift, far = torch.zeros_like(code.flat[0]), {}
    for name, asked in strengths.items():
        way = given[name] if name in given else unjudged(space, name)
        if isinstance(asked, str):
            far[name] = strength_to(space, code, way, name, asked)
        else:
            far[name] = float(asked)
        shift = shift + far[name] * way.vector
    moved = code.like(code.flat + shift)
    before, x = along(space, thing, shift, (0.0, 1.0), keep_details=keep_details).split(1)
    beyond = beyond_data(space, moved)
    return Edited(space.modality.decode(x), x, before, moved, beyond, _warning(beyond), far)


def strength_to(
    space: Space, thing: Any, direction: Direction, name: str, word: str, *, reach: float = REACH
) -> float:
    """How far a thing goes along a direction to be read to have a class ("yes") or not ("no").

    Its read-out is to come from the middle of the means of both sides to `reach` times the way to
    the mean of the side that is wanted: 1 is the mean itself. What lies farther already stays.

    Args:
        space: a space.
        thing: an index into the space's data, a code, or a thing.
        direction: along which it goes.
        name: the class or attribute of two values that tells the sides apart.
        word: "yes" or "no".
        reach: how far beyond the middle. What decodes badly flips later than it is read to flip.

    Raises:
        SpecError: another word, an unknown name, an attribute that has not two values, or a
            direction that does not move its read-out.
    """
    if word not in WORDS:
        raise SpecError(
            f"A strength must be a number, 'yes' or 'no', got {word!r}. Say {name}=+2 or {name}=no."
        )
    values = known_numbers(space).numbers(name)
    different = np.unique(values[np.isfinite(values)])
    if len(different) != len(WORDS):
        raise SpecError(
            f"{name!r} must have two values to be asked for by {word!r}, got {len(different):,}. "
            f"Give a strength, as {name}=+2."
        )
    read = space.codes.flat @ direction.readout
    low, high = (float(read[torch.from_numpy(values == value)].mean()) for value in different)
    pace = float(direction.readout @ direction.vector)
    if not pace > 0:
        raise SpecError(
            f"The direction of {name!r} must move its own read-out, and moves it by {pace:g}. "
            "Find it again with find_direction."
        )
    # A direction of those without the property is read the other way round.
    side = WORDS[word] if high > low else -WORDS[word]
    goal = (low + high) / 2 + side * reach * abs(high - low) / 2
    left = goal - float(codes_of(space, thing).flat[0] @ direction.readout)
    return side * max(side * left / pace, 0.0)


def along(
    space: Space,
    thing: Any,
    vector: Tensor,
    strengths: Sequence[float],
    *,
    keep_details: bool = True,
) -> Tensor:
    """A thing at several places of a line through its code, as a model sees it, `[S, *shape]`.

    Args:
        space: a space.
        thing: an index into the space's data, a code, or a thing.
        vector: what a strength of 1 adds to its flat code, `[D]`.
        strengths: S of them.
        keep_details: of a picture; False: as it is decoded.
    """
    code = codes_of(space, thing)
    steps = torch.tensor(strengths, dtype=vector.dtype)[:, None]
    made = space.decode_tensor(code.like(code.flat + steps * vector))
    before = as_seen(space, thing) if keep_details and len(space.modality.shape) == 3 else None
    return made if before is None else (before + made - space.decode_tensor(code)).clamp(0, 1)


def as_seen(space: Space, thing: Any) -> Tensor | None:
    """The thing itself as a model sees it; None for a code, or an item that was not kept."""
    if isinstance(thing, Codes):
        return None
    if isinstance(thing, int | np.integer):
        is_kept = bool((space.kept == int(thing)).any())
        return space.modality.prepare(space.item(int(thing))) if is_kept else None
    return space.modality.prepare(space.modality.encode(thing))


def beyond_data(space: Space, codes: Codes) -> float:
    """The share of the data whose codes lie nearer to the middle than the farthest of `codes`.

    The distance is Mahalanobis', by the mean and covariance of the codes of the data.
    """
    flat = space.codes.flat.double()
    centred = flat - flat.mean(0)
    covariance = centred.T @ centred / len(centred)
    eye = torch.eye(len(covariance), dtype=covariance.dtype)
    least = max(1e-6 * float(covariance.trace()) / len(eye), LEAST_VARIANCE)
    root = torch.linalg.cholesky(covariance + least * eye)

    def far(rows: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(root, rows.T, upper=False).norm(dim=0)

    reach = far(codes.flat.double() - flat.mean(0)).max()
    return float((far(centred) < reach).double().mean())


def _warning(beyond: float) -> str:
    if beyond < LEAVES:
        return ""
    return (
        f"the edit leaves the data: {beyond:.2%} of the codes lie nearer to the middle. A smaller "
        "strength is safer."
    )
