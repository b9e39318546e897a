"""Load on a studio: clients that cost next to nothing, so that what is measured is the server.

They speak just enough HTTP and WebSocket for the answers of the studio; nothing here judges.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zscape.studio.logins import new_token, write_token

API = "/api/v1"
USERS = 8  # of a studio under load
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A studio in a process of its own.

    Attributes:
        port: where it listens.
        tokens: of its users.
        pid: of its process.
    """

    port: int
    tokens: list[str]
    pid: int

    def ask(self, path: str, body: Any = None, *, method: str = "") -> Any:
        """The JSON of an answer."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content)
        request.add_header("Authorization", f"Bearer {self.tokens[0]}")
        request.add_header("Content-Type", "application/json")
        if method:
            request.method = method
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read() or b"null")

    def logins(self, count: int) -> list[str]:
        """Cookies of as many logins, of one user after the other."""
        found = []
        for number in range(count):
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.port}{API}/login",
                json.dumps({"token": self.tokens[number % USERS]}).encode(),
                {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{self.port}"},
            )
            with urllib.request.urlopen(request) as answer:
                found.append(answer.headers["Set-Cookie"].partition(";")[0])
        return found

    def processes(self) -> dict[str, int]:
        """The process of the server and those of its workers, by role."""
        found = {"server": self.pid}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and _parent(entry) == self.pid:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                found[words[4].decode() if len(words) > 4 else "?"] = int(entry.name)
        return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def served(home: Path) -> Iterator[Server]:
    """A studio of a folder of studies, once its model process is up."""
    token = home.parent / "token"
    tokens = [new_token() for _ in range(USERS)]
    write_token(token, "\n".join(tokens))
    words = ["studio", str(home), "--no-browser", "--token", str(token)]
    environment = {**os.environ, "XDG_STATE_HOME": str(home.parent), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "zscape", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            if not lines[-1]:
                raise RuntimeError("the studio did not start")
        found = re.search(r"127\.0\.0\.1:(\d+)/login", "".join(lines))
        assert found is not None
        server = Server(int(found[1]), tokens, process.pid)
        while not server.ask(f"{API}/about")["ready"]:
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@dataclass(eq=False)
class Dragger(asyncio.Protocol):
    """A live socket whose next message goes out when the last was answered.

    Attributes:
        server: of the studio.
        cookie: of a login.
        study: its id.
        code: of one message.
        sent: when the message under way went out.
        took: seconds of every answer.
        kinds: how many answers were errors, pictures, rows.
    """

    server: Server
    cookie: str
    study: str
    code: list[float]
    sent: float = 0.0
    took: list[float] = field(default_factory=list)
    kinds: list[int] = field(default_factory=lambda: [0, 0, 0])
    held: bytearray = field(default_factory=bytearray)
    opened: bool = False
    ended: bool = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        host = f"127.0.0.1:{self.server.port}"
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {API}/studies/{self.study}/live HTTP/1.1\r\nHost: {host}\r\n"
            f"Origin: http://{host}\r\nCookie: {self.cookie}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        message = struct.pack("<IHH", 1, 1, 0) + struct.pack(f"<{len(self.code)}f", *self.code)
        self.frame = client_frame(message)

    def data_received(self, data: bytes) -> None:
        self.held += data
        if not self.opened:
            if b"\r\n\r\n" not in self.held:
                return
            assert self.held.startswith(b"HTTP/1.1 101"), bytes(self.held[:200])
            del self.held[: self.held.index(b"\r\n\r\n") + 4]
            self.opened = True
            self.send()
        while (message := taken(self.held)) is not None:
            opcode, content = message
            if opcode != 2:
                continue
            self.took.append(time.perf_counter() - self.sent)
            self.kinds[struct.unpack_from("<H", content, 4)[0]] += 1
            if not self.ended:
                self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.frame)


def client_frame(message: bytes) -> bytes:
    """A binary message as a client sends it; a mask of zeros leaves it as it is."""
    size = len(message)
    head = bytes([0x82, 0x80 | size]) if size < 126 else b"\x82\xfe" + struct.pack(">H", size)
    return head + b"\0\0\0\0" + message


def taken(held: bytearray) -> tuple[int, bytes] | None:
    """The first whole message of what was received, taken off it."""
    if len(held) < 2:
        return None
    size, start = held[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(held[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(held[2:10], "big"), 10
    if len(held) < start + size:
        return None
    opcode, content = held[0] & 0x0F, bytes(held[start : start + size])
    del held[: start + size]
    return opcode, content


async def dragging(
    server: Server, study: str, latent: int, *, clients: int, each: int = 8
) -> list[Dragger]:
    """As many live sockets as clients, `each` of them of one login."""
    loop, found = asyncio.get_running_loop(), []
    cookies = server.logins(-(-clients // each))
    for number in range(clients):
        code = [0.1 * ((number + d) % 7 - 3) for d in range(latent)]
        dragger = Dragger(server, cookies[number // each], study, code)
        await loop.create_connection(lambda made=dragger: made, "127.0.0.1", server.port)
        found.append(dragger)
    return found


@dataclass(eq=False)
class Poster(asyncio.Protocol):
    """A connection that posts the same request again and again, at times it is given.

    Attributes:
        request: its bytes.
        due: when the next ones are to go out, shared among all posters.
        answers: (status, seconds) of each.
    """

    request: bytes
    due: asyncio.Queue[float]
    answers: list[tuple[int, float]]
    held: bytearray = field(default_factory=bytearray)
    task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport, self.came = transport, asyncio.Event()
        self.task = asyncio.create_task(self._post())

    def data_received(self, data: bytes) -> None:
        self.held += data
        end = self.held.find(b"\r\n\r\n")
        if end < 0:
            return
        size = re.search(rb"content-length: (\d+)", self.held[:end].lower())
        if len(self.held) >= end + 4 + int(size[1] if size else 0):
            self.status = int(self.held[9:12])
            self.held.clear()
            self.came.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.status = 0
        self.came.set()

    async def _post(self) -> None:
        while True:
            await self.due.get()
            began = time.perf_counter()
            self.came.clear()
            self.transport.write(self.request)
            await self.came.wait()
            self.answers.append((self.status, time.perf_counter() - began))
            if not self.status:
                return


def post_bytes(server: Server, cookie: str, path: str, body: Any) -> bytes:
    """A request as its bytes."""
    content = json.dumps(body).encode()
    host = f"127.0.0.1:{server.port}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def quantile(values: list[float], share: float) -> float:
    """The value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
