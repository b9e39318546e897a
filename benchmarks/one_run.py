"""One training run in a process of its own: its CPU time and its peak memory, as a JSON line.

The request is JSON in the last argument: `path` of a folder of shards, or `rows` and `columns` of a
table to draw; `epochs`, `most_steps` (0: all), `seed`, and options of the recipe and of training.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import NotRunError


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """The answer of a fresh process to a request.

    Raises:
        NotRunError: it failed.
    """
    command = [sys.executable, "-m", "benchmarks.one_run", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotRunError(f"a run ended with: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Looks, trains, and says what it took."""
    import torch

    import zscape
    from zscape.recipes import RECIPES
    from zscape.study.training.beginning import begin, settle_training

    torch.set_num_threads(1)
    begun = time.monotonic()
    data = zscape.look(_data(request))
    looked = time.monotonic() - begun
    torch.manual_seed(request["seed"])
    model, objective = RECIPES["vae"](data.modality, **request.get("options", {}))
    training = {"epochs": request["epochs"], "patience": 0, "seed": request["seed"]}
    settled = settle_training(training | request.get("training", {}))
    run = begin(model, objective, data, **settled)
    most = request.get("most_steps", 0)
    begun, wall, last = time.process_time(), time.monotonic(), None
    for record in run.records(until=lambda: bool(most) and run.step >= most):
        last = record
    parts = dict(last.parts) if last else {}
    return {
        "cpu_seconds": time.process_time() - begun,
        "wall_seconds": time.monotonic() - wall,
        "look_seconds": looked,
        "steps": run.step,
        "examples": len(data.shards) if data.shards else len(data.x),
        "streamed": data.shards is not None,
        "elbo": parts.get("validation_elbo", parts.get("elbo")),
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """Peak resident memory; `ru_maxrss` would count the process that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _data(request: dict[str, Any]) -> Any:
    if "path" in request:
        return Path(request["path"])
    import pandas as pd

    from benchmarks.large import rows

    return pd.DataFrame(rows(request["rows"], request["columns"], seed=request["seed"]))


if __name__ == "__main__":
    print(json.dumps(answer(json.loads(sys.argv[-1]))))
