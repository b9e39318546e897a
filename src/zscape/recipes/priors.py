"""Models of one level whose prior, or posterior, is more than a Gaussian.

Options that all recipes share are told in `flat`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from zscape.modalities.modality import Modality
from zscape.model.level import Level
from zscape.model.model import Model
from zscape.networks import Encoder
from zscape.objective.objective import Objective, Reconstruction, Sum, Turn
from zscape.objective.rate import Rate
from zscape.probability import flows, posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.recipes.build import Prior, at_least, flat, one_of, standard
from zscape.recipes.remedies import costed


def flow_vae(
    data: Modality,
    *,
    latent: int = 16,
    transforms: int = 2,
    posterior: str = "flow",
    prior: str = "flow",
    prior_transforms: int = 0,
    components: int = 100,
    warmup: int = 0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE with a normalizing flow of `transforms` steps as posterior, as prior or as both.

    Args:
        data: of the things to be modelled.
        transforms: layers of a flow; of planar ones take about 10.
        posterior: "coupling" ("flow" is the same), "planar", "iaf", "spline" or "gaussian".
        prior: "spline" ("flow" is the same), "coupling", "vamp", "mixture" or "standard".
        prior_transforms: layers of the prior's flow; 0: as many as `transforms`.
        components: of a "vamp" or "mixture" prior.
        warmup: steps in which the rate's cost grows from 0, against early collapse.

    Source: Rezende and Mohamed 2015, eq. 15, arXiv:1505.05770; Kingma et al. 2016, algorithm 1,
    arXiv:1606.04934; Durkan et al. 2019, arXiv:1906.04032; Chen et al. 2017, arXiv:1611.02731.
    """
    steps = int(at_least("transforms", transforms, 1))
    count = int(at_least("components", components, 1))
    prior_steps = int(at_least("prior_transforms", prior_transforms, 0)) or steps
    chosen: dict[str, Prior] = {
        "flow": partial(_flow_prior, kind="spline", transforms=prior_steps),
        "spline": partial(_flow_prior, kind="spline", transforms=prior_steps),
        "coupling": partial(_flow_prior, kind="coupling", transforms=prior_steps),
        "vamp": partial(_vamp, components=count),
        "mixture": partial(_mixture, components=count),
        "standard": standard,
    }
    model = flat(
        data,
        latent,
        likelihood,
        network,
        posterior=one_of("posterior", posterior, _posteriors(steps)),
        prior=one_of("prior", prior, chosen),
    )
    return model, costed(model, beta=1.0, warmup=warmup)


def vamp_vae(
    data: Modality,
    *,
    latent: int = 16,
    components: int = 100,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose prior is the mean posterior of `components` learned pseudo-inputs (VampPrior).

    Args:
        data: of the things to be modelled.
        components: learned pseudo-inputs; all are encoded at every step.

    Source: Tomczak and Welling 2018, eq. 9, arXiv:1705.07120.
    """
    count = int(at_least("components", components, 1))
    model = flat(data, latent, likelihood, network, prior=partial(_vamp, components=count))
    return model, Sum(Reconstruction(), Rate())


def mixture_vae(
    data: Modality,
    *,
    latent: int = 16,
    components: int = 50,
    refit_at: int = 0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose prior is a learned mixture of `components` Gaussians.

    Args:
        data: of the things to be modelled.
        components: Gaussians of the prior.
        refit_at: steps as a plain VAE, after which the prior alone is fitted to its codes, all else
            as it is; 0 learns the prior with the rest.

    Source: Dilokthanakul et al. 2016, arXiv:1611.02648 (prior); Tomczak and Welling 2018, eq. 6.
    Refitting: Dai and Wipf 2019, section 4 (a second stage on the codes), arXiv:1903.05789.
    """
    count, begin = (
        int(at_least("components", components, 1)),
        int(at_least("refit_at", refit_at, 0)),
    )

    model = flat(data, latent, likelihood, network, prior=partial(_mixture, components=count))
    if begin:
        _standardise(_prior(model))
    turns = (Turn(begin, _fit_prior_alone),) if begin else ()
    return model, Sum(Reconstruction(), Rate(), turns=turns)


def _posteriors(transforms: int) -> dict[str, Callable[[int, int], Conditional]]:
    def bent(push: flows.Build, **options: Any) -> Callable[[int, int], Conditional]:
        push = partial(push, transforms=transforms, **options)
        return partial(posteriors.BentGaussian, push=push)

    slowly: dict[str, Any] = {"hidden": (128, 128), "pace": 0.1}
    coupled = partial(posteriors.Flow, transforms=transforms)
    return {
        "flow": coupled,
        "coupling": coupled,
        "planar": bent(flows.planar),
        "iaf": bent(flows.autoregressive, **slowly),
        "spline": bent(flows.spline, **slowly),
        "gaussian": posteriors.Gaussian,
    }


def _flow_prior(
    encoder: Encoder, posterior: Conditional, latent: int, *, kind: str, transforms: int
) -> Conditional:
    return priors.Flow(latent, transforms=transforms, kind=kind)


def _mixture(
    encoder: Encoder, posterior: Conditional, latent: int, *, components: int
) -> Conditional:
    return priors.Mixture(latent, components=components)


def _vamp(encoder: Encoder, posterior: Conditional, latent: int, *, components: int) -> Conditional:
    # Of a flow, the Gaussian that it bends: inverting a flow for each component costs too much.
    bends = isinstance(posterior, posteriors.Flow | posteriors.BentGaussian)
    plain = posterior.base if bends else posterior
    assert isinstance(plain, posteriors.Gaussian)
    # Pseudo-inputs stand behind the front, where mixed columns have become numbers.
    return priors.Vamp(encoder.body, plain, shape=encoder.inner, components=components)


def _prior(model: Model) -> priors.Mixture:
    (level,) = model.levels
    assert isinstance(level, Level) and isinstance(level.prior, priors.Mixture)
    return level.prior


@torch.no_grad()
def _standardise(prior: priors.Mixture) -> None:
    """Holds the prior at N(0, I): every component is."""
    prior.requires_grad_(False)
    prior.loc.zero_()


@torch.no_grad()
def _fit_prior_alone(model: Model, x: Tensor) -> None:
    """Freezes all but the prior, whose components begin at codes, half as wide as all of them."""
    codes, prior = model(x).latents[0].z[0], _prior(model)  # draws: they fill what centres leave
    prior.loc.copy_(codes[torch.randint(len(codes), (len(prior.loc),))])
    spread = codes.var(0, correction=0).clamp(min=1e-4) / 4
    prior.log_variance.copy_(spread.log().expand_as(prior.log_variance))
    model.requires_grad_(False)
    prior.requires_grad_(True)
