"""Models of one level that train against an opponent.

Options that all recipes share are told in `flat`. An opponent learns at the model's own rate, in
every step; a study keeps the model alone.
"""

from zscape.errors import SpecError
from zscape.modalities.modality import Modality
from zscape.model.model import Model
from zscape.networks import encoder
from zscape.objective.critic import FactorCritic, PictureCritic, PriorCritic
from zscape.objective.objective import Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability import posteriors
from zscape.recipes.build import at_least, flat, one_of

LAYERS = 3  # hidden ones of an opponent of codes


def factor_vae(
    data: Modality,
    *,
    latent: int = 16,
    gamma: float = 6.0,
    opponent: int = 256,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose total correlation, as an opponent sees it, costs `gamma` more: units separate.

    `tc_vae` with an estimate that large batches need not make good; the opponent takes time to
    learn, so it is for long runs.

    Args:
        data: of the things to be modelled.
        gamma: what a nat of the total correlation costs beside the rate.
        opponent: width of the opponent's three layers.

    Source: Kim and Mnih 2018, eq. 3, arXiv:1802.05983.
    """
    widths = _widths(opponent)
    model = flat(data, latent, likelihood, network)
    critic = FactorCritic(at_least("gamma", gamma, 0), latent=latent, widths=widths)
    return model, Sum(Reconstruction(), Rate(), critic)


def aae(
    data: Modality,
    *,
    latent: int = 16,
    weight: float = 10.0,
    posterior: str = "gaussian",
    opponent: int = 256,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """Adversarial autoencoder: codes that an opponent cannot tell from draws of p(z).

    `wae` without a kernel: it sees finer misfits in large codes, and may circle where a kernel
    settles. All epochs are run and the last is kept: no validation figure ranks them.

    Args:
        data: of the things to be modelled.
        weight: of the opponent's opinion against a nat of distortion.
        posterior: "gaussian", whose draws fill what few examples leave, or "point", which an
            opponent tells from any density unless the weight is low: 1.
        opponent: width of the opponent's three layers.

    Source: Makhzani et al. 2016, section 2, arXiv:1511.05644.
    """
    widths = _widths(opponent)
    choices = {"point": posteriors.Point, "gaussian": posteriors.Gaussian}
    chosen = one_of("posterior", posterior, choices)
    model = flat(data, latent, likelihood, network, posterior=chosen)
    critic = PriorCritic(at_least("weight", weight, 0), latent=latent, widths=widths)
    return model, Sum(Reconstruction(), critic)


def vae_gan(
    data: Modality,
    *,
    latent: int = 16,
    beta: float = 1.0,
    pixels: float = 1.0,
    similarity: float = 100.0,
    weight: float = 10.0,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose pictures an opponent cannot tell from data: sharper, and less true to their model.

    The opponent has the encoder's layers, judges decoded codes and decoded draws of the prior, and
    its features measure likeness beside the likelihood. Its figures are no bound: nats of this
    model say less than a VAE's. All epochs are run and the last is kept.

    Args:
        data: of pictures.
        beta: what a nat of the rate costs.
        pixels: what a nat of distortion costs; 0 leaves likeness to the opponent's features.
        similarity: what half a squared distance of the opponent's features costs.
        weight: of the opponent's opinion; raised without `similarity`, training circles.

    Source: Larsen et al. 2016, eqs. 7 and 8, arXiv:1512.09300; Miyato et al. 2018,
    arXiv:1802.05957 (a steadier opponent).

    Raises:
        SpecError: data that are no pictures.
    """
    if len(data.shape) != 3:
        raise SpecError(
            f"vae_gan must have pictures, got examples of shape {data.shape}. "
            "'factor_vae' and 'aae' have opponents for any data."
        )
    model = flat(data, latent, likelihood, network)
    trunk = encoder(data.network if network == "auto" else network, data.shape)
    critic = PictureCritic(
        model,
        trunk,
        similarity=at_least("similarity", similarity, 0),
        weight=at_least("weight", weight, 0),
    )
    rate, distortion = at_least("beta", beta, 0), at_least("pixels", pixels, 0)
    return model, Sum(Reconstruction(distortion), Rate(rate), critic)


def _widths(opponent: int) -> tuple[int, ...]:
    return (int(at_least("opponent", opponent, 1, start="256")),) * LAYERS
