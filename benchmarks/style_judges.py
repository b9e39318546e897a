"""Networks that read content and style off pictures, trained on drawings and on nothing else.

The judge of figures finds joints, and the pose is worked out from them; that of digits tells
classes. Both see fresh drawings in every batch.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, smooth_l1_loss

from benchmarks.figures import Settings
from benchmarks.style_worlds import HIGH, LOW, Known, free, parts_of
from zscape.worlds.figures import JOINTS, joints

NEAR = 0.15  # of its range, within which a number of the pose counts as kept
STEPS = {"figures": 1000, "digits": 5000}
BATCH, DRAWN, RATE = 64, 1024, 2e-3
STREAM = 0x57E1


@dataclass(frozen=True, slots=True)
class Judge:
    """What a picture shows: its content as numbers or a class, and each part of its style.

    Attributes:
        network: pictures `[N, 3, H, W]` from 0 to 1 to all outputs.
        sizes: of the outputs: joints or a digit, then the parts of the style.
        poses: whether the content is a pose, its numbers from 0 to 1.
        said: how good it is.
    """

    network: nn.Module
    sizes: tuple[int, ...]
    poses: bool
    said: str

    def kept(self, x: Tensor, content: np.ndarray) -> Tensor:
        """Whether each number of the content, or its class, is that one, `[N, F]`."""
        told, truth = self._told(x)[0], torch.from_numpy(content)
        if self.poses:
            found = (posed(told.double().unflatten(1, (-1, 2)).numpy()) - LOW) / (HIGH - LOW)
            return (torch.from_numpy(found) - truth).abs() <= NEAR
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
    poses, styles = name == "figures", parts_of(name)
    steps = 30 if settings.quick else STEPS[name]
    sizes = (2 * len(JOINTS) if poses else 10, *styles)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM)
        network = _Finder(len(JOINTS), sum(styles)) if poses else _classes(sum(sizes))
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        judge, kept = Judge(network.eval(), sizes, poses, ""), folder / _file(name)
        if kept.exists() and not settings.quick:
            network.load_state_dict(load_file(kept))
        else:
            _learn(judge, name, steps)
            if not settings.quick:
                folder.mkdir(exist_ok=True)
                save_file({n: w.contiguous() for n, w in network.state_dict().items()}, kept)
    fresh = free(name, 1000, np.random.default_rng(STREAM + 1))
    x = unit(fresh.pictures)
    right = (
        judge.kept(x, fresh.content).double().mean(),
        judge.shown(x, fresh.style).double().mean(),
    )
    what = f"each number within {NEAR:.0%} of its range" if poses else "the class"
    said = (
        f"judge: a network trained on {steps * BATCH:,} other drawings alone, right of "
        f"fresh ones: content {right[0]:.3f} ({what}), style {right[1]:.3f}"
    )
    return Judge(network, sizes, poses, said)


def posed(places: np.ndarray) -> np.ndarray:
    """The poses `[N, 8]` of joints `[N, 11, 2]`: where the hips are and how limbs are turned."""
    hips, *others = places.swapaxes(0, 1)
    turned = {}
    for side, (hip, foot, shoulder, elbow, hand) in ((-1, others[:5]), (1, others[5:])):
        lift, bend = _turn(elbow - shoulder, side), _turn(hand - elbow, side)
        turned[side] = lift, (bend - lift + 140) % 360 - 140, _turn(foot - hip, side)
    both = [turned[side][limb] for limb in range(3) for side in (-1, 1)]
    return np.stack([*hips.T, *both], 1)


def unit(pictures: np.ndarray) -> Tensor:
    """Pictures `[N, H, W, 3]` as a network sees them, `[N, 3, H, W]` from 0 to 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def _turn(limb: np.ndarray, side: int) -> np.ndarray:
    """Degrees of limbs `[N, 2]` from hanging down, outwards; from -90 to 270."""
    return (np.rad2deg(np.arctan2(side * limb[:, 0], limb[:, 1])) + 90) % 360 - 90


def _learn(judge: Judge, name: str, steps: int) -> None:
    optimiser = torch.optim.AdamW(judge.network.train().parameters(), lr=RATE)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    rng = np.random.default_rng(STREAM)
    for step in range(steps):
        start = step * BATCH % DRAWN
        if not start:
            known = free(name, DRAWN, rng)
        loss = _loss(judge, known, slice(start, start + BATCH))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        pace.step()
    judge.network.eval()


def _loss(judge: Judge, known: Known, rows: slice) -> Tensor:
    """Of joints in pixels or of the digit, and of the parts of the style."""
    style = torch.from_numpy(known.style[rows]).long()
    has = torch.cpu._is_avx512_bf16_supported()
    with torch.autocast("cpu", torch.bfloat16, enabled=has):
        told = judge.network(unit(known.pictures[rows]))
    first, *others = told.float().split(judge.sizes, 1)
    loss = sum((cross_entropy(o, style[:, g]) for g, o in enumerate(others)), first.new_zeros(()))
    if judge.poses:
        wanted = joints(LOW + known.content[rows] * (HIGH - LOW)).reshape(len(first), -1)
        return 0.3 * loss + smooth_l1_loss(first, torch.from_numpy(wanted).float())
    return loss + cross_entropy(first, torch.from_numpy(known.content[rows, 0]))


class _Finder(nn.Module):
    """Pictures of 64 by 64 to places of joints, the centres of maps and a correction, and styles.

    Source: Sun et al. 2018, eq. 2 (the centre of a map), arXiv:1711.08229.
    """

    at: Tensor

    def __init__(self, num_joints: int, others: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(_layer(3, 32, 2), _layer(32, 48, 2), _layer(48, 64, 1))
        self.coarse = nn.Sequential(_layer(64, 96, 2), _layer(96, 96, 1))
        self.back, self.both = nn.Conv2d(96, 64, 1), _layer(64, 64, 1)
        self.maps = nn.Conv2d(64, num_joints, 1)
        wide = nn.Linear(96 * 8 * 8, 192)
        self.flat = nn.Sequential(
            nn.Flatten(), wide, nn.ReLU(), nn.Linear(192, 2 * num_joints + others)
        )
        self.register_buffer("at", 4 * torch.arange(16) + 2.0, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 2 * joints + others]`, places in pixels."""
        fine = self.fine(x)
        coarse = self.coarse(fine)
        map_ = self.maps(self.both(fine + interpolate(self.back(coarse), scale_factor=2.0)))
        here = map_.float().flatten(2).softmax(-1).unflatten(-1, (16, 16))
        places = torch.stack([here.sum(2) @ self.at, here.sum(3) @ self.at], -1).flatten(1)
        told = self.flat(coarse).float()
        corrected = places + told[:, : places.shape[1]]
        return torch.cat([corrected, told[:, places.shape[1] :]], 1)


def _layer(before: int, after: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1)
    return nn.Sequential(convolution, nn.GroupNorm(8, after), nn.ReLU())


def _classes(outputs: int) -> nn.Module:
    """Pictures of 28 by 28 to classes."""
    layers: list[nn.Module] = []
    for before, after in pairwise((3, 32, 64, 64)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    body = [nn.Flatten(), nn.Linear(64 * 4 * 4, 256), nn.ReLU(), nn.Linear(256, outputs)]
    return nn.Sequential(*layers, *body)


def _file(name: str) -> str:
    return f"style-{name}-judge-{STEPS[name]}.safetensors"
