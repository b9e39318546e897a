"""What a person waits for: the help, the demo, and the full grid of rendered sprites."""

import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.figures import Figure, NotRunError, Settings, machine
from benchmarks.likelihood import standard_error
from zscape.worlds.sprites import sprites

ROOT = Path(__file__).parent.parent
MEDIAN_TO_MEAN = 1.2533
_ELBO = re.compile(r"ELBO +(-?[\d.]+) \+- ([\d.]+) nats per example \((\w+)")


def help_words(settings: Settings) -> Iterator[Figure]:
    """CPU seconds of `zscape --help`, start of Python included."""
    command = _zscape()
    seconds = []
    for _ in range(3 if settings.quick else 11):
        before = _children_seconds()
        _run([*command, "--help"], cwd=ROOT)
        seconds.append(_children_seconds() - before)
    said = "zscape" if len(command) == 1 else "python -m zscape"
    protocol = (
        f"user and system CPU seconds of `{said} --help` as one process, median of {len(seconds)} "
        f"({min(seconds):.3f} to {max(seconds):.3f}); {machine()}"
    )
    yield _median_of("help_cpu_seconds", seconds, protocol)


def demo(settings: Settings) -> Iterator[Figure]:
    """Wall seconds of what `make demo` runs once it is installed, and the ELBO it reaches."""
    command = _demo_command()
    if settings.quick:
        command[command.index("--epochs") + 1] = "1"
    with tempfile.TemporaryDirectory() as folder:
        before, start = _children_seconds(), time.monotonic()
        said = _run(command, cwd=Path(folder))
        wall, cpu = time.monotonic() - start, _children_seconds() - before
    protocol = (
        f"`zscape {shlex.join(command[command.index('train') :])}`, the command of `make demo` "
        "after installation, "
        f"{cpu:.0f} CPU s, load {os.getloadavg()[0]:.1f} at the end, threads as a user has them on "
        f"{os.cpu_count()} cores; torch {torch.__version__}"
    )
    yield Figure("demo_wall_seconds", wall, "s", "measured", protocol)
    found = _ELBO.search(said)
    if not found:
        raise NotRunError(f"the demo must print its ELBO, got {said[-200:]!r}")
    elbo, error, kind = found.groups()
    held = f"ELBO over the held-out examples, printed by {protocol}"
    yield Figure("demo_elbo", float(elbo), "nats", kind, held, float(error))


def sprites_grid(settings: Settings) -> Iterator[Figure]:
    """CPU seconds of rendering every dSprites picture, packed."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        world = sprites(64, positions=8 if settings.quick else 32)
        seconds.append(time.process_time() - start)
    size = world.pictures.nbytes / 2**30
    protocol = (
        f"zscape.worlds.sprites, {len(world.pictures)} pictures of 64x64 in packed bits "
        f"({size:.2f} GiB), process CPU time, median of {len(seconds)} "
        f"({min(seconds):.2f} to {max(seconds):.2f}); {machine()}"
    )
    yield _median_of("sprites_full_grid_cpu_seconds", seconds, protocol)


PARTS = {
    "help_cpu_seconds": help_words,
    "demo_wall_seconds": demo,
    "sprites_full_grid_cpu_seconds": sprites_grid,
}


def _zscape() -> list[str]:
    """How this interpreter's zscape is called: as a user does, where it is installed."""
    script = Path(sys.executable).parent / "zscape"
    return [str(script)] if script.exists() else [sys.executable, "-m", "zscape"]


def _demo_command() -> list[str]:
    """The training line of `make demo`, with the `zscape` of this interpreter."""
    planned = _run(["make", "--no-print-directory", "--dry-run", "demo"], cwd=ROOT)
    lines = [line for line in planned.splitlines() if "zscape train" in line]
    if not lines:
        raise NotRunError("`make demo` must run `zscape train`, got no such line")
    words = shlex.split(lines[-1])
    return [*_zscape(), *words[words.index("train") :]]


def _run(command: list[str], *, cwd: Path) -> str:
    """What a command says on standard output, with as many threads as a user has."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join(os.path.abspath(entry) for entry in named if entry)
    user = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | {"PYTHONPATH": path}
    done = subprocess.run(command, cwd=cwd, env=user, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotRunError(f"`{command[0].rsplit('/', 1)[-1]}` must succeed, got: {last}")
    return done.stdout


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _median_of(figure: str, values: list[float], protocol: str) -> Figure:
    error = MEDIAN_TO_MEAN * standard_error(torch.tensor(values))
    return Figure(figure, statistics.median(values), "s", "measured", protocol, error)
