"""Trainings as somebody asks for them: what cannot be is refused before a job begins."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import torch

from zscape.errors import SpecError, ZscapeError
from zscape.recipes import RECIPES, Recipe
from zscape.studio.work.made import Made, told
from zscape.studio.work.troubles import told_without_paths
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
    for sentence in _foreign(recipe, data).values():
        raise SpecError(sentence)


def checked(recipe: str, options: Mapping[str, Any], data: Mapping[str, Any]) -> Made:
    """Says what of a training cannot be asked for so; its data are not read for that.

    A fault is of the option without which it would not be found; those without one are of none.

    Raises:
        StudyError: the study of the data is damaged.
    """
    faults = [{"field": f, "sentence": s} for f, s in _foreign(recipe, data).items()]
    if not faults:
        study = Study.open(data["study"]["path"]) if "study" in data else None
        left = dict(options)
        while sentence := _fault(recipe, left, study):
            others = {name: {n: v for n, v in left.items() if n != name} for name in left}
            changes = (n for n, some in others.items() if _fault(recipe, some, study) != sentence)
            name = next(changes, "")
            faults.append({"field": name, "sentence": told_without_paths(sentence)})
            if not name:
                break
            left = others[name]
    return told({"faults": faults})


def _foreign(recipe: str, data: Mapping[str, Any]) -> dict[str, str]:
    """By field, why a recipe or data are none of those that the form lists."""
    found = {}
    if recipe not in RECIPES:
        found["recipe"] = "The recipe must be one of those that the form lists. Choose another."
    if "study" not in data and data["name"] not in BUILT_IN:
        found["data"] = "Data must be built in or those of a study. Choose one of the list."
    return found


def _fault(recipe: str, options: Mapping[str, Any], study: Study | None) -> str:
    """The first thing that is wrong with options, in a sentence; empty where nothing is."""
    try:
        function, chosen, _ = settle_asked(recipe, options)
        # On "meta" nothing takes memory or time; what needs real numbers to be told, the job tells.
        with torch.device("meta"), suppress(RuntimeError):
            _build(function, chosen, study)
    except ZscapeError as error:
        return str(error)
    return ""


def _build(recipe: Recipe, chosen: Mapping[str, Any], study: Study | None) -> None:
    if study is None:
        build_on(recipe, _stand_in(), chosen)
    elif not is_told(recipe):
        recipe(study.modality, **chosen)
    elif "known" in study.asked:
        build(recipe, study.modality, conditions_from(study.asked["known"], SPEC), chosen)


@cache
def _stand_in() -> Data:
    """A few small pictures in place of those built in, which take seconds to draw."""
    pictures = np.arange(16**3, dtype=np.uint8).reshape(16, 16, 16, 1)
    return look(pictures, labels=[0, 1] * 8)
