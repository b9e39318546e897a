"""Static binarized MNIST by Pythae's published protocol, and Pythae itself beside it.

Protocol: MLP 784-400-40, ReLU, Bernoulli pixels, Adam 1e-4 times 10^(-1/5) after epochs 200 and
350, batches of 100, best epoch by the validation ELBO, importance-weighted NLL with 200 draws on
the 10,000 test pictures. Published: 89.78 nats after 500 epochs (Burda et al. 2016: 89.9).
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.data import binarized_digits
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import (
    LogWeights,
    bernoulli_mixture,
    importance_weighted_nll,
    independent_pixels_nll,
    standard_error,
)
from zscape.model.bound import elbo, log_weights
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks.mlp import mlp_decoder, mlp_encoder
from zscape.objective.objective import Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.objective.schedules import stepped
from zscape.probability.likelihoods import Bernoulli
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard
from zscape.study.training.batches import Batches, InOrder
from zscape.study.training.fitting import fit

HIDDEN, LATENT, BATCH, RATE, DRAWS, ROUNDS = 400, 40, 100, 1e-4, 200, 5
MILESTONES, FACTOR = (200, 350), 10 ** (-1 / 5)
SETTING = (
    f"static binarized MNIST, 50k/10k/10k as stored, MLP 784-{HIDDEN}-{LATENT} ReLU, Bernoulli, "
    f"Adam {RATE:g}, batch {BATCH}, no weight averaging, best epoch by validation ELBO"
)


def long_run(settings: Settings) -> Iterator[Figure]:
    """The published protocol in full: about 50 CPU minutes."""
    data, epochs = digits(settings), 1 if settings.quick else 500
    model, best = trained(data, epochs=epochs, seed=settings.seed)
    rounds = torch.stack(
        [_nll(_weights_of(model), data["test"], seed) for seed in range(_rounds(settings))]
    )
    spread = rounds.mean(1)
    protocol = (
        f"{SETTING}, rate times 10^(-1/5) after epochs {MILESTONES}, {epochs} epochs, best was "
        f"{best}, seed {settings.seed}, one model; importance-weighted NLL with {DRAWS} draws on "
        f"{rounds.shape[1]} test pictures, mean of {len(rounds)} rounds ({spread.min():.3f} to "
        f"{spread.max():.3f}), error over pictures; {machine()}"
    )
    values = rounds.mean(0)
    yield Figure(
        f"nll_{DRAWS}_after_500_epochs",
        values.mean().item(),
        "nats",
        "bound",
        protocol,
        standard_error(values),
    )
    bounds = -_elbo(model, data["test"])
    yield Figure(
        "negative_elbo_after_500_epochs",
        bounds.mean().item(),
        "nats",
        "bound",
        f"{SETTING}, same model as nll_{DRAWS}_after_500_epochs, mean of 20 draws; {machine()}",
        standard_error(bounds),
    )


def beside_pythae(settings: Settings) -> Iterator[Figure]:
    """Twenty epochs of ours and of Pythae's trainer, same network, data and estimator."""
    data, epochs = digits(settings), 1 if settings.quick else 20
    seeds = range(settings.seed, settings.seed + (1 if settings.quick else 3))
    ours, theirs, versions = [], [], ""
    for seed in seeds:
        model, _ = trained(data, epochs=epochs, seed=seed)
        ours.append(_nll(_weights_of(model), data["test"], seed).mean())
        answer, arrays = _train_pythae(data, epochs=epochs, seed=seed)
        theirs.append(_nll(_weights_from(arrays), data["test"], seed).mean())
        versions = answer["versions"]
        print(f"seed {seed}: {ours[-1]:.3f} ours, {theirs[-1]:.3f} Pythae", file=sys.stderr)
    protocol = (
        f"{SETTING}, {epochs} epochs, seeds {list(seeds)}, importance-weighted NLL with {DRAWS} "
        f"draws by the same code on {len(data['test'])} test pictures; Pythae by its own "
        f"BaseTrainer ({versions}); error over seeds; {machine()}"
    )
    gaps = torch.stack(ours) - torch.stack(theirs)
    for figure, values in (
        ("nll_minus_pythae_after_20_epochs", gaps),
        (f"nll_{DRAWS}_after_20_epochs", torch.stack(ours)),
        (f"pythae_nll_{DRAWS}_after_20_epochs", torch.stack(theirs)),
    ):
        error = standard_error(values) if len(values) > 1 else None
        kind = "estimate" if "minus" in figure else "bound"
        yield Figure(figure, values.mean().item(), "nats", kind, protocol, error)


def floors(settings: Settings) -> Iterator[Figure]:
    """What no network reaches for: independent pixels, and a mixture of Bernoullis."""
    data = digits(settings)
    nll = independent_pixels_nll(data["train"], data["test"])
    said = f"training means of single pixels, {len(nll)} test pictures; {machine()}"
    mean = nll.mean().item()
    yield Figure("floor_independent_pixels", mean, "nats", "exact", said, standard_error(nll))
    sizes = (20,) if settings.quick else (100, 300, 600)
    score, components, mixture = min(_mixtures(data, sizes, settings.seed), key=lambda row: row[0])
    nll = mixture(data["test"])
    said = (
        f"mixture of {components} Bernoullis by EM, size of {sizes} and round by the validation "
        f"part ({score:.2f}), seed {settings.seed}, {len(nll)} test pictures; {machine()}"
    )
    mean = nll.mean().item()
    yield Figure("floor_bernoulli_mixture", mean, "nats", "exact", said, standard_error(nll))


PARTS = {
    f"nll_{DRAWS}_after_500_epochs": long_run,
    "nll_minus_pythae_after_20_epochs": beside_pythae,
    "floors": floors,
}


def digits(settings: Settings) -> dict[str, Tensor]:
    """The parts of static binarized MNIST, uint8 `[N, 784]`."""
    rows = 2000 if settings.quick else None
    return {name: torch.from_numpy(part[:rows]) for name, part in binarized_digits().items()}


def _rounds(settings: Settings) -> int:
    return 1 if settings.quick else ROUNDS


def trained(data: dict[str, Tensor], *, epochs: int, seed: int) -> tuple[Model, int]:
    """A model trained by `fit`, and its best epoch."""
    torch.manual_seed(seed)
    model = _model()
    steps = len(data["train"]) // BATCH
    rate = stepped(RATE, milestones=tuple(m * steps for m in MILESTONES), factor=FACTOR)
    progresses = fit(
        model,
        Sum(Reconstruction(), Rate()),
        Batches(data["train"], size=BATCH, seed=seed),
        epochs=epochs,
        learning_rate=rate,
        validation=InOrder(data["valid"]),
        patience=0,
        ema=0,
    )
    best, lowest = 0, float("inf")
    for progress in progresses:
        loss = progress.parts.get("validation_loss", float("inf"))
        if loss < lowest:
            best, lowest = progress.epoch, loss
        if "validation_loss" in progress.parts and progress.epoch % 10 == 0:
            said = f"epoch {progress.epoch}: validation {loss:.3f}, best {lowest:.3f} at {best}"
            print(f"{said}, {progress.seconds:.0f} s", file=sys.stderr, flush=True)
    return model, best


def _model() -> Model:
    encoder, features = mlp_encoder((784,), (HIDDEN,))
    level = Flat("z", prior=Standard(LATENT), posterior=Gaussian(features, LATENT))
    return Model(
        encoder, [level], Decoder(mlp_decoder(LATENT, (784,), (HIDDEN,)), Bernoulli((784,)))
    )


def _weights_of(model: Model) -> LogWeights:
    return lambda x, draws: log_weights(model(x, draws=draws))


@torch.no_grad()
def _elbo(model: Model, x: Tensor) -> Tensor:
    return torch.cat([elbo(model(part.float(), draws=20)).mean(0) for part in x.split(200)])


def _nll(weights: LogWeights, x: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return importance_weighted_nll(weights, x, draws=DRAWS)


def _train_pythae(
    data: dict[str, Tensor], *, epochs: int, seed: int
) -> tuple[dict, dict[str, Tensor]]:
    with tempfile.TemporaryDirectory() as folder:
        for part in ("train", "valid"):
            np.save(Path(folder) / f"{part}.npy", data[part].numpy())
        request = {
            "train": f"{folder}/train.npy",
            "valid": f"{folder}/valid.npy",
            "weights": f"{folder}/weights.npz",
            "network": "mlp",
            "hidden": HIDDEN,
            "latent": LATENT,
            "batch": BATCH,
            "learning_rate": RATE,
            "epochs": epochs,
            "seed": seed,
        }
        answer = peers.ask("pythae", request)
        arrays = {k: torch.from_numpy(v) for k, v in np.load(request["weights"]).items()}
    return answer, arrays


def _weights_from(arrays: dict[str, Tensor]) -> LogWeights:
    """log p(x, z) - log q(z | x) of Pythae's weights: Linear-ReLU both ways."""

    def linear(name: str, h: Tensor) -> Tensor:
        return h @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]

    def weights(x: Tensor, draws: int) -> Tensor:
        h = linear("encoder.hidden", x).relu()
        mean, log_variance = linear("encoder.mean", h), linear("encoder.log_variance", h)
        noise = torch.randn(draws, *mean.shape)
        z = mean + (0.5 * log_variance).exp() * noise
        # The 2 pi of prior and posterior cancel.
        ratio = 0.5 * (noise.square() + log_variance - z.square()).sum(-1)
        logits = linear("decoder.out", linear("decoder.hidden", z).relu())
        return ratio + (x * logits - torch.nn.functional.softplus(logits)).sum(-1)

    return weights


def _mixtures(data: dict[str, Tensor], sizes: tuple[int, ...], seed: int) -> Iterator[tuple]:
    for components in sizes:
        for mixture in bernoulli_mixture(data["train"], components=components, seed=seed):
            yield mixture(data["valid"]).mean().item(), components, mixture
