"""Conditions as they are typed: `smile=1,glasses=0`, or a few words."""

from typing import Any

from zscape.cli.output import tell
from zscape.errors import SpecError
from zscape.modalities.found import printable
from zscape.space.conditions import prompt
from zscape.space.space import Space


def asked_of(space: Space, where: str, words: str) -> dict[str, Any]:
    """What is asked by `--where` and `--prompt`; what becomes of unknown words is told.

    Raises:
        SpecError: a part that says nothing, or a prompt that this space cannot read.
    """
    asked = parse_where(where)
    if not words:
        return asked
    said, notes = prompt(space, words)
    for note in notes:
        tell(printable(note))
    return asked | said


def parse_where(text: str) -> dict[str, Any]:
    """Values by name from `name=value` with commas between them.

    Raises:
        SpecError: a part without `=`, or a name twice.
    """
    where: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value) or name in where:
            raise SpecError(
                f"--where must be names and values, each name once, as smile=1,age=40; got "
                f"{part!r}. 'zscape show STUDY' lists what can be asked."
            )
        where[name] = value
    return where
