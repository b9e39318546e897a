"""The server: the application behind its guard, where it listens, and how it ends."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from zscape import __version__
from zscape.errors import SpecError, StorageError
from zscape.studio.door import Door, Lobby
from zscape.studio.forwarded import networks
from zscape.studio.logins import Logins, new_token, tokens_of, write_token
from zscape.studio.refusals import Refusal
from zscape.studio.routes import asking, live, pages, reading, working
from zscape.studio.security import API, HEADER_BYTES, Guard, Place, place
from zscape.studio.studies import Studies
from zscape.studio.studio import Studio, make_studio

PORT, FURTHER = 8765, 20  # the usual port, and how many after it are tried
LARGEST_PORT = 65535
STATIC = Path(__file__).parent / "static"
MESSAGE_BYTES, PING = 2**20, 20.0  # of a WebSocket
SHUTDOWN = 5  # s for what is under way when it ends
WORDS = {404: "not_found", 405: "method", 400: "bad_request", 413: "too_large"}


@dataclass(frozen=True, slots=True)
class Asked:
    """How a studio is to be served.

    Attributes:
        host: the address to listen at.
        port: of it; 0: the usual one, or the next that is free.
        token: a file with a token for each user; None: a new token in a file of ours.
        rotate: write new tokens into that file.
        allowed: further hosts by which it may be called.
        proxies: networks of proxies that may say what a browser called.
        browser: whether to open one.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: Path | None = None
    rotate: bool = False
    allowed: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    browser: bool = True


def make_app(studio: Studio, where: Place, link_used: Callable[[], object] = lambda: None) -> Guard:
    """The whole application, of which nothing is reached but through its guard.

    Args:
        studio: what is served.
        where: it is served.
        link_used: called when a link was traded.
    """
    app = FastAPI(
        title="zscape studio",
        version=__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=partial(_life, studio),
    )
    app.state.studio, app.state.place, app.state.link_used = studio, where, link_used
    app.include_router(pages.router)
    for module in (reading, asking, working, live):
        app.include_router(module.router, prefix=API)
    app.include_router(reading.about_router, prefix=API)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _refused_by_framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return Guard(app, where, studio.logins, studio.crowded)


def serve(roots: Sequence[Path], asked: Asked) -> None:
    """Serves studies until Ctrl-C.

    Args:
        roots: studies, or folders of studies.
        asked: how.

    Raises:
        SpecError: no such port, or others reach it without a token and a name.
        StudyError: no such folder.
        StorageError: the port is taken.
    """
    _require_guarded(asked)
    proxies = networks(asked.proxies)
    studies = Studies(roots)
    listening = _sockets(asked)
    port = listening[0].getsockname()[1]
    where = place(port, asked.allowed, proxies)
    file = asked.token or _own_file(f"studio-{port}.token")
    if asked.token is None:
        write_token(file, new_token())
    logins = Logins(*tokens_of(file, rotate=asked.rotate))
    studio = make_studio(studies, logins, STATIC)
    greeting = _Greeting(asked, port, logins, file)
    app = make_app(studio, where, greeting.link)
    try:
        config = configured(app)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_served(config, listening, studio, greeting))
    finally:
        if asked.token is None:
            file.unlink(missing_ok=True)


def configured(app: Guard) -> uvicorn.Config:
    """How connections are treated: short headers, small messages, and nobody waits for ever."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what goes wrong is told by `_failed`
    return uvicorn.Config(
        app,
        http=partial(Door, Lobby()),  # type: ignore[arg-type]
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN,
    )


async def _served(
    config: uvicorn.Config, listening: list[socket.socket], studio: Studio, greeting: "_Greeting"
) -> None:
    server = uvicorn.Server(config)
    ending = asyncio.create_task(_end(server, studio))
    greeting.hello(studio)
    try:
        await server.serve(sockets=listening)
    finally:
        ending.cancel()


async def _end(server: uvicorn.Server, studio: Studio) -> None:
    """Ends the streams of events, which would otherwise hold the server up."""
    while not server.should_exit:
        await asyncio.sleep(0.1)
    studio.events.close()


@asynccontextmanager
async def _life(studio: Studio, app: FastAPI) -> AsyncIterator[None]:
    await studio.start()
    try:
        yield
    finally:
        await studio.stop()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _refused_by_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = WORDS.get(error.status_code, "bad_request")
    sentence = "The address and method must be among those of docs/studio-api.md, and are not."
    if error.status_code == 400:
        sentence = "A body must be JSON, and is not."
    headers = dict(error.headers or {})
    return Refusal(error.status_code, name, sentence, headers).response()


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = next(iter(error.errors()), {})
    place = [str(part) for part in first.get("loc", ())[1:]]
    what = str(first.get("msg", "it cannot be read")).removeprefix("Value error, ")[:200]
    what = what[:1].lower() + what[1:]
    if place[:1] == ["options"] and len(place) > 1:  # one of several kinds of value: none of them
        place, what = place[1:2], "it must be a word of up to 200 letters, or a number within 1e9"
    where = ".".join(place)[:100]
    name = "".join(c if c.isprintable() else "?" for c in where) or "The body"
    sentence = f"{name} is refused: {what}. See docs/studio-api.md."
    return Refusal(422, "invalid", sentence, field=where.partition(".")[0]).response()


async def _failed(request: Request, error: Exception) -> Response:
    route = request.scope.get("route")
    named = getattr(route, "path", "a request")
    print(f"zscape: internal error in {named}: {type(error).__name__}: {error}", file=sys.stderr)
    sentence = f"Something went wrong in the studio itself ({type(error).__name__}). "
    return Refusal(500, "internal", f"{sentence}Its terminal says more.").response()


def _require_guarded(asked: Asked) -> None:
    """Nothing that others reach without a token of the person's own and a name to call it by.

    Raises:
        SpecError: it would be.
    """
    if asked.token is not None and asked.allowed:
        return
    if asked.proxies:
        raise SpecError(
            "--behind-proxy must come with the name that browsers call and a file of tokens, and "
            "does not. Give it --allow-host NAME and --token FILE as well."
        )
    if not _is_loopback(asked.host):
        raise SpecError(
            f"--host must be of this computer alone (127.0.0.1), got {asked.host!r}, which others "
            "reach. Give it --token FILE and --allow-host NAME as well; or keep to 127.0.0.1 and "
            "forward the port by ssh."
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _sockets(asked: Asked) -> list[socket.socket]:
    """Sockets that listen, the first at the address that was asked for."""
    if not 0 <= asked.port <= LARGEST_PORT:
        raise SpecError(
            f"--port must be between 0 and {LARGEST_PORT}, got {asked.port}. 0 takes the usual one."
        )
    host = "127.0.0.1" if asked.host == "localhost" else asked.host.strip("[]")
    ports = [asked.port] if asked.port else [*range(PORT, PORT + FURTHER), 0]
    reason = ""
    for port in ports:
        try:
            listening = _bound(host, port)
        except OSError as error:
            reason = str(error.strerror)
            continue
        found = [listening]
        if host == "127.0.0.1":  # 'localhost' is ::1 for some browsers
            with contextlib.suppress(OSError):
                found.append(_bound("::1", listening.getsockname()[1]))
        return found
    raise StorageError(
        f"--port must be one that is free at {host}, and {ports[0]} is not ({reason}). "
        "Choose another, or leave it out."
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only where it is told that this is TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(256)
    except OSError:
        made.close()
        raise
    return made


def _own_file(name: str) -> Path:
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "zscape" / name


class _Greeting:
    """What the terminal says: the link, who can connect, and how to from elsewhere."""

    def __init__(self, asked: Asked, port: int, logins: Logins, file: Path) -> None:
        self.asked, self.port, self.logins, self.file = asked, port, logins, file
        self.name = "127.0.0.1" if _is_loopback(asked.host) else asked.allowed[0]

    def hello(self, studio: Studio) -> None:
        """The first lines, and the browser."""
        count = len(studio.studies.all())
        print(f"zscape studio: {count} {'study' if count == 1 else 'studies'}")
        who = "only programs of this computer that have the link or the token"
        if not _is_loopback(self.asked.host):
            who = f"whoever reaches {self.asked.host} and has the link or the token"
        if self.asked.proxies:
            who = f"whoever reaches {self.asked.allowed[0]} by the proxy and has a token"
        print(f"  can connect   {who}")
        print(f"  token         in {self.file}, for scripts")
        if _is_loopback(self.asked.host):
            print(f"  from afar     ssh -L {self.port}:127.0.0.1:{self.port} HOST, then the link")
        link = self.link()
        if self.asked.browser:
            _open(link, self.port)
        print("  Ctrl-C        ends it", flush=True)

    def link(self) -> str:
        """A new link, printed."""
        named = self.name if ":" in self.name else f"{self.name}:{self.port}"
        link = f"http://{named}/login#{self.logins.link_code()}"
        print(f"  open once     {link}", flush=True)
        return link


def _open(link: str, port: int) -> None:
    """Opens a browser by a file of ours, as the words of a process can be read by all."""
    path = _own_file(f"studio-{port}.html")
    target = escape(link, quote=True)
    page = f"<!doctype html><meta http-equiv=refresh content='0;url={target}'>"
    with contextlib.suppress(OSError, webbrowser.Error):
        write_token(path, page)
        webbrowser.open(path.as_uri())
