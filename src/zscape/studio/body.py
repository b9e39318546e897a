"""The body of a request as it arrives: no larger and no slower than it may be."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from zscape.studio.refusals import Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

PATIENCE, PACE = 10.0, 100_000  # s that a body may take, and bytes that earn a further second


class Body:
    """The body of a request.

    Args:
        receive: where it comes from.
        most: bytes that it may have.
        is_upload: whether the application takes it piece by piece.
    """

    def __init__(self, receive: Receive, most: int, is_upload: bool) -> None:
        self.most, self.is_upload = most, is_upload
        self.gone = asyncio.Event()  # the client is
        self.whole = False
        self._receive, self._arrived, self._began = receive, 0, time.monotonic()
        self._gathered: list[bytes] = []

    async def gather(self) -> None:
        """Reads all of it, before it reaches the application."""
        while not self.whole and not self.gone.is_set():
            self._gathered.append((await self._next())["body"])

    async def receive(self) -> Message:
        """The next message of the request, as the application sees it."""
        if self._gathered:
            content = b"".join(self._gathered)
            self._gathered.clear()
            return {"type": "http.request", "body": content, "more_body": False}
        if not self.whole and not self.gone.is_set():
            return await self._next()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def watch(self) -> None:
        """Waits until the client is gone, once its body is here."""
        while not self.whole and not self.gone.is_set():
            await asyncio.sleep(0.1)
        if not self.gone.is_set():
            await self._receive()
            self.gone.set()

    async def _next(self) -> Message:
        left = PATIENCE + self._arrived / PACE - (time.monotonic() - self._began)
        try:
            async with asyncio.timeout(left):
                message = await self._receive()
        except TimeoutError as error:
            raise Refusal(
                408,
                "too_slow",
                f"A body must come within {PATIENCE:g} s, and a second more for every 100 kB, and "
                "did not. Try again.",
                {"Connection": "close"},
            ) from error
        if message["type"] == "http.disconnect":
            self.gone.set()
            return {**message, "body": b""}
        self._arrived += len(message.get("body", b""))
        if self._arrived > self.most:
            raise too_large(self.most)
        self.whole = not message.get("more_body", False)
        return message


def too_large(most: int) -> Refusal:
    """The refusal of a body."""
    return Refusal(
        413,
        "too_large",
        f"A body must have at most {most:,} bytes here, and has more. Send less.",
        {"Connection": "close"},
    )
