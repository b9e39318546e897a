"""Trains Pythae's VAE by its own BaseTrainer; run by the interpreter that has Pythae.

No shim was needed: its networks are given by the user, as its documentation shows. The clock is
a callback of its own kind.
"""

import contextlib
import json
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn


class Clock(TrainingCallback):
    """Seconds at the start of every epoch and at the end."""

    def __init__(self, device):
        self.device = device
        self.marks = []

    def mark(self):
        """CPU seconds of this process, or those of the wall once a GPU is done."""
        if self.device != "cpu":
            torch.cuda.synchronize()
        cpu = self.device == "cpu"
        self.marks.append(time.process_time() if cpu else time.perf_counter())

    def on_epoch_begin(self, training_config, **kwargs):
        """Called by the trainer."""
        self.mark()

    def on_train_end(self, training_config, **kwargs):
        """Called by the trainer."""
        self.mark()


class Encoder(BaseEncoder):
    """Any body, then a mean and a log-variance."""

    def __init__(self, body, features, latent):
        BaseEncoder.__init__(self)
        self.body = body
        self.mean = nn.Linear(features, latent)
        self.log_variance = nn.Linear(features, latent)

    def forward(self, x):
        """What Pythae's VAE asks of an encoder."""
        h = self.body(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    """Any body whose output is a probability per pixel."""

    def __init__(self, body):
        BaseDecoder.__init__(self)
        self.body = body

    def forward(self, z):
        """What Pythae's VAE asks of a decoder."""
        return ModelOutput(reconstruction=self.body(z))


def mlp(shape, latent, hidden):
    """One hidden layer each way, sigmoid at the end."""
    size = int(np.prod(shape))
    body = nn.Sequential(nn.Flatten(), nn.Linear(size, hidden), nn.ReLU())
    out = (nn.Linear(hidden, size), nn.Sigmoid(), nn.Unflatten(1, shape))
    return Encoder(body, hidden, latent), Decoder(
        nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), *out)
    )


def conv(shape, latent, hidden):
    """Four strided 4x4 convolutions and a fully connected layer each way, for 64x64x1."""
    widths = (1, 32, 32, 64, 64)
    down = []
    for before, after in pairwise(widths):
        down += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
    up = [
        nn.Linear(latent, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 1024),
        nn.Unflatten(1, (64, 4, 4)),
    ]
    for before, after in pairwise(reversed(widths)):
        up += [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, padding=1)]
    body = nn.Sequential(*down, nn.Flatten(), nn.Linear(1024, hidden), nn.ReLU())
    return Encoder(body, hidden, latent), Decoder(nn.Sequential(*up, nn.Sigmoid()))


def dataset(path):
    """Pythae's own data set of an array on disk."""
    data = torch.from_numpy(np.load(path)).float()
    return BaseDataset(data, torch.zeros(len(data)))


def main():
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(asked["seed"])
    train = dataset(asked["train"])
    shape = tuple(train.data.shape[1:])
    networks = {"mlp": mlp, "conv": conv}[asked["network"]]
    encoder, decoder = networks(shape, asked["latent"], asked["hidden"])
    config = VAEConfig(input_dim=shape, latent_dim=asked["latent"], reconstruction_loss="bce")
    model, clock = VAE(config, encoder, decoder), Clock(asked.get("device", "cpu"))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        trainer = BaseTrainer(
            model,
            train_dataset=train,
            eval_dataset=dataset(asked["valid"]) if "valid" in asked else None,
            training_config=BaseTrainerConfig(
                output_dir=folder,
                learning_rate=asked["learning_rate"],
                per_device_train_batch_size=asked["batch"],
                per_device_eval_batch_size=asked["batch"],
                num_epochs=asked["epochs"],
                seed=asked["seed"],
                no_cuda=asked.get("device", "cpu") == "cpu",
            ),
            callbacks=[clock],
        )
        trainer.train()
    if "weights" in asked:
        save(trainer._best_model, asked["weights"])
    answer = {
        "marks": clock.marks,
        "images": len(train),
        "parameters": sum(p.numel() for p in model.parameters()),
        "versions": f"pythae {version('pythae')}, torch {torch.__version__}",
    }
    print(json.dumps(answer))


def save(model, path):
    """The weights of the MLP under plain names."""
    parts = {
        "encoder.hidden": model.encoder.body[1],
        "encoder.mean": model.encoder.mean,
        "encoder.log_variance": model.encoder.log_variance,
        "decoder.hidden": model.decoder.body[0],
        "decoder.out": model.decoder.body[2],
    }
    arrays = {f"{n}.{k}": v.numpy() for n, m in parts.items() for k, v in m.state_dict().items()}
    np.savez(path, **arrays)


if __name__ == "__main__":
    main()
