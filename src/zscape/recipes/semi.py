"""Models for examples of which only some carry a label: told, or steady enough to spread it."""

from typing import cast

from torch import nn

from zscape.errors import SpecError
from zscape.modalities.conditions import Conditions, Field
from zscape.modalities.modality import Modality
from zscape.model.level import Choice, Flat
from zscape.model.model import Decoder, Model
from zscape.model.start import Plain
from zscape.networks import decoder
from zscape.networks.moves import Moved
from zscape.objective.labels import Enumerated, Labels, below
from zscape.objective.objective import Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability import posteriors, priors
from zscape.recipes.build import at_least, between, ends, flat

FEATURES = 128  # width of the layer that sees a class and an example together


def m2_vae(
    data: Modality,
    known: Conditions,
    *,
    latent: int = 16,
    beta: float = 1.0,
    label_weight: float = 10.0,
    labelled: float = 0.1,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """M2: a class y above a style z; y is a label where there is one, and a guess where not.

    The bound of an example without a label sums over all classes, so a step costs a decoding for
    each. `zscape sample --where label=...` draws of one class. M1+M2 is this on the codes of a VAE.

    Args:
        data: of the things to be modelled.
        known: the first class of it is y.
        beta: what a nat of the rate of z costs.
        label_weight: what a nat of -log q(y | x) costs.
        labelled: least share of an epoch that carries a label; those that do are repeated.

    Source: Kingma et al. 2014, eqs. 6 to 9, arXiv:1406.5298.
    """
    latent = int(at_least("latent", latent, 1, start="16"))
    field = _class_of(known)
    classes, (front, said, word) = len(field.names), ends(data, likelihood, network)
    y = Choice(
        "y", prior=priors.Classes(classes), posterior=posteriors.Classes(front.features, classes)
    )
    joined = nn.Sequential(nn.Linear(classes + front.features, FEATURES), nn.SiLU())
    z = Flat(
        "z",
        prior=priors.Standard(latent),
        posterior=Decoder(joined, posteriors.Gaussian(FEATURES, latent)),
    )
    back = decoder(word, classes + latent, cast(tuple[int, ...], said.features))
    model = Model(front, [y, z], Decoder(back, said), Plain(Conditions((field,))))
    return model, Enumerated(
        "y",
        below("y"),
        Labels("y", at_least("label_weight", label_weight, 0)),
        beta=at_least("beta", beta, 0),
        classes=classes,
        labelled=between("labelled", labelled, 0, 0.9),
    )


def shift_vae(
    data: Modality,
    *,
    latent: int = 32,
    beta: float = 1.0,
    moves: float = 1.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE of pictures whose code ignores small moves: it sees a moved one and restores it.

    So codes of like things lie closer together, which is what labels spread by (`predict`). Its
    bound is that of a posterior averaged over moves: no likelihood to compare with others.

    Args:
        data: of the pictures to be modelled.
        beta: what a nat of the rate costs.
        moves: how far; 1: 5 % of the side, 0.15 radians, 10 % of the size, a slant of 0.15.

    Source: Im et al. 2017, eq. 6 (denoising criterion), arXiv:1511.06406.
    """
    if len(data.shape) != 3:
        raise SpecError(
            f"shift_vae must have pictures, got shape {tuple(data.shape)}. Use vae for rows."
        )
    weight = at_least("beta", beta, 0)
    model = flat(data, latent, likelihood, network)
    model.encoder.front = Moved(at_least("moves", moves, 0))
    return model, Sum(Reconstruction(), Rate(weight))


def _class_of(known: Conditions) -> Field:
    field = next((field for field in known.fields if field.names), None)
    if field is None or len(field.names) < 2:
        got = "none" if field is None else f"only {field.names[0]!r}"
        raise SpecError(
            f"There must be a label of at least two classes to be told, got {got}. "
            "Name the column of one with label."
        )
    return field
