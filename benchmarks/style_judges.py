"""Networks that read content and style off pictures, trained on drawings and on nothing else."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.figures import Settings
from benchmarks.style_worlds import Known, free, parts_of
from zscape.worlds.figures import POSES

NEAR = 0.1  # of its range, within which a number of the pose counts as kept
STREAM = 0x57E1


@dataclass(frozen=True, slots=True)
class Judge:
    """What a picture shows: its content as numbers or a class, and each part of its style.

    Attributes:
        network: pictures `[N, 3, H, W]` from 0 to 1 to all outputs.
        sizes: of the outputs: the content, then the parts of the style.
        numbers: whether the content is numbers from 0 to 1.
        said: how good it is.
    """

    network: nn.Module
    sizes: tuple[int, ...]
    numbers: bool
    said: str

    def kept(self, x: Tensor, content: np.ndarray) -> Tensor:
        """Whether each number of the content, or its class, is that one, `[N, F]`."""
        told, truth = self._told(x)[0], torch.from_numpy(content)
        if self.numbers:
            return (told - truth).abs() <= NEAR
        return told.argmax(1, keepdim=True) == truth

    def shown(self, x: Tensor, style: np.ndarray) -> Tensor:
        """Whether each part of the style is that one, `[N, G]`."""
        guesses = [told.argmax(1) for told in self._told(x)[1:]]
        return torch.stack(guesses, 1) == torch.from_numpy(style)

    @torch.inference_mode()
    def _told(self, x: Tensor) -> tuple[Tensor, ...]:
        whole = torch.cat([self.network(part) for part in x.split(250)])
        return whole.split(self.sizes, 1)


def trained_judge(name: str, settings: Settings) -> Judge:
    """A judge of a world, and how often it is right of fresh drawings."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM)
        rng = np.random.default_rng(STREAM)
        numbers = name == "figures"
        sizes = (len(POSES) if numbers else 10, *parts_of(name))
        network = _network(64 if numbers else 28, sum(sizes))
        judge = Judge(network, sizes, numbers, "")
        _learn(judge, free(name, 800 if settings.quick else 16_000, rng), settings)
    fresh = free(name, 1000, rng)
    x = unit(fresh.pictures)
    right = (
        judge.kept(x, fresh.content).double().mean(),
        judge.shown(x, fresh.style).double().mean(),
    )
    what = f"within {NEAR:.0%} of its range" if numbers else "the class"
    said = (
        f"judge: a convolutional network trained on other drawings alone, right of fresh ones: "
        f"content {right[0]:.3f} ({what}), style {right[1]:.3f}"
    )
    return Judge(network.eval(), sizes, numbers, said)


def unit(pictures: np.ndarray) -> Tensor:
    """Pictures `[N, H, W, 3]` as a network sees them, `[N, 3, H, W]` from 0 to 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def _learn(judge: Judge, known: Known, settings: Settings) -> None:
    steps = 30 if settings.quick else 1800
    optimiser = torch.optim.AdamW(judge.network.parameters(), lr=3e-3)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    content, style = torch.from_numpy(known.content), torch.from_numpy(known.style).long()
    for _ in range(steps):
        rows = torch.randint(len(content), (64,))
        first, *others = judge.network(unit(known.pictures[rows.numpy()])).split(judge.sizes, 1)
        loss = sum(cross_entropy(o, style[rows, g]) for g, o in enumerate(others))
        if judge.numbers:
            loss = loss + 20 * (first - content[rows].float()).square().mean()
        else:
            loss = loss + cross_entropy(first, content[rows, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        pace.step()
    judge.network.eval()


def _network(side: int, outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    widths = (3, 32, 48, 64, 64) if side == 64 else (3, 32, 64, 64)
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    body = [nn.Flatten(), nn.Linear(widths[-1] * 4 * 4, 256), nn.ReLU(), nn.Linear(256, outputs)]
    return nn.Sequential(*layers, *body)
