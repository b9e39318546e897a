"""The other end of `scan`: asks a worker process for pictures and outlives what it does not."""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from zscape.study.intake import scan


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

    def __exit__(self, *raised: object) -> None:
        self._stop()

    def measure(self, path: str, *, part: scan.Part = None) -> Reply:
        """Asks for `height`, `width` and `grey` of a picture; `part` is where it lies in a file."""
        return self._ask({"path": path, "part": part})

    def read(
        self, path: str, *, height: int, width: int, grey: bool, part: scan.Part = None
    ) -> Reply:
        """Asks for the pixels of a picture, resized."""
        wanted = {"height": height, "width": width, "grey": grey}
        return self._ask({"path": path, "part": part, **wanted})

    def _ask(self, request: dict[str, Any]) -> Reply:
        worker = self._worker or self._start()
        try:
            reply = _exchange(worker, request, time.monotonic() + self._seconds)
        except TimeoutError:
            self._stop()
            return Reply({}, reason=f"it took longer than {self._seconds:g} s")
        if reply is None:
            self._stop()
            return Reply({}, reason="its decoder crashed")
        return reply

    def _start(self) -> subprocess.Popen[bytes]:
        self._worker = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        return self._worker

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        assert worker.stdin and worker.stdout
        worker.kill()
        worker.stdin.close()
        worker.stdout.close()
        worker.wait()


def _exchange(
    worker: subprocess.Popen[bytes], request: dict[str, Any], deadline: float
) -> Reply | None:
    """One request and its reply; None if the worker did not live to answer.

    Raises:
        TimeoutError: the deadline passed.
    """
    assert worker.stdin and worker.stdout
    pipe = worker.stdout.fileno()
    received = bytearray()
    try:
        worker.stdin.write(json.dumps(request).encode() + b"\n")
        while b"\n" not in received:
            received += _chunk(pipe, deadline)
        line, _, pixels = received.partition(b"\n")
        head = json.loads(line)
        while len(pixels) < head.get("bytes", 0):
            pixels += _chunk(pipe, deadline)
    except (BrokenPipeError, EOFError, ValueError):
        return None
    return Reply(head, bytes(pixels), head.get("reason", ""))


def _chunk(pipe: int, deadline: float) -> bytes:
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
    content = os.read(pipe, 2**20)
    if not content:
        raise EOFError
    return content
