"""Trains zscape's VAE by `fit`, asked and answering as the peers are."""

import json
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from zscape import __version__
from zscape.model.batch import Batch
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks import decoder, encoder
from zscape.networks.transposed import Transposed
from zscape.objective.objective import Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability import likelihoods
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard
from zscape.study.training.batches import Batches, Feed
from zscape.study.training.beginning import resolve_precision
from zscape.study.training.fitting import fit


class Clocked(Feed):
    """Batches that note the seconds at the start of every epoch."""

    def __init__(self, batches: Batches, device: str) -> None:
        self.batches = batches
        self.device = device
        self.marks: list[float] = []

    def __len__(self) -> int:
        return len(self.batches)

    def of(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch."""
        self.marks.append(seconds(self.device))
        return self.batches.of(epoch, start=start)


def seconds(device: str) -> float:
    """CPU seconds of this process, or those of the wall once a GPU is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(asked["seed"])
    device = asked.get("device", "cpu")
    data = torch.from_numpy(np.load(asked["train"])).to(device)
    model = build(asked, tuple(data.shape[1:]))
    batches = Clocked(Batches(data, size=asked["batch"], seed=asked["seed"]), device)
    precision = resolve_precision(asked["precision"], model, device)
    for _ in fit(
        model,
        Sum(Reconstruction(), Rate()),
        batches,
        epochs=asked["epochs"],
        learning_rate=asked["learning_rate"],
        precision=precision,
        device=device,
    ):
        pass
    answer = {
        "marks": [*batches.marks, seconds(device)],
        "images": len(batches) * batches.batches.size,
        "precision": precision,
        "parameters": sum(p.numel() for p in model.parameters()),
        "versions": f"zscape {__version__}, torch {torch.__version__}",
    }
    print(json.dumps(answer))


def build(asked: dict, shape: tuple[int, ...]) -> Model:
    """The network of the request, in zscape's words where they name it."""
    if asked.get("network") == "conv":
        return conv(asked["latent"], asked["hidden"])
    front = encoder(asked["word"], shape, counts=asked["event"] == "negative_binomial")
    likelihood = likelihoods.likelihood(asked["event"], shape)
    latent = asked["latent"]
    level = Flat("z", prior=Standard(latent), posterior=Gaussian(front.features, latent))
    back = decoder(asked["word"], latent, likelihood.features)
    return Model(front, [level], Decoder(back, likelihood))


class Bodies(nn.Module):
    """A network of `[N, ...]` for any leading dimensions, its pictures channels-last."""

    def __init__(self, *layers: nn.Module, event_dims: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.event_dims = event_dims

    def forward(self, x: Tensor) -> Tensor:
        """`[..., *event]` to `[..., *event]`."""
        leading, flat = x.shape[: -self.event_dims], x.flatten(0, -self.event_dims - 1)
        if self.event_dims == 3:
            flat = flat.contiguous(memory_format=torch.channels_last)
        hidden = self.body(flat)
        return hidden.reshape(*leading, *hidden.shape[1:])


def conv(latent: int, hidden: int) -> Model:
    """The network of the peer, layer by layer, for pictures of 64x64x1."""
    widths = (1, 32, 32, 64, 64)
    down, up = [], []
    for before, after in pairwise(widths):
        down += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU(inplace=True)]
    for before, after in pairwise(reversed(widths)):
        up += [nn.ReLU(inplace=True), Transposed(before, after, 4)]
    front = Bodies(
        *down, nn.Flatten(), nn.Linear(1024, hidden), nn.ReLU(inplace=True), event_dims=3
    )
    code = nn.Linear(latent, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 1024)
    back = Bodies(*code, nn.Unflatten(1, (64, 4, 4)), *up, event_dims=1)
    level = Flat("z", prior=Standard(latent), posterior=Gaussian(hidden, latent))
    return Model(front, [level], Decoder(back, likelihoods.Bernoulli((1, 64, 64))))


if __name__ == "__main__":
    main()
