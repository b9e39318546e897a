"""The data sets of the benchmarks, read from the folder that `ZSCAPE_DATA` names."""

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.figures import NotRunError


def binarized_digits() -> dict[str, np.ndarray]:
    """Static binarized MNIST: uint8 0 or 1, train `[50000, 784]`, valid and test `[10000, 784]`.

    Source: Salakhutdinov and Murray 2008, doi:10.1145/1390156.1390266.
    """
    stored = np.load(file_of("mnist_static_binarized.npz"))
    return {part: np.unpackbits(stored[part], axis=1) for part in ("train", "valid", "test")}


def mnist(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Grey MNIST, part "train" or "test": uint8 `[N, 28, 28]`, and the digits `[N]`."""
    stored = np.load(file_of("mnist.npz"))
    return stored[f"{part}_images"], stored[f"{part}_labels"]


def digit_classes() -> dict[str, np.ndarray]:
    """The digit of each of `binarized_digits`, `[N]`."""
    stored = np.load(file_of("mnist_static_binarized.npz"))
    return {part: stored[f"{part}_labels"] for part in ("train", "valid", "test")}


def sprites() -> np.ndarray:
    """20,000 random dSprites pictures, uint8 0 or 1, `[20000, 1, 64, 64]`."""
    stored = np.load(file_of("dsprites_random20000.npz"))
    return np.unpackbits(stored["imgs"], axis=1).reshape(-1, 1, 64, 64)


def pen_digits(number: int) -> np.ndarray:
    """Rows of ADBench's pendigits, 16 numbers between 0 and 1, in a random order."""
    with zipfile.ZipFile(file_of("adbench_classical.zip")) as archive:
        rows = np.load(io.BytesIO(archive.read("28_pendigits.npz")))["X"]
    return rows[np.random.default_rng(0).permutation(len(rows))[:number]]


def anomaly_tables() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """ADBench's sets in the folder: name, rows float64 `[N, D]`, which are anomalies `[N]`."""
    with zipfile.ZipFile(file_of("adbench_classical.zip")) as archive:
        for member in sorted(archive.namelist()):
            stored = np.load(io.BytesIO(archive.read(member)))
            yield Path(member).stem, stored["X"].astype(np.float64), stored["y"] == 1


def campaign() -> Any:
    """The categories of a bank's calls (ADBench's campaign), 41,188 rows in a random order.

    The file has them one-hot; numbers and the economy's indicators are left out. Ten columns of
    texts: job, marital state, education, default, housing, loan, contact, month, day, outcome.
    """
    import pandas as pd

    with zipfile.ZipFile(file_of("adbench_classical.zip")) as archive:
        rows = np.load(io.BytesIO(archive.read("5_campaign.npz")))["X"]
    names = "job marital education default housing loan contact month day outcome".split()
    starts = (1, 13, 17, 25, 28, 31, 34, 35, 45, 54)
    widths = (12, 4, 8, 3, 3, 3, 1, 10, 5, 3)
    columns = {}
    for name, start, width in zip(names, starts, widths, strict=True):
        hot = rows[:, start : start + width]
        chosen = hot.argmax(1) if width > 1 else (hot[:, 0] > 0).astype(int)
        columns[name] = [f"{name}{number}" for number in chosen]
    return pd.DataFrame(columns).sample(frac=1, random_state=0).reset_index(drop=True)


def molecules(number: int) -> Any:
    """Computed properties of molecules as a DataFrame: five numbers and a category."""
    import pandas as pd

    frame = pd.read_csv(file_of("molecules_props.csv.gz")).drop(columns="smiles")
    return frame.sample(number, random_state=0).reset_index(drop=True)


def smiling_faces() -> tuple[np.ndarray, np.ndarray]:
    """SMILEs: grey faces, uint8 `[13165, 64, 64]`, and whether each smiles, `[13165]`."""
    bank = np.load(file_of("smiles_faces64.npz"))
    content, offsets = bank["jpeg"].tobytes(), bank["offset"]
    faces = [
        np.asarray(Image.open(io.BytesIO(content[start:end]))) for start, end in pairwise(offsets)
    ]
    return np.stack(faces), bank["smiling"]


def faces(number: int) -> tuple[np.ndarray, np.ndarray]:
    """The first faces of CelebA, uint8 `[N, 64, 64, 3]`, and a class of each: 2 man + smiling."""
    pictures, known = known_faces(number)
    return pictures, 2 * known["Male"] + known["Smiling"]


def known_faces(number: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The first faces of CelebA, uint8 `[N, 64, 64, 3]`, and their 40 attributes, 0 or 1 `[N]`."""
    bank = np.load(file_of("celeba64_webp.npz"))
    content, offsets = bank["jpeg"].tobytes(), bank["offset"][: number + 1]
    pictures = [
        np.asarray(Image.open(io.BytesIO(content[start:end]))) for start, end in pairwise(offsets)
    ]
    known = bank["attributes"][:number].astype(int)
    names = [str(name) for name in bank["attribute_names"]]
    return np.stack(pictures), dict(zip(names, known.T, strict=True))


def sprites_grid() -> tuple[np.ndarray, np.ndarray]:
    """46,080 dSprites pictures, uint8 0 or 1, `[N, 64, 64]`, and classes of the factors `[N, 5]`.

    The factors are shape, scale, orientation (10 of 40), and both positions (16 of 32).
    """
    stored = np.load(file_of("dsprites_grid46080.npz"))
    pictures = np.unpackbits(stored["imgs"], axis=1).reshape(-1, 64, 64)
    return pictures, stored["latents_classes"]


def counts(number: int, *, columns: int = 2_000, seed: int = 0) -> np.ndarray:
    """Rows of counts as cells have them, int64 `[N, columns]`: eight kinds, most counts zero.

    Negative binomials of dispersion 2 around the profile of a row's kind, scaled by its depth.
    """
    generator = np.random.default_rng(seed)
    profiles = generator.gamma(0.3, size=(8, columns))
    depth = generator.lognormal(0.0, 0.4, size=(number, 1))
    mean = depth * profiles[generator.integers(8, size=number)]
    return generator.poisson(mean * generator.gamma(2.0, 0.5, size=mean.shape))


def log_lines() -> dict[str, list[dict[str, str]]]:
    """LogHub: 2,000 lines of each of 16 systems, with the `raw` line, its `content`, `event_id`."""
    csv.field_size_limit(2**24)
    systems: dict[str, list[dict[str, str]]] = {}
    with gzip.open(file_of("loghub_2k.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            systems.setdefault(row["system"], []).append(row)
    return systems


def block_sessions(part: str) -> list[list[int]]:
    """DeepLog's sessions of HDFS blocks, part "normal" or "abnormal": numbers of events each."""
    stored = np.load(file_of("hdfs_deeplog.npz"))
    events, ends = stored[f"{part}_events"], stored[f"{part}_offset"]
    return [events[start:end].tolist() for start, end in pairwise(ends)]


def labelled_blocks() -> list[dict[str, Any]]:
    """Sessions of the first 100,000 lines of HDFS: `split`, `label` (1 anomalous), `events`."""
    with gzip.open(file_of("hdfs100k_sessions.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file][1:]


def file_of(name: str) -> Path:
    """The path of a data file in the folder that `ZSCAPE_DATA` names."""
    folder = os.environ.get("ZSCAPE_DATA")
    if not folder:
        raise NotRunError("ZSCAPE_DATA must name the folder of the data sets, got nothing")
    path = Path(folder) / name
    if not path.exists():
        raise NotRunError(f"the folder that ZSCAPE_DATA names must hold {name}, got no such file")
    return path
