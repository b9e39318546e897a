"""Models of one level whose code is a grid of symbols from a finite set.

Pictures under 'conv' or 'residual' have a map of codes, `[D, h, w]`; other networks have groups of
units, `[P * D]`. Options that all recipes share are told in `flat`; `latent` is the size D of one
code vector here.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.modalities.modality import Modality
from zscape.model.level import Flat, Level
from zscape.model.model import Decoder, Model
from zscape.networks import decoder, grid_decoder, grid_encoder, keeps_grid
from zscape.objective.commitment import Commitment
from zscape.objective.objective import Objective, Reconstruction, Sum, Turn
from zscape.objective.rate import Rate
from zscape.probability.quantised import Quantised, Uniform
from zscape.probability.quantisers import Codebook, Layout, Quantiser, Rounding
from zscape.recipes.build import (
    at_least,
    between,
    front_of,
    is_of_counts,
    likelihood_word,
    plain_head,
)

GROUPS = 8  # of units, where the network has no grid
MOST_STARTED_FROM = 50_000  # vectors that the first codes are the clusters of
REVIVE = 0.03  # of the mean use, below which a code is dead


def vq_vae(
    data: Modality,
    *,
    latent: int = 4,
    codes: int = 512,
    groups: int = 0,
    commitment: float = 0.25,
    start_at: int = 100,
    revive: bool = True,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose code is a grid of vectors from a learned codebook (VQ-VAE); the rate is exact.

    The prior is uniform, ln `codes` nats a vector; a token prior fitted afterwards makes samples.

    Args:
        data: of the things to be modelled.
        latent: size of a code vector; small ones are used better.
        codes: vectors in the codebook.
        groups: code vectors of an example, where the network has no grid; 0: 8. On a grid, the
            sizes of the network say how many: 'conv:32,64' halves twice.
        commitment: what an encoder pays for its distance to the code, in nats.
        start_at: the step at which all codes are put at cluster centres of what the encoder says.
        revive: whether codes that are hardly used are put at vectors of the batch.

    Source: van den Oord et al. 2017, eq. 3, arXiv:1711.00937; Lancucki et al. 2020 (codes from
    clusters), arXiv:2005.08520; Zeghidour et al. 2021 (dead codes), arXiv:2107.03312.
    """
    return rvq_vae(
        data,
        latent=latent,
        codes=codes,
        books=1,
        groups=groups,
        commitment=commitment,
        start_at=start_at,
        revive=revive,
        likelihood=likelihood,
        network=network,
    )


def rvq_vae(
    data: Modality,
    *,
    latent: int = 4,
    codes: int = 64,
    books: int = 2,
    groups: int = 0,
    commitment: float = 0.25,
    start_at: int = 100,
    revive: bool = True,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VQ-VAE with several codebooks, each for what those before it left over.

    `books` of K codes say as much as one of K^`books`, at the cost of `books` small searches.

    Args:
        data: of the things to be modelled.
        latent: size of a code vector; small ones are used better.
        codes: vectors in each codebook.
        books: codebooks.
        groups: code vectors of an example, where the network has no grid; 0: 8.
        commitment: what an encoder pays for its distance to the code, in nats.
        start_at: the step at which all codes are put at cluster centres of what the encoder says.
        revive: whether codes that are hardly used are put at vectors of the batch.

    Source: Zeghidour et al. 2021, section III.C, arXiv:2107.03312; Lee et al. 2022, eqs. 3 to 5,
    arXiv:2203.01941.
    """
    size = int(at_least("codes", codes, 2, start="512"))
    count = int(at_least("books", books, 1, start="2"))
    weight = at_least("commitment", commitment, 0, start="0.25")
    begin = int(at_least("start_at", start_at, 0, start="100"))
    share = REVIVE if revive else 0.0

    def codebook(layout: Layout) -> Quantiser:
        return Codebook(layout, size, books=count, revive=share)

    model = quantised(data, latent, groups, likelihood, network, quantiser=codebook)
    turns = (Turn(begin, _start_codes),)
    return model, Sum(Reconstruction(), Rate(), Commitment(weight), turns=turns)


def fsq_vae(
    data: Modality,
    *,
    latent: int = 4,
    levels: int = 5,
    groups: int = 0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose units are rounded to `levels` values each (FSQ): no codebook, nothing can die.

    A vector is one of `levels`^`latent` codes; the rate is exact, `latent` ln `levels` a vector.

    Args:
        data: of the things to be modelled.
        latent: size of a code vector; 3 to 6 are usual.
        levels: values of each unit; 5 at least are advised.
        groups: code vectors of an example, where the network has no grid; 0: 8.

    Source: Mentzer et al. 2023, eq. 2, arXiv:2309.15505.
    """
    size = int(between("levels", levels, 2, 64))
    count = int(at_least("latent", latent, 1, start="4"))
    if size**count > 2**31:
        raise SpecError(
            f"levels^latent must be at most 2^31 codes, got {size}^{count}. Take fewer of either: "
            "5 levels of 4 units are 625 codes."
        )

    def rounding(layout: Layout) -> Quantiser:
        return Rounding(layout, (size,) * count)

    model = quantised(data, latent, groups, likelihood, network, quantiser=rounding)
    return model, Sum(Reconstruction(), Rate())


def quantised(
    data: Modality,
    latent: int,
    groups: int,
    likelihood: str,
    network: str,
    *,
    quantiser: Callable[[Layout], Quantiser],
) -> Model:
    """A model of one level `z` of codes, shaped by the data.

    Args:
        data: of the things to be modelled.
        latent: size of a code vector.
        groups: code vectors, where the network has no grid; 0: the usual.
        likelihood: a word, or "auto".
        network: a word, or "auto".
        quantiser: from the layout of the grid.

    Raises:
        SpecError: an option that cannot be.
    """
    dimension = int(at_least("latent", latent, 1, start="4"))
    word = likelihood_word(data, likelihood)
    network = data.network if network == "auto" else network
    said = plain_head(word, data)
    features = cast(tuple[int, ...], said.features)
    counts, on_grid = is_of_counts(word), keeps_grid(network)
    if on_grid and groups:
        raise SpecError(
            f"groups must be left out where the network has a grid, got {groups} with "
            f"{network!r}. Sizes of the network say how fine it is: 'conv:32,64' halves twice."
        )
    if on_grid:
        front = grid_encoder(network, data.shape, counts=counts)
        assert front.size is not None
        layout = Layout(dimension, front.size[0] * front.size[1], front.size)
        back = grid_decoder(network, dimension, features)
    else:
        front = front_of(word, data, network)
        layout = Layout(dimension, int(at_least("groups", groups, 0, start="8")) or GROUPS)
        back = decoder(network, layout.event[0], features)
    q = Quantised(front.features, quantiser(layout))
    level = Flat("z", prior=Uniform(q.quantiser), posterior=q)
    return Model(front, [level], Decoder(back, said, ndims=len(layout.event)))


@torch.no_grad()
def _start_codes(model: Model, x: Tensor) -> None:
    """Puts the codes at cluster centres of what the encoder says of examples x `[N, *shape]`."""
    (level,) = model.levels
    assert isinstance(level, Level) and isinstance(level.posterior, Quantised)
    quantiser, parts = level.posterior.quantiser, []
    assert isinstance(quantiser, Codebook)
    for part in x.split(256):
        q = level.posterior.forward(model.encoder(part))
        parts.append(quantiser.layout.rows(q.bounded).flatten(0, 1))
    rows = torch.cat(parts)
    quantiser.start(rows[torch.randperm(len(rows))[:MOST_STARTED_FROM]])
