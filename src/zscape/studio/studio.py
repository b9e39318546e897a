"""All that one start of the studio holds, and how a route asks for it."""

import asyncio
import json
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from zscape.studio.answers import AGAIN, Answers, Kept, respond
from zscape.studio.events import Events
from zscape.studio.jobs import Job, Jobs
from zscape.studio.logins import Login, Logins
from zscape.studio.refusals import Json, Refusal
from zscape.studio.security import LOGIN
from zscape.studio.selections import Selections
from zscape.studio.studies import Known, Studies, card
from zscape.studio.workers import SECONDS, Reply, Worker

FOR_DECODER = ("decode", "sample", "path", "mix", "redraw")  # the verbs that it is asked for
LONG = 300.0  # s that the doctor and its like may take


@dataclass(frozen=True, slots=True)
class Studio:
    """One start of the studio.

    Attributes:
        studies: that are served.
        logins: who may use them.
        events: what happened.
        jobs: that run apart.
        selections: that were made.
        answers: that are kept.
        decoder: decodes while somebody drags.
        reader: opens, reads and encodes.
        judge: does what takes seconds.
        maps: points that UMAP laid out, by study and content.
        scored: the scores that anomalies told of, likewise.
        static: the folder of the built page.
        measured: contents of studies whose figures were asked for.
        tasks: that run aside.
        id: of this start: what a page remembers of another is gone.
    """

    studies: Studies
    logins: Logins
    events: Events
    jobs: Jobs
    selections: Selections
    answers: Answers
    decoder: Worker
    reader: Worker
    judge: Worker
    maps: dict[tuple[str, str], bytes]
    scored: dict[tuple[str, str], list[dict[str, Any]]]
    static: Path
    measured: set[str] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    async def start(self) -> None:
        """Starts the processes one after the other, so that the page has a core to itself."""
        self.reader.start()
        self._aside(self._start_decoder())

    async def _start_decoder(self) -> None:
        await self.reader.ready.wait()
        self.decoder.start()

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stop(self) -> None:
        """Ends all processes; training keeps its state."""
        for task in self.tasks:
            task.cancel()
        await self.jobs.stop_all()
        await asyncio.gather(self.decoder.stop(), self.reader.stop(), self.judge.stop())

    def crowded(self, path: str, login: Login) -> None:
        """Refuses a verb that would not be served now, before anything is done for it.

        Raises:
            Refusal: too much waits already.
        """
        if path.rpartition("/")[2] in FOR_DECODER:
            self.decoder.require_room(login.user)

    async def ask(
        self,
        worker: Worker,
        login: Login,
        known: Known,
        call: str,
        arguments: Json | None = None,
        *,
        payload: bytes = b"",
        seconds: float = SECONDS,
    ) -> tuple[bytes, str]:
        """What a worker makes of a call about one study: bytes and their media type."""
        record = {
            "call": call,
            "about": known.id,
            "study": known.record,
            "arguments": arguments or {},
        }
        reply: Reply = await worker.ask(login.user, record, payload, seconds=seconds)
        return bytes(reply.payload), reply.record["media"]

    async def read(
        self,
        request: Request,
        known: Known,
        call: str,
        arguments: Json | None = None,
        *,
        payload: bytes = b"",
        worker: Worker | None = None,
        cache: str = AGAIN,
    ) -> Response:
        """The answer to a GET that depends on a study's content alone."""
        kept = await self.kept(request, known, call, arguments, payload=payload, worker=worker)
        return respond(request, kept, cache=cache)

    async def kept(
        self,
        request: Request,
        known: Known,
        call: str,
        arguments: Json | None = None,
        *,
        payload: bytes = b"",
        worker: Worker | None = None,
    ) -> Kept:
        """The same before it is a response."""
        key = _key(known, call, arguments, payload)
        asked = worker or self.reader
        seconds = LONG if asked is self.judge else SECONDS
        login: Login = request.scope[LOGIN]
        return await self.answers.get(
            key,
            lambda: self.ask(
                asked, login, known, call, arguments, payload=payload, seconds=seconds
            ),
        )

    def figures(self, request: Request, known: Known) -> list[Json]:
        """The figures of a study; none until they are measured, which an event then tells."""
        kept = self.answers.peek(_key(known, "figures"))
        if kept is not None:
            found: list[Json] = json.loads(kept.content)["figures"]
            return found
        if known.content not in self.measured:
            self.measured.add(known.content)
            self._aside(self._measure(request, known))
        return []

    async def _measure(self, request: Request, known: Known) -> None:
        try:
            await self.kept(request, known, "figures", worker=self.judge)
        except Refusal:
            self.measured.discard(known.content)
            return
        self.events.tell("study", {"id": known.id, "change": "measured", "card": card(known)})

    async def count(self, request: Request, known: Known) -> int:
        """How many items a study has."""
        kept = await self.kept(request, known, "details")
        number: int = json.loads(kept.content)["items"]
        return number


def _key(
    known: Known, call: str, arguments: Json | None = None, payload: bytes = b""
) -> tuple[str, str, str, str, int]:
    return known.id, known.content, call, repr(arguments), len(payload)


# Not `def`: that would be called in a thread for every request.
async def studio_of(request: Request) -> Studio:
    """The studio that serves a request."""
    found: Studio = request.app.state.studio
    return found


async def login_of(request: Request) -> Login:
    """Who asks."""
    login: Login = request.scope[LOGIN]
    return login


Here = Annotated[Studio, Depends(studio_of)]
Asker = Annotated[Login, Depends(login_of)]


def make_studio(studies: Studies, logins: Logins, static: Path) -> Studio:
    """A studio that is not started yet."""
    events, answers, maps = Events(), Answers(), dict[tuple[str, str], bytes]()

    def finished(job: Job) -> None:
        if job.kind == "project" and job.state == "done" and job.result and job.study:
            maps[job.study, job.record["study"]["content"]] = job.result[0]
            job.result = None
        if job.study is not None:
            answers.drop(job.study)
        for known in studies.all():
            if known.id != job.study and job.kind != "refit":
                continue
            told = card(known)
            if known.id == job.study and job.kind == "train":
                job.ending = told["ending"]
            events.tell("study", {"id": known.id, "change": "changed", "card": told})

    return Studio(
        studies=studies,
        logins=logins,
        events=events,
        jobs=Jobs(events, finished),
        selections=Selections(),
        answers=answers,
        decoder=Worker("decoder"),
        reader=Worker("reader"),
        judge=Worker("judge", patience=600.0, events=events),
        maps=maps,
        scored={},
        static=static,
    )
