"""Conditions as they are typed: `smile=1,caption="a heart, small"`, or a few words."""

import re
from typing import Any

from zscape.cli.output import tell
from zscape.errors import SpecError
from zscape.modalities.found import printable
from zscape.space.conditions import notes_on, prompt
from zscape.space.space import Space

# A name and a value; the value in quotes may hold commas, and a quote after a backslash.
_PART = re.compile(
    r"""\s*(?P<name>[^=,]*[^=,\s])\s*=\s*
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<plain>(?!["'])[^,]*[^,\s]))
    \s*(?:,|$)""",
    re.VERBOSE,
)


def asked_of(space: Space, where: str, words: str, *, over: str = "") -> dict[str, Any]:
    """What is asked by `--where` and `--prompt`; what is read in another way is told.

    Raises:
        SpecError: a part that says nothing, a prompt that this space cannot read, or one condition
            asked for twice.
    """
    asked = parse_where(where)
    space.context(1, asked)  # refuses what cannot be asked
    said = prompt(space, words)[0] if words else {}
    twice = next((name for name in said if name in asked), None)
    if twice is not None:
        raise SpecError(
            f"{twice} must be asked for once, got it in --where and as --prompt. Leave one out."
        )
    asked |= said
    if over in asked:
        raise SpecError(
            f"{over} must be left open where --over goes through its values, got "
            f"{asked[over]!r} for it. Leave one out."
        )
    for note in notes_on(space, asked):
        tell(printable(note))
    return asked


def parse_where(text: str) -> dict[str, Any]:
    """Values by name from `name=value` with commas between them; one in quotes may hold commas.

    Raises:
        SpecError: a part without `=`, or a name twice.
    """
    where: dict[str, Any] = {}
    rest = text.strip().strip(",")
    while rest.strip():
        found = _PART.match(rest)
        name = "" if found is None else found["name"]
        if found is None or name in where:
            raise SpecError(
                "--where must be names and values, each name once, as smile=1,age=40 or "
                f"""'caption="a heart, small"'; got {rest.strip()!r}. """
                "'zscape show STUDY' lists what can be asked."
            )
        quoted = found["double"] if found["plain"] is None else None
        quoted = found["single"] if quoted is None else quoted
        where[name] = found["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        rest = rest[found.end() :].lstrip(" ,")
    return where
