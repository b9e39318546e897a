"""What happened, as a stream that a page can break off and take up again."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

KEPT = 10_000  # events that a page may have missed
BEAT = 15.0  # s between two signs of life


class Events:
    """The last events, each with a rising number."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._last = 0
        self._kept: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._came = asyncio.Event()
        self._over = False

    def close(self) -> None:
        """Ends all streams."""
        self._over = True
        self._came.set()

    def tell(self, kind: str, record: dict[str, Any]) -> None:
        """Something happened.

        Args:
            kind: the name of the event.
            record: what of it.
        """
        self._last = next(self._numbers)
        data = json.dumps(record, allow_nan=False)
        self._kept.append((self._last, f"id: {self._last}\nevent: {kind}\ndata: {data}\n\n"))
        self._came.set()
        self._came = asyncio.Event()

    async def follow(self, since: int | None) -> AsyncIterator[str]:
        """The lines of a stream.

        Args:
            since: the number of the last event that was seen; None: begins now.
        """
        place = self._last if since is None else since
        yield f"retry: 1000\nid: {place}\n\n"
        if place > self._last or (self._kept and place < self._kept[0][0] - 1):
            place = self._last  # of another start, or too old
            yield f"id: {place}\nevent: reset\ndata: {{}}\n\n"
        while not self._over:
            came = self._came
            for number, lines in list(self._kept):
                if number > place:
                    place = number
                    yield lines
            try:
                async with asyncio.timeout(BEAT):
                    await came.wait()
            except TimeoutError:
                yield ": still here\n\n"
