"""The zoo: every named model is a function here, and its signature is its configuration.

A recipe builds a model and an objective from a modality; it trains nothing and touches no disk.
Shared options: `latent` is the size of the code; `likelihood` and `network` are words, "auto"
for the ones that suit the data; sizes may follow a network word ("mlp:400", "conv:32").
"""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from zscape.errors import SpecError, unknown
from zscape.modalities.modality import Modality
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks import Encoder, decoder, encoder
from zscape.objective.aggregate import Decorrelation, Matching, TotalCorrelation
from zscape.objective.objective import ImportanceWeighted, Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.objective.schedules import cyclical, linear
from zscape.probability import posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.probability.likelihoods import likelihood as likelihood_of

Recipe = Callable[..., tuple[Model, Objective]]
Prior = Callable[[Encoder, Conditional, int], Conditional]
T = TypeVar("T")

_COUNTS = ("poisson", "negative_binomial", "zero_inflated_negative_binomial", "multinomial")
_REALS = ("gaussian", "gaussian_learned", "gaussian_optimal")
_UNIT = (
    "bernoulli",
    "continuous_bernoulli",
    "discretized_logistic",
    "discretized_logistic_mixture",
    *_REALS,
)


def ae(
    data: Modality, *, latent: int = 16, likelihood: str = "auto", network: str = "auto"
) -> tuple[Model, Objective]:
    """Autoencoder: a point code and no prior to keep to, so its samples mean little.

    Source: Hinton and Salakhutdinov 2006, doi:10.1126/science.1127647.
    """
    return _flat(data, latent, likelihood, network, posterior=posteriors.Point), Sum(Reconstruction())


def vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 1.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """Variational autoencoder: Gaussian posterior, standard normal prior.

    Source: Kingma and Welling 2014, eq. 3, arXiv:1312.6114.
    """
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(_at_least("beta", beta, 0)))


def beta_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 4.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose rate costs `beta`: above 1 units separate and details are lost.

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

    Source: Bowman et al. 2016, section 3.1, arXiv:1511.06349.
    """
    weight = linear(0.0, _at_least("beta", beta, 0), steps=int(_at_least("warmup", warmup, 0)))
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(weight))


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

    Source: Fu et al. 2019, eq. 6, arXiv:1903.10145.
    """
    weight = cyclical(_at_least("beta", beta, 0), period=int(_at_least("period", period, 1)))
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(weight))


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

    Source: Burgess et al. 2018, eq. 8, arXiv:1804.03599.
    """
    target = linear(0.0, _at_least("capacity", capacity, 0), steps=warmup)
    rate = Rate(_at_least("gamma", gamma, 0), capacity=target)
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), rate)


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

    Source: Kingma et al. 2016, eq. 15, arXiv:1606.04934.
    """
    rate = Rate(_at_least("beta", beta, 0), floor=_at_least("floor", floor, 0))
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), rate)


def tc_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 6.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose total correlation costs `beta` and the rest of the rate 1: units separate.

    Source: Chen et al. 2018, eq. 4, arXiv:1802.04942.
    """
    extra = _at_least("beta", beta, 1) - 1
    correlation = TotalCorrelation(extra, num_examples=data.num_examples)
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(), correlation)


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

    Source: Kumar et al. 2018, eqs. 6 and 7, arXiv:1711.00848.
    """
    penalty = Decorrelation(
        diagonal=_at_least("diagonal", diagonal, 0),
        off_diagonal=_at_least("off_diagonal", off_diagonal, 0),
        means_only=means_only,
    )
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), Rate(), penalty)


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

    Keeps information in the code while the aggregate stays near the prior; `matching` is the
    paper's alpha + lambda - 1.
    Source: Zhao et al. 2019, eq. 6, arXiv:1706.02262.
    """
    rate = Rate(1.0 - _between("alpha", alpha, 0, 1))
    match = Matching(_at_least("matching", matching, 0))
    return _flat(data, latent, likelihood, network), Sum(Reconstruction(), rate, match)


def wae(
    data: Modality,
    *,
    latent: int = 16,
    matching: float = 500.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """Wasserstein autoencoder: point codes whose cloud is matched to p(z) by MMD.

    Source: Tolstikhin et al. 2018, algorithm 2, arXiv:1711.01558.
    """
    match = Matching(_at_least("matching", matching, 0))
    return _flat(data, latent, likelihood, network, posterior=posteriors.Point), Sum(Reconstruction(), match)


def iwae(
    data: Modality,
    *,
    latent: int = 16,
    draws: int = 5,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE trained on the importance-weighted bound with `draws` draws: better likelihood.

    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """
    return _flat(data, latent, likelihood, network), ImportanceWeighted(int(_at_least("draws", draws, 1)))


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

    `posterior` is "flow" or "gaussian", `prior` is "flow" or "standard".
    Source: Rezende and Mohamed 2015, eq. 15, arXiv:1505.05770; Chen et al. 2017, arXiv:1611.02731.
    """
    steps = int(_at_least("transforms", transforms, 1))

    def flow_posterior(features: int, latent: int) -> Conditional:
        return posteriors.Flow(features, latent, transforms=steps)

    def flow_prior(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        return priors.Flow(latent, transforms=steps)

    choices = {"flow": flow_posterior, "gaussian": posteriors.Gaussian}
    model = _flat(
        data,
        latent,
        likelihood,
        network,
        posterior=_one_of("posterior", posterior, choices),
        prior=_one_of("prior", prior, {"flow": flow_prior, "standard": _standard}),
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

    Source: Tomczak and Welling 2018, eq. 9, arXiv:1705.07120.
    """
    count = int(_at_least("components", components, 1))

    def vamp(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        assert isinstance(posterior, posteriors.Gaussian)
        # Pseudo-inputs stand behind the front, where mixed columns have become numbers.
        return priors.Vamp(encoder.body, posterior, shape=encoder.inner, components=count)

    model = _flat(data, latent, likelihood, network, prior=vamp)
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

    Source: Dilokthanakul et al. 2016, arXiv:1611.02648 (prior); Tomczak and Welling 2018, eq. 6.
    """
    count = int(_at_least("components", components, 1))

    def mixture(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
        return priors.Mixture(latent, components=count)

    model = _flat(data, latent, likelihood, network, prior=mixture)
    return model, Sum(Reconstruction(), Rate())


def _standard(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
    return priors.Standard(latent)


def _flat(
    data: Modality,
    latent: int,
    likelihood: str,
    network: str,
    *,
    posterior: Callable[[int, int], Conditional] = posteriors.Gaussian,
    prior: Prior = _standard,
) -> Model:
    """A model of one level, shaped by the data."""
    latent = int(_at_least("latent", latent, 1, start="16"))
    word = _likelihood_word(data, likelihood)
    network = data.network if network == "auto" else network
    head = likelihood_of(word, data.shape, data.columns)
    front = encoder(network, data.shape, columns=data.columns, counts=word in _COUNTS)
    q = posterior(front.features, latent)
    level = Flat("z", prior=prior(front, q, latent), posterior=q)
    features = cast(tuple[int, ...], head.features)
    return Model(front, [level], Decoder(decoder(network, latent, features), head))


def _likelihood_word(data: Modality, word: str) -> str:
    if word == "auto":
        return data.likelihood
    for family in (_COUNTS, _REALS, _UNIT):
        if data.likelihood in family:
            return word if word in family else _one_of("likelihood", word, {w: w for w in family})
    return _one_of("likelihood", word, {data.likelihood: data.likelihood})


def _one_of(option: str, word: str, choices: Mapping[str, T]) -> T:
    if word not in choices:
        raise unknown(option, word, list(choices), hint=f"These data allow: {', '.join(choices)}.")
    return choices[word]


def _at_least(name: str, value: float, least: float, *, start: str = "") -> float:
    if not value >= least:
        usual = f"{start} is a usual start." if start else "Leave it out to take the default."
        raise SpecError(f"{name} must be at least {least}, got {value}. {usual}")
    return value


def _between(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise SpecError(f"{name} must be between {low} and {high}, got {value}. Choose a value in it.")
    return value


RECIPES: dict[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (
        ae,
        vae,
        beta_vae,
        annealed_vae,
        cyclical_vae,
        capacity_vae,
        free_bits_vae,
        tc_vae,
        dip_vae,
        info_vae,
        wae,
        iwae,
        flow_vae,
        vamp_vae,
        mixture_vae,
    )
}
