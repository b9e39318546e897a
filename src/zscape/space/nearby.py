"""Which data a way may lead through: that of its ends' classes, where these are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import SpecError, unknown
from zscape.modalities.conditions import class_key
from zscape.space.neighbours import nearest
from zscape.space.space import Space, codes_of

VOTERS = 5  # labelled codes whose commonest class an unlabelled thing is taken to have


def of_classes(
    space: Space, ends: Sequence[Any], classes: Sequence[int | str] | None = None
) -> Tensor:
    """The codes of a space's data that are of some classes, flat, `[N, D]`.

    Args:
        space: a space.
        ends: things, codes or indices.
        classes: by name or number; none: those of the ends. An end that has no label is of the
            commonest class of the 5 nearest codes that have one.

    Raises:
        SpecError: a class that there is not.
    """
    flat, labels = space.codes.flat, space.labels
    if labels is None or not (labels >= 0).any():
        if classes:
            raise SpecError(
                "Classes must be known for a way to keep to some, and this study has none. Leave "
                "them out, or train with labels."
            )
        return flat
    if classes is None:
        wanted = [_class_of(space, end) for end in ends]
    else:
        names = {
            class_key(int(k), space.label_names): int(k) for k in np.unique(labels[labels >= 0])
        }
        wanted = [_named(str(one), names) for one in classes]
    return flat[torch.from_numpy(np.isin(labels, wanted))]


def _class_of(space: Space, end: Any) -> int:
    labels = space.labels
    assert labels is not None
    if isinstance(end, int | np.integer) and labels[int(end)] >= 0:
        return int(labels[int(end)])
    known = torch.from_numpy(np.flatnonzero(labels >= 0))
    points = space.codes.flat[known]
    _, places = nearest(points, codes_of(space, end).flat, min(VOTERS, len(points)))
    return int(np.bincount(labels[known[places[0]].numpy()]).argmax())


def _named(name: str, names: dict[str, int]) -> int:
    if name not in names:
        raise unknown("class", name, list(names))
    return names[name]
