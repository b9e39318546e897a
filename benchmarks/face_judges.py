"""Networks that tell attributes from pictures of faces and have seen no code."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

BATCH, RATE = 128, 3e-3
STREAM = 0xFACE
MOST = 20.0  # what a face weighs at most, of what it weighs in the data
CHUNK = 500


def judge(x: Tensor, truth: Tensor, *, steps: int, seed: int) -> nn.Module:
    """A network taught pictures `[N, C, H, W]` and their attributes, bool `[N, A]`.

    Faces are drawn as if the attributes were independent. Drawn as they come, few men are blond,
    and a network says of a man that he is not, whatever his hair.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    chance, wanted = as_if_independent(truth), truth.float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        network = _network(x.shape, truth.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=2e-2)
        pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
        for step in range(steps):
            rows = torch.multinomial(chance, BATCH, replacement=True)
            seen = x[rows].roll(torch.randint(-2, 3, (2,)).tolist(), (2, 3))
            seen = seen.flip(3) if step % 2 else seen
            seen = seen * (0.9 + 0.2 * torch.rand(BATCH, 1, 1, 1))
            loss = binary_cross_entropy_with_logits(network(seen), wanted[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pace.step()
    return network.eval().requires_grad_(False)


def as_if_independent(truth: Tensor) -> Tensor:
    """What each face weighs for attributes `[N, A]` to be independent, as frequent as they are.

    The product of the frequencies of its values, over the frequency of all of them together,
    `[N]`.
    """
    frequency = truth.double().mean(0)
    alone = torch.where(truth, frequency, 1 - frequency).prod(1)
    _, kind, number = truth.unique(dim=0, return_inverse=True, return_counts=True)
    return (alone * len(truth) / number[kind]).clamp(max=MOST)


@torch.inference_mode()
def told(network: nn.Module, x: Tensor) -> Tensor:
    """What a network says of pictures `[n, C, H, W]` and their mirror images: bool `[n, A]`."""
    return torch.cat([network(part) + network(part.flip(3)) for part in x.split(CHUNK)]) > 0


def _network(shape: torch.Size, attributes: int) -> nn.Module:
    body = nn.Sequential(
        *(nn.Conv2d(shape[1], 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.Conv2d(64, 128, 3, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(0.5), nn.Linear(128 * (shape[2] // 8) ** 2, attributes)),
    )
    return body.to(memory_format=torch.channels_last)
