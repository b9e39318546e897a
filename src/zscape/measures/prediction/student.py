"""The network that tells classes at last: it learns what neighbours agree on, under small moves."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from zscape.networks.moves import moved, relit
from zscape.space.space import seeded

WIDTHS, SMALLEST, HIDDEN, DROPOUT = (24, 48, 96), 4, 128, 0.3
BATCH, PASSES, FEWEST, MOST = 128, 6, 300, 3000  # steps: so many passes, within bounds
LEARNING_RATE, DECAY = 3e-3, 0.01
STREAM = 0x57D7  # its draws are not those of anybody else's small seed


def student(shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """A network of things `[N, *shape]` to logits `[N, classes]`: pictures, or rows of numbers."""
    if len(shape) == 1:
        sizes = (shape[0], HIDDEN, HIDDEN)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.SiLU(), nn.Dropout(DROPOUT)]
        return nn.Sequential(*layers, nn.Linear(HIDDEN, classes))
    channels, height, width = shape
    layers, before = [], channels
    for stage in range(_stages(min(height, width))):
        after, size = WIDTHS[min(stage, len(WIDTHS) - 1)], 3 if stage else 5
        layers += [nn.Conv2d(before, after, size, padding=size // 2), nn.MaxPool2d(2)]
        layers += [nn.BatchNorm2d(after), nn.SiLU()]
        before, height, width = after, height // 2, width // 2
    layers += [nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(before * height * width, classes)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train_student(
    network: nn.Module,
    x: Tensor,
    ids: Tensor,
    *,
    seed: int,
    passes: float = PASSES,
    shaded: bool = False,
) -> None:
    """Trains a student in place, pictures under small moves, and leaves it in evaluation mode.

    Args:
        network: of `student`.
        x: what it sees, `[N, *shape]`.
        ids: classes, `[N]`.
        seed: of its batches and moves.
        passes: over x, at least 300 and at most 3,000 steps.
        shaded: whether the light of pictures is by chance too: not where they are of ink.
    """
    size = min(BATCH, max(len(x), 2))
    steps = int(min(max(passes * len(x) / size, FEWEST), MOST))
    weights = network.parameters()
    optimiser = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=DECAY)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    network.train()
    with seeded(STREAM + seed), torch.enable_grad():
        for _ in range(steps):
            some = torch.randint(len(x), (size,))
            batch = moved(x[some]) if x.ndim == 4 else x[some]
            batch = relit(batch) if shaded else batch
            with _half(x):
                logits = network(batch)
            loss = cross_entropy(logits.float(), ids[some])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pace.step()
    network.eval().requires_grad_(False)


@torch.inference_mode()
def answers(network: nn.Module, x: Tensor) -> Tensor:
    """Logits `[N, K]` of what a student sees."""
    return torch.cat([network(part).float() for part in x.split(1024)])


def _half(x: Tensor) -> torch.autocast:
    """bfloat16 for pictures where the processor has it."""
    fast = x.ndim == 4 and torch.cpu._is_avx512_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)


def _stages(side: int) -> int:
    stages = 0
    while side > SMALLEST:
        side, stages = side // 2, stages + 1
    return stages
