"""Stacked MNIST: how many of 1,000 modes does a model draw, and how evenly?

Three digits as the channels of one picture; a sample's mode is what one frozen classifier reads in
its channels. Beside each other, with as many parameters in all and as much time: a VAE whose prior
is refitted to its codes, a VAE-GAN, and a GAN of the plain kind, which exists here only. Floors:
real pictures, and mixtures on principal components. Published (26,000 samples, other classifiers;
Lin et al. 2018, table 3, arXiv:1712.04086): DCGAN 99 modes, KL 3.40; VEEGAN 150, 2.95; PacDCGAN2
1000, 0.06.

The VAE looks at the training pictures first: where the principal scores of different channels do
not correlate, it is one model of single channels, which are drawn apart. No label says so, but a
GAN is not told either; `vae_joint` is the same VAE without that look, and `floor_pca_channels` the
floor with it. A run is a part (`--only vae:3`), so that all can be made at once; `--only summary`
reads what they kept.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

import zscape as zs
from benchmarks.data import file_of
from benchmarks.figures import Figure, NotRunError, Part, Settings, machine, read
from zscape.errors import DivergedError
from zscape.measures.linear import components
from zscape.model.codes import Codes
from zscape.probability.expectation import fit_mixture
from zscape.recipes import RECIPES
from zscape.space.refitting import refit_prior
from zscape.study.data import Data, look
from zscape.study.spec import settle
from zscape.study.study import gather
from zscape.study.training.beginning import begin, settle_training

SEEDS, MODES = 5, 1_000
STACKS, SAMPLES, CHUNK = 50_000, 26_000, 500
SECONDS = 330.0  # of one core's time that a run trains
LATENT, BATCH = 64, 128
SCORES, SIGMAS = 16, 6.0  # principal scores of a channel; how large a correlation chance explains
LOST = 100  # modes below which a run counts as diverged; samples that are not finite have none
# The networks are as large together: a VAE-GAN has three of them, the others two.
VAE = {"latent": 32, "network": "conv:32", "likelihood": "bernoulli"}
JOINT = VAE | {"latent": LATENT}
VAE_GAN = JOINT | {"network": "conv:21"}
FEATURES = 256  # of the GAN's layer between pictures and codes, as of the others
RATE = {"vae": 1e-3, "vae_gan": 5e-4, "dcgan": 2e-4}
COMPONENTS = {32: 100, LATENT: 30}  # of mixtures, by the dimensions of their space

Draw = Callable[[int], Tensor]


@dataclass(frozen=True, slots=True)
class Made:
    """A trained model: a draw of so many pictures, and what is to be told of its training."""

    draw: Draw
    parameters: int
    steps: int
    words: str


def real(settings: Settings) -> Iterator[Figure]:
    """Stacks of test digits: what independent uniform draws of real pictures read."""
    read_by = Reader(settings)
    pictures, _ = digits("test")
    words = f"{SAMPLES} stacks of test digits"
    chunks = iter(stacked(pictures, SAMPLES, seed=1).split(CHUNK))
    yield from _scored("floor_real", read_by, lambda n: next(chunks)[:n], words)


def principal(channels: int) -> Part:
    """The part of a mixture of principal components: of whole pictures (3), or of channels (1)."""

    def part(settings: Settings) -> Iterator[Figure]:
        read_by, size = Reader(settings), {1: VAE, 3: JOINT}[channels]["latent"]
        x = stacked(digits("train")[0], 2_000 if settings.quick else 20_000, seed=0)
        x = x.reshape(-1, channels * 784)
        found = components(x, size)
        points = (x - found.mean) @ found.axes.T
        scale, rounds = points.std(0), 2 if settings.quick else 30
        *_, mixture = fit_mixture(points / scale, COMPONENTS[size], rounds=rounds)

        def draw(n: int) -> Tensor:
            drawn = (mixture.sample((n * 3 // channels,)) * scale) @ found.axes + found.mean
            return drawn.clamp(0, 1).reshape(n, 3, 28, 28)

        words = (
            f"mixture of {COMPONENTS[size]} full Gaussians on {size} principal components of "
            + {1: "single channels, drawn apart", 3: "whole pictures"}[channels]
        )
        name = {1: "floor_pca_channels", 3: "floor_pca"}[channels]
        yield from _scored(name, read_by, draw, words, quick=settings.quick)

    return part


def run(kind: str, seed: int) -> Part:
    """The part that trains one model from one seed and reads its samples."""

    def part(settings: Settings) -> Iterator[Figure]:
        read_by = Reader(settings)
        torch.manual_seed(seed)
        seconds = 5.0 if settings.quick else SECONDS
        made = (MAKERS | CONTROLS)[kind](seed, seconds)
        words = (
            f"{made.words}, seed {seed}, {made.parameters:,} parameters in all, {made.steps:,} "
            f"steps of {BATCH} in {seconds:.0f} s of one core"
        )
        torch.manual_seed(1_000 + seed)
        yield from _scored(f"{kind}_{seed}", read_by, made.draw, words, quick=settings.quick)

    return part


def vae(seed: int, seconds: float) -> Made:
    """The VAE with a refitted prior; of single channels where these are independent."""
    x = _stored(seed)
    correlation, chance = dependence(x)
    if correlation > chance:
        return vae_joint(seed, seconds)
    pictures = np.moveaxis(x, 3, 1).reshape(-1, 28, 28)
    made = _refitted(VAE, pictures, seed, seconds)
    words = (
        f"{made.words}, of single channels, which are drawn apart, as their principal scores "
        f"correlate by {correlation:.3f} at most, where chance explains {chance:.3f}"
    )
    return replace(made, draw=lambda n: made.draw(3 * n).reshape(n, 3, 28, 28), words=words)


def vae_joint(seed: int, seconds: float) -> Made:
    """The VAE with a prior refitted to its codes of whole pictures."""
    return _refitted(JOINT, _stored(seed), seed, seconds)


def vae_gan(seed: int, seconds: float) -> Made:
    """The VAE-GAN, which draws from its own prior."""
    space, steps, size = _trained("vae_gan", VAE_GAN, look(_stored(seed)), seed, seconds)
    return Made(space.sample_tensor, size, steps, f"vae_gan {VAE_GAN}, learning rate 5e-4")


def dcgan(seed: int, seconds: float) -> Made:
    """A plain GAN of strided convolutions with batch normalisation, with nothing against collapse.

    Source: Radford et al. 2016, section 3, arXiv:1511.06434; Goodfellow et al. 2014, section 3.
    """
    x = torch.from_numpy(_stored(seed)).permute(0, 3, 1, 2)
    made, judge = _generator(), _discriminator()
    ours, theirs = (
        torch.optim.Adam(net.parameters(), RATE["dcgan"], betas=(0.5, 0.999))
        for net in (made, judge)
    )
    end, steps = time.process_time() + seconds, 0
    while time.process_time() < end:
        batch = x[torch.randint(len(x), (BATCH,))].float() / 255
        fake = made(torch.randn(BATCH, LATENT))
        loss = softplus(-judge(batch)).mean() + softplus(judge(fake.detach())).mean()
        _step(theirs, loss)
        _step(ours, softplus(-judge(fake)).mean())
        steps += 1
    made.eval()
    size = _size(made, judge)
    return Made(lambda n: made(torch.randn(n, LATENT)), size, steps, "DCGAN, learning rate 2e-4")


MAKERS: dict[str, Callable[[int, float], Made]] = {"vae": vae, "vae_gan": vae_gan, "dcgan": dcgan}
CONTROLS = {"vae_joint": vae_joint}  # one seed each


def summary(settings: Settings) -> Iterator[Figure]:
    """The figures of all seeds, read from what the runs kept."""
    kept = {line["figure"]: line for line in read("modes")}
    for kind in MAKERS:
        names = [f"{kind}_{seed}" for seed in range(SEEDS)]
        missing = [name for name in names if f"{name}_modes" not in kept]
        if missing or settings.quick:
            raise NotRunError(f"summary needs all runs, and lacks {', '.join(missing) or 'none'}")
        modes = [kept[f"{name}_modes"]["value"] for name in names]
        nats = [kept[f"{name}_kl"]["value"] for name in names]
        lost = sum(count < LOST for count in modes)
        words = (
            f"over seeds 0 to {SEEDS - 1}: modes {modes}, KL {[round(kl, 4) for kl in nats]}; "
            f"{lost} of {SEEDS} diverged (under {LOST} modes). Seed 0: "
            f"{kept[f'{names[0]}_kl']['protocol']}"
        )
        spread = float(np.std(nats, ddof=1))
        yield Figure(f"{kind}_modes", min(modes), "count", "measured", f"the fewest {words}")
        mean = float(np.mean(nats))
        yield Figure(f"{kind}_kl", mean, "nats", "measured", f"mean, error: spread {words}", spread)
        yield Figure(f"{kind}_diverged", lost, "count", "measured", words)


PARTS: dict[str, Part] = {
    "real": real,
    "pca": principal(3),
    "pca_channels": principal(1),
    **{f"{kind}:{seed}": run(kind, seed) for kind in MAKERS for seed in range(SEEDS)},
    **{f"{kind}:0": run(kind, 0) for kind in CONTROLS},
    "summary": summary,
}


class Reader:
    """The classifier of single digits, trained anew wherever it is needed, to the same weights."""

    def __init__(self, settings: Settings) -> None:
        pictures, labels = digits("train")
        epochs = 0.2 if settings.quick else 6
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network = _classifier(pictures, labels, steps=int(epochs * len(pictures) / BATCH))
        pictures, labels = digits("test")
        self.accuracy = float((self(pictures)[:, 0] == labels).float().mean())
        weights = b"".join(p.detach().numpy().tobytes() for p in self.network.parameters())
        self.name = hashlib.sha256(weights).hexdigest()[:8]

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """The digit in each channel, `[N, C]`, of pictures `[N, C, 28, 28]` in [0, 1]."""
        channels = pictures.reshape(-1, 1, 28, 28).split(CHUNK)
        read = torch.cat([self.network(part).argmax(1) for part in channels])
        return read.reshape(len(pictures), -1)


def digits(part: str) -> tuple[Tensor, Tensor]:
    """MNIST pictures `[N, 1, 28, 28]` in [0, 1] and their labels, of "train" or "test"."""
    stored = np.load(file_of("mnist.npz"))
    pictures = torch.from_numpy(stored[f"{part}_images"]).float().unsqueeze(1) / 255
    return pictures, torch.from_numpy(stored[f"{part}_labels"]).long()


def stacked(pictures: Tensor, n: int, *, seed: int) -> Tensor:
    """`[n, 3, H, W]`: three independent pictures of `[N, 1, H, W]` as channels."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(pictures), (n, 3), generator=generator)
    return pictures[chosen].squeeze(2)


def dependence(x: np.ndarray) -> tuple[float, float]:
    """The largest correlation of scores of two channels, and the most that chance explains.

    Chance: six standard deviations, 1 / sqrt(N) each, of a correlation that is none.

    Args:
        x: pictures `[N, H, W, C]`.
    """
    flat = torch.from_numpy(x[:20_000]).permute(3, 0, 1, 2).flatten(2).float() / 255
    found = [components(channel, SCORES) for channel in flat]
    scores = [(c - f.mean) @ f.axes.T / f.scale for c, f in zip(flat, found, strict=True)]
    pairs = combinations(scores, 2)
    largest = max(float((a.T @ b / len(a)).abs().max()) for a, b in pairs)
    return largest, SIGMAS / math.sqrt(flat.shape[1])


def coverage(read: Tensor) -> tuple[int, float, float]:
    """Modes that occur, KL(found || uniform) in nats, and what of it is within channels."""
    places = read @ torch.tensor([100, 10, 1])
    alone = sum(_to_uniform(channel.bincount(minlength=10)) for channel in read.T)
    counts = places.bincount(minlength=MODES)
    return int((counts > 0).sum()), _to_uniform(counts), alone


def _to_uniform(counts: Tensor) -> float:
    """KL(counts || uniform) in nats."""
    share = counts.double() / counts.sum()
    return float(torch.special.xlogy(share, share * len(counts)).sum())


def _scored(
    name: str, read_by: Reader, draw: Draw, words: str, *, quick: bool = False
) -> Iterator[Figure]:
    """Modes and KL of so many samples of a model; none and ln 1,000 where not all are finite."""
    drawn = []
    with torch.inference_mode():
        for _ in range(4 if quick else SAMPLES // CHUNK):
            drawn.append(draw(CHUNK))
    x = torch.cat(drawn)
    finite = bool(x.isfinite().all())
    modes, nats, alone = coverage(read_by(x)) if finite else (0, math.log(MODES), math.log(MODES))
    protocol = (
        f"{words}; {len(x):,} samples, read by one frozen classifier per channel ({read_by.name}, "
        f"{100 * read_by.accuracy:.2f} % of single test digits); of the KL {alone:.4f} within "
        f"channels; {machine()}"
    )
    yield Figure(f"{name}_modes", modes, "count", "measured", protocol)
    yield Figure(f"{name}_kl", nats, "nats", "measured", protocol)


def _stored(seed: int) -> np.ndarray:
    """Stacks of training digits as they are stored, uint8 `[N, 28, 28, 3]`."""
    x = stacked(digits("train")[0], STACKS, seed=seed)
    return (255 * x).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def _refitted(options: dict, pictures: np.ndarray, seed: int, seconds: float) -> Made:
    space, steps, size = _trained("vae", options, look(pictures), seed, seconds)
    count = COMPONENTS[options["latent"]]
    better = refit_prior(space, "mixture", components=count, seed=seed)
    words = f"vae {options}, learning rate 1e-3, prior refitted as {count} full Gaussians"
    return Made(better.sample_tensor, size, steps, words)


def _trained(
    recipe: str, options: dict, data: Data, seed: int, seconds: float
) -> tuple[zs.Space, int, int]:
    """A space trained for so long, its steps, and all its parameters with those of opponents."""
    training = settle_training(
        {
            "epochs": 1_000,
            "learning_rate": RATE[recipe],
            "batch_size": BATCH,
            "validation": 0.02,
            "patience": 0,
            "precision": "float32",
            "seed": seed,
        }
    )
    function = RECIPES[recipe]
    model, objective = function(data.modality, **settle(function, options))
    size = _size(model, *(critic.network for critic in objective.critics))
    run, end = begin(model, objective, data, **training), time.process_time() + seconds
    try:
        for _ in run.records(until=lambda: time.process_time() > end):
            pass
    except DivergedError:
        pass  # the model is the last good one, and its samples say how good
    run.settle()
    codes = Codes(
        {"z": torch.zeros(len(data.x), options["latent"])}
    )  # what is asked of it needs none
    return gather(model, data, codes, training), run.step, size


def _classifier(pictures: Tensor, labels: Tensor, *, steps: int) -> nn.Module:
    network = nn.Sequential(
        *(nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3)),
        *(nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _ in range(steps):
        chosen = torch.randint(len(pictures), (BATCH,))
        shift = torch.randint(-2, 3, (2,)).tolist()
        _step(
            optimizer, cross_entropy(network(pictures[chosen].roll(shift, (2, 3))), labels[chosen])
        )
        schedule.step()
    return network.eval()


def _generator() -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(LATENT, FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU()),
        *(nn.Linear(FEATURES, 64 * 49), nn.BatchNorm1d(64 * 49), nn.ReLU()),
        *(nn.Unflatten(1, (64, 7, 7)), nn.ConvTranspose2d(64, 32, 4, 2, 1)),
        *(nn.BatchNorm2d(32), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Sigmoid()),
    )


def _discriminator() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(32, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.LeakyReLU(0.2), nn.Flatten()),
        *(nn.Linear(64 * 49, FEATURES), nn.LeakyReLU(0.2), nn.Linear(FEATURES, 1)),
    )


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _size(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())
