"""Other people's libraries, as they come from the package index, each in an environment of its own.

Scripts beside this file train or measure with one library each. They are run by that library's
interpreter, know nothing of zscape, and speak JSON: a request in the first argument, the answer in
the last line of standard output.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from benchmarks.figures import NotRunError

TORCH = ("torch==2.13.0", "numpy<2.5")

# pythae asks for the `dataclasses` backport, which breaks Python above 3.6, and PyOD does not
# list what its deep models import: so peers are installed without their lists, needs by hand.
# lightning 2.6.2 and 2.6.3 were malware.
NEEDS = {
    "pythae": (
        "pythae==0.1.2",
        "cloudpickle imageio pydantic scikit-learn scipy tqdm typing_extensions".split(),
    ),
    "pyod": ("pyod==3.6.7", "joblib matplotlib numba scikit-learn scipy tqdm".split()),
    "lightning": (
        "lightning==2.6.6",
        "fsspec[http] lightning-utilities packaging PyYAML torchmetrics tqdm typing_extensions "
        "pytorch-lightning==2.6.6".split(),
    ),
    "scvi": (
        "scvi-tools==1.4.2",
        "anndata docrep fsspec[http] lightning==2.6.6 ml-collections mudata numba pandas "
        "pyro-ppl rich scanpy scikit-learn scipy sparse torchmetrics tqdm xarray".split(),
    ),
    "drain3": ("drain3==0.9.11", ["cachetools==4.2.1", "jsonpickle==1.5.1"]),
}
WITHOUT_TORCH = ("drain3",)


def ask(library: str, request: dict[str, Any], *, task: str = "train") -> dict[str, Any]:
    """The answer of `<task>_<library>.py` to a request, run in that library's environment.

    Raises:
        NotRunError: the environment cannot be made, or the library does not run.
    """
    script = Path(__file__).parent / f"{task}_{library}.py"
    command = [str(interpreter(library)), str(script), json.dumps(request)]
    with tempfile.TemporaryDirectory() as folder:  # some libraries write where they stand
        done = subprocess.run(
            command, cwd=folder, env=_environment(library), capture_output=True, text=True
        )
    if done.returncode:
        raise NotRunError(f"{library} ended with: {_last_line(done.stderr)}")
    return json.loads(_last_line(done.stdout))


def interpreter(library: str) -> Path:
    """The Python that has the library; its environment is made at the first call."""
    if library in ("zscape", "floor"):  # the floor is torch alone
        return Path(sys.executable)
    home = _home() / library
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        _install(library, home, python)
    return python


def _install(library: str, home: Path, python: Path) -> None:
    package, needs = NEEDS[library]
    venv.create(home, with_pip=True)
    torch = [] if library in WITHOUT_TORCH else list(TORCH)
    steps = [torch, [*torch, *needs], ["--no-deps", package]]
    for packages in filter(None, steps):
        command = [python, "-m", "pip", "install", "--quiet", *packages]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise NotRunError(f"{library} could not be installed: {_last_line(done.stderr)}")
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True).stdout
    for unwanted in ("nvidia-", "torchvision", "torchaudio"):
        if unwanted in listed:
            raise NotRunError(f"the environment of {library} must not hold {unwanted}, got it")
    (home / "ready").touch()


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return Path(os.environ.get("ZSCAPE_PEERS", str(Path(cache) / "zscape" / "peers")))


def _environment(library: str) -> dict[str, str]:
    """One thread; our own script finds zscape where this process does, a peer only its own."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    found = {"PYTHONPATH": path if library == "zscape" else ""}
    return {**os.environ, **found, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing"])[-1]
