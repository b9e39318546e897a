"""Signals that wait for a good moment: a step, or a file, is finished first."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

WAITING = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


@contextmanager
def held_back(came: list[int]) -> Iterator[None]:
    """Lets SIGINT, SIGTERM and SIGHUP wait to the end of a `with`, where they do what they did.

    A second one ends the process at once. Ignored signals stay ignored, and outside the main
    thread, where Python takes no signals, nothing is held.

    Args:
        came: emptied; then the number of a signal that comes is put into it.
    """
    came.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            os._exit(128 + number)

    before = {number: signal.getsignal(number) for number in WAITING}
    heard = [n for n, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in heard:  # one that comes meanwhile may still do what it did, and all is undone
            signal.signal(number, note)
        yield
    finally:
        # One that comes now waits too, or a handler of its own would leave the others changed.
        signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        for number in heard:
            signal.signal(number, before[number])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
        for number in came:
            signal.raise_signal(number)
