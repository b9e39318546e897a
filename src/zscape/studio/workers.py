"""The processes that call the library, as the server sees them: bounded queues, nothing waits long.

A worker is told little more than it does in a turn, so that what nobody waits for any more is never
begun, and live messages that came meanwhile go together.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zscape.studio.events import Events
from zscape.studio.logins import User
from zscape.studio.pipes import GRACE, Pipe, open_pipe
from zscape.studio.refusals import Refusal, overload, too_many

QUEUE, SHARE = 32, 8  # requests that wait for a worker; of one user for all of them
SECONDS = 30.0  # that a request may wait and be worked on
AGAIN = 0.2  # s until a lost process is begun anew
LEAST = 2  # calls that it may be told in any case: what it does, and what it does next
SMOOTH = 8  # calls over which the pace is a mean
TURN = 20.0  # ms that live messages may take together before others have their turn
STATUS = {
    "not_found": 404,
    "not_kept": 404,
    "not_ready": 404,
    "version": 409,
    "busy": 409,
    "memory": 503,
    "internal": 500,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answered.

    Attributes:
        record: plain values: `media` and `name` of most calls.
        payload: bytes.
    """

    record: Mapping[str, Any]
    payload: memoryview


@dataclass(eq=False, slots=True)
class Asked:
    """One call that waits.

    Attributes:
        record: what is called.
        payload: bytes that go with it.
        reply: where the answer is waited for.
        kin: what live messages that may go together have in common; else None.
        count: codes of a live message.
    """

    record: dict[str, Any]
    payload: bytes
    reply: asyncio.Future[Reply]
    kin: str | None = None
    count: int = 0


@dataclass(eq=False)
class Worker:
    """A process that answers calls; it is started when it is first needed, and again if it dies.

    Attributes:
        role: what it is for, in the list of processes.
        patience: s that one exchange may take before the process is ended.
        events: where it tells how far a call is that takes seconds; None: nowhere.
        state: "idle", "starting", "ready" or "lost".
        milliseconds: that the last live message took.
        pace: milliseconds of CPU time that a call takes, of late.
        each: of one live message among those that go together.
    """

    role: str
    patience: float = 60.0
    events: Events | None = None
    state: str = "idle"
    milliseconds: float = 0.0
    pace: float = 10.0
    each: float = 1.0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _queue: deque[Asked] = field(default_factory=deque)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _flying: deque[list[Asked]] = field(default_factory=deque)
    _took_off: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the process, once."""
        if self._serving is None:
            self.state = "starting"
            self._serving = asyncio.create_task(self._serve(), name=self.role)

    async def stop(self) -> None:
        """Ends the process."""
        if self._serving is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving
            self._serving = None

    def require_room(self, user: User) -> None:
        """Nothing, unless too much waits.

        Raises:
            Refusal: of this user, or of all.
        """
        if user.waiting >= SHARE:
            raise too_many()
        if len(self._queue) >= QUEUE:
            raise overload()

    async def ask(
        self,
        user: User,
        record: dict[str, Any],
        payload: bytes = b"",
        *,
        seconds: float = SECONDS,
        kin: str | None = None,
        count: int = 0,
    ) -> Reply:
        """The answer to a call.

        Args:
            user: who asks.
            record: `call`, `study` and `arguments`.
            payload: bytes that go with it.
            seconds: that the answer may take.
            kin: of a live message.
            count: codes of a live message.

        Raises:
            Refusal: the queue is full, it took too long, or the library refused.
        """
        self.require_room(user)
        self.start()
        asked = Asked(record, payload, asyncio.get_running_loop().create_future(), kin, count)
        self._queue.append(asked)
        self._came.set()
        user.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                return await asked.reply
        except TimeoutError as error:
            raise _slow(seconds) from error
        finally:
            user.waiting -= 1
            asked.reply.cancel()
            if asked.reply.cancelled():
                with contextlib.suppress(ValueError):
                    self._queue.remove(asked)

    async def _serve(self) -> None:
        while True:
            pipe = await open_pipe(self.role)
            try:
                await pipe.hear()  # it has imported torch
                self.state = "ready"
                self.ready.set()
                await self._exchange(pipe)
            except (OSError, EOFError, TimeoutError):
                self.state = "lost"
                await asyncio.sleep(AGAIN)
            finally:
                for flight in self._flying:
                    _fail(flight, _lost())
                self._flying.clear()
                await pipe.close(grace=0.0 if self.state == "lost" else GRACE)

    async def _exchange(self, pipe: Pipe) -> None:
        """Tells the process what to do, a little ahead of what it answers, until it is lost."""
        talking = asyncio.create_task(self._talk(pipe))
        hearing = asyncio.create_task(self._hear(pipe))
        try:
            await asyncio.wait({talking, hearing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (talking, hearing):
                if task.done():
                    task.result()
        finally:
            talking.cancel()
            hearing.cancel()
            await asyncio.gather(talking, hearing, return_exceptions=True)

    async def _talk(self, pipe: Pipe) -> None:
        while True:
            while not self._queue or len(self._flying) >= self._ahead():
                self._came.clear()
                await self._came.wait()
            flight = self._next()
            self._flying.append(flight)
            record, payload = flight[0].record, flight[0].payload
            if flight[0].kin is not None:
                counts = [each.count for each in flight]
                sizes = [len(each.payload) for each in flight]
                further = {"counts": counts, "sizes": sizes}
                record = {**record, "arguments": {**record["arguments"], **further}}
                payload = b"".join(each.payload for each in flight)
            self._took_off.set()
            await pipe.tell(record, payload)

    async def _hear(self, pipe: Pipe) -> None:
        while True:
            while not self._flying:
                self._took_off.clear()
                await self._took_off.wait()
            async with asyncio.timeout(self.patience):
                told, content = await pipe.hear()
            if "doing" in told:
                self._tell(self._flying[0][0], told)
                continue
            self._landed(self._flying.popleft(), told, content)
            self._came.set()

    def _ahead(self) -> int:
        """How many calls the process may be told before it answers: what it does in one turn.

        Live messages wait here instead, so that many of them go together.
        """
        if self._queue[0].kin is not None:
            return LEAST
        return max(LEAST, min(QUEUE, int(TURN / max(self.pace, 0.1))))

    def _next(self) -> list[Asked]:
        """The call that waited longest, and live messages that may go with it."""
        first = self._queue.popleft()
        if first.kin is None:
            return [first]
        most = max(1, min(QUEUE, int(TURN / max(self.each, 0.1))))
        kin = [first, *(asked for asked in self._queue if asked.kin == first.kin)][:most]
        for asked in kin[1:]:
            self._queue.remove(asked)
        return kin

    def _tell(self, asked: Asked, told: Mapping[str, Any]) -> None:
        """Tells how far a call about a study is."""
        if self.events is not None:
            about = {"study": asked.record["about"], "call": asked.record["call"]}
            now = {"words": told["doing"], "share": told["share"]}
            self.events.tell("doing", {**about, **now})

    def _landed(self, flight: list[Asked], told: Mapping[str, Any], content: memoryview) -> None:
        self.pace += (told["took"] - self.pace) / SMOOTH
        if "error" in told:
            _fail(flight, _refusal(told["error"]))
        elif flight[0].kin is None:
            _answer(flight[0], Reply(told, content))
        else:
            self.milliseconds = told["milliseconds"] / len(flight)
            self.each += (told["took"] / len(flight) - self.each) / SMOOTH
            _share_out(flight, told, content)


def _share_out(asked: list[Asked], told: Mapping[str, Any], content: memoryview) -> None:
    """Gives each live message its part of the answer."""
    start = 0
    about = {"milliseconds": told["milliseconds"] / len(asked)}
    for each, part in zip(asked, told["parts"], strict=True):
        if "error" in part:
            _fail([each], _refusal(part["error"]))
            continue
        stop = start + math.prod(part.get("shape", (0,)))
        _answer(each, Reply({**about, **part}, content[start:stop]))
        start = stop


def _refusal(error: Mapping[str, str]) -> Refusal:
    return Refusal(STATUS.get(error["id"], 422), error["id"], error["sentence"])


def _answer(asked: Asked, reply: Reply) -> None:
    if not asked.reply.done():
        asked.reply.set_result(reply)


def _fail(asked: list[Asked], refusal: Refusal) -> None:
    for each in asked:
        if not each.reply.done():
            each.reply.set_exception(refusal)


def _lost() -> Refusal:
    return Refusal(
        503,
        "worker",
        "The process of the model must live, and was lost; it is begun anew. Try again.",
        {"Retry-After": "2"},
    )


def _slow(seconds: float) -> Refusal:
    return Refusal(
        503,
        "worker",
        f"An answer must come within {seconds:g} s, and did not. Ask for less at once.",
        {"Retry-After": "5"},
    )
