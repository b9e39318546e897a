"""What the levels of a ladder hold, on MNIST: does the top alone keep the digit's class?

Test digits are encoded to the centres of their codes, some levels are redrawn from their priors,
and an independent classifier says whether the decoded digit is still of the class that the
reconstruction has. The floor does the same to principal components.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d

from benchmarks.budget import Budget
from benchmarks.data import mnist
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import standard_error
from benchmarks.mnist_nats import FIVE, SHAPE, described, drawn_anew, trained
from zscape.model.bound import rate
from zscape.model.model import Model

MINUTES = 2.5  # of two cores, for the ladder
JUDGED = 2000  # test pictures
APART = 5000  # training pictures at the end that only tell the best epoch
DRAWS = 3  # for each picture
STREAM = 0x1E7E1


def ladder(settings: Settings) -> Iterator[Figure]:
    """A ladder of size 'small' on MNIST whose pixels are drawn anew in every step."""
    grey, _ = pictures("train")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM)
        apart = drawn_anew(grey[-APART:])
        x = drawn_anew(pictures("test")[0][: 200 if settings.quick else JUDGED])
    seconds = 15.0 if settings.quick else 120 * MINUTES
    model, said = trained(
        FIVE, grey[:-APART], apart, Budget(seconds), settings.seed, prepare=drawn_anew
    )
    network, right = classifier(settings)
    protocol = (
        f"MNIST binarized anew in every step; {described(FIVE, model)}; at most {seconds:.0f} CPU "
        f"seconds, {said}, seed {settings.seed}; {len(x):,} test pictures at the centres of their "
        f"codes, {DRAWS} draws each, class of the mean picture against that of the reconstruction "
        f"by an independent network ({right:.2%} right on grey test pictures); {machine()}"
    )
    yield from _figures(model, x, network, protocol)


def floor(settings: Settings) -> Iterator[Figure]:
    """Principal components: the first kept, the rest redrawn from a Gaussian."""
    x = pictures("train")[0][:20_000].flatten(1).float() / 255
    judged = pictures("test")[0][: 200 if settings.quick else JUDGED].flatten(1).float() / 255
    centre = x.mean(0)
    _, values, vectors = torch.linalg.svd(x - centre, full_matrices=False)
    sizes = (FIVE.latent, *FIVE.size.vectors)
    units = sum(sizes)
    axes, scale = vectors[:units], values[:units] / len(x) ** 0.5
    network, _ = classifier(settings)
    codes = (judged - centre) @ axes.T
    protocol = (
        f"grey MNIST, {units} principal components, groups of {sizes}, redrawn from a Gaussian of "
        f"their variances; {len(judged):,} test pictures, {DRAWS} draws each, the same network; "
        f"{machine()}"
    )

    def class_of(codes: Tensor) -> Tensor:
        seen = (centre + codes @ axes).clamp(0, 1).reshape(-1, *SHAPE)
        return network(seen).argmax(1)

    torch.manual_seed(STREAM)
    for name, first in (
        ("floor_pca_class_kept_when_fine_redrawn", sizes[0]),
        ("floor_pca_class_changed_when_lowest_redrawn", units - sizes[-1]),
    ):
        same = []
        for _ in range(DRAWS):
            drawn = codes.clone()
            drawn[:, first:] = torch.randn_like(drawn[:, first:]) * scale[first:]
            same.append((class_of(drawn) == class_of(codes)).double())
        yield _share(name, torch.stack(same), protocol, changed="changed" in name)


PARTS = {"class_kept_when_fine_redrawn": ladder, "floor": floor}


def pictures(part: str) -> tuple[Tensor, Tensor]:
    """Grey MNIST, uint8 `[N, 1, 28, 28]`, and the digits `[N]`."""
    images, labels = mnist(part)
    return torch.from_numpy(images).reshape(-1, *SHAPE), torch.from_numpy(labels).long()


def classifier(settings: Settings) -> tuple[nn.Module, float]:
    """A small convolutional network trained on grey MNIST alone, and its share right of the test.

    Batches are moved by a pixel at most.
    """
    x, digits = pictures("train")
    steps = 60 if settings.quick else 1400
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM)
        network = _network()
        optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3)
        pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(x), (128,))
            seen = (x[rows].float() / 255).roll(torch.randint(-1, 2, (2,)).tolist(), (2, 3))
            loss = cross_entropy(network(seen), digits[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pace.step()
    network.eval().requires_grad_(False)
    test, truth = pictures("test")
    guesses = torch.cat([network(p.float() / 255).argmax(1) for p in test.split(1000)])
    return network, (guesses == truth).double().mean().item()


def _network() -> nn.Module:
    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return max_pool2d(x.relu(), 2)

    return nn.Sequential(
        *(nn.Conv2d(1, 24, 5, padding=2), Pool()),
        *(nn.Conv2d(24, 48, 3, padding=1), Pool()),
        *(nn.Conv2d(48, 96, 3, padding=1), Pool()),
        *(nn.Flatten(), nn.Linear(96 * 9, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


@torch.inference_mode()
def _figures(model: Model, x: Tensor, network: nn.Module, protocol: str) -> Iterator[Figure]:
    names = [str(level.name) for level in model.levels]
    traces = [model.encode(part) for part in x.split(500)]
    codes = {n: torch.cat([trace[n].z for trace in traces]) for n in names}
    own = network(torch.cat([trace.likelihood.mean for trace in traces])).argmax(1)
    torch.manual_seed(STREAM)
    for name, kept in (
        ("class_kept_when_fine_redrawn", names[:1]),
        ("class_changed_when_lowest_redrawn", names[:-1]),
    ):
        same = []
        for _ in range(DRAWS):
            given = {n: codes[n] for n in kept}
            made = model.generate(len(x), given=given).likelihood.mean
            same.append((network(made).argmax(1) == own).double())
        yield _share(name, torch.stack(same), protocol, changed="changed" in name)
    drawn = [model(part) for part in x.split(500)]
    for n in names:
        spent = torch.cat([rate(trace[n]).expand(1, -1)[0] for trace in drawn])
        said = f"mean rate of level {n}, one draw each; the same model; {machine()}"
        mean = spent.mean().item()
        yield Figure(f"rate_of_{n}", mean, "nats", "estimate", said, standard_error(spent))


def _share(name: str, same: Tensor, protocol: str, *, changed: bool) -> Figure:
    values = (1 - same if changed else same).mean(0)
    mean = values.mean().item()
    return Figure(name, mean, "share", "estimate", protocol, standard_error(values))
