"""Trains zscape's VAE by `fit`, asked and answering as the peers are."""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from zscape import __version__
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks import decoder, encoder
from zscape.objective.objective import Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability import likelihoods
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard
from zscape.study.batches import Batches
from zscape.study.run import _precision  # what `auto` means
from zscape.study.training import fit


class Clocked:
    """Batches that note the CPU seconds of this process at the start of every epoch."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.marks: list[float] = []

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Tensor]:
        self.marks.append(time.process_time())
        return iter(self.batches)


def main() -> None:
    """Answers the request in the first argument."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(asked["seed"])
    data = torch.from_numpy(np.load(asked["train"]))
    model = build(asked, tuple(data.shape[1:]))
    batches = Clocked(Batches(data, size=asked["batch"], seed=asked["seed"]))
    precision = _precision(asked["precision"], model, "cpu")
    for _ in fit(
        model,
        Sum(Reconstruction(), Rate()),
        batches,
        epochs=asked["epochs"],
        learning_rate=asked["learning_rate"],
        precision=precision,
    ):
        pass
    answer = {
        "marks": [*batches.marks, time.process_time()],
        "images": len(batches) * batches.batches.size,
        "precision": precision,
        "parameters": sum(p.numel() for p in model.parameters()),
        "versions": f"zscape {__version__}, torch {torch.__version__}",
    }
    print(json.dumps(answer))


def build(asked: dict, shape: tuple[int, ...]) -> Model:
    """The network of the request in zscape's words."""
    front = encoder(asked["word"], shape)
    head = {"bernoulli": likelihoods.Bernoulli, "gaussian": likelihoods.Gaussian}[asked["event"]]
    likelihood = head(shape)
    latent = asked["latent"]
    level = Flat("z", prior=Standard(latent), posterior=Gaussian(front.features, latent))
    back = decoder(asked["word"], latent, likelihood.features)
    return Model(front, [level], Decoder(back, likelihood))


if __name__ == "__main__":
    main()
