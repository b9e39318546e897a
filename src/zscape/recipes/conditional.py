"""Models that are told what is known beside the things: classes, numbers, texts.

Options that all recipes share are told in `flat`, the remedies in `flat.vae`.
"""

from zscape.modalities.conditions import Conditions, Field
from zscape.modalities.modality import Modality
from zscape.model.model import Model
from zscape.model.start import Told
from zscape.networks import Encoder
from zscape.networks.tower import Tower
from zscape.objective.objective import Objective
from zscape.probability import posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.recipes.build import between, flat, one_of, standard
from zscape.recipes.remedies import costed


def conditional_vae(
    data: Modality,
    known: Conditions,
    *,
    conditions: str = "",
    latent: int = 16,
    beta: float | str = 1.0,
    warmup: int = 0,
    drop: float = 0.15,
    prior: str = "standard",
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE that is told labels, attributes and captions, and asked by them: `sample --where`.

    The code holds what they leave open, the style; any of them may be left out when asking.

    Args:
        data: of the things to be modelled.
        known: what is known beside them.
        conditions: names of what it is told, with commas between them; "": all that is known.
        latent: size of the code.
        beta: what a nat of the rate costs; 1 is the ELBO; "auto": by the held-out ELBO.
        warmup: steps in which that cost grows from 0, against early collapse.
        drop: share of the examples that each condition is withheld from in training, so that it
            may be left out when asking; as many are told nothing.
        prior: "standard": N(0, I) under every condition; "learned": a Gaussian of its own;
            "flow": a spline flow that sees the condition, for samples that follow it closely.
        likelihood: a word, or "auto".
        network: a word, or "auto".

    Source: Sohn et al. 2015, eq. 4, NeurIPS 28. Flow prior: Durkan et al. 2019, arXiv:1906.04032.
    """
    names = [name.strip() for name in conditions.split(",") if name.strip()]
    told = known.chosen(names) if names else known
    tower = Tower(tuple(_kind(field) for field in told.fields))
    start = Told(told, tower, drop=between("drop", drop, 0, 0.9))

    def learned(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        return posteriors.Gaussian(tower.features, latent)

    def flow(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        return priors.Flow(latent, features=tower.features)

    model = flat(
        data,
        latent,
        likelihood,
        network,
        prior=one_of("prior", prior, {"standard": standard, "learned": learned, "flow": flow}),
        start=start,
        state=tower.features,
    )
    return model, costed(model, beta=beta, warmup=warmup)


def _kind(field: Field) -> tuple[str, int, int]:
    if field.words:
        return "text", len(field.words), field.width
    return ("class", len(field.names), 1) if field.names else ("number", 1, 1)
