"""The page itself, logging in and out, and the files of the built front end."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from zscape.studio.answers import FOR_EVER
from zscape.studio.refusals import Refusal, not_found
from zscape.studio.routes.bodies import Token
from zscape.studio.security import API
from zscape.studio.studio import Asker, Here

LOGIN = Path(__file__).parent.parent / "login"
FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,120}")
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".map": "application/json",
}
NOT_BUILT = (
    "<!doctype html><title>zscape studio</title><link rel='icon' href='data:,'>"
    "<p>The page of the studio is built once, and is not yet: run <code>make web</code> in the "
    "repository (it needs Node), or install zscape from a package, which carries it.</p>"
)

router = APIRouter()


@router.get("/login")
async def login_page() -> Response:
    """The page that trades the code of a link for a cookie."""
    return _file(LOGIN, "login.html")


@router.get("/login.js")
async def login_script() -> Response:
    """Its script."""
    return _file(LOGIN, "login.js")


@router.get("/login.css")
async def login_style() -> Response:
    """Its style."""
    return _file(LOGIN, "login.css")


@router.post(f"{API}/login", status_code=204)
async def log_in(body: Token, request: Request, here: Here) -> Response:
    """A login for a code that serves once, or for a token."""
    login, was_code = here.logins.trade(body.token)
    if was_code:
        request.app.state.link_used()
    response = Response(status_code=204)
    response.set_cookie(
        request.app.state.place.cookie,
        login.key,
        path=request.scope["root_path"] or "/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.post(f"{API}/logout", status_code=204)
async def log_out(login: Asker, request: Request, here: Here) -> Response:
    """Ends the login that asks."""
    here.logins.end(login)
    here.events.stir()
    response = Response(status_code=204)
    path = request.scope["root_path"] or "/"
    response.delete_cookie(request.app.state.place.cookie, path=path)
    return response


@router.get("/")
async def page(here: Here) -> Response:
    """The page."""
    if not (here.static / "index.html").is_file():
        return HTMLResponse(NOT_BUILT)
    return _file(here.static, "index.html")


@router.get("/favicon.svg")
async def favicon(here: Here) -> Response:
    """Its sign."""
    return _file(here.static, "favicon.svg")


@router.get("/assets/{name}")
async def asset(name: str, here: Here) -> Response:
    """A file of the page, whose name changes with its content."""
    return _file(here.static / "assets", name, {"Cache-Control": FOR_EVER})


def _file(folder: Path, name: str, headers: Mapping[str, str] | None = None) -> Response:
    suffix = Path(name).suffix
    listed = FILE.fullmatch(name) is not None and name in _names(folder)
    if not listed or suffix not in MEDIA:
        raise not_found("A file of that name")
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise Refusal(404, "not_found", "A file of the page must be readable.") from error
    return Response(content, headers=dict(headers or {}), media_type=MEDIA[suffix])


@lru_cache(maxsize=8)
def _names_at(folder: Path, changed: int) -> frozenset[str]:
    return frozenset(
        path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()
    )


def _names(folder: Path) -> frozenset[str]:
    """The files that a folder has; a name that is asked for is never made into a path before."""
    try:
        return _names_at(folder, folder.stat().st_mtime_ns)
    except OSError:
        return frozenset()
