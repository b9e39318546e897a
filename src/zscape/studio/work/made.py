"""What a call of the library becomes: bytes with their media type, or plain values."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from zscape.modalities.modality import Pictures, Rows
from zscape.space.space import Space
from zscape.studio.wire import BINARY, container


@dataclass(frozen=True, slots=True)
class Made:
    """Bytes, and what they are.

    Attributes:
        content: of the answer.
        media: its media type.
        name: of the file, where it is to be saved.
    """

    content: bytes
    media: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Doing:
    """How far a call is that takes seconds.

    Attributes:
        words: what is done now.
        share: of it that is done, 0 to 1, roughly.
    """

    words: str
    share: float


class Missing(Exception):
    """Something that was asked for by its id is not there.

    Args:
        name: a word for programs.
        sentence: for people.
    """

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name, self.sentence = name, sentence


def told(record: Mapping[str, Any]) -> Made:
    """Plain values as JSON; what is not finite is unknown, `null`."""
    content = json.dumps(finite(record), allow_nan=False, separators=(",", ":"))
    return Made(content.encode(), "application/json")


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Made:
    """A header and arrays as a binary answer."""
    return Made(container(finite(header), arrays), BINARY)


def shown(
    space: Space,
    x: Tensor,
    codes: Tensor | None = None,
    header: Mapping[str, Any] | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> Made:
    """Things as a model sees them, `[N, *shape]`, with their flat codes `[N, D]`, as an answer."""
    found: dict[str, np.ndarray] = {}
    about: dict[str, Any] = {"kind": "pictures", "rows": None, **(header or {})}
    if is_pictures(space):
        found["pixels"] = pixels(space, x)
    else:
        about |= {"kind": "rows", "rows": rows_record(rows(space, x))}
    if codes is not None:
        found["z"] = codes.detach().float().numpy()
    return packed(about, found | dict(arrays or {}))


def is_pictures(space: Space) -> bool:
    """Whether things show themselves as pictures."""
    return len(space.modality.shape) == 3


def pixels(space: Space, x: Tensor) -> np.ndarray:
    """The library's own pictures, uint8 `[N, H, W, C]`."""
    made: np.ndarray = space.modality.decode(x)
    return made[..., None] if made.ndim == 3 else made


def tiles(space: Space, x: Tensor) -> np.ndarray:
    """Things as colour pictures, uint8 `[N, H, W, 3]`."""
    seen = space.modality.show(x)
    if not isinstance(seen, Pictures):
        raise Missing("not_found", "Things of this study show themselves as rows. Ask for those.")
    return seen.tiles


def rows(space: Space, x: Tensor) -> Rows:
    """Things as rows of words."""
    seen = space.modality.show(x)
    assert isinstance(seen, Rows), "what is no picture shows itself as rows"
    return seen


def rows_record(seen: Rows) -> dict[str, Any]:
    """Rows as plain values."""
    return {"columns": list(seen.columns), "cells": [list(cells) for cells in seen.cells]}


def finite(value: Any) -> Any:
    """Plain values in which NaN and infinity became None."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value
