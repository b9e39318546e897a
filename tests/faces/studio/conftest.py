"""The studio as tests call it: the whole application, with the library called in this process."""

import asyncio
import contextlib
import json
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from starlette.routing import Mount, WebSocketRoute
from starlette.testclient import TestClient

from zscape.studio.forwarded import networks
from zscape.studio.logins import Logins
from zscape.studio.refusals import Refusal
from zscape.studio.security import Guard, Place, place
from zscape.studio.server import configured, make_app
from zscape.studio.studies import Studies
from zscape.studio.studio import make_studio
from zscape.studio.wire import FRAME
from zscape.studio.workers import STATUS, Asked, Reply, Worker, _share_out

GOLDEN = Path(__file__).parents[2] / "golden" / "0.1.0"
PORT, TOKEN = 8765, "a-token-of-these-tests-0123456789abcdef"
OTHER = "the-token-of-another-user-0123456789abcdef"
ORIGIN = f"http://127.0.0.1:{PORT}"
API = "/api/v1"
SOCKET = f"ws://127.0.0.1:{PORT}{API}"
ID, LONG = "0" * 12, "0" * 32
FILLING = {"s": ID, "j": LONG, "key": LONG, "i": "1", "c": "label", "size": "32", "sheet": "0"}
FILLING |= {"name": "app.js", "step": "1", "what": "samples", "kind": "tags"}


def log_in(client, token=TOKEN):
    answer = client.post(f"{API}/login", json={"token": token}, headers={"Origin": ORIGIN})
    assert answer.status_code == 204
    return answer


def routes(client, filling=FILLING):
    """All that can be asked: method and address, however it was mounted."""
    found = []
    waiting = list(client.app.app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, Mount):
            waiting += route.routes
        elif hasattr(route, "original_router"):  # a router that was included
            waiting += route.effective_candidates()
        elif not isinstance(route, WebSocketRoute):
            for method in route.methods:
                path = route.path.format(**filling)
                if "items/1/" in path:
                    path = path.replace("samples", "original")
                found.append((method, path))
    return found


@contextlib.contextmanager
def serving(app, studio, **placed):
    """A studio that listens, by its application; the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    where = app.app.state.place = place(port, **placed)
    server = uvicorn.Server(configured(Guard(app.app, where, studio.logins)))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    studio.events.close()
    thread.join(10)
    assert not thread.is_alive()


class Near(Worker):
    """A worker without a process."""

    def start(self):
        self.state = "ready"
        self.ready.set()

    async def ask(self, user, record, payload=b"", *, seconds=30.0, kin=None, count=0):
        from zscape.studio.work import answering
        from zscape.studio.work.shelf import Shelf

        self.shelf = getattr(self, "shelf", None) or Shelf()
        if kin is not None:
            further = {"counts": [count], "sizes": [len(payload)]}
            record = {**record, "arguments": {**record["arguments"], **further}}
        for message in answering._answered(self.shelf, record, memoryview(payload)):
            content = memoryview(message)
            text, _ = FRAME.unpack(content[: FRAME.size])
            told = json.loads(bytes(content[FRAME.size : FRAME.size + text]))
            rest = content[FRAME.size + text :]
            if "doing" in told:
                about = Asked(record, payload, asyncio.get_running_loop().create_future())
                self._tell(about, told)
        if "error" in told:
            error = told["error"]
            raise Refusal(STATUS.get(error["id"], 422), error["id"], error["sentence"])
        if kin is None:
            return Reply(told, rest)
        asked = Asked(record, payload, asyncio.get_running_loop().create_future(), kin, count)
        _share_out([asked], told, rest)
        return asked.reply.result()


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A folder of studies: pictures, rows, numbers, and one that is not trained."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("pictures", "table", "array"):
        shutil.copytree(GOLDEN / name, folder / name)
        (folder / name / "expected.json").unlink()
    (folder / "begun").mkdir()
    shutil.copy(GOLDEN / "table" / "study.toml", folder / "begun")
    return folder


@pytest.fixture
def make(home, tmp_path):
    """Makes a studio of a folder whose workers are in this process."""

    def call(root=home, static=tmp_path / "static", allowed=(), proxies=()):
        studio = make_studio(Studies([root]), Logins(TOKEN, OTHER), static)
        for worker in (studio.decoder, studio.reader, studio.judge):
            worker.__class__ = Near
        where: Place = place(PORT, allowed, networks(proxies))
        return make_app(studio, where), studio

    return call


@pytest.fixture
def guarded(make):
    """The application, without a login."""
    app, _ = make()
    return TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)


@pytest.fixture
def client(make):
    """A script with the token."""
    app, studio = make()
    made = TestClient(app, base_url=ORIGIN, headers={"Authorization": f"Bearer {TOKEN}"})
    made.studio = studio
    return made


@pytest.fixture
def ids(client):
    """Studies by their names."""
    return {s["name"]: s["id"] for s in client.get(f"{API}/studies").json()["studies"]}
