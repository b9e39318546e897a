"""Who may use the studio: a token for each user, links that serve once, and what they log in."""

import asyncio
import os
import secrets
import stat
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zscape.errors import SpecError, StorageError
from zscape.studio.refusals import Refusal

BYTES = 32  # of a token: 256 bits
SHORTEST = 32  # letters of a token that a person chose
WRONG, MINUTE = 20, 60.0  # tries in so many seconds


@dataclass(eq=False, slots=True)
class User:
    """Whoever has one token.

    Attributes:
        id: 128 random bits; what a user makes is found by them and its own id together.
        sockets: how many WebSockets the user has open.
        waiting: how many of the user's requests wait for a worker.
    """

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sockets: int = 0
    waiting: int = 0


@dataclass(eq=False, slots=True)
class Login:
    """One browser that logged in, or all scripts that have a token.

    Attributes:
        key: what its cookie says.
        user: whose it is.
        ended: set when it logs out; what is open then closes.
    """

    key: str
    user: User
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Logins:
    """The logins of one start of the studio.

    Args:
        tokens: one of each user: what scripts send, and what may be typed at `/login`.
    """

    def __init__(self, *tokens: str) -> None:
        self._scripts = {token: Login("token", User()) for token in tokens}
        self.first = self._scripts[tokens[0]].user
        self._codes: set[str] = set()
        self._open: dict[str, Login] = {}
        self._wrong: deque[float] = deque(maxlen=WRONG)

    def link_code(self) -> str:
        """A code that can be traded once for a login of the first user."""
        code = secrets.token_urlsafe(BYTES)
        self._codes.add(code)
        return code

    def trade(self, given: str) -> tuple[Login, bool]:
        """A new login for a code or a token, and whether a code was used up.

        Raises:
            Refusal: it is neither, or too many were wrong.
        """
        code = next((c for c in self._codes if _same(c, given)), None)
        user = self.first if code is not None else self.by_token(given).user
        if code is not None:
            self._codes.discard(code)
        login = Login(secrets.token_urlsafe(BYTES), user)
        self._open[login.key] = login
        return login, code is not None

    def by_cookie(self, key: str) -> Login | None:
        """The login whose cookie says so."""
        # The key is 256 random bits: how long a look-up takes says nothing of another key.
        return self._open.get(key)

    def by_token(self, given: str) -> Login:
        """The login of the scripts that have a token.

        Raises:
            Refusal: the token is wrong, or too many were.
        """
        found = [login for token, login in self._scripts.items() if _same(token, given)]
        if not found:
            raise self._wrong_one()
        return found[0]

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
        return login_refusal("A link or token must be one of this studio's, and this one is not.")


def login_refusal(
    sentence: str = "A browser must be logged in here, and this one is not.",
) -> Refusal:
    """The refusal of who is not logged in."""
    then = "Open the link that 'zscape studio' printed last; each link serves once."
    return Refusal(401, "login", f"{sentence} {then}")


def new_token() -> str:
    """256 random bits, as letters."""
    return secrets.token_urlsafe(BYTES)


def tokens_of(path: Path, *, rotate: bool = False) -> list[str]:
    """The tokens that a file holds, a line for each user; it is made where it is not there.

    Lines that are empty or begin with `#` are for people.

    Args:
        path: the file, of mode 0600.
        rotate: write new tokens in place of those that it holds.

    Raises:
        SpecError: others may read the file, or it holds no tokens.
        StorageError: it cannot be read or written.
    """
    try:
        if rotate or not path.exists():
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            write_token(path, "\n".join(_renewed(lines)))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SpecError(
                f"The file of a token must be yours alone (mode 0600), and {str(path)!r} is not. "
                f"'chmod 600 {path}' makes it so."
            )
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise StorageError(
            f"The file of a token must be readable, and {str(path)!r} is not ({error}). "
            "Choose another."
        ) from error
    tokens = [line.strip() for line in lines if _is_token(line)]
    _require_tokens(tokens, path)
    return tokens


def write_token(path: Path, token: str) -> str:
    """Writes a token for its owner's eyes only, and returns it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(token + "\n")
    os.replace(beside, path)
    return token


def _renewed(lines: Sequence[str]) -> list[str]:
    """The lines of a file with new tokens, and one in any case."""
    fresh = [new_token() if _is_token(line) else line for line in lines]
    return fresh if any(map(_is_token, lines)) else [*fresh, new_token()]


def _is_token(line: str) -> bool:
    return line.strip() != "" and not line.lstrip().startswith("#")


def _require_tokens(tokens: Sequence[str], path: Path) -> None:
    """At least one, each long enough and a user's own.

    Raises:
        SpecError: they are not.
    """
    short = [t for t in tokens if len(t) < SHORTEST or not (t.isascii() and t.isprintable())]
    if not tokens or short or any(" " in token for token in tokens):
        raise SpecError(
            f"A token must have at least {SHORTEST} letters without spaces, and that of "
            f"{str(path)!r} has not. --rotate writes a new one."
        )
    if len(set(tokens)) < len(tokens):
        raise SpecError(
            f"A token must be one user's alone, and {str(path)!r} holds the same one twice. "
            "Give each its own line, or --rotate."
        )


def _same(a: str, b: str) -> bool:
    return secrets.compare_digest(a.encode(), b.encode("utf-8", "surrogatepass"))
