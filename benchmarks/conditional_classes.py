"""Digits of an asked class from a VAE that was trained without labels.

Each class gets a small mixture of Gaussians on the codes of its pictures; nothing is retrained. An
independent classifier says how many samples are of the class that was asked for, and coverage how
much of the real test pictures they reach (`measures.samples.distances.neighbourhood`, k = 5, equal
numbers). Beside them: real pictures in place of samples, and the same mixtures on principal
components of pixels.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import zscape as zs
from benchmarks.data import file_of
from benchmarks.figures import Figure, Settings, machine
from zscape.measures.features import trained_features
from zscape.measures.linear import components as principal
from zscape.measures.samples.distances import squared_distances
from zscape.probability.expectation import fit_mixture
from zscape.space.refitting import refit_prior
from zscape.space.slot import top
from zscape.space.space import Space, seeded

SAMPLES, NEAREST, CHUNK, CLASSES = 10_000, 5, 500, 10
FEATURES = 10_000  # training pictures of the features
JUDGE_EPOCHS, JUDGE_BATCH = 4, 128
OPTIONS = {"latent": 32, "network": "conv", "epochs": 16, "patience": 0}
COMPONENTS, FLOOR_COMPONENTS = 10, 5  # of each class
WIDTH = 0.7  # of the components that are drawn from, times the fitted one: fewer odd digits


def classes(settings: Settings) -> Iterator[Figure]:
    """Agreement and coverage of the model, of real pictures, and of the floor."""
    count = 2_000 if settings.quick else None
    stored = np.load(file_of("mnist.npz"))
    x, labels = stored["train_images"][:count], stored["train_labels"][:count].astype(int)
    test, test_labels = _unit(stored["test_images"][:count]), stored["test_labels"][:count]
    judge = _judge(_unit(x), torch.from_numpy(labels), epochs=1 if settings.quick else JUDGE_EPOCHS)
    features = trained_features(_unit(x[-FEATURES:]), torch.from_numpy(labels[-FEATURES:]), seed=0)
    options = OPTIONS | ({"epochs": 1} if settings.quick else {})
    start = time.process_time()
    space = zs.fit(x, labels=labels, seed=settings.seed, **options)
    after = refit_prior(
        space, by="label", components=2 if settings.quick else COMPONENTS, seed=settings.seed
    )
    with torch.no_grad():
        top(after.model).prior.inner.scale_tril.mul_(WIDTH)
    seconds = time.process_time() - start
    number, target = min(SAMPLES, len(test)) // CLASSES, features(test)
    said = (
        f"MNIST, vae {options} trained without labels, then {COMPONENTS} Gaussians with full "
        f"covariances on the codes of each class, drawn at {WIDTH} of their width (the floor "
        f"too), {seconds:.0f} CPU s together; {number} samples "
        f"of each class and {len(test)} test pictures; judge: a convolutional classifier of the "
        f"training pictures that is used for nothing else; coverage k = {NEAREST} in features: "
        f"{features.name}; settings chosen on held-out training pictures; {machine()}"
    )
    sets = {
        "": _samples(after, number, settings.seed),
        "floor_pca_": _floor(_unit(x), torch.from_numpy(labels), number, settings.seed),
        "real_": (_unit(x[: len(test)]), torch.from_numpy(labels[: len(test)])),
    }
    for word, (made, asked) in sets.items():
        right = (_told(judge, made) == asked).double()
        yield _share(f"{word}class_agreement", right, said)
        yield _share(f"{word}coverage", _covered(target, features(made)), said)
    right = (_told(judge, test) == torch.from_numpy(test_labels.astype(int))).double()
    yield _share(
        "judge_accuracy", right, f"The judge on {len(test)} real test pictures; {machine()}"
    )


PARTS = {"classes": classes}


def _samples(space: Space, number: int, seed: int) -> tuple[Tensor, Tensor]:
    made = [
        space.sample_tensor(number, seed=CLASSES * seed + c, where={"label": c})
        for c in range(CLASSES)
    ]
    return torch.cat(made), torch.arange(CLASSES).repeat_interleave(number)


def _floor(x: Tensor, labels: Tensor, number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Mixtures on principal components of the pixels of each class, as many as the code has."""
    found, made = principal(x[:10_000].flatten(1), OPTIONS["latent"]), []
    with seeded(seed):
        for c in range(CLASSES):
            points = (x[labels == c].flatten(1) - found.mean) @ found.axes.T / found.scale
            *_, mixture = fit_mixture(points, FLOOR_COMPONENTS, seed=seed)
            mixture.scale_tril.mul_(WIDTH)
            pixels = found.mean + (mixture.sample((number,)) * found.scale) @ found.axes
            made.append(pixels.clamp(0, 1).reshape(-1, *x.shape[1:]))
    return torch.cat(made), torch.arange(CLASSES).repeat_interleave(number)


def _covered(real: Tensor, made: Tensor) -> Tensor:
    """Whether a made thing lies nearer to each real one than its 5th real neighbour, `[N]`."""
    real, made, found = real.double(), made.double(), []
    for part in real.split(CHUNK):
        ball = squared_distances(part, real).topk(NEAREST + 1, largest=False).values[:, -1]
        found.append(squared_distances(part, made).amin(1) < ball)
    return torch.cat(found).double()


def _share(name: str, right: Tensor, said: str) -> Figure:
    share = right.mean().item()
    error = (share * (1 - share) / len(right)) ** 0.5
    return Figure(name, share, "share", "estimate", said, error)


@torch.no_grad()
def _told(judge: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([judge(part).argmax(1) for part in x.split(CHUNK)])


def _judge(x: Tensor, labels: Tensor, *, epochs: int) -> nn.Module:
    """A classifier with dropout, trained on pictures moved by up to two pixels."""
    with seeded(77):
        judge = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(1600, 128), nn.ReLU(),
            nn.Dropout(0.3), nn.Linear(128, CLASSES),
        )  # fmt: skip
        steps = epochs * (len(x) // JUDGE_BATCH)
        optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.02)
        pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for rows in order[: len(x) // JUDGE_BATCH * JUDGE_BATCH].split(JUDGE_BATCH):
                moved = x[rows].roll(torch.randint(-2, 3, (2,)).tolist(), (2, 3))
                loss = cross_entropy(judge(moved), labels[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                pace.step()
    return judge.eval().requires_grad_(False)


def _unit(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).float()[:, None] / 255
