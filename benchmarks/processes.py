"""Several processes: they train the model that one trains; no row of an encoding is lost."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, NotRunError, Part, Settings, machine
from benchmarks.large import write_rows

LATENT = 8
PROCESSES = 2
KILLS = 3


def encode_rows(settings: Settings) -> Iterator[Figure]:
    """Rows missing from the codes of 10 million, or there twice, after kills and restarts."""
    number = 200_000 if settings.quick else 10_000_000
    shards = 8 if settings.quick else 40
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        few = write_rows(home / "few", 20_000, shards=1)
        _run(["train", str(few / "part-00000.parquet"), "--out", str(home / "study"), *TRAINING])
        folder = write_rows(home / "rows", number, shards=shards)
        words = ["encode", str(home / "study"), str(folder), "--out", str(home / "codes")]
        begin = time.monotonic()
        kills = 0
        rng = np.random.default_rng(settings.seed)
        for _ in range(KILLS):
            kills += _killed(words, seconds=rng.uniform(4, 8 if settings.quick else 20))
        said = _together(words)
        wall = time.monotonic() - begin
        wrong = _missing_or_double(home / "codes", folder)
    before = sum(process["done_before"] for process in said)
    protocol = (
        f"{number:,} rows of 20 columns in {shards} Parquet shards, `zscape encode` by "
        f"{PROCESSES} processes with RANK and WORLD_SIZE set as torchrun sets them, all of them "
        f"killed by SIGKILL {kills} times at random moments and started again; {before} of "
        f"{shards} shards were done before the last start; (shard, row) of the codes against the "
        f"rows of the shards; {machine()}"
    )
    yield Figure("encode_10m_rows_missing_or_double", wrong, "count", "exact", protocol)
    speed = number / wall
    yield Figure("encode_rows: speed, kills included", speed, "rows/s, wall", "measured", protocol)


TRAINING = ["--epochs", "2", "--latent", str(LATENT), "--batch-size", "512"]


def _missing_or_double(codes: Path, folder: Path) -> int:
    import pyarrow.dataset as dataset
    import pyarrow.parquet as parquet

    found = dataset.dataset(codes, format="parquet")
    wrong = 0
    for path in sorted(folder.glob("*.parquet")):
        rows = parquet.ParquetFile(path).metadata.num_rows
        own = found.to_table(["row"], filter=dataset.field("shard") == path.name)
        numbers = own["row"].to_numpy()
        counts = np.bincount(numbers, minlength=rows)
        wrong += int(np.abs(counts - 1).sum())
    return wrong


def _killed(words: list[str], *, seconds: float) -> int:
    """Starts all processes and kills them after some time; whether any was still at work."""
    group = _start(words)
    time.sleep(seconds)
    at_work = any(process.poll() is None for process in group)
    for process in group:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return int(at_work)


def _together(words: list[str]) -> list[dict]:
    group = _start(words)
    said = [process.communicate()[0] for process in group]
    if any(process.returncode for process in group):
        raise NotRunError(f"encode ended with {[process.returncode for process in group]}")
    return [json.loads(line) for line in said]


def _start(words: list[str]) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "zscape", *words, "--json"]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(PROCESSES)}
    return [
        subprocess.Popen(
            command,
            env=shared | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        for rank in range(PROCESSES)
    ]


def _run(words: list[str]) -> None:
    command = [sys.executable, "-m", "zscape", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotRunError(f"`zscape {words[0]}` ended with: {last}")


def same_elbo(settings: Settings) -> Iterator[Figure]:
    """How far the held-out ELBO of two processes is from that of one, in percent of it."""
    epochs, seeds = (1, [0]) if settings.quick else (40, [0, 1, 2])
    elbos: dict[str, list[float]] = {"one": [], "two": [], "torchrun": []}
    with tempfile.TemporaryDirectory() as name:
        for seed in (settings.seed + s for s in seeds):
            for how in elbos:
                out = Path(name) / f"{how}-{seed}"
                elbos[how].append(_trained(out, how, seed=seed, epochs=epochs))
    one = np.array(elbos["one"])
    gaps = {how: 100 * np.abs(np.array(elbos[how]) / one - 1) for how in ("two", "torchrun")}
    protocol = (
        f"`zscape train mnist5k`, latent 16, batch 128 in all, {epochs} epochs, no early end, "
        f"seeds {seeds}; ELBO of the 500 held-out digits from the report, one process against "
        f"`--devices 2` and against `torchrun --nproc-per-node 2`; processes draw other noise; "
        f"ELBO of one process {one.round(3).tolist()}; {machine()}"
    )
    worst = max(float(gap.max()) for gap in gaps.values())
    yield Figure("two_process_elbo_gap_percent", worst, "%", "measured", f"The largest. {protocol}")
    seeds_gap = 100 * float(np.ptp(one) / np.abs(one).mean())
    yield Figure("floor: gap between seeds of one process", seeds_gap, "%", "measured", protocol)


def _trained(out: Path, how: str, *, seed: int, epochs: int) -> float:
    """The held-out ELBO of a study, trained in one process or in two."""
    words = ["train", "mnist5k", "--out", str(out), "--batch-size", "128", "--patience", "0"]
    words += ["--epochs", str(epochs), "--seed", str(seed), "--json"]
    start = [sys.executable, "-m", "zscape"]
    if how == "torchrun":
        start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
        start += ["-m", "zscape"]
    command = [*start, *words, *(["--devices", "2"] if how == "two" else [])]
    shared = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=shared)
    if done.returncode:
        raise NotRunError(f"training ended with {done.returncode}: {done.stderr[-200:]}")
    figures = {f["figure"]: f["value"] for f in json.loads(done.stdout)["figures"]}
    return float(figures["ELBO"])


PARTS: dict[str, Part] = {
    "two_process_elbo_gap_percent": same_elbo,
    "encode_10m_rows_missing_or_double": encode_rows,
}
