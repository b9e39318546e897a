"""Conditions as they are typed: `smile=1,glasses=0`."""

from typing import Any

from zscape.errors import SpecError


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
