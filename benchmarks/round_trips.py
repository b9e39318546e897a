"""100,000 things through compression and back, here and in processes that pretend to be elsewhere.

`python -m benchmarks.round_trips FOLDER` opens the studies of a folder, decodes the archives in it
and prints what each gives, as one JSON object.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zscape as zs
from benchmarks.data import binarized_digits, campaign, mnist
from zscape.space.compression import Codec, compress, decompress
from zscape.space.compression.archives import coded
from zscape.space.compression.container import CODED, read, written
from zscape.space.compression.things import plain

SEED = 0
ROWS = 2_500  # things in the larger archives
# Threads of a process, and how its processor is made to compute otherwise than it would.
ELSEWHERE = (
    {"THREADS": "2", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},
    {"THREADS": "1", "ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2"},
    {"THREADS": "2", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "SSE4_2"},
    {"THREADS": "1", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX2"},
)


@dataclass(frozen=True, slots=True)
class Trip:
    """Things that go through a study's codec together.

    Attributes:
        family: what kind of input they are.
        study: the name of the study.
        things: the things, `count` of them.
        count: likewise.
        chains: coded side by side.
    """

    family: str
    study: str
    things: Any
    count: int
    chains: int = 256


def train_studies(folder: Path, *, quick: bool) -> None:
    """Small studies of ink, grey, a table, and a ladder of ink, trained for a moment."""
    rows, epochs = (1_000, 1) if quick else (10_000, 5)
    ink = _ink("train")[:rows]
    grey, table = mnist("train")[0][:rows], campaign()[:rows]
    flat = {"recipe": "vae", "network": "mlp:200"}
    each: dict[str, tuple[Any, dict[str, Any]]] = {
        "ink": (ink, flat),
        "grey": (grey, flat | {"likelihood": "spiked_logistic"}),
        "table": (table, flat | {"latent": 4}),
        "ladder": (ink[: rows // 5], {"recipe": "ladder_vae", "network": "tiny"}),
    }
    for name, (data, options) in each.items():
        zs.fit(data, out=folder / name, epochs=epochs, seed=SEED, **options)


def trips(*, quick: bool) -> Iterator[Trip]:
    """100,000 things of all families, 1,000 in a quick run."""
    part = 100 if quick else 1
    generator = np.random.default_rng(SEED)
    test, valid, grey = _ink("test"), _ink("valid"), mnist("test")[0]
    table = campaign()[-10_000:].reset_index(drop=True)
    yield from _cut("held-out", "ink", test[: 10_000 // part], 256)
    yield from _cut("held-out", "ink", valid[: 4_000 // part], 7)
    yield from _cut("held-out", "ink", valid[-1_000 // part :], 1)
    yield from _cut("held-out", "ladder", valid[: 5_000 // part], 256)
    yield from _cut("held-out", "grey", grey[: 10_000 // part], 256)
    yield from _cut("held-out", "table", table[: 10_000 // part], 256)
    noise = generator.integers(0, 256, (10_000 // part, 28, 28)).astype(np.uint8)
    thresholds = generator.integers(1, 255, (len(noise), 1, 1))
    yield from _cut("noise", "ink", np.where(noise > thresholds, 255, 0).astype(np.uint8), 256)
    yield from _cut("noise", "grey", noise, 7 if quick else 256)
    for study in ("ink", "grey"):
        extremes = _extremes(10_000 // part, generator, two_valued=study == "ink")
        yield from _cut("constants and extremes", study, extremes, 256)
    for number in range(10_000 // part):
        study = ("ink", "grey", "table")[number % 3]
        yield Trip("odd shapes and dtypes", study, _odd(generator), 1)
    for number in range(200 // part):
        known = test[generator.integers(0, 10_000, 30)]
        strange = _extremes(10, generator, two_valued=False)
        mixed = [*known, *noise[:: len(noise) // 10][:10], *strange]
        things = np.stack(mixed) if number % 4 < 2 else [*mixed[:-1], _odd(generator)]
        study, chains = ("ink", "grey")[number % 2], (1, 7)[number % 2]
        yield Trip("concatenated", study, things, len(mixed), chains)


def travelled(folder: Path, *, quick: bool) -> tuple[Counter[str], Counter[str], int]:
    """Of each family how many things were sent, and how many came back the same everywhere.

    And how many of them were in archives that a model coded.
    """
    train_studies(folder, quick=quick)
    codecs, by_model = _codecs(folder), 0
    expected: dict[str, tuple[str, int, str]] = {}
    for number, trip in enumerate(trips(quick=quick)):
        content = _written(codecs[trip.study], trip)
        name = f"{number:06}.{trip.study}.zz"
        (folder / name).write_bytes(content)
        by_model += trip.count * (read(content).kind == CODED)
        expected[name] = (trip.family, trip.count, _digest(trip.things))
    answers = [decoded(folder)]
    answers += [_asked(folder, place) for place in range(len(ELSEWHERE))]
    sent, same = Counter[str](), Counter[str]()
    for name, (family, count, digest) in expected.items():
        sent[family] += count
        right = all(answer.get(name, digest) == digest for answer in answers)
        same[family] += count * right
    return sent, same, by_model


def _written(codec: Codec, trip: Trip) -> bytes:
    """The archive of things, by the model alone wherever it can say any of them.

    `compress` would store what the model makes long, or wrong, and nobody would see it here.
    """
    _, raw = plain(trip.things)
    sha = hashlib.sha256(raw).digest()
    archive = coded(codec, trip.things, raw, sha, trip.chains, trusting=True)
    return compress(codec, trip.things) if archive is None else written(archive)


def decoded(folder: Path, *, first: int = 0, every: int = 1) -> dict[str, str]:
    """What every so many of the archives of a folder give, as SHA-256, or the error."""
    codecs, found = _codecs(folder), {}
    for path in sorted(folder.glob("*.zz"))[first::every]:
        try:
            codec = codecs[path.name.split(".")[1]]
            found[path.name] = _digest(decompress(codec, path.read_bytes()))
        except zs.errors.ZscapeError as error:
            found[path.name] = str(error)
    return found


def _asked(folder: Path, place: int) -> dict[str, str]:
    """The same from another process, which takes its share of the archives."""
    own = dict(ELSEWHERE[place])
    words = [str(folder), own.pop("THREADS"), str(place)]
    command = [sys.executable, "-m", "benchmarks.round_trips", *words]
    said = subprocess.run(command, env=os.environ | own, check=True, capture_output=True)
    return dict(json.loads(said.stdout))


def _codecs(folder: Path) -> dict[str, Codec]:
    return {name: Codec(zs.open(folder / name)) for name in ("ink", "grey", "table", "ladder")}


def _cut(family: str, study: str, things: Any, chains: int) -> Iterator[Trip]:
    for start in range(0, len(things), ROWS):
        own = things[start : start + ROWS]
        if hasattr(own, "columns"):
            own = own.reset_index(drop=True)
        yield Trip(family, study, own, len(own), chains)


def _extremes(count: int, generator: np.random.Generator, *, two_valued: bool) -> np.ndarray:
    """Pictures of one level, of one pixel, checked, striped, and ramps."""
    x, y = np.meshgrid(np.arange(28), np.arange(28))
    kinds = [
        lambda: np.full((28, 28), generator.integers(256)),
        lambda: 255 * ((x == generator.integers(28)) & (y == generator.integers(28))),
        lambda: 255 * ((x + y) % generator.integers(2, 9) == 0),
        lambda: 255 * (x // generator.integers(1, 9) % 2),
        lambda: (x * generator.integers(1, 10) + y * generator.integers(10)) % 256,
        lambda: 255 * np.ones((28, 28), dtype=int) * generator.integers(2),
    ]
    pictures = np.stack([kinds[number % len(kinds)]() for number in range(count)])
    pictures = np.where(pictures > 127, 255, 0) if two_valued else pictures
    return pictures.astype(np.uint8)


def _odd(generator: np.random.Generator) -> np.ndarray:
    """An array of some shape and dtype, with values that such numbers may have."""
    kinds = "|u1 |i1 <u2 >i2 <i4 >i8 <f2 <f4 >f8 <c8 |b1 <U3 |S4 <M8[s] >u8".split()
    shape = tuple(generator.integers(0, 9, generator.integers(0, 5)))
    dtype = np.dtype(str(generator.choice(kinds)))
    count = int(np.prod(shape, dtype=int)) * dtype.itemsize
    if dtype.kind == "U":  # any bytes are not letters
        letters = generator.integers(32, 0x2FFF, count // 4).astype(np.uint32)
        return letters.view(dtype.newbyteorder("=")).astype(dtype).reshape(shape)
    raw = generator.integers(0, 2 if dtype.kind == "b" else 256, count).astype(np.uint8)
    return raw.view(dtype).reshape(shape)


def _digest(things: Any) -> str:
    return hashlib.sha256(b"".join(plain(things))).hexdigest()


def _ink(name: str) -> np.ndarray:
    return binarized_digits()[name].reshape(-1, 28, 28) * np.uint8(255)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    share = {"first": int(sys.argv[3]), "every": len(ELSEWHERE)}
    print(json.dumps(decoded(Path(sys.argv[1]), **share)))
