"""The data sets of the benchmarks, read from the folder that `ZSCAPE_DATA` names."""

import os
from pathlib import Path

import numpy as np

from benchmarks.figures import NotRunError


def binarized_digits() -> dict[str, np.ndarray]:
    """Static binarized MNIST: uint8 0 or 1, train `[50000, 784]`, valid and test `[10000, 784]`.

    Source: Salakhutdinov and Murray 2008, doi:10.1145/1390156.1390266.
    """
    stored = np.load(_file("mnist_static_binarized.npz"))
    return {part: np.unpackbits(stored[part], axis=1) for part in ("train", "valid", "test")}


def sprites() -> np.ndarray:
    """20,000 random dSprites pictures, uint8 0 or 1, `[20000, 1, 64, 64]`."""
    stored = np.load(_file("dsprites_random20000.npz"))
    return np.unpackbits(stored["imgs"], axis=1).reshape(-1, 1, 64, 64)


def _file(name: str) -> Path:
    folder = os.environ.get("ZSCAPE_DATA")
    if not folder:
        raise NotRunError("ZSCAPE_DATA must name the folder of the data sets, got nothing")
    path = Path(folder) / name
    if not path.exists():
        raise NotRunError(f"the folder that ZSCAPE_DATA names must hold {name}, got no such file")
    return path
