"""The scikit-learn face: a variational autoencoder as a transformer of numeric columns.

Columns of other kinds and missing cells are for `zscape.fit`, which looks at them first.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.distributions import Distribution

from zscape.errors import SpecError
from zscape.modalities.array import Array
from zscape.model.bound import distortion, rate
from zscape.model.codes import Codes
from zscape.model.model import Model
from zscape.probability.distributions import Bent
from zscape.recipes import Recipe
from zscape.space.space import CHUNK
from zscape.study.data import Data
from zscape.study.known import build_on
from zscape.study.spec import find_recipe, settle
from zscape.study.training.beginning import settle_training, train_on

WITHOUT_NUMBERS = ("vq_vae", "rvq_vae", "fsq_vae", "fill_vae")  # grids of codes, or rows with holes
DRAWS = 16  # codes drawn per example for its score, the same noise for every example
STEPS, SMALLEST_BATCH, LARGEST_BATCH = 20, 8, 128  # of an automatic batch size
KINDS = [np.float64, np.float32]


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Maps rows of real numbers to the codes of a variational autoencoder trained on them.

    Columns are standardised inside and each gets a Gaussian of learned width. Fitting touches
    neither a disk nor the global randomness of NumPy and torch. What is computed after fitting
    is computed in double precision, so that an answer does not depend on its co-batch.

    Args:
        recipe: a recipe's name, or a function of the same kind.
        n_components: size of the code; units that the data do not need stay near 0.
        network: the word of the network; one hidden layer serves small tables best.
        epochs: passes over the data at most.
        batch_size: examples a step; "auto": about 20 steps an epoch, 8 to 128 examples each.
        learning_rate: Adam's.
        patience: epochs without a better ELBO on held-out rows before the end; 0: never early.
        validation: share of the rows that only measure; below 20 rows all of them train.
        options: further options of the recipe, such as `{"beta": 4.0}`.
        device: "cpu", "cuda", or "auto".
        random_state: an int repeats the same fit; None: another one at every call.

    Attributes:
        model_: the trained model, in double precision.
        modality_: how rows become what the model sees.
        history_: the records of the training run, oldest first.
        n_features_in_: how many columns there were.
        feature_names_in_: their names, where X had some.
    """

    def __init__(
        self,
        recipe: str | Recipe = "vae",
        *,
        n_components: int = 8,
        network: str = "mlp:128",
        epochs: int = 200,
        batch_size: int | str = "auto",
        learning_rate: float = 3e-3,
        patience: int = 30,
        validation: float = 0.1,
        options: Mapping[str, Any] | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.recipe = recipe
        self.n_components = n_components
        self.network = network
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.validation = validation
        self.options = options
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "LatentTransformer":
        """Trains on rows `[N, n_features]`; returns itself.

        Args:
            X: rows of numbers, at least 2.
            y: not looked at.

        Raises:
            SpecError: a parameter that cannot be.
            DivergedError: the loss left the finite numbers.
        """
        X = validate_data(self, X, dtype=KINDS, ensure_min_samples=2)
        recipe = find_recipe(self.recipe) if isinstance(self.recipe, str) else self.recipe
        _require_numbers(recipe.__name__)
        chosen, training = settle(recipe, self._options()), settle_training(self._training(len(X)))
        modality = _standardising(X)
        data = _data(modality, modality.encode(X))
        with _aside(training["seed"]):
            model, objective = build_on(recipe, data, chosen)
            self.history_ = [asdict(p) for p in train_on(model, objective, data, **training)]
        self.model_ = model.double().eval()
        self.modality_ = modality
        self._n_features_out = chosen["latent"]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The centres of the posteriors, `[N, n_components]`, in the precision of X."""
        x, kind = self._seen(X)
        return _in_chunks(lambda part: _centers(self.model_, part).flat, x).astype(kind)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """What codes `[N, n_components]` stand for: the likelihood's mean, `[N, n_features]`."""
        check_is_fitted(self)
        flat = torch.from_numpy(check_array(X, dtype=np.float64))
        one = _centers(self.model_, torch.zeros(1, self.n_features_in_, dtype=torch.float64))

        def means(part: Tensor) -> Tensor:
            given = dict(one.like(part).tensors)
            return self.model_.generate(len(part), given=given).likelihood.mean

        return self.modality_.decode(torch.from_numpy(_in_chunks(means, flat)))

    def score_samples(self, X: Any) -> np.ndarray:
        """The ELBO of each row, a lower bound of its log-density, in nats, `[N]`.

        The density is that of the row as it came, the standardisation accounted for. The mean over
        16 draws, the same noise for every row and at every call, so that scores can be compared.

        Raises:
            SpecError: the code is a point (`ae`, `wae`), so the rate is undefined.
        """
        x, _ = self._seen(X)
        with _aside(0):
            bounds = _in_chunks(lambda part: _elbo(self.model_, part), x)
        scale = np.asarray(self.modality_.scale)
        return bounds - float(np.log(scale[scale > 0]).sum())

    def score(self, X: Any, y: Any = None) -> float:
        """The mean ELBO of the rows, in nats per example; higher is better."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """New rows `[n_samples, n_features]`: codes from the prior, cells from the likelihood."""
        check_is_fitted(self)
        if n_samples < 1:
            raise SpecError(f"n_samples must be at least 1, got {n_samples}. 16 is usual.")
        with _aside(_seed(random_state)), torch.inference_mode():
            drawn = self.model_.generate(n_samples).likelihood.sample()
        return self.modality_.decode(drawn)

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _options(self) -> dict[str, Any]:
        own = {"latent": _plain(self.n_components), "network": self.network}
        given = {name: _plain(value) for name, value in (self.options or {}).items()}
        for name, parameter in (("latent", "n_components"), ("network", "network")):
            if name in given:
                raise SpecError(
                    f"options must not name {name!r}, which the estimator has itself. "
                    f"Set {parameter}={given[name]!r} instead."
                )
        return given | own

    def _training(self, number: int) -> dict[str, Any]:
        names = ("epochs", "batch_size", "learning_rate", "patience", "validation", "device")
        asked = {name: _plain(getattr(self, name)) for name in names}
        if self.batch_size == "auto":
            asked["batch_size"] = min(max(number // STEPS, SMALLEST_BATCH), LARGEST_BATCH)
        return asked | {"seed": _seed(self.random_state)}

    def _seen(self, X: Any) -> tuple[Tensor, np.dtype]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=KINDS, reset=False)
        return self.modality_.encode(X).double(), X.dtype


def _standardising(X: np.ndarray) -> Array:
    """Rows as real numbers, whatever their values look like."""
    wide = X.astype(np.float64)
    constant = wide.min(axis=0) == wide.max(axis=0)
    return Array(
        event=(X.shape[1],),
        holds="real",
        dtype=str(X.dtype),
        mean=tuple(np.where(constant, wide[0], wide.mean(axis=0)).tolist()),
        scale=tuple(np.where(constant, 0.0, wide.std(axis=0)).tolist()),
        num_examples=len(X),
    )


def _require_numbers(recipe: str) -> None:
    if recipe in WITHOUT_NUMBERS:
        raise SpecError(
            f"A transformer must have a recipe whose codes are rows of numbers, got {recipe!r}. "
            "zscape.fit takes it."
        )


def _data(modality: Array, x: Tensor) -> Data:
    return Data(
        modality=modality,
        x=x,
        labels=None,
        label_names=(),
        attributes={},
        names=(),
        notes=(),
        skipped=(),
        source="an array",
    )


def _centers(model: Model, x: Tensor) -> Codes:
    return Codes({latent.name: latent.z for latent in model.latents(x)})


def _elbo(model: Model, x: Tensor) -> Tensor:
    """The ELBO of x `[B, D]` in nats, `[B]`, from draws whose noise is the same in every row."""
    codes: dict[str, Tensor] = {}
    rates = x.new_zeros(DRAWS, len(x))
    for name in [str(level.name) for level in model.levels]:
        latent = model(x, draws=DRAWS, given=codes)[name]
        codes[name] = _same_noise(latent.q)
        rates = rates + rate(replace(latent, z=codes[name]))
    return (-distortion(model(x, draws=DRAWS, given=codes)) - rates).mean(0)


def _same_noise(q: Distribution) -> Tensor:
    """Draws of a posterior, `[S, B, D]`, that differ from row to row by nothing but q."""
    if isinstance(q, Bent):
        return q.bend(_same_noise(q.base))
    noise = torch.randn(DRAWS, 1, *q.event_shape, generator=torch.Generator().manual_seed(0))
    drawn: Tensor = q.mean + q.stddev * noise
    return drawn


@torch.inference_mode()
def _in_chunks(function: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    starts = range(0, len(x), CHUNK)
    return torch.cat([function(x[start : start + CHUNK]) for start in starts]).numpy()


@contextmanager
def _aside(seed: int) -> Iterator[None]:
    """A `with` whose draws repeat, and after which the caller's randomness goes on."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _seed(random_state: Any) -> int:
    if random_state is None:  # NumPy's global state is the caller's
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


def _plain(value: Any) -> Any:
    """A NumPy scalar, as a grid search passes it, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
