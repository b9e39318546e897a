"""Several pieces of work at once, each in a fresh process with one torch thread.

A piece that fails or dies is told as such and harms no other. Nothing here knows what is done.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from zscape.errors import SpecError, ZscapeError

Work = Callable[..., Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Failed:
    """What stands in place of the last message of a piece of work that failed."""

    reason: str


def num_jobs(asked: str, pieces: int) -> int:
    """How many pieces of work to do at once: the number asked for, or "auto" for the free cores.

    Args:
        asked: "auto" or a whole number of at least 1.
        pieces: how many there are.

    Raises:
        SpecError: neither.
    """
    if asked == "auto":
        free = (os.cpu_count() or 1) - round(os.getloadavg()[0])
        on_device = torch.cuda.is_available()  # one device does not gain from several runs
        return 1 if on_device else max(1, min(free, pieces))
    if not asked.isdecimal() or int(asked) < 1:
        raise SpecError(f"jobs must be at least 1 or 'auto', got {asked!r}. 'auto' is usual.")
    return min(int(asked), max(pieces, 1))


def done_together(
    work: Work, pieces: Mapping[str, tuple[Any, ...]], *, jobs: int
) -> Iterator[tuple[str, Any]]:
    """Does `work(*arguments)` for every piece and yields `(name, message)` as messages come.

    With one job all is done here, one piece after the other. With more, each piece has a process
    of its own; closing the iterator ends them. The last message of a piece is what `work` yields
    last, or `Failed`.

    Args:
        work: a module's function that yields messages.
        pieces: its arguments by name, in the order in which they are begun.
        jobs: how many at once.
    """
    if jobs == 1:
        for name, arguments in pieces.items():
            for message in _guarded(work, arguments):
                yield name, message
        return
    waiting, running = dict(pieces), dict[Connection, tuple[str, SpawnProcess]]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name = next(iter(waiting))
                connection, process = _begun(work, waiting.pop(name))
                running[connection] = name, process
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                yield from _received(ready, running)
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _begun(work: Work, arguments: tuple[Any, ...]) -> tuple[Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen here when the process dies
    return ours, process


def _received(
    ready: Connection, running: dict[Connection, tuple[str, SpawnProcess]]
) -> Iterator[tuple[str, Any]]:
    name, process = running[ready]
    try:
        message = ready.recv()
    except EOFError:
        process.join()
        del running[ready]
        if process.exitcode:
            reason = f"its process ended with code {process.exitcode}; memory may have run out"
            yield name, Failed(reason)
        return
    yield name, message


def _in_process(connection: Connection, work: Work, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then ends us
    torch.set_num_threads(1)
    with connection:
        for message in _guarded(work, arguments):
            connection.send(message)


def _guarded(work: Work, arguments: tuple[Any, ...]) -> Iterator[Any]:
    try:
        yield from work(*arguments)
    except Exception as error:
        words = " ".join(str(error).split())
        yield Failed(
            words if isinstance(error, ZscapeError) else f"{type(error).__name__}: {words}"
        )
