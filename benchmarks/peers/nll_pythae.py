"""Pythae's `get_nll` of a trained MLP VAE; run by the interpreter that has Pythae.

Called as its users call it, with a batch size that divides the number of draws, so that all of
them are used (`n_samples // batch_size` whole batches are).
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from pythae.models import VAE, VAEConfig
from train_pythae import mlp  # the networks beside this file


def main():
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(asked["seed"])
    arrays = {name: torch.from_numpy(v) for name, v in np.load(asked["weights"]).items()}
    encoder, decoder = mlp((784,), asked["latent"], asked["hidden"])
    config = VAEConfig(input_dim=(784,), latent_dim=asked["latent"], reconstruction_loss="bce")
    model = VAE(config, encoder, decoder).eval()
    layers = {
        "encoder.hidden": model.encoder.body[1],
        "encoder.mean": model.encoder.mean,
        "encoder.log_variance": model.encoder.log_variance,
        "decoder.hidden": model.decoder.body[0],
        "decoder.out": model.decoder.body[2],
    }
    for name, layer in layers.items():
        layer.load_state_dict({k: arrays[f"{name}.{k}"] for k in ("weight", "bias")})
    x = torch.from_numpy(np.load(asked["x"])).float()
    with torch.no_grad():
        start = time.process_time()
        mean = model.get_nll(x, n_samples=asked["draws"], batch_size=asked["batch"])
        seconds = time.process_time() - start
    versions = f"pythae {version('pythae')}, torch {torch.__version__}"
    print(json.dumps({"nll": -mean, "seconds": seconds, "versions": versions}))


if __name__ == "__main__":
    main()
