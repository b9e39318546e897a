"""torch's own floor: the same networks written plainly, resident data, autocast and fused Adam.

A loop without anything that a person wants of a training run: no average of weights, no guard, no
records. With `replay` in the request only the products of matrices of an MLP's step are made.
"""

import json
import sys
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus


class VAE(nn.Module):
    """An encoder and a decoder as they are given, and a Gaussian code between them."""

    def __init__(self, encoder, code, decoder, columns=0):
        super().__init__()
        self.encoder, self.code, self.decoder = encoder, code, decoder
        if columns:
            self.log_dispersion = nn.Parameter(torch.zeros(columns))

    def forward(self, x):
        """Mean and log-variance of the code, and what the decoder says."""
        mean, log_variance = self.code(self.encoder(x)).float().chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return mean, log_variance, self.decoder(z).float()


def mlp(size, widths, latent, columns=0):
    """ReLU layers of these widths, and back."""
    down, up = [], []
    for before, after in pairwise((size, *widths)):
        down += [nn.Linear(before, after), nn.ReLU()]
    for before, after in pairwise((latent, *reversed(widths))):
        up += [nn.Linear(before, after), nn.ReLU()]
    code = nn.Linear(widths[-1], 2 * latent)
    up += [nn.Linear(widths[0], size)]
    return VAE(nn.Sequential(*down), code, nn.Sequential(*up), columns)


def conv(hidden, latent):
    """Four strided 4x4 convolutions each way, channels last, for pictures of 64x64x1."""
    widths = (1, 32, 32, 64, 64)
    down, up = [], [nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 1024)]
    for before, after in pairwise(widths):
        down += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
    up += [nn.Unflatten(1, (64, 4, 4))]
    for before, after in pairwise(reversed(widths)):
        up += [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, padding=1)]
    down += [nn.Flatten(), nn.Linear(1024, hidden), nn.ReLU()]
    model = VAE(nn.Sequential(*down), nn.Linear(hidden, 2 * latent), nn.Sequential(*up))
    return model.to(memory_format=torch.channels_last)


def distortion(event, said, x, model):
    """The sum over a batch, in nats up to a constant."""
    if event == "bernoulli":
        return binary_cross_entropy_with_logits(said, x, reduction="sum")
    if event == "gaussian":
        return 0.5 * (said - x).square().sum()
    dispersion = model.log_dispersion.exp()
    ratio = said - model.log_dispersion
    choose = torch.lgamma(x + dispersion) - torch.lgamma(dispersion) - torch.lgamma(x + 1)
    return -(choose + x * ratio - (x + dispersion) * softplus(ratio)).sum()


def replay(size, hidden, latent, batch, steps):
    """CPU seconds of the products of one step of an MLP of one layer, float32."""
    layers = ((size, hidden), (hidden, 2 * latent), (latent, hidden), (hidden, size))
    given = [torch.randn(batch, before) for before, _ in layers]
    weights = [torch.randn(after, before) for before, after in layers]
    gradients = [torch.randn(batch, after) for _, after in layers]

    def step():
        for index, (x, weight, gradient) in enumerate(zip(given, weights, gradients, strict=True)):
            torch.mm(x, weight.t())
            torch.mm(gradient.t(), x)
            if index:  # nobody asks for the gradient of the data
                torch.mm(gradient, weight)

    step()
    start = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - start) / steps


def main():
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(asked["seed"])
    versions = f"torch {torch.__version__}"
    if asked.get("replay"):
        sizes = (asked[name] for name in ("size", "hidden", "latent", "batch", "replay"))
        print(json.dumps({"seconds": replay(*sizes), "versions": versions}))
        return
    data = torch.from_numpy(np.load(asked["train"]))
    answer = train(data, asked)
    print(json.dumps(answer | {"versions": versions}))


def train(data, asked):
    """The marks of every epoch."""
    counted = asked["event"] == "negative_binomial"
    if asked.get("network") == "conv":
        model = conv(asked["hidden"], asked["latent"])
    else:
        widths = asked.get("widths") or [asked["hidden"]]
        model = mlp(data.shape[1], widths, asked["latent"], data.shape[1] if counted else 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=asked["learning_rate"], fused=True)
    half = asked["precision"] == "bfloat16"
    size, marks = asked["batch"], []
    for _ in range(asked["epochs"]):
        marks.append(time.process_time())
        order = torch.randperm(len(data))
        for rows in order[: len(data) // size * size].split(size):
            x = data.index_select(0, rows).float()
            seen = x.log1p() if counted else x
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                mean, log_variance, said = model(seen)
            rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
            loss = (distortion(asked["event"], said, x, model) + rate) / size
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    marks.append(time.process_time())
    parameters = sum(p.numel() for p in model.parameters())
    return {"marks": marks, "images": len(data) // size * size, "parameters": parameters}


if __name__ == "__main__":
    main()
