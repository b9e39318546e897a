"""Trains scvi-tools' SCVI on a table of counts, as its users write it; run by its interpreter.

Batch normalisation and dropout are off, as its network must equal ours. It also holds heads of
other likelihoods and an encoder of library sizes that stand idle here; they are not counted.
"""

import contextlib
import json
import sys
import time
import warnings
from importlib.metadata import version

import anndata
import lightning
import numpy as np
import scvi
import torch

UNUSED = ("decoder.px_dropout_decoder.", "decoder.px_r_decoder.", "l_encoder.")


class Clock(lightning.pytorch.Callback):
    """CPU seconds of this process at the start of every epoch and at the end."""

    def __init__(self):
        self.marks = []

    def on_train_epoch_start(self, trainer, pl_module):
        """Called by the trainer."""
        self.marks.append(time.process_time())

    def on_train_end(self, trainer, pl_module):
        """Called by the trainer."""
        self.marks.append(time.process_time())


def main():
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    scvi.settings.seed = asked["seed"]
    data = anndata.AnnData(np.load(asked["train"]).astype("float32"))
    clock = Clock()
    with contextlib.redirect_stdout(sys.stderr):
        scvi.model.SCVI.setup_anndata(data)
        model = scvi.model.SCVI(
            data,
            n_hidden=asked["hidden"],
            n_latent=asked["latent"],
            n_layers=1,
            gene_likelihood="nb",
            dropout_rate=0.0,
            use_batch_norm="none",
        )
        model.train(
            max_epochs=asked["epochs"],
            accelerator="cpu",
            devices=1,
            train_size=1.0,
            batch_size=asked["batch"],
            plan_kwargs={"lr": asked["learning_rate"]},
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
            callbacks=[clock],
        )
    named = model.module.named_parameters()
    answer = {
        "marks": clock.marks,
        "images": len(data),
        "parameters": sum(p.numel() for n, p in named if not n.startswith(UNUSED)),
        "versions": f"scvi-tools {version('scvi-tools')}, torch {torch.__version__}",
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
