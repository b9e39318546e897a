"""Models of one level whose code is a vector: each named model is a function here.

A recipe builds a model and an objective from a modality; it trains nothing and touches no disk.
Options that all share: `latent` is the size of the code; `likelihood` and `network` are words,
"auto" for the ones that suit the data; sizes may follow a network word ("mlp:400", "conv:32").
"""

from zscape.modalities.modality import Modality
from zscape.model.model import Model
from zscape.objective.aggregate import Decorrelation, Matching, TotalCorrelation
from zscape.objective.objective import ImportanceWeighted, Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.objective.schedules import cyclical, linear
from zscape.probability import posteriors
from zscape.recipes.build import at_least, between, flat
from zscape.recipes.remedies import costed, drop_features, posterior_of


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
    beta: float | str = 1.0,
    warmup: int = 0,
    free_bits: float = 0.0,
    free_bits_per: str = "unit",
    target_rate: float = 0.0,
    mean_scale: float = 0.0,
    decoder_dropout: float = 0.0,
    warm_start: int = 0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """Variational autoencoder: Gaussian posterior, standard normal prior.

    The options after `beta` are remedies against a code that is not used; 0 switches each off.

    Args:
        data: of the things to be modelled.
        beta: what a nat of the rate costs; 1 is the ELBO; "auto": by the held-out ELBO.
        warmup: steps in which that cost grows from 0, against early collapse.
        free_bits: nats of the rate that are free, against dead units.
        free_bits_per: "unit": as many of each unit; "level": of the whole code.
        target_rate: nats that the code is to carry; beta is moved until it does, and only starts
            at its value.
        mean_scale: spread of posterior means, normalised over the batch; 0.6 is usual and grants
            every unit 0.18 nats.
        decoder_dropout: share of the decoder's hidden features that is dropped in training.
        warm_start: steps as a plain autoencoder, after which the decoder starts anew.

    Source: Kingma and Welling 2014, eq. 3, arXiv:1312.6114. Remedies: `annealed_vae`,
    `free_bits_vae`; Rezende and Viola 2018, arXiv:1810.00597; Shao et al. 2020, arXiv:2004.05988;
    Zhu et al. 2020, arXiv:2004.12585; Li et al. 2019, arXiv:1909.00868.
    """
    model = flat(data, latent, likelihood, network, posterior=posterior_of(mean_scale))
    drop_features(model.decoder, decoder_dropout)
    objective = costed(
        model,
        beta=beta,
        warmup=warmup,
        free_bits=free_bits,
        free_bits_per=free_bits_per,
        target_rate=target_rate,
        warm_start=warm_start,
    )
    return model, objective


def beta_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float | str = 4.0,
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
    beta: float | str = 1.0,
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
    return vae(
        data, latent=latent, beta=beta, warmup=warmup, likelihood=likelihood, network=network
    )


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
    beta: float | str = 1.0,
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
    return vae(
        data, latent=latent, beta=beta, free_bits=floor, likelihood=likelihood, network=network
    )


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
