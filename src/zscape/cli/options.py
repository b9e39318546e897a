"""Flags from signatures: the options of a recipe and of training as arguments of a command."""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Group, Parameter

from zscape.study.spec import options

# What the docstring of recipes.flat says of the options that all recipes share.
SHARED = {
    "latent": "size of the code.",
    "likelihood": 'a word; "auto": the one that suits the data.',
    "network": '"mlp", "conv" or "residual", sizes after a colon ("mlp:400"); "auto".',
}


def flags(function: Callable[..., Any], group: Group) -> list[inspect.Parameter]:
    """The keyword-only arguments of a function as flags, with types, defaults and help.

    Args:
        function: a recipe, or `begin`.
        group: the heading that they stand under in the help.
    """
    said = SHARED | described(function)
    return [
        flag(option.name, option.kind, option.default, help=said.get(option.name, ""), group=group)
        for option in options(function).values()
    ]


def flag(
    name: str, kind: Any, default: Any, *, help: str, group: Group | None = None
) -> inspect.Parameter:
    """One keyword-only argument of a command; a truth that is false unless said has no `--no-`."""
    parameter = Parameter(
        help=help,
        group=group or Group("Options", sort_key=0),
        negative="" if default is False else None,
        show_default=default not in (None, "", False),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, parameter],
    )


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
