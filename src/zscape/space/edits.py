"""Editing things: moved along directions, and all that the code does not say left as it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.model.codes import Codes
from zscape.space.directions import Direction, movement
from zscape.space.space import Space, codes_of

LEAST_VARIANCE = 1e-12  # of codes that are all the same
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
    """

    things: Any
    x: Tensor
    before: Tensor
    codes: Codes
    beyond: float
    warning: str


def edit(
    space: Space,
    thing: Any,
    strengths: Mapping[str, float],
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
        strengths: by the name of a direction, attribute or class: `{"smile": 2, "glasses": -1}`.
        directions: by name; what is not among them is found from what is known of the data.
        keep_details: of a picture; False: as it is decoded.

    Raises:
        SpecError: no strength, or a name that is neither given nor known.
        DataError: no such item.
        ShapeError: not one thing.

    Source: White 2016, section 2.3 (attribute vectors), arXiv:1609.04468.
    """
    if not strengths:
        raise SpecError("An edit must name at least one direction, got none. Say 'smile=2'.")
    given, code = directions or {}, codes_of(space, thing)
    shift = torch.zeros_like(code.flat[0])
    for name, strength in strengths.items():
        vector = given[name].vector if name in given else movement(space, name)
        shift = shift + strength * vector
    moved = code.like(code.flat + shift)
    before, x = along(space, thing, shift, (0.0, 1.0), keep_details=keep_details).split(1)
    beyond = beyond_data(space, moved)
    return Edited(space.modality.decode(x), x, before, moved, beyond, _warning(beyond))


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
