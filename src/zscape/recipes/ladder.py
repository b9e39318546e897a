"""Models of many levels, from coarse to fine: `ladder_vae`.

A level is either a vector, which says what the whole picture is, or a map, which says what is
where. The sizes have names, so that nobody writes a list of blocks.
"""

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import nn

from zscape.errors import SpecError
from zscape.modalities.modality import Modality
from zscape.model.ladder import Informed, Placed, Rung
from zscape.model.model import Decoder, Model
from zscape.networks.ladder import (
    Block,
    Head,
    Intake,
    Meeting,
    Paint,
    Place,
    Upward,
    coarse_cut,
    size_after,
)
from zscape.objective.objective import Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.objective.schedules import stepped
from zscape.probability import priors
from zscape.probability.conditional import Conditional
from zscape.recipes.build import at_least, likelihood_word, one_of, plain_head


@dataclass(frozen=True, slots=True)
class Size:
    """How large a ladder is.

    Attributes:
        vectors: units of each level below the top whose code is a vector.
        coarse: channels of each level whose code is a map of 4 to 8 points a side.
        fine: likewise, of twice as many points a side.
        state: features of a vector state.
        channels: of a map state.
        hidden: features inside the blocks of vectors.
        width: likewise of maps.
        blocks: after each level, and at each place on the way up.
    """

    vectors: tuple[int, ...]
    coarse: tuple[int, ...] = ()
    fine: tuple[int, ...] = ()
    state: int = 128
    channels: int = 32
    hidden: int = 128
    width: int = 16
    blocks: int = 1


SIZES = {
    "tiny": Size((8,), state=64, channels=16, hidden=64, width=8),
    "small": Size((16, 16), state=256, channels=32, hidden=256, width=16),
    "medium": Size((16,), (2, 2, 2), state=256, channels=64, hidden=256, width=32, blocks=2),
    "large": Size(
        (16,), (4,) * 6, (2,) * 8, state=256, channels=64, hidden=256, width=32, blocks=2
    ),
}

PRIORS = ("standard", "mixture", "flow")


def ladder_vae(
    data: Modality,
    *,
    latent: int = 32,
    prior: str = "mixture",
    components: int = 100,
    free_bits: float = 0.0,
    free_steps: int = 0,
    beta: float = 1.0,
    likelihood: str = "auto",
    network: str = "small",
) -> tuple[Model, Objective]:
    """VAE of pictures with many levels, from coarse to fine; the finer ones know the coarser.

    One pass up through the picture; then, level by level, the prior tells what to expect, and the
    posterior moves it by what the picture adds. Pictures are cut into squares first, so that it
    trains on a CPU.

    Args:
        data: of pictures.
        latent: units of the top level, which is a vector.
        prior: of the top level: "standard", "mixture" or "flow".
        components: Gaussians of the mixture.
        free_bits: nats of every level that are free, against levels that say nothing.
        free_steps: for how many steps they are; 0: for all.
        beta: what a nat of the rate costs; 1 is the ELBO.
        network: how large it is. "tiny" and "small": 2 and 3 levels of vectors, for minutes on a
            CPU; "medium": 2, and 3 of maps; "large": 2, and 14 of maps, for a GPU.

    Source: Sonderby et al. 2016, arXiv:1602.02282; Child 2021, arXiv:2011.10650; Vahdat and Kautz
    2020, arXiv:2007.03898; free bits: Kingma et al. 2016, eq. 15, arXiv:1606.04934.
    """
    latent = int(at_least("latent", latent, 1, start="32"))
    chosen = SIZES["small"] if network == "auto" else one_of("network", network, SIZES)
    count = int(at_least("components", components, 1, start="100"))
    top = one_of("prior", prior, {word: word for word in PRIORS})
    _require_pictures(data)
    free = at_least("free_bits", free_bits, 0, start="0.5")
    until = int(at_least("free_steps", free_steps, 0))
    floor = stepped(free, milestones=(until,), factor=0.0) if until else free
    objective = Sum(Reconstruction(), Rate(at_least("beta", beta, 0), floor=floor, per="level"))
    word = likelihood_word(data, likelihood)
    said = plain_head(word, data)
    return built(data.shape, latent, chosen, _top(top, latent, count), said), objective


def built(
    shape: tuple[int, ...], latent: int, size: Size, top: Conditional, likelihood: Conditional
) -> Model:
    """The model of a size, for pictures `[C, H, W]`: `top` is the prior of its first level."""
    channels, height, width = shape
    coarsest = coarse_cut(height, width)
    fine = size.fine if coarsest > 1 else ()
    cut = coarsest // 2 if fine else coarsest
    vector = Place(size.state)
    maps = Place(size.channels, size_after(height, width, coarsest))
    finest = replace(maps, size=size_after(height, width, cut))
    codes = [
        *((vector, units) for units in (latent, *size.vectors)),
        *((maps, units) for units in (size.coarse if fine else size.coarse + size.fine)),
        *((finest, units) for units in fine),
    ]
    upward = [finest, *([maps] if fine else []), vector]
    depth = len(codes) * size.blocks
    ends = [place for place, _ in codes[1:]] + [finest]
    rungs = [
        _rung(number, place, units, then, upward.index(place), size, depth, top)
        for number, ((place, units), then) in enumerate(zip(codes, ends, strict=True), 1)
    ]
    features = cast(tuple[int, int, int], likelihood.features)
    painted = nn.Sequential(
        *(Block(finest, size.width, depth=size.blocks) for _ in range(size.blocks)),
        Paint(size.channels, features, cut),
    )
    encoder = Upward(channels, cut, upward, blocks=size.blocks, width=size.width)
    model = Model(encoder, rungs, Decoder(painted, likelihood, ndims=3))
    # As convolutions run fastest.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _rung(
    number: int,
    place: Place,
    units: int,
    then: Place,
    evidence: int,
    size: Size,
    depth: int,
    top: Conditional,
) -> Rung:
    inner = size.hidden if place.size is None else size.width
    ndims = len(place.shape)
    code = replace(place, channels=units)
    is_top = number == 1
    # Were the top silent too, codes would be noise at first, and the state learn to ignore them.
    told = Head(place, inner, 2 * units, silent=not is_top)
    posterior = Informed(Meeting(place, stateless=is_top), told, ndims=ndims)
    prior = top if is_top else Placed(Head(place, inner, 2 * units), ndims=ndims)
    intake = Intake(code, place, then, blocks=size.blocks, width=inner, depth=depth)
    return Rung(f"z{number}", prior=prior, posterior=posterior, place=evidence, intake=intake)


def _top(word: str, latent: int, components: int) -> Conditional:
    if word == "mixture":
        return priors.Mixture(latent, components)
    return priors.Flow(latent) if word == "flow" else priors.Standard(latent)


def _require_pictures(data: Modality) -> None:
    if len(data.shape) != 3:
        raise SpecError(
            f"ladder_vae must have pictures of channels, height and width, got examples of shape "
            f"{tuple(data.shape)}. Use 'vae' for these data."
        )
