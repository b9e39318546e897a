"""The other end of `scan`: asks a worker process for pictures and outlives what it does not."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zscape.study import scan


@dataclass(frozen=True, slots=True)
class Reply:
    """What the worker said of a file: `head` and `pixels`, or the `reason` why not."""

    head: dict[str, Any]
    pixels: bytes = b""
    reason: str = ""


class Reader:
    """A worker that reads pictures; it is started anew when a file kills or stops it.

    Args:
        seconds: the longest that one file may take.
        script: the program that answers requests.
    """

    def __init__(self, *, seconds: float = scan.SECONDS, script: str | Path = "") -> None:
        self._seconds = seconds
        self._command = [sys.executable, "-P", str(script or scan.__file__)]
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def measure(self, path: str) -> Reply:
        """Asks for `height`, `width` and `grey` of a picture."""
        return self._ask({"path": path})

    def read(self, path: str, *, height: int, width: int, grey: bool) -> Reply:
        """Asks for the pixels of a picture, resized."""
        return self._ask({"path": path, "height": height, "width": width, "grey": grey})

    def _ask(self, request: dict[str, Any]) -> Reply:
        worker = self._worker or self._start()
        # A timer, because pipes cannot be polled on every system.
        late = threading.Event()

        def give_up() -> None:
            late.set()
            worker.kill()

        timer = threading.Timer(self._seconds, give_up)
        timer.start()
        try:
            reply = _exchange(worker, request)
        finally:
            timer.cancel()
        if reply is not None:
            return reply
        self._stop()
        if late.is_set():
            return Reply({}, reason=f"it took longer than {self._seconds:g} s")
        return Reply({}, reason="its decoder crashed")

    def _start(self) -> subprocess.Popen[bytes]:
        self._worker = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._worker

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        assert worker.stdin and worker.stdout
        worker.kill()
        worker.stdout.close()
        try:
            worker.stdin.close()
        except BrokenPipeError:
            pass  # a request was under way when the worker died
        worker.wait()


def _exchange(worker: subprocess.Popen[bytes], request: dict[str, Any]) -> Reply | None:
    """One request and its reply; None if the worker did not live to answer."""
    assert worker.stdin and worker.stdout
    try:
        worker.stdin.write(json.dumps(request).encode() + b"\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        head = json.loads(line) if line.endswith(b"\n") else None
    except (BrokenPipeError, ValueError):
        return None
    if head is None:
        return None
    pixels = worker.stdout.read(head.get("bytes", 0))
    if len(pixels) != head.get("bytes", 0):
        return None
    return Reply(head, pixels, head.get("reason", ""))
