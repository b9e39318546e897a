"""How good a space's samples are, always beside what the figures read for real things."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.measures.features import Features, choose_features
from zscape.measures.figure import Figure
from zscape.measures.linear import components
from zscape.measures.row import Row
from zscape.measures.samples.distances import frechet, kernel_distance, neighbourhood
from zscape.modalities.image import Image
from zscape.probability.distributions.grids import Grid
from zscape.space.space import Space, seeded
from zscape.space.units import measuring_places
from zscape.space.wide import row_widening

CHUNK = 256
STREAM = 0x5A3B1E  # its draws are not those of anybody else's small seed
MOST_FITTED = 5000

Draw = Callable[[int], Tensor]


@dataclass(frozen=True, slots=True)
class SampleQuality:
    """The same figures for a model's samples and for what they must be read against.

    Attributes:
        rows: "real against real", "samples", "samples from N(0, I)", "PCA-Gaussian".
        features: the name of the features that things were compared in.
        examples: how many things were in each of the two sets, the same in every row.
        held_out: whether the real things were held out of training.
        note: what a reader of the figures should know of the features; may be empty.
    """

    rows: tuple[Row, ...]
    features: str
    examples: int
    held_out: bool
    note: str


def sample_quality(
    space: Space, *, n: int = 2048, seed: int = 0, features: Features | None = None
) -> SampleQuality:
    """Frechet distance, KID, precision, recall, density and coverage of a space's samples.

    Each of four rows is compared with the same n real things: n other real ones (the best that can
    be reached, and what the figures' bias reads); the model's samples; what it makes of codes from
    N(0, I), whatever its prior; and a floor without a model, a Gaussian on as many principal
    components as the code has units. A row is as good as it is near the first; a model that does
    not beat the last one has learned little. In pixels or columns blurred things pass for precise
    and dense, as they lie near everything, and Frechet sees only means and covariances, which is
    all that the last row has: read them in features of a network where there is one.

    Pictures are the likelihood's means, as everywhere; rows are drawn, and get the missing cells of
    the real rows they stand beside. Costs 2n decodes and 6n features.

    Args:
        space: a space.
        n: how many things, half of the held-out ones at most (of all kept ones where none was held
            out).
        seed: of the draws and of the halves that errors come from.
        features: what things are compared in; none: what suits the space.

    Raises:
        SpecError: n below 1.

    Source: the rows: Kynkaanniemi et al. 2019 and Naeem et al. 2020 show that each figure fails
    somewhere, so none stands alone.
    """
    if n < 1:
        raise SpecError(f"n must be at least 1, got {n}. 2048 is a usual number.")
    chosen = choose_features(space, seed=seed) if features is None else features
    places = _shuffled(measuring_places(space, len(space.items)), seed)
    n = min(n, len(places) // 2)
    real = space.modality.prepare(space.items[places[: 2 * n]])
    reference, beside = real[:n], real[n:]
    target = chosen(reference)
    rows = [Row("real against real", _figures(target, chosen(beside), seed))]
    draws: dict[str, Draw] = {
        "samples": lambda size: space.sample_tensor(size),
        "samples from N(0, I)": lambda size: _standard_samples(space, size),
        "PCA-Gaussian": _floor(space),
    }
    for stream, (name, draw) in enumerate(draws.items()):
        made = _drawn(draw, n, seed=STREAM + len(draws) * seed + stream)
        made = made.masked_fill(beside.isnan(), torch.nan)
        rows.append(Row(name, _figures(target, chosen(made), seed)))
    held_out = space.held_out is not None and bool(space.held_out.any())
    return SampleQuality(tuple(rows), chosen.name, n, held_out, chosen.note)


def _figures(real: Tensor, made: Tensor, seed: int) -> tuple[Figure, ...]:
    return (
        frechet(real, made, seed=seed),
        kernel_distance(real, made, seed=seed),
        *neighbourhood(real, made, seed=seed),
    )


@torch.inference_mode()
def _standard_samples(space: Space, n: int) -> Tensor:
    """What the model makes of standard normal codes; choices among classes stay the prior's."""
    choices = {
        latent.name
        for latent in space.model.generate(1).latents
        if latent.p.has_enumerate_support
        or isinstance(latent.p, Grid)
        or not latent.z.is_floating_point()
    }
    given = {
        name: torch.randn(n, *codes.shape[1:])
        for name, codes in space.codes.tensors.items()
        if name not in choices
    }
    likelihood = space.model.generate(n, given=given).likelihood
    x: Tensor = likelihood.sample() if len(space.modality.shape) == 1 else likelihood.mean
    return x


def _floor(space: Space) -> Draw:
    """Draws of a Gaussian on principal components of the things that trained the model."""
    size, shape = space.codes.flat.shape[1], space.modality.shape
    places = torch.arange(len(space.items))
    # Fitted to the things it is judged by, it would look better than they do.
    if space.held_out is not None and not space.held_out.all():
        places = places[~space.held_out]
    x = space.modality.prepare(space.items[places[:: -(-len(places) // MOST_FITTED)]])
    if len(shape) == 1:
        wide = row_widening(space)
        gaussian = components(wide.widen(x), size)
        return lambda n: wide.narrow(gaussian.sample(n, noise=True), whole=True)
    gaussian = components(x.flatten(1), size)
    low, high = (0.0, 1.0) if isinstance(space.modality, Image) else (-torch.inf, torch.inf)
    return lambda n: gaussian.sample(n, noise=False).clamp(low, high).reshape(-1, *shape)


def _drawn(draw: Draw, n: int, *, seed: int) -> Tensor:
    with seeded(seed):
        starts = range(0, max(n, 1), CHUNK)
        return torch.cat([draw(min(CHUNK, max(n - start, 1))) for start in starts])[:n]


def _shuffled(places: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(STREAM + seed)
    return places[torch.randperm(len(places), generator=generator)]
