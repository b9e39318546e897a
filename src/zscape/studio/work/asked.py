"""Trainings as somebody asks for them: what cannot be is refused before a job begins."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import torch

from zscape.errors import SpecError
from zscape.recipes import RECIPES, Recipe
from zscape.studio.work.made import Made, told
from zscape.study.data import Data, look
from zscape.study.intake.sources import BUILT_IN
from zscape.study.known import build, build_on, is_told
from zscape.study.run import settle_asked
from zscape.study.storage.claims import conditions_from
from zscape.study.study import SPEC, Study


def require_ours(recipe: str, data: Mapping[str, Any]) -> None:
    """Refuses a recipe that would be imported, as nobody here typed it, and data of elsewhere.

    Raises:
        SpecError: one is not among those that the form lists.
    """
    if recipe not in RECIPES:
        raise SpecError("The recipe must be one of those that the form lists. Choose another.")
    if "study" not in data and data["name"] not in BUILT_IN:
        raise SpecError("Data must be built in or those of a study. Choose one of the list.")


def checked(recipe: str, options: Mapping[str, Any], data: Mapping[str, Any]) -> Made:
    """Says that a training can be asked for so; its data are not read for that.

    Raises:
        SpecError: a name or a value that cannot be.
        StudyError: the study of the data is damaged.
    """
    require_ours(recipe, data)
    function, chosen, _ = settle_asked(recipe, options)
    # On "meta" nothing takes memory or time; what needs real numbers to be told, the job tells.
    with torch.device("meta"), suppress(RuntimeError):
        _build(function, chosen, data)
    return told({"sound": True})


def _build(recipe: Recipe, chosen: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    if "study" not in data:
        build_on(recipe, _stand_in(), chosen)
        return
    study = Study.open(data["study"]["path"])
    if not is_told(recipe):
        recipe(study.modality, **chosen)
    elif "known" in study.asked:
        build(recipe, study.modality, conditions_from(study.asked["known"], SPEC), chosen)


@cache
def _stand_in() -> Data:
    """A few small pictures in place of those built in, which take seconds to draw."""
    pictures = np.arange(16**3, dtype=np.uint8).reshape(16, 16, 16, 1)
    return look(pictures, labels=[0, 1] * 8)
