"""Models whose code is a content and a style, learned from groups that share one of them.

Options that all recipes share are told in `flat`.
"""

import re
from math import prod
from typing import cast

from zscape.errors import SpecError
from zscape.modalities.conditions import Conditions, Field
from zscape.modalities.modality import Modality
from zscape.model.model import Decoder, Model
from zscape.model.parted import Part
from zscape.model.start import Plain
from zscape.networks import styled_decoder, styled_encoder
from zscape.objective.apart import Apart
from zscape.objective.critic import GroupCritic
from zscape.objective.cycle import Cycle
from zscape.objective.objective import Objective, Reconstruction, Sum, Term
from zscape.objective.rate import Rate
from zscape.objective.schedules import linear
from zscape.probability import posteriors, priors
from zscape.recipes.build import at_least, between, ends, one_of

PARTS = ("content", "style")
OPPONENT = (256, 256)  # widths of the network that guesses groups


def split_vae(
    data: Modality,
    known: Conditions,
    *,
    split: str = "",
    shared: str = "style",
    group: str = "",
    latent: int = 24,
    beta: float = 1.0,
    shared_rate: float = 1.0,
    apart: float = 1.0,
    guess: float = 0.0,
    cycle: float = 1.0,
    cycle_share: float = 0.25,
    warmup: int = 0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE of a content and a style, told apart by groups that share one of them: `zscape mix`.

    A label says which examples share: pictures of the same garment share their style, pictures of
    the same digit their content. No two need show the same thing otherwise. In training the shared
    part of a code is read off another example of the group, so it cannot hold anything else; what
    the other part says is paid for in nats. Afterwards nothing needs to be known.

    Args:
        data: of the things to be modelled.
        known: what is known beside them; one class of it is the group.
        split: units of both, as "content=16,style=8"; "": two thirds of latent and the rest.
        shared: what examples of a group share: "style" or "content".
        group: the name of the class that says who shares; "": the first that is known.
        latent: size of the code where split does not say its parts.
        beta: what a nat of the rate costs, for every 768 numbers of an example, or for all.
        shared_rate: how much of its rate the shared part pays. Group mates could send theirs once
            for all: 0.02 for groups of 50.
        apart: what it costs that own codes are alike in a group, for every 32 numbers; what is
            alike there belongs into the shared part. A larger one parts more and learns later.
        guess: what a nat costs that an opponent can tell of the group by own codes, for every 32
            numbers; it sees what apart does not, and takes some thousand steps: 1 or 2 are usual.
        cycle: what a nat costs that the codes of a mix are not found again in it; rows need it,
            large pictures train faster without.
        cycle_share: share of a batch that is mixed for that.
        warmup: steps in which its cost grows from 0.

    Source: Bouchacourt et al. 2018, eq. 5 (a rate a group), arXiv:1705.08841; Hosoya 2019,
    arXiv:1809.02383. Opponent: Lample et al. 2017, arXiv:1706.00409. Decoder and cycle: Huang et
    al. 2018, arXiv:1804.04732.
    """
    sizes = _sizes(split, int(at_least("latent", latent, 1, start="24")))
    held, field = one_of("shared", shared, {part: part for part in PARTS}), _group_of(known, group)
    front, said, word = ends(data, likelihood, network)
    front, reads = styled_encoder(word, front)
    levels = _parts(front.features, reads, sizes, held)
    back = styled_decoder(word, sizes, cast(tuple[int, ...], said.features), skipped=1)
    model = Model(front, levels, Decoder(back, said), Plain(Conditions((field,))))
    numbers, own = prod(data.shape), PARTS[held == "content"]
    steps = int(at_least("warmup", warmup, 0))
    paid = {held: between("shared_rate", shared_rate, 0, 1)}
    beta = at_least("beta", beta, 0) * max(numbers / 768, 1.0)
    terms: list[Term] = [Reconstruction(), Rate(beta, shares=paid)]
    share = between("cycle_share", cycle_share, 0.01, 1)
    if weight := at_least("cycle", cycle, 0):
        risen = linear(0.0, weight, steps=steps) if steps else weight
        terms.append(Cycle(model, risen, share=share))
    if weight := at_least("apart", apart, 0):
        terms.append(Apart(own, weight * numbers / 32))
    if weight := at_least("guess", guess, 0) * numbers / 32:
        size, groups = sizes[PARTS.index(own)], len(field.names)
        terms.append(GroupCritic(own, weight, latent=size, groups=groups, widths=OPPONENT))
    return model, Sum(*terms, paired=True)


def _parts(
    features: int, reads: tuple[slice, slice], sizes: tuple[int, int], held: str
) -> list[Part]:
    """Content and style, of which one is held in common."""
    return [
        Part(
            name,
            prior=priors.Standard(size),
            posterior=posteriors.Gaussian(len(range(features)[own]), size),
            shared=name == held,
            reads=own,
        )
        for name, own, size in zip(PARTS, reads, sizes, strict=True)
    ]


def _sizes(split: str, latent: int) -> tuple[int, int]:
    """The units of content and style."""
    if not split:
        style = max(latent // 3, 1)
        return max(latent - style, 1), style
    found = dict(re.findall(r"(content|style)\s*=\s*(\d+)", split))
    whole = re.fullmatch(r"\s*\w+\s*=\s*\d+\s*,\s*\w+\s*=\s*\d+\s*", split)
    if whole is None or len(found) < 2 or not all(map(int, found.values())):
        raise SpecError(
            f"split must be units of content and style, as 'content=16,style=8', got {split!r}. "
            "Each must have at least one."
        )
    return int(found["content"]), int(found["style"])


def _group_of(known: Conditions, name: str) -> Field:
    field = known.field(name) if name else next((f for f in known.fields if f.names), None)
    if field is None or len(field.names) < 2:
        got = "none" if field is None else f"{field.name!r} of {len(field.names)}"
        raise SpecError(
            f"A group must be a class of at least two, so that some things share what others do "
            f"not, got {got}. Name the column of one with label."
        )
    return field
