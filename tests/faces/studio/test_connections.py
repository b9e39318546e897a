"""Slow clients and crowds, over real sockets: they are cut, and others are served meanwhile."""

import asyncio
import contextlib
import os
import socket
import struct
import threading
import time

import httpx
import numpy as np
import pytest
from tests.faces.studio.conftest import API, TOKEN, serving

from zscape.studio import body, door
from zscape.studio.answers import Kept
from zscape.studio.routes import live

PATIENCE = 0.6  # s, in place of 10


@pytest.fixture
def served(make, monkeypatch):
    """A studio that listens; the port and the studio."""
    for module in (door, body, live):
        monkeypatch.setattr(module, "PATIENCE", PATIENCE)
    app, studio = make()
    with serving(app, studio) as port:
        yield port, studio


@pytest.fixture
def connect(served):
    """Opens connections, and closes what is left of them."""
    opened = []

    def call():
        made = socket.create_connection(("127.0.0.1", served[0]))
        made.settimeout(10)
        opened.append(made)
        return made

    yield call
    for made in opened:
        made.close()


def ends_within(made, seconds):
    """Whether the other side closes a connection in that time."""
    made.settimeout(seconds)
    try:
        while made.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def dribble(made, content):
    """Sends a byte every now and then, until that fails."""

    def send():
        with contextlib.suppress(OSError):
            for byte in content * 100:
                made.send(bytes([byte]))
                time.sleep(PATIENCE / 5)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def test_slow_headers_are_cut(served, connect):
    port, _ = served
    silent, slow, second = connect(), connect(), connect()
    dribble(slow, b"GET / HTTP/1.1\r\nX-A: ")
    second.send(f"GET /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert b"200 OK" in second.recv(65536)
    dribble(second, b"GET / HTTP/1.1\r\nX-A: ")  # on a connection that was served before
    for made in (silent, slow, second):
        assert ends_within(made, 4 * PATIENCE)


def test_slow_bodies_are_cut(served, connect):
    port, _ = served
    slow = connect()
    head = (
        f"POST {API}/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    slow.send(head.encode())
    dribble(slow, b"   ")
    assert ends_within(slow, 4 * PATIENCE)


def test_an_answer_that_nobody_reads_is_cut(served, connect):
    port, studio = served
    content = os.urandom(2**20)
    known = next(k for k in studio.studies.all() if k.content)
    key = (known.id, known.content, "kept", "None", 0)
    studio.answers._kept[key] = Kept(content * 16, "application/x-zscape", '"x"')
    slow = connect()
    head = f"GET {API}/studies/{known.id}/kept HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    slow.send(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    time.sleep(4 * PATIENCE)
    received = 0
    with contextlib.suppress(OSError):
        while part := slow.recv(2**20):
            received += len(part)
    assert received < len(content) * 16


def test_a_crowd_of_slow_ones_does_not_keep_others_out(served, connect):
    port, _ = served
    crowd = [connect() for _ in range(door.CONNECTIONS + 50)]
    for made in crowd:
        with contextlib.suppress(OSError):
            made.send(b"GET / HTTP/1.1\r\nX: ")
    began = time.monotonic()
    answer = httpx.get(f"http://127.0.0.1:{port}/login")
    assert answer.status_code == 200 and time.monotonic() - began < 2


def test_large_headers_are_refused(served, connect):
    port, _ = served
    head = f"GET /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-A: {'a' * 40_000}\r\n\r\n"
    made = connect()
    with contextlib.suppress(OSError):
        made.send(head.encode())
        assert made.recv(1000).split()[1] in (b"400", b"431")


def test_what_is_asked_of_a_proxy_is_refused(served, connect):
    port, _ = served
    made = connect()
    made.send(f"GET http://evil.com/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert b" 404 " in made.recv(1000).split(b"\r\n")[0] + b" "


def test_a_large_message_closes_the_socket(served):
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect as dial

    port, studio = served
    study = next(k for k in studio.studies.all() if k.content).id
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"ws://127.0.0.1:{port}{API}/studies/{study}/live"
    with dial(url, additional_headers=headers) as made:
        made.send(struct.pack("<IHH", 1, 1, 0))
        assert made.recv()[:4] == struct.pack("<I", 1)
        with pytest.raises(ConnectionClosed) as closed:  # by the time that all is sent, perhaps
            made.send(b"a" * 2 * 2**20)
            made.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_events_go_on_where_they_broke_off(served):
    port, studio = served
    url, headers = f"http://127.0.0.1:{port}{API}/events", {"Authorization": f"Bearer {TOKEN}"}
    for n in range(3):
        studio.events.tell("job", {"n": n})

    def follow(**further):
        with httpx.stream("GET", url, headers={**headers, **further}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            found = []
            for line in stream.iter_lines():
                found.append(line)
                if (line.startswith("data") and '"n": 2' in line) or "reset" in line:
                    return found
        return found

    lines = follow(**{"Last-Event-ID": "1"})
    assert [line for line in lines if line.startswith("data")] == [
        'data: {"n": 1}',
        'data: {"n": 2}',
    ]
    assert "event: reset" in follow(**{"Last-Event-ID": "999"})


def test_a_socket_that_nobody_reads_is_cut(served, connect):
    port, studio = served
    study = next(k for k in studio.studies.all() if k.path.name == "pictures").id
    made = connect()
    head = (
        f"GET {API}/studies/{study}/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    made.send(head.encode())
    message = struct.pack("<IHH", 1, 256, 0) + b"\0" * 256 * 12
    frame = b"\x82\xfe" + struct.pack(">H", len(message)) + b"\0\0\0\0" + message
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(0.2)
    began = time.monotonic()
    while studio.logins.first.sockets or time.monotonic() - began < 0.5:
        with contextlib.suppress(TimeoutError):
            try:
                made.send(frame)
            except ConnectionError:
                break
        assert time.monotonic() - began < 60, "it is still served"


def test_a_few_are_let_in_at_a_time_and_in_their_order():
    async def crowd():
        lobby, let = door.Lobby(), []

        class Guest:
            loop = asyncio.get_running_loop()

            def admit(self, data):
                let.append(data)

        guest, gone = Guest(), Guest()
        lobby.inside[guest] = None
        for number in range(10):
            lobby.enter(gone if number == 6 else guest, number)
        lengths = [len(let)]
        while lengths[-1] < 9:
            await asyncio.sleep(0)
            lengths.append(len(let))
        return let, lengths

    let, lengths = asyncio.run(crowd())
    assert let == [0, 1, 2, 3, 4, 5, 7, 8, 9]  # who left meanwhile is not let in
    assert lengths[0] == door.AT_ONCE and max(np.diff(lengths)) <= door.AT_ONCE
