"""Trains the same MLP VAE by Lightning's Trainer and torch's DataLoader, as its users write it.

Run by the interpreter that has Lightning. Logging, checkpoints, progress bar and model summary
are off.
"""

import contextlib
import json
import sys
import time
import warnings

import lightning
import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset


class Clock(lightning.Callback):
    """CPU seconds of this process at the start of every epoch and at the end."""

    def __init__(self):
        self.marks = []

    def on_train_epoch_start(self, trainer, pl_module):
        """Called by the trainer."""
        self.marks.append(time.process_time())

    def on_train_end(self, trainer, pl_module):
        """Called by the trainer."""
        self.marks.append(time.process_time())


class VAE(lightning.LightningModule):
    """One hidden layer each way, Bernoulli pixels from logits."""

    def __init__(self, size, latent, hidden, learning_rate):
        lightning.LightningModule.__init__(self)
        self.learning_rate = learning_rate
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(size, hidden), nn.ReLU())
        self.code = nn.Linear(hidden, 2 * latent)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, size))

    def training_step(self, batch, index):
        """The negative ELBO of a batch."""
        (x,) = batch
        mean, log_variance = self.code(self.encoder(x)).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        distortion = binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return (distortion + rate) / len(x)

    def configure_optimizers(self):
        """Adam with torch's defaults."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


def main():
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(asked["seed"])
    data = torch.from_numpy(np.load(asked["train"])).float()
    loader = DataLoader(TensorDataset(data), batch_size=asked["batch"], shuffle=True, num_workers=0)
    model = VAE(data.shape[1], asked["latent"], asked["hidden"], asked["learning_rate"])
    clock = Clock()
    with contextlib.redirect_stdout(sys.stderr):
        lightning.Trainer(
            max_epochs=asked["epochs"],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
        ).fit(model, loader)
    answer = {
        "marks": clock.marks,
        "images": len(data),
        "parameters": sum(p.numel() for p in model.parameters()),
        "versions": f"lightning {lightning.__version__}, torch {torch.__version__}",
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
