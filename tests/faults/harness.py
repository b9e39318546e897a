"""Runs the command line in processes that can be killed; torch is imported once, a run is a fork.

`Runner` is the near end; the far end is this module as a program. A run is a process in a session
of its own, so that a kill takes its whole group.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
LONGEST = 120  # seconds until a run is taken to hang
KILLED = -signal.SIGKILL


SMALL = ("--epochs", "6", "--latent", "2", "--network", "mlp:8")


def write_rows(folder: Path, *, rows: int = 300) -> Path:
    """A small table of a real and a categorical column, the same at every call."""
    lines = "\n".join(f"{i * 37 % 101 / 10:.1f},{'abc'[i * i % 3]}" for i in range(rows))
    path = folder / "rows.csv"
    path.write_text(f"width,kind\n{lines}\n")
    return path


@dataclass(frozen=True, slots=True)
class Begun:
    """A run under way."""

    pid: int
    name: str

    def signal(self, number: int) -> None:
        """Sends a signal to its whole group; nothing where it has ended."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run left: its exit code (minus the signal that killed it), output and cost.

    `extra_bytes` is how much its peak memory was above that of the process it came from.
    """

    code: int
    out: str
    err: str
    seconds: float
    extra_bytes: int

    @property
    def traceback(self) -> bool:
        """Whether a person saw one."""
        return "Traceback" in self.err or "Traceback" in self.out

    @property
    def crashed(self) -> bool:
        """Whether it ended by a signal of its own making, such as a fault of memory."""
        return self.code < 0 and -self.code not in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class Runner:
    """Starts runs of `zscape`; a context manager."""

    def __enter__(self) -> Self:
        self._outputs = TemporaryDirectory()
        self._count = 0
        paths = os.pathsep.join([str(SOURCE), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        self._far = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.harness", self._outputs.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=ROOT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._far.stdin and self._far.stdout
        self._far.stdin.close()
        self._far.wait(LONGEST)
        self._far.stdout.close()
        self._outputs.cleanup()

    def start(
        self,
        words: Sequence[object],
        *,
        plan: str = "",
        cwd: Path = ROOT,
        memory: int = 0,
        largest: int = 0,
    ) -> Begun:
        """Begins `zscape WORDS`.

        Args:
            words: what is typed.
            plan: of failpoints.
            cwd: where.
            memory: bytes of address space beyond those it starts with; 0: no limit.
            largest: bytes that a file may have; 0: no limit.
        """
        self._count += 1
        name = str(self._count)
        request = {"name": name, "words": [os.fsdecode(str(word)) for word in words]}
        reply = self._ask(
            request | {"plan": plan, "cwd": str(cwd), "memory": memory, "largest": largest}
        )
        return Begun(reply["pid"], name)

    def wait(self, begun: Begun) -> Ended:
        """The end of a run; one that hangs is killed."""
        reply = self._ask({"wait": begun.pid})
        texts = []
        for kind in ("out", "err"):
            path = Path(self._outputs.name, f"{begun.name}.{kind}")
            texts.append(path.read_text(errors="replace"))
            path.unlink()
        return Ended(reply["code"], *texts, reply["seconds"], reply["extra_bytes"])

    def run(self, words: Sequence[object], *, plan: str = "", **where: Any) -> Ended:
        """Begins a run and waits for its end."""
        return self.wait(self.start(words, plan=plan, **where))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._far.stdin and self._far.stdout
        self._far.stdin.write(json.dumps(request).encode() + b"\n")
        self._far.stdin.flush()
        reply: dict[str, Any] = json.loads(self._far.stdout.readline())
        return reply


class _Server:
    """The far end: forks a process for each run and hears of its end."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.begun: dict[int, float] = {}
        self.ended: dict[int, dict[str, Any]] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "wait" in request:
            return self._wait(request["wait"])
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _be_the_run(request, self.outputs)
        self.begun[pid] = time.monotonic()
        return {"pid": pid}

    def _wait(self, wanted: int) -> dict[str, Any]:
        deadline = time.monotonic() + LONGEST
        while wanted not in self.ended:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            now = time.monotonic()
            if pid:
                self.ended[pid] = {
                    "code": os.waitstatus_to_exitcode(status),
                    "seconds": now - self.begun.pop(pid),
                    "extra_bytes": max(used.ru_maxrss * 1024 - _resident(), 0),
                }
            elif now > deadline:
                os.killpg(wanted, signal.SIGKILL)
            else:
                time.sleep(0.002)
        return self.ended.pop(wanted)


def _be_the_run(request: dict[str, Any], outputs: Path) -> None:
    code = 99
    try:
        os.setsid()
        for number, kind in ((1, "out"), (2, "err")):
            file = os.open(outputs / f"{request['name']}.{kind}", os.O_CREAT | os.O_WRONLY, 0o600)
            os.dup2(file, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request["cwd"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _run(request)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _run(request: dict[str, Any]) -> int:
    from zscape.cli import main
    from zscape.study.storage.failpoints import arm

    if request["memory"]:
        resource.setrlimit(resource.RLIMIT_AS, (_mapped() + request["memory"],) * 2)
    if request["largest"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"],) * 2)
    if request["plan"]:
        arm(request["plan"])
    return main(request["words"])


def _mapped() -> int:
    return _pages()[0] * resource.getpagesize()


def _resident() -> int:
    return _pages()[1] * resource.getpagesize()


def _pages() -> list[int]:
    return [int(number) for number in Path("/proc/self/statm").read_text().split()]


def _warm() -> None:
    """Imports what runs need, and trains once: the first time is slow."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch

    from zscape.cli import compare, lists, main, measure, verbs  # noqa: F401

    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        data = write_rows(Path(folder))
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            code = main(["train", str(data), "--out", f"{folder}/study", *SMALL])
    assert code == 0, "the harness must be able to train"


def serve(outputs: Path) -> None:
    """Answers requests until stdin ends."""
    _warm()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = _Server(outputs)
    for line in sys.stdin.buffer:
        reply = server.answer(json.loads(line))
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
