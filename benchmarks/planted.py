"""Runs whose codes collapse by design, and sound ones beside them, for `collapse`."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from benchmarks.data import file_of
from zscape.modalities.modality import Modality
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks import encoder
from zscape.objective.objective import Objective
from zscape.probability.conditional import Conditional
from zscape.probability.priors import Standard
from zscape.recipes import Recipe
from zscape.recipes.remedies import costed, posterior_of
from zscape.study.intake.sources import NUM_SPRITES
from zscape.worlds.sprites import sprites

WIDTH = 64


@dataclass(frozen=True, slots=True)
class Case:
    """A run: what it is called, its data by a seed, its recipe and settings.

    `renewed` says that another seed draws other data of the same kind.
    """

    name: str
    data: Callable[[int], Any]
    recipe: str | Recipe = "vae"
    settings: dict[str, Any] = field(default_factory=dict)
    renewed: bool = True


class Tokens(Distribution):
    """Whole numbers in a row, each given those before it and a context, in nats."""

    def __init__(self, owner: "Causal", context: Tensor) -> None:
        self.owner = owner
        self.context = context
        super().__init__(context.shape[:-1], owner.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        logits = self.owner.logits(value, self.context).log_softmax(-1)
        index = value.long().expand(*logits.shape[:-1])
        return logits.gather(-1, index[..., None])[..., 0].sum(-1)

    @property
    def mean(self) -> Tensor:
        """The most likely number at each place in turn."""
        return self._told(lambda logits: logits.argmax(-1))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        assert not sample_shape
        return self._told(lambda logits: torch.distributions.Categorical(logits=logits).sample())

    @torch.no_grad()
    def _told(self, choose: Callable[[Tensor], Tensor]) -> Tensor:
        x = self.context.new_zeros(*self.batch_shape, *self.event_shape)
        for place in range(x.shape[-1]):
            x[..., place] = choose(self.owner.logits(x, self.context)[..., place, :]).to(x.dtype)
        return x


class Causal(Conditional):
    """A strong decoder: a recurrent network over the numbers so far, which sees the context."""

    def __init__(self, shape: tuple[int, ...], classes: int, dropped: float) -> None:
        super().__init__()
        self.shape = shape
        self.features = (WIDTH,)
        self.embed = nn.Embedding(classes + 1, WIDTH)
        self.drop = nn.Dropout(dropped)
        self.recurrent = nn.GRU(2 * WIDTH, WIDTH, batch_first=True)
        self.out = nn.Linear(2 * WIDTH, classes)

    def forward(self, context: Tensor) -> Tokens:
        return Tokens(self, context)

    def logits(self, x: Tensor, context: Tensor) -> Tensor:
        """Of every place given the places before it, `[..., T, classes]`."""
        first = torch.full_like(x[..., :1], self.embed.num_embeddings - 1)
        before = self.drop(self.embed(torch.cat([first, x[..., :-1]], -1).long()))
        beside = context[..., None, :].expand(*context.shape[:-1], x.shape[-1], -1)
        before = before.expand(*beside.shape[:-1], -1)
        flat = torch.cat([before, beside], -1).flatten(0, -3)
        hidden = self.recurrent(flat)[0].unflatten(0, context.shape[:-1])
        return self.out(torch.cat([hidden, beside], -1))


def causal_vae(
    data: Modality,
    *,
    latent: int = 8,
    classes: int = 12,
    beta: float = 1.0,
    warmup: int = 0,
    free_bits: float = 0.0,
    free_bits_per: str = "unit",
    target_rate: float = 0.0,
    mean_scale: float = 0.0,
    decoder_dropout: float = 0.0,
    warm_start: int = 0,
) -> tuple[Model, Objective]:
    """A VAE of rows of whole numbers whose decoder reads each from those before it."""
    kinds = (("categorical", classes),) * data.shape[0]
    front = encoder("mlp:128", data.shape, columns=kinds)
    q = posterior_of(mean_scale)(front.features, latent)
    level = Flat("z", prior=Standard(latent), posterior=q)
    head = Causal(data.shape, classes, decoder_dropout)
    model = Model(front, [level], Decoder(nn.Linear(latent, WIDTH), head))
    return model, costed(
        model,
        beta=beta,
        warmup=warmup,
        free_bits=free_bits,
        free_bits_per=free_bits_per,
        target_rate=target_rate,
        warm_start=warm_start,
    )


def digits(seed: int, *, count: int = 3000) -> np.ndarray:
    """Digits of MNIST, binarised; a slice of its own for every seed."""
    pictures = np.load(file_of("mnist.npz"))["train_images"]
    start = (seed * count) % (len(pictures) - count)
    grey = pictures[start : start + count] / 255
    on = np.random.default_rng(seed).random(grey.shape) < grey
    return (255 * on).astype(np.uint8)


def small_digits(seed: int) -> np.ndarray:
    """The same digits at 14 pixels a side, binarised after shrinking."""
    grey = digits(seed, count=2000).reshape(-1, 14, 2, 14, 2).mean((2, 4)) / 255
    return (255 * (grey > np.random.default_rng(seed).random(grey.shape))).astype(np.uint8)


def tiny_digits(seed: int) -> np.ndarray:
    """The same digits at 7 pixels a side, in four levels of grey, row after row."""
    grey = digits(seed, count=4000).reshape(-1, 7, 4, 7, 4).mean((2, 4)) / 256
    return (4 * grey).astype(np.int64).reshape(-1, 49)


def rendered_sprites(seed: int, *, count: int = 3000) -> Any:
    """Sprites of 32 pixels."""
    chosen = np.random.default_rng(4000 + seed).choice(NUM_SPRITES, count, replace=False)
    return sprites(32, indices=np.sort(chosen))


def rows(name: str) -> Callable[[int], np.ndarray]:
    """The rows of a table of ADBench, without its labels."""

    def read(seed: int) -> np.ndarray:
        with zipfile.ZipFile(file_of("adbench_classical.zip")) as archive:
            inside = next(n for n in archive.namelist() if name in n)
            return np.load(io.BytesIO(archive.read(inside)))["X"][:4000]

    return read


def sentences(seed: int, *, count: int = 4000, length: int = 20, words: int = 12) -> np.ndarray:
    """Text-like rows of a hidden Markov model: a topic and a mood choose how words follow."""
    world = np.random.default_rng(1)  # one language for every seed
    topics, moods, states = 4, 2, 4
    moves = world.dirichlet(np.full(states, 0.4), (topics, states))
    says = world.dirichlet(np.full(words, 0.4), (topics, moods, states))
    draw = np.random.default_rng(1000 + seed)
    topic, mood = draw.integers(0, topics, count), draw.integers(0, moods, count)
    state = draw.integers(0, states, count)
    out = np.empty((count, length), dtype=np.int64)
    for place in range(length):
        out[:, place] = _choose(says[topic, mood, state], draw)
        state = _choose(moves[topic, state], draw)
    return out


def one_hot_rows(seed: int, *, count: int = 4000) -> np.ndarray:
    """Rows whose first columns are one-hot copies of the two kinds that the others depend on."""
    world, draw = np.random.default_rng(2), np.random.default_rng(2000 + seed)
    first, second = draw.integers(0, 8, count), draw.integers(0, 4, count)
    chances = world.dirichlet(np.full(4, 0.4), (10, 8, 4))
    cells = [_choose(column[first, second], draw) for column in chances]
    kinds = [np.eye(8, dtype=np.int64)[first], np.eye(4, dtype=np.int64)[second]]
    return np.concatenate([*kinds, np.stack(cells, axis=1)], axis=1)


def mixed_rows(seed: int, *, count: int = 3000) -> Any:
    """A table of numbers, counts and names that three hidden numbers explain."""
    import pandas as pd

    world, draw = np.random.default_rng(3), np.random.default_rng(3000 + seed)
    hidden = draw.normal(size=(count, 3))
    loads = 1.5 * world.normal(size=(3, 12))
    numbers = hidden @ loads + 0.5 * draw.normal(size=(count, 12))
    frame = pd.DataFrame({f"number{i}": numbers[:, i] for i in range(8)})
    frame["visits"] = draw.poisson(np.exp(0.5 * numbers[:, 8].clip(-4, 4)))
    frame["orders"] = draw.poisson(np.exp(0.5 * numbers[:, 9].clip(-4, 4)))
    frame["kind"] = np.where(numbers[:, 10] > 0, "high", "low")
    frame["side"] = np.where(numbers[:, 11] > 0, "left", "right")
    return frame


def _choose(chances: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return (
        (chances.cumsum(1) < draw.random(len(chances))[:, None])
        .sum(1)
        .clip(max=chances.shape[1] - 1)
    )


_SHORT = {"epochs": 30, "network": "mlp:256"}
_CAUSAL = {"epochs": 25, "latent": 8}
_TINY = {"epochs": 9, "latent": 8, "classes": 4}
_HUGE = {"epochs": 12, "latent": 8, "network": "mlp:" + ",".join(["128"] * 32)}
_PIXELS = {"latent": 8, "network": "mlp:16", "depth": 8, "width": 24, "learning_rate": 3e-3}

PLANTED = (
    Case("beta 1000, digits", digits, settings={**_SHORT, "epochs": 10, "beta": 1000.0}),
    Case(
        "beta 1000, rows",
        rows("cardio"),
        settings={"epochs": 15, "latent": 8, "beta": 1000.0},
        renewed=False,
    ),
    Case(
        "beta 200, sprites",
        rendered_sprites,
        "beta_vae",
        {**_SHORT, "epochs": 10, "latent": 10, "beta": 200.0},
    ),
    Case("causal decoder, sentences", sentences, causal_vae, {**_CAUSAL, "classes": 12}),
    Case("one-hot leakage, rows", one_hot_rows, causal_vae, {**_CAUSAL, "classes": 4}),
    Case("recurrent decoder, tiny digits", tiny_digits, causal_vae, _TINY),
    Case(
        "pixel decoder, small digits",
        small_digits,
        "pixel_vae",
        {**_PIXELS, "epochs": 10, "batch_size": 64},
    ),
    Case(
        "pixel decoder, scikit-learn's digits",
        lambda seed: "digits",
        "pixel_vae",
        {**_PIXELS, "width": 32, "epochs": 15},
        renewed=False,
    ),
    Case("huge decoder, digits", digits, settings=_HUGE),
    Case(
        "width above the data's, digits",
        lambda seed: "digits",
        settings={"epochs": 20, "latent": 8, "likelihood": "gaussian"},
        renewed=False,
    ),
    Case(
        "capacity of nothing, digits",
        digits,
        "capacity_vae",
        {**_SHORT, "capacity": 0.0},
    ),
)

# Chosen before any threshold of the doctor was.
HEALTHY = (
    Case("vae, scikit-learn's digits", lambda seed: "digits", settings={"latent": 8}),
    Case("vae, digits", digits, settings=_SHORT),
    Case("free_bits_vae, digits", digits, "free_bits_vae", _SHORT),
    Case("vamp_vae, digits", digits, "vamp_vae", {**_SHORT, "latent": 8}),
    Case("vae, sprites", rendered_sprites, settings={**_SHORT, "latent": 10}),
    Case("vae, landsat", rows("landsat"), settings={"latent": 8, "epochs": 30}),
    Case("iwae, pendigits", rows("pendigits"), "iwae", {"latent": 6, "epochs": 30}),
    Case("vae, mixed rows", mixed_rows, settings={"latent": 4, "epochs": 30}),
)
