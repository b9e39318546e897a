"""Where connections come in: who is too slow is cut, since uvicorn waits for ever.

A door stands before uvicorn's own protocol until a WebSocket takes the connection over. It cuts
headers that take longer than 10 s, answers that are not read for 10 s, and, where all places are
taken, who has waited longest without a whole request. All doors of a server open onto one lobby,
which lets a few in at a time, so that a crowd does not hold up what was let in before.
"""

import asyncio
from collections import deque
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0  # s for the headers of a request, and for an answer to be read on
CONNECTIONS = 200
AT_ONCE = 4  # messages that are let in between two looks at everything else


class Lobby:
    """What the doors of a server share: who is inside, the oldest first, and who waits."""

    def __init__(self) -> None:
        self.inside: dict[Door, None] = {}
        self._waiting: deque[tuple[Door, bytes]] = deque()
        self._let, self._turning = 0, False

    def enter(self, door: "Door", data: bytes) -> None:
        """Lets bytes of a connection in, now or in their turn."""
        if self._let < AT_ONCE and not self._waiting:
            self._let += 1
            door.admit(data)
        else:
            self._waiting.append((door, data))
        if not self._turning:
            self._turning = True
            door.loop.call_soon(self._turn, door.loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._let = min(AT_ONCE, len(self._waiting))
        for _ in range(self._let):
            door, data = self._waiting.popleft()
            if door in self.inside:
                door.admit(data)
        self._turning = bool(self._waiting)
        if self._turning:
            loop.call_soon(self._turn, loop)

    def make_room(self) -> bool:
        """Cuts the connection that has waited longest without a whole request, if there is one."""
        slowest = next((door for door in self.inside if door.waits), None)
        if slowest is not None:
            slowest.cut()
        return slowest is not None


class Door(asyncio.Protocol):
    """One connection; what uvicorn is asked for by `http=partial(Door, Lobby())`.

    Args:
        lobby: that it opens onto.
        config: of the server.
        server_state: of the server.
        app_state: of the server.
        _loop: that it runs in.
    """

    def __init__(
        self,
        lobby: Lobby,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.lobby = lobby
        self.inner = H11Protocol(config, server_state, app_state, _loop)
        self.loop = self.inner.loop
        self._hurry: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets a connection in, in place of the one that waited longest where all are taken."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        if len(self.lobby.inside) >= CONNECTIONS and not self.lobby.make_room():
            self.transport.abort()
            return
        self.lobby.inside[self] = None
        self._hurry = self.loop.call_later(PATIENCE, self.cut)
        self.inner.connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        """Waits for its turn."""
        if self in self.lobby.inside:
            self.lobby.enter(self, data)

    def admit(self, data: bytes) -> None:
        """Passes bytes on, and looks whether a whole request came of them."""
        self.inner.data_received(data)
        if self.transport.get_protocol() is not self:  # a WebSocket took over
            self._leave()
        elif not self.waits:
            self._stop_hurry()
        elif self._hurry is None:
            self._hurry = self.loop.call_later(PATIENCE, self.cut)

    def eof_received(self) -> None:
        """Passes the end on."""
        self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Passes the loss on."""
        if self in self.lobby.inside:
            self._leave()
            self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._unread = self.loop.call_later(PATIENCE, self.cut)
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

    def cut(self) -> None:
        """Ends the connection at once."""
        self.transport.abort()
        self._leave()
        self.inner.connection_lost(None)

    def _stop_hurry(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
        self._hurry = None

    def _leave(self) -> None:
        self.lobby.inside.pop(self, None)
        self._stop_hurry()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
