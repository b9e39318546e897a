"""Networks that read content and style off pictures, trained on drawings and on nothing else."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.figures import Settings
from benchmarks.style_worlds import HIGH, LOW, Known, free, parts_of
from zscape.worlds.figures import POSES

NEAR = 0.15  # of its range, within which a number of the pose counts as kept
STEPS, DRAWINGS, BATCH, RATE = 3000, 24_000, 64, 2e-3
SHIFT = 4  # pixels that drawings of figures are moved by at most, and their places with them
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


def trained_judge(name: str, settings: Settings, folder: Path) -> Judge:
    """A judge of a world, and how often it is right of fresh drawings; kept in a folder."""
    rng, numbers = np.random.default_rng(STREAM), name == "figures"
    sizes = (len(POSES) if numbers else 10, *parts_of(name))
    network = _network(64 if numbers else 28, sum(sizes)).eval()
    judge, kept = Judge(network, sizes, numbers, ""), folder / f"style-{name}-judge.safetensors"
    if kept.exists() and not settings.quick:
        network.load_state_dict(load_file(kept))
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(STREAM)
            _learn(judge, free(name, 800 if settings.quick else DRAWINGS, rng), settings)
        if not settings.quick:
            save_file({n: w.contiguous() for n, w in network.state_dict().items()}, kept)
    fresh = free(name, 1000, np.random.default_rng(STREAM + 1))
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
    return Judge(network, sizes, numbers, said)


def unit(pictures: np.ndarray) -> Tensor:
    """Pictures `[N, H, W, 3]` as a network sees them, `[N, 3, H, W]` from 0 to 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def _learn(judge: Judge, known: Known, settings: Settings) -> None:
    steps = 30 if settings.quick else STEPS
    optimiser = torch.optim.AdamW(judge.network.train().parameters(), lr=RATE)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    content, style = torch.from_numpy(known.content), torch.from_numpy(known.style).long()
    for _ in range(steps):
        rows = torch.randint(len(content), (BATCH,))
        x, wanted = unit(known.pictures[rows.numpy()]), content[rows].clone()
        if judge.numbers:
            moved = torch.randint(-SHIFT, SHIFT + 1, (2,))
            x = x.roll(moved.tolist(), (3, 2))
            wanted[:, :2] += moved / torch.from_numpy(HIGH - LOW)[:2]
        with torch.autocast("cpu", torch.bfloat16):
            told = judge.network(x)
        first, *others = told.float().split(judge.sizes, 1)
        loss = sum(cross_entropy(o, style[rows, g]) for g, o in enumerate(others))
        if judge.numbers:
            loss = loss + 50 * (first - wanted.float()).square().mean()
        else:
            loss = loss + cross_entropy(first, wanted[:, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        pace.step()
    judge.network.eval()


def _network(side: int, outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    widths = (3, 32, 64, 64, 96, 96) if side == 64 else (3, 32, 64, 64)
    strides = (2, 2, 1, 2, 2) if side == 64 else (2, 2, 2)
    for (before, after), stride in zip(pairwise(widths), strides, strict=True):
        layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.ReLU()]
    body = [nn.Flatten(), nn.Linear(widths[-1] * 4 * 4, 256), nn.ReLU(), nn.Linear(256, outputs)]
    network = nn.Sequential(*layers, *body)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
