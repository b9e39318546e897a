"""Writes the golden studies of this version: `python -m tests.golden.make`, once a release.

A study that a release wrote is kept for ever and never written anew: tests/golden/test_golden.py
opens all of them with whatever the present version is.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zscape as zs
from zscape.study.checkpoints import CHECKPOINTS
from zscape.study.storage.folder import MANIFEST
from zscape.study.study import PICTURES, REPORT

HERE = Path(__file__).parent
EXPECTED = "expected.json"
DROPPED = (CHECKPOINTS, PICTURES, REPORT)  # of no use here, and large
SHOWN = 5  # examples whose codes are kept in full precision


def digits() -> tuple[Any, Any]:
    """60 small pictures and their labels."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return np.rint(loaded.images[:60] * (255 / 16)).astype(np.uint8), loaded.target[:60]


def mixed() -> Mapping[str, list[Any]]:
    """60 rows of every kind of column, with missing cells."""
    count = range(60)
    return {
        "real": [None if i % 13 == 5 else i * 37 % 101 / 10 for i in count],
        "count": [i * i % 7 for i in count],
        "truth": [i % 3 == 0 for i in count],
        "word": ["a b ü"[i * i % 5] for i in count],
        "always": ["same"] * 60,
    }


def numbers() -> np.ndarray:
    """60 rows of real numbers."""
    return np.array([[i * k % 11 / 3 for k in (1, 3, 7, 8)] for i in range(60)])


def write(name: str, data: Any, **settings: Any) -> None:
    """One golden study, with the codes that its release gave to its first examples."""
    folder = HERE / zs.__version__ / name
    shutil.rmtree(folder, ignore_errors=True)
    options = {"latent": 3, "epochs": 2, "network": "mlp:8", "seed": 0, **settings}
    space = zs.fit(data, out=folder, **options)
    for dropped in DROPPED:
        path = folder / dropped
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"] = {n: e for n, e in manifest["files"].items() if (folder / n).is_file()}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    (folder / "study.lock").unlink()
    expected = {"codes": space.codes.flat[:SHOWN].tolist(), "examples": len(space.codes)}
    (folder / EXPECTED).write_text(json.dumps(expected) + "\n")


def main() -> None:
    """Writes all of them."""
    torch.set_num_threads(1)
    pictures, labels = digits()
    write("pictures", pictures, labels=labels)
    write("table", mixed())
    write("array", numbers(), recipe="flow_vae")
    write("independent", pictures, recipe="ica_vae", steps=20)


if __name__ == "__main__":
    main()
