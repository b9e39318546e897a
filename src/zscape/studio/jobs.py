"""Jobs as the server sees them: each in a process of its own, which a closed page does not end."""

import asyncio
import contextlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zscape.studio.events import Events
from zscape.studio.logins import User
from zscape.studio.pipes import Pipe, open_pipe
from zscape.studio.refusals import Refusal, not_found

TOGETHER, WAITING, REMEMBERED = 2, 8, 100  # of all users; of all; of one
OFTEN = 0.5  # s between two events of how far a job is
GRACE = 30.0  # s for a training run to keep its state
SNAPSHOTS = 200  # of one job
OVER = ("done", "stopped", "failed")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a training run makes of fixed codes and fixed items at one step.

    Attributes:
        step: of it.
        epoch: of it.
        pictures: PNG files by name; none where things show themselves as rows.
        rows: `columns`, and the cells of `samples`, `originals` and `reconstructions`.
    """

    step: int
    epoch: int
    pictures: dict[str, bytes]
    rows: dict[str, Any] | None = None


@dataclass(eq=False, slots=True)
class Job:
    """One piece of work.

    Attributes:
        user: the id of who began it; it is no other's.
        kind: train, project, refit, measure or export.
        study: id of the study that it is about, or that it makes; None where there is none yet.
        record: what its process is told.
        name: of the study that it is about, or that it makes.
        recipe: of a training run.
        id: 128 random bits.
        state: waiting, running, done, stopped or failed.
        share: of it that is done.
        words: what it does now, in few words.
        note: what a person should know of it, the newest; mostly empty.
        epoch: that a training run is in, and `epochs` at most how many there are; 0: not known.
        error: id and sentence.
        ending: of a training that ended, what its study then told of it.
        result: bytes, their media type and a name for the file.
        snapshots: of a training run, by step.
        created: when, in seconds since 1970.
        stopping: whether it was told to stop.
    """

    user: str
    kind: str
    study: str | None
    record: dict[str, Any]
    name: str = ""
    recipe: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    state: str = "waiting"
    share: float = 0.0
    words: str = ""
    note: str = ""
    epoch: int = 0
    epochs: int = 0
    error: dict[str, str] | None = None
    ending: dict[str, Any] | None = None
    result: tuple[bytes, str, str] | None = None
    snapshots: OrderedDict[int, Snapshot] = field(default_factory=OrderedDict)
    created: float = field(default_factory=time.time)
    told: float = 0.0
    later: asyncio.TimerHandle | None = None
    stopping: bool = False
    pipe: Pipe | None = None
    task: asyncio.Task[None] | None = None

    def plain(self) -> dict[str, Any]:
        """What a page is told."""
        return {
            "id": self.id,
            "kind": self.kind,
            "study": self.study,
            "name": self.name,
            "recipe": self.recipe,
            "state": self.state,
            "share": self.share,
            "stopping": self.stopping,
            "words": self.words,
            "note": self.note,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "error": self.error,
            "ending": self.ending,
            "result": self.result is not None,
            "created": self.created,
        }


class Jobs:
    """All jobs since the start.

    Args:
        events: where they tell how far they are.
        finished: called when a job ended, with the job.
    """

    def __init__(self, events: Events, finished: Callable[[Job], None]) -> None:
        self._events, self._finished = events, finished
        self._all: OrderedDict[str, Job] = OrderedDict()
        self._places = asyncio.Semaphore(TOGETHER)

    def begin(self, job: Job) -> Job:
        """Lets a job begin as soon as there is room.

        Raises:
            Refusal: too many wait.
        """
        waiting = [one for one in self._all.values() if one.state == "waiting"]
        if len(waiting) >= WAITING:
            raise Refusal(
                429,
                "too_many",
                f"At most {WAITING} jobs may wait, and as many do. Wait for one to end.",
                {"Retry-After": "10"},
            )
        self._all[job.id] = job
        own = [one for one in self._all.values() if one.user == job.user]
        over = [one.id for one in own if one.state in OVER]
        for key in over[: max(len(own) - REMEMBERED, 0)]:
            del self._all[key]
        job.task = asyncio.create_task(self._run(job))
        self._tell(job)
        return job

    def all(self, user: User) -> list[Job]:
        """Those of a user, the newest first."""
        return [job for job in reversed(self._all.values()) if job.user == user.id]

    def one(self, user: User, key: str) -> Job:
        """The job of an id.

        Raises:
            Refusal: the user has none.
        """
        found = self._all.get(key)
        if found is None or found.user != user.id:
            raise not_found("A job of that id")
        return found

    def is_busy(self, study: str) -> bool:
        """Whether a job that has not ended writes that study."""
        return any(
            j.study == study and j.kind == "train" and j.state not in OVER
            for j in self._all.values()
        )

    def stop(self, job: Job) -> None:
        """Stops a job: training keeps its state first, all else is dropped."""
        if job.state in OVER:
            return
        if job.pipe is None:
            assert job.task is not None
            job.task.cancel()
            return
        job.stopping, job.words = True, "stopping"
        job.pipe.interrupt()
        self._tell(job)

    async def stop_all(self) -> None:
        """Stops all jobs and waits until they ended."""
        for job in self._all.values():
            self.stop(job)
        tasks = [job.task for job in self._all.values() if job.task and not job.task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Job) -> None:
        try:
            async with self._places:
                job.state = "running"
                self._tell(job)
                job.pipe = await open_pipe("job")
                try:
                    await self._follow(job, job.pipe)
                finally:
                    await job.pipe.close(GRACE if job.kind == "train" else 0.0)
        except (OSError, EOFError):
            self._lost(job)
        except asyncio.CancelledError:
            job.state = "stopped"
            raise
        finally:
            if job.state not in OVER:
                job.state = "stopped"
            job.pipe = None
            self._finished(job)
            with contextlib.suppress(RuntimeError):
                self._tell(job)

    async def _follow(self, job: Job, pipe: Pipe) -> None:
        await pipe.hear()  # it is ready, and hears an interruption from now on
        if job.stopping:
            job.state = "stopped"
            return
        await pipe.tell(job.record)
        while job.state == "running":
            record, payload = await pipe.hear()
            self._heard(job, record, bytes(payload))

    def _heard(self, job: Job, record: dict[str, Any], payload: bytes) -> None:
        said = record["say"]
        if said == "share":
            job.share = record["share"]
            job.epoch = record.get("epoch", job.epoch)
            job.epochs = record.get("epochs", job.epochs)
            job.words = job.words if job.stopping else record["words"]
            job.note = record.get("note", job.note)
            self._tell_soon(job)
        elif said == "progress":
            about = {"job": job.id, "study": job.study, "record": record["record"]}
            self._events.tell("progress", about, job.user)
        elif said == "snapshot":
            self._keep_snapshot(job, record, payload)
        elif said == "error":
            job.state, job.error = "failed", record["error"]
        elif said in ("done", "stopped"):
            job.state = said
            job.share = 1.0 if said == "done" else job.share
            if payload:
                job.result = payload, record["media"], record["name"]

    def _keep_snapshot(self, job: Job, record: dict[str, Any], payload: bytes) -> None:
        first, rows = record["first"], record["rows"]
        pictures = {"samples": payload[:first], "reconstructions": payload[first:]}
        made = Snapshot(record["step"], record["epoch"], {} if rows else pictures, rows)
        job.snapshots[made.step] = made
        if len(job.snapshots) > SNAPSHOTS:  # every second one, so that the whole run is there
            for step in list(job.snapshots)[1::2]:
                del job.snapshots[step]
        about = {"job": job.id, "step": made.step, "epoch": made.epoch}
        self._events.tell("snapshot", about, job.user)

    def _lost(self, job: Job) -> None:
        if job.stopping:
            job.state = "stopped"
            return
        job.state = "failed"
        job.error = {
            "id": "worker",
            "sentence": "The process of the job must live, and was lost; memory may have run out. "
            "What was kept is there: go on with it, or ask for less.",
        }

    def _tell_soon(self, job: Job) -> None:
        """Tells how far a job is, not too often; what was heard last is always told."""
        wait = job.told + OFTEN - time.monotonic()
        if wait <= 0:
            self._tell(job)
        elif job.later is None:
            job.later = asyncio.get_running_loop().call_later(wait, self._tell, job)

    def _tell(self, job: Job) -> None:
        if job.later is not None:
            job.later.cancel()
        job.told, job.later = time.monotonic(), None
        self._events.tell("job", job.plain(), job.user)
