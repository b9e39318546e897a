"""A recipe's signature read as its configuration: options, their types, checks and defaults."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, get_args, get_type_hints

from zscape.errors import SpecError, unknown
from zscape.recipes import RECIPES, Recipe

KINDS = {int: "a whole number", float: "a number", str: "a word", bool: "True or False"}


@dataclass(frozen=True, slots=True)
class Option:
    """One keyword-only argument of a recipe; its kind is a type, or a union as `float | str`."""

    name: str
    kind: Any
    default: Any


def find_recipe(name: str) -> Recipe:
    """Our recipe of that name, or the function that `package.module:function` names.

    Only ever called with what the person at the keyboard typed, never with what a file says.

    Raises:
        SpecError: there is none.
    """
    if ":" in name:
        return _imported(name)
    if name not in RECIPES:
        raise unknown("recipe", name, list(RECIPES), hint=_all_recipes())
    return RECIPES[name]


def our_recipe(name: str) -> Recipe:
    """Our recipe of that name; a study folder may name no other.

    Raises:
        SpecError: the name is not ours.
    """
    if name not in RECIPES:
        raise SpecError(
            f"The recipe of a study must be one of ours, got {name!r}. "
            "Pass your own by open(path, recipe=your_function)."
        )
    return RECIPES[name]


def options(recipe: Callable[..., Any]) -> dict[str, Option]:
    """The keyword-only arguments of a recipe by name."""
    hints = get_type_hints(recipe)
    parameters = inspect.signature(recipe).parameters.values()
    return {
        parameter.name: Option(parameter.name, hints[parameter.name], parameter.default)
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def described(function: Callable[..., Any]) -> dict[str, str]:
    """What the `Args` of a docstring say of each argument."""
    text = inspect.getdoc(function) or ""
    _, _, args = text.partition("\nArgs:\n")
    section = re.split(r"\n\n", args)[0]
    entries = re.split(r"\n(?= {4}\S)", "\n" + section)
    pairs = (entry.strip().partition(":") for entry in entries if entry.strip())
    return {name.strip("* "): " ".join(words.split()) for name, _, words in pairs}


def summary(function: Callable[..., Any]) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split("Source:")[0].split())


def settle(recipe: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of a recipe with its value: the given ones checked, the rest by default.

    Raises:
        SpecError: a name is unknown or a value is not of the option's type.
    """
    known = options(recipe)
    for name in given:
        if name not in known:
            raise _unknown_option(recipe, name, list(known))
    return {
        name: _typed(option, given[name]) if name in given else option.default
        for name, option in known.items()
    }


def _typed(option: Option, value: Any) -> Any:
    kinds = get_args(option.kind) or (option.kind,)
    is_bool = isinstance(value, bool)
    if float in kinds and isinstance(value, int) and not is_bool:
        return float(value)
    if isinstance(value, kinds) and is_bool == (bool in kinds):
        return value
    wanted = " or ".join(KINDS.get(kind, kind.__name__) for kind in kinds)
    raise SpecError(
        f"{option.name} must be {wanted}, got {value!r}. Its default is {option.default!r}."
    )


def _unknown_option(recipe: Callable[..., Any], name: str, known: list[str]) -> SpecError:
    near = get_close_matches(name, known, n=2)
    meant = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return SpecError(
        f"Unknown option {name!r} of recipe {recipe.__name__!r}.{meant} It has: {', '.join(known)}."
    )


def _all_recipes() -> str:
    return f"'zscape recipes' lists all {len(RECIPES)}."


def _imported(name: str) -> Recipe:
    module, _, function = name.partition(":")
    try:
        recipe: Recipe = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise SpecError(
            f"--recipe must be one of ours or package.module:function, got {name!r} "
            f"({error}). {_all_recipes()}"
        ) from error
    return recipe
