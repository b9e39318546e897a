"""What every request passes before anything else: deny by default, the rules T1 to T18.

`Guard` wraps the whole application: host, path, method, origin, login, content type, size and pace
of the body, and the headers of every answer. Slow connections are cut in `door`, before a request
exists; logins stand in `logins`, and what a proxy says is read in `forwarded`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response

from zscape.studio.body import Body, Message, Receive, too_large
from zscape.studio.forwarded import SECURE, Network, hear_proxy
from zscape.studio.logins import Login, Logins, login_refusal
from zscape.studio.refusals import Refusal, too_many

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API = "/api/v1"
LOGIN_FILES = ("/login", "/login.js", "/login.css")
PUBLIC = {*(("GET", path) for path in LOGIN_FILES), ("POST", f"{API}/login")}  # without a login
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
READING = ("GET", "HEAD")
HEADER_BYTES = 16 * 2**10
JSON_BYTES, UPLOAD_BYTES = 2 * 2**20, 32 * 2**20
SOCKETS = 20  # WebSockets of one user
PIECE = 256 * 1024  # bytes of an answer sent at a time, so that a slow reader is seen
LOGIN = "zscape.login"  # where a scope says who asks


@dataclass(frozen=True, slots=True)
class Place:
    """Where a studio is served.

    Attributes:
        port: of the server.
        hosts: names and ports that a `Host` header may say, lower case.
        proxies: that may say what a browser called.
    """

    port: int
    hosts: frozenset[str]
    proxies: tuple[Network, ...] = ()

    @property
    def cookie(self) -> str:
        """The name of its cookie: browsers share cookies among the ports of a host."""
        return f"zscape-{self.port}"


def place(port: int, allowed: tuple[str, ...] = (), proxies: tuple[Network, ...] = ()) -> Place:
    """The place of a port: loopback by its three names, and what a person allowed.

    Args:
        port: of the server.
        allowed: further hosts, with a port or without.
        proxies: that may say what a browser called.
    """
    further = [host.lower() for host in allowed]
    near = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    ported = [host if _has_port(host) else f"{host}:{port}" for host in further]
    return Place(port, frozenset([*near, *further, *ported]), proxies)


class Guard:
    """An application behind the rules.

    Args:
        app: what is guarded.
        where: it is served.
        logins: who may use it.
        crowded: refuses what a person may not ask for now, before its body is read.
    """

    def __init__(
        self,
        app: App,
        where: Place,
        logins: Logins,
        crowded: Callable[[str, Login], None] = lambda path, login: None,
    ) -> None:
        self.app, self.where, self.logins, self.crowded = app, where, logins, crowded
        self._uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, WebSocket, or the life of the server."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = _Answering(send, scope)
        try:
            headers = self._entered(scope)
            login = scope[LOGIN] = self._admitted(scope, headers)
            if login is not None and scope["method"] == "POST":
                self.crowded(scope["path"], login)
            await self._served(scope, headers, receive, answering)
        except Refusal as refusal:
            if not answering.started:
                await _refused(scope, refusal)(scope, receive, answering.send)

    async def _served(
        self, scope: Scope, headers: dict[str, str], receive: Receive, answering: "_Answering"
    ) -> None:
        body = Body(receive, *_allowed_body(scope, headers))
        if body.is_upload:
            if self._uploading:
                raise too_many()
            self._uploading += 1
        try:
            if not body.is_upload:
                await body.gather()
            await _until_gone(self.app(_prefixed(scope), body.receive, answering.send), body)
        finally:
            self._uploading -= body.is_upload

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = self._entered(scope)
            scope["method"] = "GET"
            login = self._login(headers)
            _require_origin(scope, headers, needed=True)
            if login.user.sockets >= SOCKETS:
                raise too_many()
        except Refusal:
            await send({"type": "websocket.close", "code": 1008})  # before accept: HTTP 403
            return
        scope[LOGIN] = login
        login.user.sockets += 1
        try:
            await _until_ended(self.app(_prefixed(scope), receive, send), login, send)
        finally:
            login.user.sockets -= 1

    def _entered(self, scope: Scope) -> dict[str, str]:
        """The headers of a request whose address is the studio's, as its browser called it."""
        self._require_host(scope)  # of the connection, even where a proxy speaks of another
        hear_proxy(scope, self.where.proxies)
        self._require_host(scope)
        _require_path(scope)
        return _headers(scope)

    def _require_host(self, scope: Scope) -> None:
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            raise Refusal(
                431,
                "too_large",
                f"Headers must have at most {HEADER_BYTES:,} bytes, and have more. Send less.",
            )
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1 or named[0].decode("latin-1").lower() not in self.where.hosts:
            raise Refusal(
                400,
                "host",
                "The address must be one that the studio was started for, and is another. "
                "Open the link that it printed, or start it with --allow-host.",
            )

    def _admitted(self, scope: Scope, headers: dict[str, str]) -> Login | None:
        method, path = scope["method"], scope["path"]
        if method not in METHODS:
            raise Refusal(405, "method", f"The method must be one of {', '.join(METHODS)}.")
        reading = method in READING
        if ("GET" if reading else method, path) in PUBLIC:
            _require_origin(scope, headers, needed=not reading)
            return None
        login = self._login(headers)
        _require_origin(scope, headers, needed=not reading)
        return login

    def _login(self, headers: dict[str, str]) -> Login:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise login_refusal()
            return self.logins.by_token(token.strip())
        login = self.logins.by_cookie(_cookie(headers, self.where.cookie))
        if login is None:
            raise login_refusal()
        return login


class _Answering:
    """Sends an answer with the headers that every answer has, in pieces."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self.started = False
        self._send, self._scope = send, scope

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = [(name.lower(), value) for name, value in message.get("headers", [])]
            names = {name for name, _ in given}
            host = _headers(self._scope).get("host", "")
            safe = _safe_headers(host, self._scope["scheme"])
            added = [(n, v) for n, v in safe if n not in names]
            await self._send({**message, "headers": [*given, *added]})
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        for start in range(0, max(len(body), 1), PIECE):
            last = start + PIECE >= len(body)
            piece = body if len(body) <= PIECE else bytes(memoryview(body)[start : start + PIECE])
            await self._send({**message, "body": piece, "more_body": more or not last})


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _prefixed(scope: Scope) -> Scope:
    """A scope whose path begins with the prefix of a proxy, as ASGI has it."""
    prefix = scope.get("root_path", "")
    raw = scope.get("raw_path")
    added = {} if raw is None else {"raw_path": prefix.encode() + raw}
    return {**scope, "path": prefix + scope["path"], **added} if prefix else scope


def _refused(scope: Scope, refusal: Refusal) -> Response:
    """A refusal as an answer; a browser that opens the page without a login is led to it."""
    visits = (scope["method"], scope["path"]) == ("GET", "/")
    if refusal.name == "login" and visits and "text/html" in _headers(scope).get("accept", ""):
        return Response(status_code=303, headers={"Location": "login"})
    return refusal.response()


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdecimal() and not host.endswith("]")


def _cookie(headers: dict[str, str], wanted: str) -> str:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted:
            return value
    return ""


def _require_path(scope: Scope) -> None:
    """Refuses what no route of ours has, whatever it would lead to once it was decoded again."""
    path, seen = scope["path"], ""
    full = path
    for _ in range(3):  # %252e%252e is .. after two
        if seen == full:
            break
        seen, full = full, unquote(full)
    parts = full.split("/")
    if not path.startswith("/") or ".." in parts or any(c in full for c in "\\\0\r\n"):
        raise Refusal(404, "not_found", "The address must be one of the studio's, and is none.")


def _require_origin(scope: Scope, headers: dict[str, str], *, needed: bool) -> None:
    """Own pages only: a browser names the origin of what it sends, and a script names none."""
    origin = headers.get("origin")
    scheme = "https" if scope["scheme"] in SECURE.values() else "http"
    own = origin is not None and origin.lower() == f"{scheme}://{headers['host'].lower()}"
    if origin is None:
        same = headers.get("sec-fetch-site") == "same-origin"
        named = "sec-fetch-site" in headers
        own = same or not needed or ("authorization" in headers and not named)
    if not own:
        raise Refusal(
            403,
            "origin",
            "A change must be asked for by the studio's own page, or by a script with the token "
            "and without an Origin. Use the page that the studio serves.",
        )


def _allowed_body(scope: Scope, headers: dict[str, str]) -> tuple[int, bool]:
    """How many bytes a body may have, and whether it is a file."""
    length = headers.get("content-length", "")
    has_body = "transfer-encoding" in headers or length.strip("0") != ""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    upload = kind == "application/octet-stream" and scope["path"].endswith("/encode")
    if scope["method"] in READING:
        return 0, False
    if (has_body and not upload and kind != "application/json") or "content-encoding" in headers:
        raise Refusal(
            415,
            "content_type",
            "A body must be application/json, or a file as application/octet-stream where one is "
            "asked for, and not packed. Say so in Content-Type.",
        )
    most = UPLOAD_BYTES if upload else JSON_BYTES
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large(most)
    return most, upload and has_body


async def _until_gone(answer: Awaitable[None], body: Body) -> None:
    """Serves a request; what its client no longer waits for is not done."""
    serving = asyncio.ensure_future(answer)
    watching = asyncio.ensure_future(body.watch())
    try:
        await asyncio.wait({serving, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    finally:
        serving.cancel()
        watching.cancel()


async def _until_ended(answer: Awaitable[None], login: Login, send: Send) -> None:
    """Serves a WebSocket until its login ends."""
    serving = asyncio.ensure_future(answer)
    ended = asyncio.ensure_future(login.ended.wait())
    try:
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
            return
        serving.cancel()
        await asyncio.wait({serving})
        with contextlib.suppress(RuntimeError):
            await send({"type": "websocket.close", "code": 1008})
    finally:
        serving.cancel()
        ended.cancel()


@lru_cache(maxsize=64)
def _safe_headers(host: str, scheme: str) -> tuple[tuple[bytes, bytes], ...]:
    live = f" {'wss' if scheme == 'https' else 'ws'}://{host}"
    rules = {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "connect-src": "'self'" + (live if host.isascii() and _is_host(host) else ""),
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    return (
        (b"content-security-policy", policy.encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        (b"cache-control", b"no-store"),
    )


def _is_host(host: str) -> bool:
    return all(c.isalnum() or c in ".-:[]" for c in host)
