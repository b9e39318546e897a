"""The studio under load: page and health while the model is saturated, decodes, overload, dribble.

Server, model and clients share the cores of one machine.
"""

import asyncio
import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

import zscape as zs
from benchmarks.figures import Figure, NotRunError, Settings, machine
from benchmarks.studio_load import (
    API,
    Dragger,
    Poster,
    Server,
    cpu_seconds,
    dragging,
    post_bytes,
    quantile,
    resident,
    served,
)

CLIENTS, EACH = 32, 8  # live sockets, and of them of one login
OFTEN = 0.05  # s between two looks at the page
REFUSED = (429, 503)
DRIBBLERS = 50


@contextlib.contextmanager
def studied() -> Iterator[tuple[Server, dict[str, str], dict[str, int]]]:
    """A studio of a table, of digits and of pictures 64x64x3: ids, and sizes of codes."""
    from sklearn.datasets import load_wine

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        wine = load_wine(as_frame=True)
        few = {"epochs": 3, "seed": 0}
        zs.fit(wine.data, labels=wine.target.to_numpy(), out=home / "table", latent=4, **few)
        zs.fit("digits", out=home / "digits", latent=8, **few)
        pictures = np.random.default_rng(0).integers(0, 256, (200, 64, 64, 3), dtype=np.uint8)
        zs.fit(pictures, out=home / "pictures", latent=16, epochs=1, seed=0)
        with served(home) as server:
            cards = server.ask(f"{API}/studies")["studies"]
            ids = {card["name"]: card["id"] for card in cards}
            sizes = {
                name: server.ask(f"{API}/studies/{key}")["details"]["latent"]
                for name, key in ids.items()
            }
            yield server, ids, sizes


def saturated(settings: Settings) -> Iterator[Figure]:
    """How long the page and the doctor's findings take while 32 clients drag."""
    seconds = 3.0 if settings.quick else 30.0
    with studied() as (server, ids, sizes):
        server.ask(f"{API}/studies/{ids['digits']}/health")  # found once, then kept
        paths = ("/", f"{API}/studies/{ids['digits']}/health", f"{API}/about")
        took, draggers = asyncio.run(_looked(server, ids, sizes, paths, seconds))
    every = [value for values in took.values() for value in values]
    told = ", ".join(
        f"{path.rpartition('/')[2] or 'page'} p50 {1e3 * quantile(v, 0.5):.1f} p99 "
        f"{1e3 * quantile(v, 0.99):.1f}"
        for path, v in took.items()
    )
    decoded = sum(sum(d.kinds[1:]) for d in draggers) / seconds
    protocol = (
        f"99th percentile of GET of the page, the health of a study and /about, every "
        f"{1000 * OFTEN:.0f} ms for {seconds:.0f} s ({len(every)} answers; ms: {told}), while "
        f"{CLIENTS} clients drag a 64x64x3 picture each, closed loop ({decoded:.0f} decodes/s); "
        f"{_where()}"
    )
    yield Figure("health_p99_ms_saturated", 1e3 * quantile(every, 0.99), "ms", "measured", protocol)


async def _looked(
    server: Server,
    ids: dict[str, str],
    sizes: dict[str, int],
    paths: tuple[str, ...],
    seconds: float,
) -> tuple[dict[str, list[float]], list[Dragger]]:
    draggers = await dragging(server, ids["pictures"], sizes["pictures"], clients=CLIENTS)
    took: dict[str, list[float]] = {path: [] for path in paths}
    cookie = server.logins(1)[0]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", headers={"Cookie": cookie}, timeout=60
    ) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for path, values in took.items():
                began = time.perf_counter()
                answer = await client.get(path)
                values.append(time.perf_counter() - began)
                assert answer.status_code == 200
            await asyncio.sleep(OFTEN)
    for dragger in draggers:
        dragger.ended = True
        dragger.transport.abort()
    return took, draggers


def decodes(settings: Settings) -> Iterator[Figure]:
    """Single decodes a second, rows and pictures, over 32 live sockets."""
    seconds = 2.0 if settings.quick else 20.0
    names = {
        "table": ("table_decodes_per_second", "rows of 13 columns (wine)"),
        "digits": ("digit_decodes_per_second", "pictures 8x8"),
        "pictures": ("picture_64_decodes_per_second", "pictures 64x64x3 (default network)"),
    }
    with studied() as (server, ids, sizes):
        for name, (figure, words) in names.items():
            rate, told = asyncio.run(_dragged(server, ids[name], sizes[name], seconds))
            protocol = (
                f"one {words} a message over {CLIENTS} live sockets, closed loop, "
                f"{seconds:.0f} s, latest wins on both sides, {told}; {_where()}"
            )
            yield Figure(figure, rate, "1/s", "measured", protocol)


async def _dragged(server: Server, study: str, latent: int, seconds: float) -> tuple[float, str]:
    draggers = await dragging(server, study, latent, clients=CLIENTS, each=EACH)
    await asyncio.sleep(1.0)
    processes = server.processes()
    spent = {role: cpu_seconds(pid) for role, pid in processes.items()}
    before, began = sum(len(d.took) for d in draggers), time.perf_counter()
    await asyncio.sleep(seconds)
    count, wall = sum(len(d.took) for d in draggers) - before, time.perf_counter() - began
    errors = sum(d.kinds[0] for d in draggers)
    costs = ", ".join(
        f"{1e3 * (cpu_seconds(pid) - spent[role]) / max(count, 1):.2f} CPU ms each by the {role}"
        for role, pid in processes.items()
        if role in ("server", "decoder")
    )
    took = [value for d in draggers for value in d.took]
    for dragger in draggers:
        dragger.ended = True
        dragger.transport.abort()
    told = f"p50 {1e3 * quantile(took, 0.5):.0f} ms, p95 {1e3 * quantile(took, 0.95):.0f} ms"
    return count / wall, f"{told}, {errors} errors, {costs}"


def overload(settings: Settings) -> Iterator[Figure]:
    """What is still served when ten times as much is asked for, and how fast others are refused."""
    seconds = 4.0 if settings.quick else 30.0
    with studied() as (server, ids, sizes):
        path = f"{API}/studies/{ids['pictures']}/decode"
        body = {"codes": [[0.1] * sizes["pictures"]]}
        alone = asyncio.run(_posted(server, path, body, rate=0.0, seconds=seconds / 2))
        usual = _rate(alone, seconds / 2, 200)
        memory = resident(server.pid)
        many = asyncio.run(_posted(server, path, body, rate=10 * usual, seconds=seconds))
        grown = (resident(server.pid) - memory) / 2**20
    good = _rate(many, seconds, 200)
    refused = [took for status, took in many if status in REFUSED]
    others = sum(status not in (200, *REFUSED) for status, _ in many)
    asked = len(many) / seconds
    quick, late = (1e3 * quantile(refused or [0.0], share) for share in (0.5, 0.95))
    protocol = (
        f"POST /decode of one picture 64x64x3: {usual:.0f}/s served to {CLIENTS} clients in a "
        f"closed loop; then {asked:.0f}/s ({asked / usual:.1f} times as much; 10 were aimed at) in "
        f"an open loop for {seconds:.0f} s over 160 connections of 8 users: {good:.0f}/s served, "
        f"{len(refused)} refused by 429 or 503 (p50 {quick:.0f}, p95 {late:.0f} ms), {others} "
        f"answered otherwise, memory of the server {grown:+.0f} MB; {_where()}"
    )
    yield Figure("overload_goodput_share", good / usual, "share", "measured", protocol)


async def _posted(
    server: Server, path: str, body: object, *, rate: float, seconds: float
) -> list[tuple[int, float]]:
    """Answers to the same request at a rate, whoever is free sending it; at 0 as fast as served."""
    loop, answers = asyncio.get_running_loop(), list[tuple[int, float]]()
    due: asyncio.Queue[float] = asyncio.Queue()
    count = 160 if rate else CLIENTS
    cookies = server.logins(8)
    posters = []
    for number in range(count):
        request = post_bytes(server, cookies[number % 8], path, body)
        poster = Poster(request, due, answers)
        await loop.create_connection(lambda made=poster: made, "127.0.0.1", server.port)
        posters.append(poster)
    began, put = time.perf_counter(), 0
    while (now := time.perf_counter() - began) < seconds:
        wanted = int(now * rate) if rate else put + max(CLIENTS - due.qsize(), 0)
        for _ in range(wanted - put):
            due.put_nowait(now)
        put = wanted
        await asyncio.sleep(0.002)
    found = list(answers)
    for poster in posters:
        assert poster.task is not None
        poster.task.cancel()
        poster.transport.abort()
    return found


def _rate(answers: list[tuple[int, float]], seconds: float, wanted: int) -> float:
    return sum(status == wanted for status, _ in answers) / seconds


def dribble(settings: Settings) -> Iterator[Figure]:
    """Seconds until clients that send a byte now and then are cut, and what others feel of it."""
    with studied() as (server, _, _):
        cut, took = _dribbled(server, seconds=14.0)
    if not cut:
        raise NotRunError("no slow client was cut")
    protocol = (
        f"{DRIBBLERS} connections that send a byte of a header or a body every 0.5 s, and "
        f"{DRIBBLERS} that send nothing: the longest until the server cuts one; meanwhile GET "
        f"/login p99 {1e3 * quantile(took, 0.99):.0f} ms ({len(took)} times); {_where()}"
    )
    yield Figure("slow_client_cut_seconds", max(cut), "s", "measured", protocol)


def _dribbled(server: Server, *, seconds: float) -> tuple[list[float], list[float]]:
    host = f"Host: 127.0.0.1:{server.port}\r\n"
    body = (
        f"POST {API}/jobs HTTP/1.1\r\n{host}Authorization: Bearer {server.tokens[0]}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    waiting: dict[socket.socket, bytes] = {}
    for number in range(2 * DRIBBLERS):
        made = socket.create_connection(("127.0.0.1", server.port))
        made.setblocking(False)
        if number % 4 == 0:
            made.send(body.encode())
        waiting[made] = b"" if number % 2 else b"a"
    began, cut, took = time.monotonic(), list[float](), list[float]()
    while waiting and time.monotonic() - began < seconds:
        for made, byte in list(waiting.items()):
            if _is_cut(made, byte):
                cut.append(time.monotonic() - began)
                made.close()
                del waiting[made]
        start = time.perf_counter()
        httpx.get(f"http://127.0.0.1:{server.port}/login", timeout=60)
        took.append(time.perf_counter() - start)
        time.sleep(0.5)
    for made in waiting:
        cut.append(float("inf"))
        made.close()
    return cut, took


def _is_cut(made: socket.socket, byte: bytes) -> bool:
    try:
        if byte:
            made.send(byte)
        while made.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _where() -> str:
    return (
        f"server, model and clients on the same cores, load {os.getloadavg()[0]:.1f}; {machine()}"
    )


PARTS = {"saturated": saturated, "decodes": decodes, "overload": overload, "dribble": dribble}
