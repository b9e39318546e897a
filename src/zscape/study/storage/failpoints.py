"""Named places where tests make things go wrong; in ordinary use each costs one comparison.

`ZSCAPE_FAILPOINT="file.after_fsync=kill9@3;step=nan@100"` is read only when `ZSCAPE_TESTING=1`:
at the third time that `file.after_fsync` is reached the process is killed, and the loss of step
100 is not a number. `@k+` means the k-th time and every one after it; without `@` the first.
"""

import errno
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

from zscape.errors import SpecError

_FAULT = re.compile(r"(?P<name>[a-z_.]+)=(?P<action>[a-z0-9]+)(@(?P<first>[1-9]\d*)(?P<on>\+?))?")
NAN = "nan"


def arm(plan: str) -> None:
    """Takes the faults of a plan in place of those before; an empty plan has none.

    Args:
        plan: `name=action@k;name=action`, the actions `kill9 exit sigint sigterm sighup enospc
            eio oom nan`.

    Raises:
        SpecError: the plan cannot be read.
    """
    global _faults
    _faults = [_read(words.strip()) for words in plan.split(";") if words.strip()] or None


def reach(name: str) -> None:
    """Does what the plan has for this place, which is usually nothing.

    Raises:
        OSError: the plan says `enospc` or `eio`.
        MemoryError: the plan says `oom`.
    """
    if _faults is None:
        return
    for fault in _faults:
        if fault.name == name and fault.action != NAN and fault.due():
            _ACTIONS[fault.action]()


def struck(name: str) -> bool:
    """Whether the plan says `nan` for this place now."""
    if _faults is None:
        return False
    due = [fault.due() for fault in _faults if fault.name == name and fault.action == NAN]
    return any(due)


@dataclass(slots=True)
class _Fault:
    """One fault of a plan, and how often its place was reached."""

    name: str
    action: str
    first: int
    goes_on: bool
    reached: int = 0

    def due(self) -> bool:
        self.reached += 1
        return self.reached == self.first or (self.goes_on and self.reached > self.first)


def _read(words: str) -> _Fault:
    found = _FAULT.fullmatch(words)
    if found is None or found["action"] not in (*_ACTIONS, NAN):
        raise SpecError(
            f"A failpoint must be name=action@k with an action of {', '.join((*_ACTIONS, NAN))}, "
            f"got {words!r}. Mend ZSCAPE_FAILPOINT."
        )
    return _Fault(found["name"], found["action"], int(found["first"] or 1), bool(found["on"]))


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit() -> None:
    os._exit(1)


def _refuse(number: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


def _exhaust() -> None:
    raise MemoryError


_ACTIONS: dict[str, Callable[[], None]] = {
    "kill9": _kill,
    "exit": _exit,
    "sigint": lambda: signal.raise_signal(signal.SIGINT),
    "sigterm": lambda: signal.raise_signal(signal.SIGTERM),
    "sighup": lambda: signal.raise_signal(signal.SIGHUP),
    "enospc": _refuse(errno.ENOSPC),
    "eio": _refuse(errno.EIO),
    "oom": _exhaust,
}

_faults: list[_Fault] | None = None
if os.environ.get("ZSCAPE_TESTING") == "1":
    arm(os.environ.get("ZSCAPE_FAILPOINT", ""))
