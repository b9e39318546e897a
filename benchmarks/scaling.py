"""Time and memory against rows, columns, latents and batch, and data that does not fit memory.

Every run is a process of its own, on one thread; time is its CPU time, memory its peak resident
size (`VmHWM`), the interpreter, torch and pandas among it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, Part, Settings, machine
from benchmarks.large import reading_seconds, write_pictures, write_rows
from benchmarks.one_run import ask

BATCH = 512
COLUMNS = 20
ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SEEN_AT_LEAST = 200_000  # examples that a run trains on, so that its start does not count
NET = f"default VAE (MLP), batch {BATCH}, one thread"
TABLE = f"{COLUMNS} columns (17 real, a category, a count, a truth)"


def stream_rows(settings: Settings) -> Iterator[Figure]:
    """Peak memory of an epoch over 10 million rows in Parquet shards, beside reading alone."""
    number = 200_000 if settings.quick else 10_000_000
    with tempfile.TemporaryDirectory() as home:
        folder = write_rows(Path(home) / "rows", number, columns=COLUMNS)
        size = sum(path.stat().st_size for path in folder.iterdir()) >> 20
        floor = reading_seconds(folder)
        got = ask(_request(settings, path=str(folder), epochs=1))
    words = (
        f"{number:,} rows of {TABLE}, {size:,} MB in 20 Parquet shards rendered on the spot; look, "
        f"then one epoch of {got['steps']:,} steps, {NET}; peak resident memory of the process"
    )
    protocol = f"{words}; {machine()}"
    yield Figure("stream_10m_rows_peak_mb", got["peak_mb"], "MB", "measured", protocol)
    each = 1e6 / number
    for name, value in (
        ("stream_rows: epoch", got["cpu_seconds"] * each),
        ("stream_rows: look, wall", got["look_seconds"] * each),
        ("stream_rows: floor, reading alone", floor * each),
    ):
        yield Figure(name, value, "s per million rows", "measured", protocol)


def slope_of_rows(settings: Settings) -> Iterator[Figure]:
    """Slope in log-log of time per epoch against rows, resident to 1e5 and streamed above."""
    numbers = ROWS[:3] if settings.quick else ROWS
    trained, times, peaks, kinds = [], [], [], []
    for number in numbers:
        with tempfile.TemporaryDirectory() as home:
            folder = write_rows(Path(home) / "rows", number, columns=COLUMNS)
            epochs = max(1, SEEN_AT_LEAST // number)
            got = ask(_request(settings, path=str(folder), epochs=epochs))
        trained.append(got["steps"] * BATCH / epochs)
        times.append(got["cpu_seconds"] / epochs)
        peaks.append(got["peak_mb"])
        kinds.append("streamed" if got["streamed"] else "resident")
    each = ", ".join(
        f"{n:.0e}: {t:.3g} s, {p:.0f} MB {kind}"
        for n, t, p, kind in zip(numbers, times, peaks, kinds, strict=True)
    )
    protocol = (
        f"least squares of log CPU seconds an epoch against log rows in its batches; {TABLE}, "
        f"{NET}, validation at the end of each epoch; {each}; {machine()}"
    )
    yield Figure("loglog_time_slope_rows", _slope(trained, times), "-", "measured", protocol)
    if len(numbers) > 3:
        slope = _slope(trained[2:], times[2:])
        yield Figure("loglog_time_slope_rows: 1e5 to 1e7", slope, "-", "measured", protocol)
        ratio = times[-1] / times[-2] / (trained[-1] / trained[-2])
        yield Figure("time per row, 1e7 over 1e6", ratio, "ratio", "measured", protocol)


def against(name: str, values: Sequence[int]) -> Part:
    """The part that varies one of `columns`, `latent` and `batch_size`."""

    def part(settings: Settings) -> Iterator[Figure]:
        number = 2_000 if settings.quick else 20_000
        asked = values[:2] if settings.quick else values
        got = [ask(_varied(settings, number, name, value)) for value in asked]
        times = [answer["cpu_seconds"] / 3 for answer in got]
        peaks = [answer["peak_mb"] for answer in got]
        each = ", ".join(
            f"{value}: {t:.3g} s, {p:.0f} MB"
            for value, t, p in zip(asked, times, peaks, strict=True)
        )
        protocol = (
            f"{name} of {', '.join(map(str, asked))}; {number:,} rows, else {COLUMNS} columns, "
            f"latent 16, batch {BATCH}; CPU seconds an epoch over 3 epochs: {each}; {machine()}"
        )
        slope = _slope(asked, times)
        yield Figure(f"loglog_time_slope_{name}", slope, "-", "measured", protocol)
        most = max(peaks) - min(peaks)
        yield Figure(f"peak_mb_spread_{name}", most, "MB", "measured", protocol)

    return part


def stream_pictures(settings: Settings) -> Iterator[Figure]:
    """Peak memory of training on pictures from WebDataset shards."""
    number, steps = (2_400, 10) if settings.quick else (40_000, 200)
    with tempfile.TemporaryDirectory() as home:
        folder = write_pictures(Path(home) / "pictures", number)
        size = sum(path.stat().st_size for path in folder.iterdir()) >> 20
        request = _request(settings, path=str(folder), epochs=1)
        got = ask(request | {"most_steps": steps, "training": {"batch_size": 64}})
    kind = "streamed" if got["streamed"] else "resident"
    protocol = (
        f"{number:,} colour JPEG pictures of 64x64 in 10 tar shards of {size:,} MB rendered on the "
        f"spot, {kind}; look (every picture decoded once, {got['look_seconds']:.0f} s), then "
        f"{got['steps']} steps of the default VAE at batch 64; peak resident memory of "
        f"the process; {machine()}"
    )
    yield Figure("stream_pictures_peak_mb", got["peak_mb"], "MB", "measured", protocol)
    speed = number / got["look_seconds"]
    yield Figure("stream_pictures: look", speed, "pictures/s, wall", "measured", protocol)


def _request(settings: Settings, *, path: str, epochs: int) -> dict:
    training = {"batch_size": BATCH, "precision": "float32"}
    return {"path": path, "epochs": epochs, "seed": settings.seed, "training": training}


def _varied(settings: Settings, number: int, name: str, value: int) -> dict:
    return {
        "rows": number,
        "columns": value if name == "columns" else COLUMNS,
        "epochs": 3,
        "seed": settings.seed,
        "options": {"latent": value if name == "latent" else 16},
        "training": {
            "batch_size": value if name == "batch_size" else BATCH,
            "precision": "float32",
        },
    }


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


PARTS: dict[str, Part] = {
    "stream_10m_rows_peak_mb": stream_rows,
    "loglog_time_slope_rows": slope_of_rows,
    "loglog_time_slope_columns": against("columns", (6, 24, 96, 384)),
    "loglog_time_slope_latent": against("latent", (2, 8, 32, 128)),
    "loglog_time_slope_batch_size": against("batch_size", (32, 128, 512, 2048)),
    "stream_pictures_peak_mb": stream_pictures,
}
