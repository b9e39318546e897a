"""Models that fill in what is missing: pictures with holes, rows with missing cells.

Options that all recipes share are told in `flat`, the remedies in `flat.vae`.
"""

from collections.abc import Callable
from typing import cast

from torch import nn

from zscape.errors import SpecError
from zscape.modalities.modality import Modality
from zscape.model.filling import Completion, Filled, Filling, Holes
from zscape.model.model import Model
from zscape.networks import Encoder, decoder, encoder
from zscape.networks.seen import Seen
from zscape.objective.objective import Objective
from zscape.probability import posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.recipes.build import at_least, ends, is_of_counts, likelihood_word, one_of
from zscape.recipes.remedies import costed

HOLES = ("mixed", "boxes", "quadrants")
# Cells of these hang together, so that some cannot be measured without the others.
TOGETHER = ("gaussian_optimal", "discretized_logistic_mixture", "multinomial", "sessions")


def fill_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float | str = 1.0,
    warmup: int = 0,
    holes: str = "mixed",
    prior: str = "learned",
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE that sees what is left of a thing and says what is missing: `fill`.

    In training holes are drawn at random, in rows any share of the cells; what is scored is what
    they hide. Cells that are known come back as they are. With everything hidden it is a plain VAE.

    Args:
        data: of the things to be modelled.
        latent: size of the code, which holds what is missing.
        beta: what a nat of the rate costs; 1 is the ELBO; "auto": by the held-out ELBO.
        warmup: steps in which that cost grows from 0, against early collapse.
        holes: in pictures: "mixed", or only "boxes" or "quadrants"; rows have their own.
        prior: "learned": a Gaussian that follows from what is seen; "flow": a spline flow that
            does; "standard": N(0, I).
        likelihood: a word, or "auto"; one whose cells are independent.
        network: a word, or "auto".

    Source: Sohn et al. 2015, eq. 4, NeurIPS 28; Ivanov et al. 2019, section 3.2, arXiv:1806.02382.
    """
    latent = int(at_least("latent", latent, 1, start="16"))
    word = likelihood_word(data, likelihood)
    if word in TOGETHER:
        raise SpecError(
            f"The likelihood of fill_vae must have cells that are independent, got {word!r}. "
            "Leave it out for the usual one."
        )
    front, said, network = ends(data, word, network)
    seeing, features = _seeing(network, data, counts=is_of_counts(word))
    kind = one_of("holes", holes, {name: name for name in HOLES})
    chosen: dict[str, Callable[[], Conditional]] = {
        "learned": lambda: posteriors.Gaussian(features, latent),
        "flow": lambda: priors.Flow(latent, features=features),
        "standard": lambda: priors.Standard(latent),
    }
    level = Filled(
        "z",
        prior=one_of("prior", prior, chosen)(),
        posterior=posteriors.Gaussian(features + front.features, latent),
        features=features,
    )
    body = decoder(network, features + latent, cast(tuple[int, ...], said.features))
    last = Completion(body, said, shape=data.shape, features=features)
    start = Filling(seeing, data.shape, Holes(data.shape, kind=kind))
    model = Model(front, [level], last, start)
    return model, costed(model, beta=beta, warmup=warmup)


def _seeing(network: str, data: Modality, *, counts: bool) -> tuple[nn.Module, int]:
    """A network of what is left of a thing, and its features."""
    if data.columns:  # cells enter it with a bit that says they are missing
        whole: Encoder = encoder(network, data.shape, columns=data.columns)
        return whole, whole.features
    channels, *size = data.shape
    pictures = len(data.shape) == 3
    shape = (channels + 1, *size) if pictures else (2 * channels, *size)
    body = encoder(network, shape)
    return nn.Sequential(Seen(log=counts), body), body.features
