"""Trains PyOD's VAE on a table; run by the interpreter that has PyOD.

PyOD has no callback and scores its data at the end of `fit`, so the marks are two: the CPU
seconds of a fit of one epoch subtracted from those of a fit of all. Its dropout is off, as the
network must equal ours.
"""

import contextlib
import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from pyod.models.vae import VAE


def seconds(x, epochs, asked):
    """CPU seconds of one fit, and the detector."""
    widths = asked["widths"]
    detector = VAE(
        epoch_num=epochs,
        batch_size=asked["batch"],
        lr=asked["learning_rate"],
        latent_dim=asked["latent"],
        encoder_neuron_list=widths,
        decoder_neuron_list=widths[::-1],
        dropout_rate=0.0,
        capacity=1e9,
        optimizer_params={},
        random_state=asked["seed"],
        verbose=0,
    )
    start = time.process_time()
    detector.fit(x)
    return time.process_time() - start, detector


def main():
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    x = np.load(asked["train"])
    with contextlib.redirect_stdout(sys.stderr):
        seconds(x, 1, asked)
        first, _ = seconds(x, 1, asked)
        whole, detector = seconds(x, asked["epochs"], asked)
    later = (whole - first) / (asked["epochs"] - 1)
    answer = {
        "marks": [index * later for index in range(asked["epochs"] + 1)],
        "images": len(x) // asked["batch"] * asked["batch"],
        "parameters": sum(p.numel() for p in detector.model.parameters()),
        "versions": f"pyod {version('pyod')}, torch {torch.__version__}",
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
