"""A worker process for one file: what it sends, and why it stopped when the file stops it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from signal import SIGALRM
from typing import IO, Any

import zscape
from zscape.study.scan import FAILED, SECONDS

# Run so, the worker finds zscape where this process does, and nothing beside it first.
PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); from importlib import import_module; "
    "import_module(sys.argv[2]).main()"
)
CRASHED = {"reason": "its decoder crashed"}


class Quarantine:
    """A process that runs `main` of a module on one request, and sends what it finds to `sent`.

    Args:
        module: its `main` takes the request, as JSON, from the last argument.
        request: names the file, and what to do with it.
    """

    sent: IO[bytes]

    def __init__(self, module: str, request: Mapping[str, Any]) -> None:
        self._errors = tempfile.TemporaryFile()
        root = str(Path(zscape.__file__).parents[1])
        self._worker = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, root, module, json.dumps(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._worker.stdout
        self.sent = self._worker.stdout

    def stop(self) -> None:
        """Ends the process, whatever it does."""
        self._worker.kill()
        self._worker.wait()
        self.sent.close()
        self._errors.close()

    def failure(self) -> dict[str, Any]:
        """Why the worker ended before its time, once it ends; empty when it did not."""
        self.sent.close()  # a worker that is still writing ends too
        code = self._worker.wait()
        if code == 0:
            return {}
        if code == -SIGALRM:
            return {"reason": f"a part of it took longer than {SECONDS} s"}
        self._errors.seek(0)
        for line in reversed(self._errors.read().decode(errors="replace").splitlines()):
            if line.startswith("{") and code == FAILED:
                return dict(json.loads(line))
        return CRASHED
