"""What is known beside data, and recipes that are told it: those with a second argument."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from torch import Tensor

from zscape.errors import SpecError
from zscape.modalities import Modality
from zscape.modalities.conditions import Conditions, find_conditions
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.recipes import Recipe
from zscape.study.data import Data


def is_told(recipe: Recipe) -> bool:
    """Whether a recipe takes what is known beside the data."""
    parameters = inspect.signature(recipe).parameters.values()
    return sum(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in parameters) > 1


def build(
    recipe: Recipe, modality: Modality, known: Conditions, options: Mapping[str, Any]
) -> tuple[Model, Objective]:
    """The model and objective of a recipe.

    Raises:
        SpecError: it must be told something, and nothing is known.
    """
    if not is_told(recipe):
        return recipe(modality, **options)
    if not known.fields:
        raise SpecError(
            f"{recipe.__name__} must be told something of the examples, and nothing is known of "
            "these. Give labels, a label column, or a table of attributes beside the pictures."
        )
    return recipe(modality, known, **options)


def build_on(recipe: Recipe, data: Data, options: Mapping[str, Any]) -> tuple[Model, Objective]:
    """The same for data, in which what is known is looked for only if the recipe is told it.

    Raises:
        SpecError: it must be told something, and nothing is known.
        DataError: two things of one name are known, of which it is told.
    """
    known = _found(data)[0] if is_told(recipe) else Conditions()
    return build(recipe, data.modality, known, options)


def context_of(data: Data, names: Sequence[str]) -> Tensor | None:
    """What is known of each example under these names, `[N, F]`, nan where it is not.

    Raises:
        SpecError: no such name, or data of which not all examples are in memory.
    """
    if not names:
        return None
    if data.shards is not None:
        raise SpecError(
            f"A recipe that is told {', '.join(names)} must have its data in memory, got shards "
            "that are streamed. Train on part of them."
        )
    known, context = _found(data)
    assert context is not None
    return context[:, known.columns(names)]


def record_of(data: Data) -> dict[str, Any]:
    """What is known of data as plain values, and the sha256 of what each example is told."""
    known, context = _found(data)
    content = b"" if context is None else np.ascontiguousarray(context.numpy()).tobytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"fields": [asdict(field) for field in known.fields], "sha256": digest}


def _found(data: Data) -> tuple[Conditions, Tensor | None]:
    label = str(data.origin.get("label", "label"))
    return find_conditions(data.labels, data.label_names, data.attributes, data.texts, label=label)
