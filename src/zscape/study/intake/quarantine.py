"""A worker process for files: what it sends, and why it stopped when a file stops or kills it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from signal import SIGALRM
from typing import IO, Any, Generic, Self, TypeVar

import zscape
from zscape.errors import DataError
from zscape.modalities.found import printable
from zscape.study.intake.scan import FAILED, SECONDS

# Run so, the worker finds zscape where this process does, and nothing beside it first.
PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); from importlib import import_module; "
    "import_module(sys.argv[2]).main()"
)
Part = TypeVar("Part")
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


class Relay(Generic[Part]):
    """The contents of files, one after the other; a file that kills the worker costs a start.

    Args:
        module: its `main` takes the request `{"paths": [...], **asked}`.
        paths: the files, in the order in which they will be asked for.
        asked: the rest of the request.
        receive: yields the parts of one file from what the worker sends, and returns whether it
            was whole.
        refuse: the error for a file that was not, from its name and `failure()`.
    """

    def __init__(
        self,
        module: str,
        paths: Sequence[Path],
        *,
        asked: Mapping[str, Any],
        receive: Callable[[IO[bytes]], Generator[Part, None, bool]],
        refuse: Callable[[str, dict[str, Any]], DataError],
    ) -> None:
        self._module = module
        self._paths = list(paths)
        self._asked = dict(asked)
        self._receive = receive
        self._refuse = refuse
        self._worker: Quarantine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop()

    def contents(self) -> Iterator[Part]:
        """The parts of the next file.

        Raises:
            DataError: it cannot be read.
        """
        left, self._paths = self._paths, self._paths[1:]
        if self._worker is None:
            request = {**self._asked, "paths": [str(path) for path in left]}
            self._worker = Quarantine(self._module, request)
        done = False
        try:
            whole = yield from self._receive(self._worker.sent)
            done = True
        finally:
            if not done:  # whoever reads has stopped in the middle
                self._stop()
        if not whole:
            failure = self._worker.failure() or CRASHED
            self._stop()
            raise self._refuse(printable(left[0].name), failure)

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        self._worker = None
