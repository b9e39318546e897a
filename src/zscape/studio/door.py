"""Where connections come in: who is too slow is cut, since uvicorn waits for ever.

A door stands before uvicorn's own protocol until a WebSocket takes the connection over. It cuts
headers that take longer than 10 s, answers that are not read for 10 s, and, where all places are
taken, who has waited longest without a whole request.
"""

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0  # s for the headers of a request, and for an answer to be read on
CONNECTIONS = 200


class Door(asyncio.Protocol):
    """One connection; what uvicorn is asked for by `http=partial(Door, {})`.

    Args:
        inside: all open ones of a server, the oldest first.
        config: of the server.
        server_state: of the server.
        app_state: of the server.
        _loop: that it runs in.
    """

    def __init__(
        self,
        inside: "dict[Door, None]",
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.inside = inside
        self.inner = H11Protocol(config, server_state, app_state, _loop)
        self.loop = self.inner.loop
        self._hurry: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets a connection in, in place of the one that waited longest where all are taken."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        if len(self.inside) >= CONNECTIONS and not self._make_room():
            self.transport.abort()
            return
        self.inside[self] = None
        self._hurry = self.loop.call_later(PATIENCE, self._cut)
        self.inner.connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        """Passes bytes on, and looks whether a whole request came of them."""
        if self not in self.inside:
            return
        self.inner.data_received(data)
        if self.transport.get_protocol() is not self:  # a WebSocket took over
            self._leave()
        elif not self.waits:
            self._stop_hurry()
        elif self._hurry is None:
            self._hurry = self.loop.call_later(PATIENCE, self._cut)

    def eof_received(self) -> None:
        """Passes the end on."""
        self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Passes the loss on."""
        if self in self.inside:
            self._leave()
            self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._unread = self.loop.call_later(PATIENCE, self._cut)
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """It caught up."""
        if self._unread is not None:
            self._unread.cancel()
        self._unread = None
        self.inner.resume_writing()

    @property
    def waits(self) -> bool:
        """Whether no whole request is here."""
        return self.inner.conn.their_state is h11.IDLE

    def _cut(self) -> None:
        self.transport.abort()

    def _stop_hurry(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
        self._hurry = None

    def _leave(self) -> None:
        self.inside.pop(self, None)
        self._stop_hurry()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _make_room(self) -> bool:
        """Cuts the connection that has waited longest without a whole request."""
        slowest = next((door for door in self.inside if door.waits), None)
        if slowest is None:
            return False
        slowest.transport.abort()
        slowest._leave()
        slowest.inner.connection_lost(None)
        return True
