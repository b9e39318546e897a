"""Named features, in which things are compared: a sample figure means nothing without their name.

They are pixels, standardised rows, a small network trained on known classes, or EfficientNet-Lite0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, max_pool2d

from zscape.measures.pretrained import NAME, SIDE, Lite0, is_installed
from zscape.modalities.image import Image
from zscape.modalities.labels import class_ids
from zscape.space.space import Space, seeded
from zscape.space.wide import row_widening

CHUNK = 256
MOST_PIXELS = 1024  # numbers of a picture; larger ones are averaged down first
PHOTOGRAPH_SIDE = 48
TRAINED = 64  # features of the trained network
LARGEST_TRAINED_SIDE = 32
MOST_TRAINING = 5000
FEWEST_LABELLED = 40
FEWEST_STEPS, MOST_STEPS, EPOCHS, BATCH = 200, 600, 20, 64
LEARNING_RATE = 8e-3
STREAM = 0xFEA7  # its draws are not those of anybody else's small seed


@dataclass(frozen=True, slots=True)
class Features:
    """What things are compared in.

    Attributes:
        name: says which, since figures in different features do not compare.
        function: x as a model sees it, `[N, *shape]`, to `[N, F]`.
        note: what a reader of the figures should know.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    note: str = ""

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """Features of prepared examples, `[N, F]` float32, a chunk at a time."""
        return torch.cat([self.function(part).float() for part in x.split(CHUNK)])


def choose_features(space: Space, labels: np.ndarray | None = None, *, seed: int = 0) -> Features:
    """The features that suit a space.

    Photographs (three channels, 48 pixels or more): EfficientNet-Lite0 where it is installed. Other
    pictures: a network trained on the classes where they are known (2 to 20 seconds), else pixels.
    Rows: the columns themselves, standardised.

    Args:
        space: a space.
        labels: a class of each of its examples, `[N]`; none: the ones it has.
        seed: of the trained network.
    """
    image = space.modality
    if not isinstance(image, Image):
        return row_features(space)
    photographs = image.channels == 3 and min(image.height, image.width) >= PHOTOGRAPH_SIDE
    if photographs and is_installed():
        return pretrained_features()
    note = "pip install 'zscape[features]' compares photographs by what they show"
    if photographs:
        return pixel_features(note=f"pixels say little of photographs: {note}")
    known = space.labels if labels is None else labels
    if known is not None:
        places = _training_places(space)
        ids = class_ids(known)[space.kept[places].numpy()]
        places, ids = places[torch.from_numpy(ids >= 0)], class_ids(ids[ids >= 0])
        if len(ids) >= FEWEST_LABELLED and len(np.unique(ids)) > 1:
            x = space.modality.prepare(space.items[places])
            found = trained_features(x, torch.from_numpy(ids), seed=seed)
            if space.held_out is None or not space.held_out.any():
                found = replace(found, note=f"{found.note}; it has seen the real things compared")
            return found
    return pixel_features()


def pixel_features(*, note: str = "") -> Features:
    """The pixels of a picture; above 1,024 numbers, averaged down to about as many."""
    return Features("pixels", _pixels, note)


def row_features(space: Space) -> Features:
    """The columns of rows as plain numbers, standardised by the space's kept items.

    Categories are one number per class; missing cells stand at the mean.
    """
    wide = row_widening(space)
    return Features("standardised columns", lambda x: wide.widen(x.flatten(1)))


def pretrained_features() -> Features:
    """EfficientNet-Lite0's 1,280 pooled features at 128x128, from its ImageNet weights.

    About 60 ms a picture on one core. Not comparable with figures of an Inception network.

    Raises:
        DataError: the extra `features` is not installed, or its weights are not the known ones.
    """
    return Features(f"{NAME} at {SIDE}x{SIDE}", Lite0())


def trained_features(x: Tensor, labels: Tensor, *, seed: int = 0) -> Features:
    """The 64 penultimate activations of a small classifier trained on these pictures, then frozen.

    The same pictures, labels and seed give the same features; figures compare only between those.
    A tenth of the pictures is kept apart to say how well it tells the classes. At most 600 steps:
    under 20 seconds for 28x28 pictures.

    Args:
        x: prepared pictures, `[N, C, H, W]`; train it on none that it is to judge.
        labels: class ids from 0, `[N]`.
        seed: of its weights and batches.
    """
    with seeded(STREAM + seed):
        order = torch.randperm(len(x))
        apart, training = order[: len(x) // 10], order[len(x) // 10 :]
        network = _Classifier(x.shape[1], int(labels.max()) + 1)
        _train(network, x[training], labels[training])
    with torch.inference_mode():
        right = (network(x[apart]).argmax(1) == labels[apart]).double().mean().item()
        hidden = network.features(x[training])
        # At this scale the kernel of KID weighs its three powers alike.
        unit = (hidden.var(0).mean() + hidden.mean(0).square().mean()).sqrt()
    name = f"a network trained on {len(labels.unique())} classes (seed {seed})"
    note = f"That network tells the class of {right:.1%} of {len(apart):,} pictures it never saw."
    return Features(name, lambda pictures: network.features(pictures) / unit, note)


class _Classifier(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        widths = (channels, 16, 32, 48)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )
        self.hidden = nn.Linear(48 * 16, TRAINED)
        self.last = nn.Linear(TRAINED, classes)

    def features(self, x: Tensor) -> Tensor:
        if max(x.shape[2:]) > LARGEST_TRAINED_SIDE:
            x = adaptive_avg_pool2d(x, LARGEST_TRAINED_SIDE)
        for convolution in self.convolutions:
            x = convolution(x).relu()
            if min(x.shape[2:]) > 4:
                x = max_pool2d(x, 2, ceil_mode=True)
        hidden: Tensor = self.hidden(adaptive_avg_pool2d(x, 4).flatten(1)).relu()
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.features(x))
        return logits


def _train(network: _Classifier, x: Tensor, labels: Tensor) -> None:
    steps = min(max(EPOCHS * len(x) // BATCH, FEWEST_STEPS), MOST_STEPS)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    epochs = -(-steps * BATCH // len(x))
    order = torch.cat([torch.randperm(len(x)) for _ in range(epochs)])
    with torch.enable_grad():
        for step in range(steps):
            batch = order[step * BATCH : (step + 1) * BATCH]
            # Moved by a pixel at most, which on digits is worth 1 % of accuracy.
            moved = x[batch].roll(torch.randint(-1, 2, (2,)).tolist(), (2, 3))
            loss = cross_entropy(network(moved), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pace.step()
    network.eval().requires_grad_(False)


def _pixels(x: Tensor) -> Tensor:
    channels, height, width = x.shape[1:]
    if channels * height * width > MOST_PIXELS:
        shrink = (channels * height * width / MOST_PIXELS) ** 0.5
        size = max(int(height / shrink), 1), max(int(width / shrink), 1)
        x = adaptive_avg_pool2d(x, size)
    return x.flatten(1)


def _training_places(space: Space) -> Tensor:
    """Where kept items stand that trained the model, `[M]`; evenly spread, 5,000 at most."""
    places = torch.arange(len(space.items))
    if space.held_out is not None:
        places = places[~space.held_out]
    stride = -(-len(places) // MOST_TRAINING) or 1
    return places[::stride]
