"""Scores rows by PyOD's VAE as its defaults have it; run by the interpreter that has PyOD."""

import contextlib
import json
import sys

import numpy as np
import torch
from pyod.models.vae import VAE


def main():
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    rows = np.load(asked["rows"])
    with contextlib.redirect_stdout(sys.stderr):
        detector = VAE(random_state=asked["seed"], verbose=0).fit(rows["train"])
        scores = detector.decision_function(rows["test"])
    print(json.dumps({"scores": np.asarray(scores, dtype=float).tolist()}))


if __name__ == "__main__":
    main()
