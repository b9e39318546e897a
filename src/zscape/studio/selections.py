"""Sets of items that a user made, for that user alone; they last until the studio ends."""

import base64
import binascii
import secrets
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from zscape.studio.logins import User
from zscape.studio.refusals import Refusal, not_found

MOST = 200  # of a user in a study; the oldest goes


@dataclass(frozen=True, slots=True)
class Selection:
    """Some items of a study.

    Attributes:
        id: 128 random bits.
        name: as a person called it.
        items: rising.
    """

    id: str
    name: str
    items: "array[int]"

    def record(self) -> dict[str, Any]:
        """All but the items."""
        return {"id": self.id, "name": self.name, "count": len(self.items)}


class Selections:
    """The selections of all users in all studies, each by the id of its user and its own."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], OrderedDict[str, Selection]] = {}

    def add(self, user: User, study: str, name: str, items: "array[int]") -> Selection:
        """A new one."""
        own = self._own(user, study)
        made = Selection(secrets.token_hex(16), name, items)
        own[made.id] = made
        while len(own) > MOST:
            own.popitem(last=False)
        return made

    def all(self, user: User, study: str) -> list[Selection]:
        """Those of a user in a study, the oldest first."""
        return list(self._own(user, study).values())

    def one(self, user: User, study: str, key: str) -> Selection:
        """That of an id.

        Raises:
            Refusal: the user has none.
        """
        found = self._own(user, study).get(key)
        if found is None:
            raise not_found("A selection of that id")
        return found

    def drop(self, user: User, study: str, key: str) -> None:
        """Forgets one."""
        self.one(user, study, key)
        del self._own(user, study)[key]

    def _own(self, user: User, study: str) -> OrderedDict[str, Selection]:
        return self._of.setdefault((user.id, study), OrderedDict())


def from_mask(mask: str, count: int) -> "array[int]":
    """The items whose bits are set in a mask, base64, the lowest bit of a byte first.

    Args:
        mask: of `count` bits.
        count: of items.

    Raises:
        Refusal: it is not of that many bits.
    """
    try:
        content = base64.b64decode(mask, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != -(-count // 8):
        raise Refusal(
            422,
            "invalid",
            f"mask must be base64 of {-(-count // 8):,} bytes, a bit for each of {count:,} items, "
            f"got {len(content):,}. Item i is bit i % 8, the lowest first, of byte i // 8.",
        )
    bits = (
        8 * place + bit
        for place, byte in enumerate(content)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    )
    return array("I", (item for item in bits if item < count))
