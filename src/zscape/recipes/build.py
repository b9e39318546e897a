"""What recipes share: a model of one level shaped by the data, and checks of options."""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from zscape.errors import SpecError, unknown
from zscape.modalities.modality import Modality
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.model.start import Start
from zscape.networks import Encoder, decoder, encoder, session_encoder
from zscape.networks.events import NextEvent
from zscape.probability import posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.probability.likelihoods import likelihood as likelihood_of
from zscape.probability.sessions import Sessions

TOLD = 32  # features of what a code tells about the order of a session

Prior = Callable[[Encoder, Conditional, int], Conditional]
T = TypeVar("T")

_COUNTS = (
    "poisson",
    "negative_binomial",
    "zero_inflated_negative_binomial",
    "log_logistic",
    "multinomial",
)
_REALS = ("gaussian", "gaussian_learned", "gaussian_optimal")
_UNIT = (
    "bernoulli",
    "continuous_bernoulli",
    "discretized_logistic",
    "discretized_logistic_mixture",
    "spiked_logistic",
    *_REALS,
)


def standard(encoder: Encoder, posterior: Conditional, latent: int) -> Conditional:
    """The standard normal prior, whatever the encoder and posterior."""
    return priors.Standard(latent)


def plain_head(word: str, data: Modality) -> Conditional:
    """The likelihood that a word names, for these data."""
    if word != "sessions":
        return likelihood_of(word, data.shape, data.columns)
    events = _num_events(data)
    network = NextEvent(events, context=TOLD)
    return Sessions(network, longest=len(data.columns) - events, context=TOLD)


def front_of(word: str, data: Modality, network: str) -> Encoder:
    """The encoder of data of a likelihood, as the word of a network names it."""
    if word == "sessions":
        return session_encoder(network, _num_events(data))
    return encoder(network, data.shape, columns=data.columns, counts=is_of_counts(word))


def flat(
    data: Modality,
    latent: int,
    likelihood: str,
    network: str,
    *,
    posterior: Callable[[int, int], Conditional] = posteriors.Gaussian,
    prior: Prior = standard,
    head: Callable[[str, Modality], Conditional] = plain_head,
    start: Start | None = None,
    state: int = 0,
) -> Model:
    """A model of one level `z`, shaped by the data.

    Args:
        data: of the things to be modelled.
        latent: size of the code.
        likelihood: a word, or "auto".
        network: a word, or "auto".
        posterior: from (features, latent).
        prior: from (encoder, posterior, latent).
        head: from the word of a likelihood and the data to that likelihood.
        start: what the walk starts from; None: nothing.
        state: features of the state that it gives.

    Raises:
        SpecError: an option that cannot be, or a likelihood of other values than these.
    """
    latent = int(at_least("latent", latent, 1, start="16"))
    front, said, network = ends(data, likelihood, network, head=head)
    q = posterior(front.features + state, latent)
    level = Flat("z", prior=prior(front, q, latent), posterior=q)
    features = cast(tuple[int, ...], said.features)
    body = decoder(network, state + latent, features)
    return Model(front, [level], Decoder(body, said), start)


def ends(
    data: Modality,
    likelihood: str,
    network: str,
    *,
    head: Callable[[str, Modality], Conditional] = plain_head,
) -> tuple[Encoder, Conditional, str]:
    """The encoder and the likelihood of data, and the word of the network.

    Raises:
        SpecError: an option that cannot be, or a likelihood of other values than these.
    """
    word = likelihood_word(data, likelihood)
    network = data.network if network == "auto" else network
    said = head(word, data)
    return front_of(word, data, network), said, network


def one_of(option: str, word: str, choices: Mapping[str, T]) -> T:
    """The choice that a word names, or the error that lists them."""
    if word not in choices:
        raise unknown(option, word, list(choices), hint=f"These data allow: {', '.join(choices)}.")
    return choices[word]


def at_least(name: str, value: float, least: float, *, start: str = "") -> float:
    """The value, or the error that says its least."""
    if not value >= least:
        usual = f"{start} is a usual start." if start else "Leave it out to take the default."
        raise SpecError(f"{name} must be at least {least}, got {value}. {usual}")
    return value


def between(name: str, value: float, low: float, high: float) -> float:
    """The value, or the error that says its range."""
    if not low <= value <= high:
        raise SpecError(
            f"{name} must be between {low} and {high}, got {value}. Choose a value in it."
        )
    return value


def is_of_counts(word: str) -> bool:
    """Whether the data of a likelihood are counts, which are encoded by their logarithm."""
    return word in _COUNTS


def likelihood_word(data: Modality, word: str) -> str:
    """The word of a likelihood for these data, "auto" resolved, or the error that lists them."""
    if word == "auto":
        return data.likelihood
    for family in (_COUNTS, _REALS, _UNIT):
        if data.likelihood in family:
            return word if word in family else one_of("likelihood", word, {w: w for w in family})
    return one_of("likelihood", word, {data.likelihood: data.likelihood})


def _num_events(data: Modality) -> int:
    """How many of the columns of sessions are counts of an event."""
    return sum(kind in _COUNTS for kind, _ in data.columns)
