"""Flags from signatures: the options of a recipe and of training as arguments of a command."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Group, Parameter

from zscape.study.spec import described, options

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
