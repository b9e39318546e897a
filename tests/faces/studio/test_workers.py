"""The queue of a worker: bounded, fair, and nothing is done that nobody waits for."""

import asyncio
import contextlib

import pytest

from zscape.studio import workers
from zscape.studio.events import Events
from zscape.studio.logins import Login, User
from zscape.studio.refusals import Refusal
from zscape.studio.workers import QUEUE, SHARE, Worker


class Slow:
    """A process that answers when it is let, and remembers what it was asked."""

    def __init__(self):
        self.asked, self.heard, self.greeted = [], 0, False
        self.let, self.dies, self.says = asyncio.Semaphore(0), False, []

    async def tell(self, record, payload=b""):
        self.asked.append((record, bytes(payload)))

    async def hear(self):
        if not self.greeted:
            self.greeted = True
            return {"hello": True}, memoryview(b"")
        await self.let.acquire()
        if self.dies:
            raise EOFError
        if self.says:
            return self.says.pop(), memoryview(b"")
        record, payload = self.asked[self.heard]
        self.heard += 1
        counts = record["arguments"].get("counts")
        if counts is None:
            return {"media": "text/plain", "name": record["call"], "took": 15.0}, memoryview(
                payload
            )
        parts = [{"shape": [count, 1, 1, 1]} for count in counts]
        return {"parts": parts, "milliseconds": 1.0, "took": 15.0}, memoryview(payload)

    async def close(self, grace=0.0):
        pass


def run(body, monkeypatch):
    """Runs a test with a worker whose process is `Slow`."""

    async def all_of_it():
        processes = []

        async def open_pipe(role):
            processes.append(Slow())
            return processes[-1]

        monkeypatch.setattr(workers, "open_pipe", open_pipe)
        monkeypatch.setattr(workers, "AGAIN", 0.0)
        worker = Worker("decoder")
        worker.pace = 15.0  # so that only one call is told ahead
        worker.start()
        await worker.ready.wait()
        try:
            async with asyncio.timeout(10):
                await body(worker, processes)
        finally:
            await worker.stop()

    asyncio.run(all_of_it())


def call(name="decode"):
    return {"call": name, "study": {}, "arguments": {}}


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def test_one_user_may_not_fill_the_queue(monkeypatch):
    async def body(worker, processes):
        greedy, polite = User(), User()
        waiting = [asyncio.create_task(worker.ask(greedy, call())) for _ in range(SHARE)]
        await settle()
        with pytest.raises(Refusal) as refused:
            await worker.ask(greedy, call())
        assert refused.value.status == 429 and refused.value.headers["Retry-After"]
        last = asyncio.create_task(worker.ask(polite, call()))
        for _ in range(SHARE + 1):
            processes[0].let.release()
        await asyncio.gather(*waiting, last)
        assert greedy.waiting == polite.waiting == 0

    run(body, monkeypatch)


def test_the_queue_ends(monkeypatch):
    async def body(worker, processes):
        users = [User() for n in range(QUEUE // SHARE + 1)]
        waiting = [asyncio.create_task(worker.ask(users[-1], call())) for _ in range(2)]
        await settle()  # one is being worked on, and the next is told already
        waiting += [
            asyncio.create_task(worker.ask(users[n // SHARE], call())) for n in range(QUEUE)
        ]
        await settle()
        with pytest.raises(Refusal) as refused:
            await worker.ask(User(), call())
        assert refused.value.status == 503 and refused.value.headers["Retry-After"]
        for _ in waiting:
            processes[0].let.release()
        await asyncio.gather(*waiting)

    run(body, monkeypatch)


def test_what_nobody_waits_for_is_not_begun(monkeypatch):
    async def body(worker, processes):
        user = User()
        first = [asyncio.create_task(worker.ask(user, call("first"))) for _ in range(2)]
        await settle()
        gone = [asyncio.create_task(worker.ask(user, call("gone"))) for _ in range(3)]
        last = asyncio.create_task(worker.ask(user, call("last")))
        await settle()
        for task in gone:
            task.cancel()
        with pytest.raises(Refusal) as late:
            await worker.ask(user, call("late"), seconds=0.05)
        assert late.value.status == 503
        for _ in range(3):
            processes[0].let.release()
        await asyncio.gather(*first, last)
        assert [record["call"] for record, _ in processes[0].asked] == ["first", "first", "last"]
        assert user.waiting == 0

    run(body, monkeypatch)


def test_live_messages_go_together_and_answers_are_not_mixed_up(monkeypatch):
    async def body(worker, processes):
        users = [User() for n in range(4)]
        record = {"call": "live", "study": {}, "arguments": {"where": {}}}
        first = [asyncio.create_task(worker.ask(users[0], call())) for _ in range(2)]
        await settle()
        tasks = [
            asyncio.create_task(
                worker.ask(users[n % 4], record, bytes([n]) * (n + 1), kin=kin, count=n + 1)
            )
            for n, kin in enumerate("aabaab")
        ]
        await settle()
        for _ in range(4):
            processes[0].let.release()
        await asyncio.gather(*first)
        replies = await asyncio.gather(*tasks)
        counts = [r["arguments"].get("counts") for r, _ in processes[0].asked]
        assert counts == [None, None, [1, 2, 4, 5], [3, 6]]
        for n, reply in enumerate(replies):
            assert bytes(reply.payload) == bytes([n]) * (n + 1)
            assert reply.record["shape"] == [n + 1, 1, 1, 1]

    run(body, monkeypatch)


def test_how_far_a_call_is_is_told_and_is_not_its_answer(monkeypatch):
    async def body(worker, processes):
        told = []
        monkeypatch.setattr(worker, "events", Events())
        monkeypatch.setattr(worker.events, "tell", lambda *event: told.append(event))
        task = asyncio.create_task(worker.ask(User(), {**call("health"), "about": "7f3a"}))
        await settle()
        processes[0].says = [{"doing": "looking", "share": 0.5}]
        processes[0].let.release()
        processes[0].let.release()
        assert (await task).record["name"] == "health"
        about = {"study": "7f3a", "call": "health", "words": "looking", "share": 0.5}
        assert told == [("doing", about)]

    run(body, monkeypatch)


def test_a_lost_process_is_told_and_begun_anew(monkeypatch):
    async def body(worker, processes):
        user = User()
        task = asyncio.create_task(worker.ask(user, call()))
        await settle()
        processes[0].dies = True
        processes[0].let.release()
        with pytest.raises(Refusal) as lost:
            await task
        assert lost.value.status == 503 and lost.value.name == "worker"
        while len(processes) < 2:
            await asyncio.sleep(0.01)
        again = asyncio.create_task(worker.ask(user, call("again")))
        processes[1].let.release()
        assert (await again).record["name"] == "again"

    run(body, monkeypatch)


def test_a_process_that_hangs_is_ended(monkeypatch):
    async def body(worker, processes):
        worker.patience = 0.05
        with pytest.raises(Refusal):
            await worker.ask(User(), call())
        while len(processes) < 2:
            await asyncio.sleep(0.01)

    run(body, monkeypatch)


def test_of_one_socket_only_the_newest_waits(monkeypatch):
    from zscape.studio.routes import live

    async def body(worker, processes):
        sent, inbox = [], asyncio.Queue()

        class Socket:
            async def receive(self):
                return {"type": "websocket.receive", "bytes": await inbox.get()}

            async def send_bytes(self, content):
                sent.append(content)

        class Here:
            decoder = worker

        known = type("Known", (), {"record": {}, "id": "a", "content": "b"})
        newest = live.Newest()
        tasks = [
            asyncio.create_task(live._listen(Socket(), newest)),
            asyncio.create_task(live._talk(Socket(), Here(), Login("one", User()), known, newest)),
        ]
        for n in range(9):
            await inbox.put(live.UP.pack(n, 1, 0) + b"abcd")
            await settle()
        for _ in range(3):
            processes[0].let.release()
            await settle()
        assert [int.from_bytes(content[:4], "little") for content in sent] == [0, 8]
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    run(body, monkeypatch)
