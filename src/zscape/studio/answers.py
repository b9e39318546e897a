"""Answers that are kept until their study changes, with their ETag and a range of their bytes."""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

MOST_BYTES = 192 * 2**20
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
AGAIN = "private, no-cache"  # kept by the browser, and asked about each time
FOR_EVER = "private, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer.

    Attributes:
        content: bytes.
        media: type of it.
        etag: of the content.
    """

    content: bytes
    media: str
    etag: str


class Answers:
    """The answers that were given last; what two ask for at once is made once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._bytes = 0
        self._making: dict[Hashable, asyncio.Task[Kept]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[tuple[bytes, str]]]) -> Kept:
        """The answer of that key, made where it is not kept.

        Args:
            key: that says all it depends on.
            make: gives its bytes and their media type.
        """
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._made(key, make))
            self._making[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # Shielded: who leaves must not take the answer from others that wait for it.
        return await asyncio.shield(task)

    def peek(self, key: Hashable) -> Kept | None:
        """The answer of that key where it is kept."""
        return self._kept.get(key)

    def drop(self, study: str) -> None:
        """Forgets what is kept of a study: the first part of its keys."""
        for key in [k for k in self._kept if isinstance(k, tuple) and k[0] == study]:
            self._bytes -= len(self._kept.pop(key).content)

    async def _made(self, key: Hashable, make: Callable[[], Awaitable[tuple[bytes, str]]]) -> Kept:
        content, media = await make()
        kept = Kept(content, media, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
        self._kept[key] = kept
        self._bytes += len(content)
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= len(old.content)
        return kept

    def _forget(self, key: Hashable, done: asyncio.Task[Kept]) -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # who still waits has it


def respond(request: Request, kept: Kept, *, cache: str = AGAIN) -> Response:
    """A kept answer: whole, a part of it, or nothing where the browser has it.

    Args:
        request: that is answered.
        kept: the answer.
        cache: how long a browser may keep it.
    """
    headers = {"ETag": kept.etag, "Cache-Control": cache, "Accept-Ranges": "bytes"}
    if kept.etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    total = len(kept.content)
    found = RANGE.fullmatch(request.headers.get("range", ""))
    unlike = request.headers.get("if-range", kept.etag) != kept.etag
    if found is None or unlike or not any(found.groups()):
        return Response(kept.content, headers=headers, media_type=kept.media)
    first, last = found.groups()
    start = int(first) if first else max(total - int(last), 0)
    stop = min(int(last) + 1, total) if first and last else total
    if start >= stop:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{total}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
    return Response(kept.content[start:stop], 206, headers, media_type=kept.media)
