"""`zscape compare`: studies side by side, as a table or a page."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zscape.cli.output import say
from zscape.cli.verbs import Json, Own
from zscape.study.comparison import compare
from zscape.study.spec import find_recipe
from zscape.study.storage.folder import write_file


def compare_(
    *studies: Annotated[Path, Parameter(help="studies; a sweep's folder stands for its studies.")],
    out: Annotated[Path | None, Parameter(help="an .html page; none: no page.")] = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Set studies side by side: figures, differences with intervals, the settings that differ."""
    found = compare(studies, recipe=find_recipe(recipe) if recipe else None)
    if out is not None:
        write_file(out, found.page().encode())
    if json:
        page = {} if out is None else {"page": str(out)}
        say({"verb": "compare", **page, **found.to_json()})
        return
    print(found)
    if out is not None:
        print(f"\n{out}", file=sys.stdout)
