"""Models of one level whose code is a vector: each named model is a function here.

A recipe builds a model and an objective from a modality; it trains nothing and touches no disk.
Options that all share: `latent` is the size of the code; `likelihood` and `network` are words,
"auto" for the ones that suit the data; sizes may follow a network word ("mlp:400", "conv:32").
"""

from zscape.modalities.modality import Modality
from zscape.model.model import Model
from zscape.networks import Encoder
from zscape.objective.aggregate import Decorrelation, Matching, TotalCorrelation
from zscape.objective.objective import ImportanceWeighted, Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.objective.schedules import cyclical, linear
from zscape.probability import posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.recipes.build import at_least, between, flat, one_of, standard


def ae(
    data: Modality, *, latent: int = 16, likelihood: str = "auto", network: str = "auto"
) -> tuple[Model, Objective]:
    """Autoencoder: a point code and no prior to keep to, so its samples mean little.

    Source: Hinton and Salakhutdinov 2006, doi:10.1126/science.1127647.
    """
    return flat(data, latent, likelihood, network, posterior=posteriors.Point), Sum(
        Reconstruction()
    )


def vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 1.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """Variational autoencoder: Gaussian posterior, standard normal prior.

    Args:
        data: of the things to be modelled.
        beta: what a nat of the rate costs; 1 is the ELBO.

    Source: Kingma and Welling 2014, eq. 3, arXiv:1312.6114.
    """
    return flat(data, latent, likelihood, network), Sum(
        Reconstruction(), Rate(at_least("beta", beta, 0))
    )


def beta_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 4.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose rate costs `beta`: above 1 units separate and details are lost.

    Args:
        data: of the things to be modelled.
        beta: what a nat of the rate costs; above 1 units separate.

    Source: Higgins et al. 2017, eq. 4, openreview Sy2fzU9gl.
    """
    return vae(data, latent=latent, beta=beta, likelihood=likelihood, network=network)


def annealed_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 1.0,
    warmup: int = 2000,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose rate weight grows from 0 to `beta` in `warmup` steps, against early collapse.

    Args:
        data: of the things to be modelled.
        beta: what a nat of the rate costs in the end.
        warmup: steps until then.

    Source: Bowman et al. 2016, section 3.1, arXiv:1511.06349.
    """
    weight = linear(0.0, at_least("beta", beta, 0), steps=int(at_least("warmup", warmup, 0)))
    return flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(weight))


def cyclical_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 1.0,
    period: int = 1000,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose rate weight climbs from 0 to `beta` again in every `period` steps.

    Args:
        data: of the things to be modelled.
        beta: what a nat of the rate costs at the end of a ramp.
        period: steps from one ramp to the next.

    Source: Fu et al. 2019, eq. 6, arXiv:1903.10145.
    """
    weight = cyclical(at_least("beta", beta, 0), period=int(at_least("period", period, 1)))
    return flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(weight))


def capacity_vae(
    data: Modality,
    *,
    latent: int = 16,
    capacity: float = 25.0,
    warmup: int = 5000,
    gamma: float = 30.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose rate is held at a target that grows from 0 to `capacity` nats in `warmup` steps.

    Args:
        data: of the things to be modelled.
        capacity: nats that the code is to carry in the end.
        warmup: steps until then.
        gamma: what a nat away from the target costs.

    Source: Burgess et al. 2018, eq. 8, arXiv:1804.03599.
    """
    target = linear(0.0, at_least("capacity", capacity, 0), steps=warmup)
    rate = Rate(at_least("gamma", gamma, 0), capacity=target)
    return flat(data, latent, likelihood, network), Sum(Reconstruction(), rate)


def free_bits_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 1.0,
    floor: float = 0.1,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE in which the first `floor` nats of every unit are free, against dead units.

    Args:
        data: of the things to be modelled.
        beta: what a nat above the floor costs.
        floor: nats of every unit that are free.

    Source: Kingma et al. 2016, eq. 15, arXiv:1606.04934.
    """
    rate = Rate(at_least("beta", beta, 0), floor=at_least("floor", floor, 0))
    return flat(data, latent, likelihood, network), Sum(Reconstruction(), rate)


def tc_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 6.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose total correlation costs `beta` and the rest of the rate 1: units separate.

    Args:
        data: of the things to be modelled.
        beta: what a nat of the total correlation costs, at least 1.

    Source: Chen et al. 2018, eq. 4, arXiv:1802.04942.
    """
    extra = at_least("beta", beta, 1) - 1
    correlation = TotalCorrelation(extra, num_examples=data.num_examples)
    return flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(), correlation)


def dip_vae(
    data: Modality,
    *,
    latent: int = 16,
    diagonal: float = 5.0,
    off_diagonal: float = 10.0,
    means_only: bool = False,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose codes are pushed to have an identity covariance (DIP-VAE-II; I by `means_only`).

    Args:
        data: of the things to be modelled.
        diagonal: weight of variances away from 1.
        off_diagonal: weight of covariances.
        means_only: match posterior means (I), not codes (II).

    Source: Kumar et al. 2018, eqs. 6 and 7, arXiv:1711.00848.
    """
    penalty = Decorrelation(
        diagonal=at_least("diagonal", diagonal, 0),
        off_diagonal=at_least("off_diagonal", off_diagonal, 0),
        means_only=means_only,
    )
    return flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(), penalty)


def info_vae(
    data: Modality,
    *,
    latent: int = 16,
    alpha: float = 0.5,
    matching: float = 500.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE that pays (1 - `alpha`) of the rate and `matching` times the MMD of all codes to p(z).

    Keeps information in the code while the aggregate stays near the prior.

    Args:
        data: of the things to be modelled.
        alpha: share of the rate that is free, 0 to 1.
        matching: weight of the MMD: alpha + lambda - 1 of the paper.

    Source: Zhao et al. 2019, eq. 6, arXiv:1706.02262.
    """
    rate = Rate(1.0 - between("alpha", alpha, 0, 1))
    match = Matching(at_least("matching", matching, 0))
    return flat(data, latent, likelihood, network), Sum(Reconstruction(), rate, match)


def wae(
    data: Modality,
    *,
    latent: int = 16,
    matching: float = 500.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """Wasserstein autoencoder: point codes whose cloud is matched to p(z) by MMD.

    Args:
        data: of the things to be modelled.
        matching: weight of the MMD, lambda of the paper.

    Source: Tolstikhin et al. 2018, algorithm 2, arXiv:1711.01558.
    """
    match = Matching(at_least("matching", matching, 0))
    return flat(data, latent, likelihood, network, posterior=posteriors.Point), Sum(
        Reconstruction(), match
    )


def iwae(
    data: Modality,
    *,
    latent: int = 16,
    draws: int = 5,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE trained on the importance-weighted bound with `draws` draws: better likelihood.

    Args:
        data: of the things to be modelled.
        draws: codes drawn per example; cost grows with them.

    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """
    return flat(data, latent, likelihood, network), ImportanceWeighted(
        int(at_least("draws", draws, 1))
    )


def flow_vae(
    data: Modality,
    *,
    latent: int = 16,
    transforms: int = 2,
    posterior: str = "flow",
    prior: str = "flow",
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE with normalizing flows of `transforms` steps as posterior, prior or both.

    Args:
        data: of the things to be modelled.
        transforms: layers of each flow.
        posterior: "flow" or "gaussian".
        prior: "flow" or "standard".

    Source: Rezende and Mohamed 2015, eq. 15, arXiv:1505.05770; Chen et al. 2017, arXiv:1611.02731.
    """
    steps = int(at_least("transforms", transforms, 1))

    def flow_posterior(features: int, latent: int) -> Conditional:
        return posteriors.Flow(features, latent, transforms=steps)

    def flow_prior(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        return priors.Flow(latent, transforms=steps)

    choices = {"flow": flow_posterior, "gaussian": posteriors.Gaussian}
    model = flat(
        data,
        latent,
        likelihood,
        network,
        posterior=one_of("posterior", posterior, choices),
        prior=one_of("prior", prior, {"flow": flow_prior, "standard": standard}),
    )
    return model, Sum(Reconstruction(), Rate())


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

    def vamp(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        assert isinstance(posterior, posteriors.Gaussian)
        # Pseudo-inputs stand behind the front, where mixed columns have become numbers.
        return priors.Vamp(encoder.body, posterior, shape=encoder.inner, components=count)

    model = flat(data, latent, likelihood, network, prior=vamp)
    return model, Sum(Reconstruction(), Rate())


def mixture_vae(
    data: Modality,
    *,
    latent: int = 16,
    components: int = 50,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose prior is a learned mixture of `components` Gaussians.

    Args:
        data: of the things to be modelled.
        components: Gaussians of the prior.

    Source: Dilokthanakul et al. 2016, arXiv:1611.02648 (prior); Tomczak and Welling 2018, eq. 6.
    """
    count = int(at_least("components", components, 1))

    def mixture(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        return priors.Mixture(latent, components=count)

    model = flat(data, latent, likelihood, network, prior=mixture)
    return model, Sum(Reconstruction(), Rate())
