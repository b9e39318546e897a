"""Who may use the studio: one token a start, links that serve once, and the logins they give."""

import asyncio
import os
import secrets
import stat
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from zscape.errors import SpecError, StorageError
from zscape.studio.refusals import Refusal

BYTES = 32  # of a token: 256 bits
SHORTEST = 32  # letters of a token that a person chose
WRONG, MINUTE = 20, 60.0  # tries in so many seconds


@dataclass(eq=False, slots=True)
class Login:
    """One browser that logged in, or all scripts that have the token.

    Attributes:
        key: what its cookie says.
        ended: set when it logs out; what is open then closes.
        sockets: how many WebSockets it has open.
        waiting: how many of its requests wait for a worker.
    """

    key: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    sockets: int = 0
    waiting: int = 0


class Logins:
    """The logins of one start of the studio.

    Args:
        token: what scripts send, and what may be typed at `/login`.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.scripts = Login("token")
        self._codes: set[str] = set()
        self._open: dict[str, Login] = {}
        self._wrong: deque[float] = deque(maxlen=WRONG)

    def link_code(self) -> str:
        """A code that can be traded for a login once."""
        code = secrets.token_urlsafe(BYTES)
        self._codes.add(code)
        return code

    def trade(self, given: str) -> tuple[Login, bool]:
        """A new login for a code or the token, and whether a code was used up.

        Raises:
            Refusal: it is neither, or too many were wrong.
        """
        code = next((c for c in self._codes if _same(c, given)), None)
        if code is None and not _same(self.token, given):
            raise self._wrong_one()
        if code is not None:
            self._codes.discard(code)
        login = Login(secrets.token_urlsafe(BYTES))
        self._open[login.key] = login
        return login, code is not None

    def by_cookie(self, key: str) -> Login | None:
        """The login whose cookie says so."""
        # The key is 256 random bits: how long a look-up takes says nothing of another key.
        return self._open.get(key)

    def by_token(self, given: str) -> Login:
        """The login of scripts.

        Raises:
            Refusal: the token is wrong, or too many were.
        """
        if not _same(self.token, given):
            raise self._wrong_one()
        return self.scripts

    def end(self, login: Login) -> None:
        """Ends a login; that of scripts ends with the studio."""
        if self._open.pop(login.key, None) is not None:
            login.ended.set()

    def _wrong_one(self) -> Refusal:
        """The refusal of a wrong token; a right one is heard all the same."""
        now = time.monotonic()
        if len(self._wrong) == WRONG and now - self._wrong[0] < MINUTE:
            return Refusal(
                429,
                "too_many",
                f"At most {WRONG} wrong tokens are heard in a minute, and more came. "
                "Wait a minute.",
                {"Retry-After": "60"},
            )
        self._wrong.append(now)
        return login_refusal()


def login_refusal() -> Refusal:
    """The refusal of who is not logged in."""
    return Refusal(
        401,
        "login",
        "A browser must be logged in here, and this one is not. Open the link that "
        "'zscape studio' printed last; each link serves once.",
    )


def new_token() -> str:
    """256 random bits, as letters."""
    return secrets.token_urlsafe(BYTES)


def token_of(path: Path, *, rotate: bool = False) -> str:
    """The token that a file holds, which is made with mode 0600 where it is not there.

    Args:
        path: the file.
        rotate: write a new token into it.

    Raises:
        SpecError: others may read the file, or it holds no token.
        StorageError: it cannot be read or written.
    """
    try:
        if rotate or not path.exists():
            return write_token(path, new_token())
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SpecError(
                f"The file of a token must be yours alone (mode 0600), and {str(path)!r} is not. "
                f"'chmod 600 {path}' makes it so."
            )
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise StorageError(
            f"The file of a token must be readable, and {str(path)!r} is not ({error}). "
            "Choose another."
        ) from error
    if len(token) < SHORTEST or not token.isprintable() or " " in token:
        raise SpecError(
            f"A token must have at least {SHORTEST} letters without spaces, and that of "
            f"{str(path)!r} has not. --rotate writes a new one."
        )
    return token


def write_token(path: Path, token: str) -> str:
    """Writes a token for its owner's eyes only, and returns it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    os.replace(beside, path)
    return token


def _same(a: str, b: str) -> bool:
    return secrets.compare_digest(a.encode(), b.encode("utf-8", "surrogatepass"))
