"""What happened, as streams that a page can break off and take up again."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from zscape.studio.logins import Login

KEPT = 10_000  # events that a page may have missed
BEAT = 15.0  # s between two signs of life


class Events:
    """The last events, each with a rising number."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._last = 0
        self._kept: deque[tuple[int, str | None, str]] = deque(maxlen=KEPT)
        self._came = asyncio.Event()
        self._over = False

    def close(self) -> None:
        """Ends all streams."""
        self._over = True
        self.stir()

    def stir(self) -> None:
        """Lets all streams look about them: something came, or a login ended."""
        self._came.set()
        self._came = asyncio.Event()

    def tell(self, kind: str, record: dict[str, Any], user: str | None = None) -> None:
        """Something happened.

        Args:
            kind: the name of the event.
            record: what of it.
            user: the id of the only one who hears of it; None: all do.
        """
        self._last = next(self._numbers)
        data = json.dumps(record, allow_nan=False)
        lines = f"id: {self._last}\nevent: {kind}\ndata: {data}\n\n"
        self._kept.append((self._last, user, lines))
        self.stir()

    async def follow(self, login: Login, since: int | None) -> AsyncIterator[str]:
        """The lines of a stream, which ends with the login.

        Args:
            login: who listens.
            since: the number of the last event that was seen; None: begins now.
        """
        place = self._last if since is None else since
        yield f"retry: 1000\nid: {place}\n\n"
        if place > self._last or (self._kept and place < self._kept[0][0] - 1):
            place = self._last  # of another start, or too old
            yield f"id: {place}\nevent: reset\ndata: {{}}\n\n"
        while not self._over and not login.ended.is_set():
            came = self._came
            for number, user, lines in list(self._kept):
                if number > place and user in (None, login.user.id):
                    yield lines
                place = max(place, number)
            try:
                async with asyncio.timeout(BEAT):
                    await came.wait()
            except TimeoutError:
                yield ": still here\n\n"
