"""Models of pictures whose decoder is autoregressive: strong, and prone to leave the code unused.

Options that all recipes share are told in `flat`, the remedies in `flat.vae`.
"""

from functools import partial

from zscape.errors import SpecError
from zscape.modalities.modality import Modality
from zscape.model.model import Model
from zscape.networks.masked import Masked
from zscape.objective.objective import Objective
from zscape.probability.autoregressive import Autoregressive
from zscape.probability.conditional import Conditional
from zscape.probability.likelihoods import Bernoulli, DiscretizedLogistic
from zscape.recipes.build import at_least, between, flat, one_of
from zscape.recipes.remedies import costed, posterior_of

CONTEXT = 4  # channels of what the code says to each pixel
PIXELS = {"bernoulli": (Bernoulli, 2), "discretized_logistic": (DiscretizedLogistic, 256)}


def pixel_vae(
    data: Modality,
    *,
    latent: int = 16,
    beta: float | str = 1.0,
    depth: int = 4,
    width: int = 16,
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
    """VAE of pictures whose decoder also sees the pixels before each: sharp samples, few nats.

    Drawing is one short step per pixel. The deeper and wider the decoder, and the dearer the rate,
    the sooner the code is left unused; the remedies against it are those of `vae`.

    Args:
        data: of pictures.
        beta: what a nat of the rate costs; 1 is the ELBO; "auto": by the held-out ELBO.
        depth: masked convolutions; each sees two pixels further.
        width: channels of each.
        warmup: steps in which that cost grows from 0, against early collapse.
        free_bits: nats of the rate that are free, against dead units.
        free_bits_per: "unit": as many of each unit; "level": of the whole code.
        target_rate: nats that the code is to carry; beta is moved until it does.
        mean_scale: spread of posterior means, normalised over the batch; 0.6 is usual.
        decoder_dropout: share of the pixels that the decoder is not shown in training.
        warm_start: steps as a plain autoencoder, after which the decoder starts anew.

    Source: Gulrajani et al. 2017, arXiv:1611.05013.
    """
    word = _pixel_word(data, likelihood)
    between("decoder_dropout", decoder_dropout, 0, 0.99)
    head = partial(
        _head,
        depth=int(at_least("depth", depth, 1, start="4")),
        width=int(at_least("width", width, 1, start="16")),
        dropout=decoder_dropout,
    )
    posterior = posterior_of(mean_scale)
    model = flat(data, latent, word, network, posterior=posterior, head=head)
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


def _pixel_word(data: Modality, word: str) -> str:
    if len(data.shape) != 3 or data.likelihood in ("poisson", "gaussian_learned"):
        raise SpecError(
            f"pixel_vae must have pictures with values from 0 to 1, got examples of shape "
            f"{tuple(data.shape)}. Use 'vae' for these data."
        )
    if word == "auto":
        return "bernoulli" if data.likelihood == "bernoulli" else "discretized_logistic"
    return one_of("likelihood", word, {word: word for word in PIXELS})


def _head(word: str, data: Modality, *, depth: int, width: int, dropout: float) -> Conditional:
    pixel, levels = PIXELS[word]
    channels = data.shape[0]
    network = Masked(
        channels,
        pixel((channels, 1, 1)).features[0],
        context=CONTEXT,
        depth=depth,
        width=width,
        dropout=dropout,
    )
    return Autoregressive(network, data.shape, pixel=pixel, levels=levels, context=CONTEXT)
