"""Is `beta="auto"` as good as the best of a sweep over beta, and what does it cost?

Every model is trained as `zscape train` does it, and judged by its ELBO on a test part that neither
training nor the choice of a value has seen. The best value of the sweep is chosen on the validation
part, by the mean over seeds, as a person would choose it.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.data import binarized_digits, molecules, pen_digits
from benchmarks.figures import Figure, Settings, machine
from zscape.measures.likelihood import elbo
from zscape.recipes import vae
from zscape.study.data import Data, look
from zscape.study.training.beginning import settle_training, train_on
from zscape.worlds.sprites import sprites

BETAS = (0.1, 0.233, 0.543, 1.26, 2.95, 6.87, 16.0)  # 0.1..16, evenly in logarithms
SEEDS = 2
TEST = 2000


@dataclass(frozen=True, slots=True)
class Setup:
    """Data and how it is trained on.

    Attributes:
        words: what it is, for the protocol.
        things: of a number of examples, such as `look` takes.
        examples: that train and validate; 2,000 more are the test part.
        epochs: at most.
        options: of the recipe.
    """

    words: str
    things: Callable[[int], Any]
    examples: int
    epochs: int
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trained:
    """One run: the best validation ELBO, the test ELBO and its unit, CPU seconds, auto's beta."""

    validation: float
    test: float
    unit: str
    seconds: float
    beta: float


def digits(number: int) -> np.ndarray:
    """Static binarized MNIST digits, the first of the training part."""
    return 255 * binarized_digits()["train"][:number].reshape(-1, 28, 28)


def rendered(number: int) -> np.ndarray:
    """Random sprites of 32x32."""
    chosen = np.random.default_rng(0).choice(737_280, number, replace=False)
    return sprites(32, indices=chosen, packed=False).pictures


SETUPS = {
    "mnist": Setup(
        "10,000 static binarized MNIST digits, mlp:200", digits, 10_000, 40, {"network": "mlp:200"}
    ),
    "sprites": Setup(
        "4,000 rendered sprites 32x32, conv, latent 8", rendered, 4_000, 10, {"latent": 8}
    ),
    "pendigits": Setup("4,870 rows x 16 of ADBench pendigits, mlp", pen_digits, 4_870, 50, {}),
    "molecules": Setup(
        "5,000 rows of molecule properties (5 numbers, 1 category), mlp", molecules, 5_000, 50, {}
    ),
}


OVERFITTING = Setup(
    "1,000 static binarized MNIST digits, mlp:200, soon learnt by heart",
    digits,
    1_000,
    200,
    {"network": "mlp:200"},
)


def sweep_and_auto(settings: Settings) -> Iterator[Figure]:
    """Every data set's gap and cost, then the largest of each."""
    largest: dict[str, list[float]] = {}
    for name, setup in SETUPS.items():
        for figure in _figures(name, setup, settings):
            assert figure.value is not None
            largest.setdefault(figure.figure.removesuffix(f"_{name}"), []).append(figure.value)
            yield figure
    said = f"the largest over {', '.join(SETUPS)}; see the figures of these names; {machine()}"
    for name in ("elbo_gap_percent", "floor_beta_1_gap_percent"):
        yield Figure(f"{name}_max", max(largest[name]), "%", "estimate", said)
    cost = max(largest["cost_over_one_run"])
    yield Figure("cost_over_one_run_max", cost, "ratio", "measured", said)


def overfitting(settings: Settings) -> Iterator[Figure]:
    """The same where beta = 1 overfits, so that auto has something to do; in no maximum."""
    yield from _figures("mnist_1000", OVERFITTING, settings)


PARTS = {"sweep_and_auto": sweep_and_auto, "overfitting": overfitting}


def _figures(name: str, setup: Setup, settings: Settings) -> Iterator[Figure]:
    runs = _runs(name, setup, settings)
    best = max(BETAS, key=lambda beta: fmean(run.validation for run in runs[beta]))
    protocol = _protocol(setup, settings, best, runs["auto"])
    gap, one = _gaps(runs[best], runs["auto"]), _gaps(runs[best], runs[1.0])
    gain = [a.test - b.test for a, b in zip(runs["auto"], runs[1.0], strict=True)]
    yield _figure(f"elbo_gap_percent_{name}", gap, "%", protocol)
    yield _figure(f"floor_beta_1_gap_percent_{name}", one, "%", f"beta = 1 alone. {protocol}")
    unit = runs["auto"][0].unit
    yield _figure(f"auto_minus_beta_1_nats_{name}", gain, unit, protocol)
    for words, key in (("best", best), ("auto", "auto")):
        tests = [run.test for run in runs[key]]
        yield _figure(f"test_elbo_{words}_{name}", tests, unit, protocol, kind="bound")
    cost = fmean(r.seconds for r in runs["auto"]) / fmean(r.seconds for r in runs[1.0])
    yield Figure(f"cost_over_one_run_{name}", cost, "ratio", "measured", protocol)


def _runs(name: str, setup: Setup, settings: Settings) -> dict[Any, list[Trained]]:
    """Runs by beta, one per seed; auto stands next to 1, whose cost it is measured by."""
    few = 400 if settings.quick else setup.examples
    things = setup.things(few + (200 if settings.quick else TEST))
    data = look(things[:few])
    test = data.modality.prepare(data.modality.encode(things[few:]))
    runs: dict[Any, list[Trained]] = {beta: [] for beta in (1.0, "auto", *BETAS)}
    epochs = 2 if settings.quick else setup.epochs
    for seed in range(settings.seed, settings.seed + SEEDS):
        for beta, trained in runs.items():
            run = _train(data, test, beta=beta, seed=seed, epochs=epochs, options=setup.options)
            trained.append(run)
            said = f"validation {run.validation:.3f}, test {run.test:.3f}, {run.seconds:.1f} s"
            print(f"{name} beta {beta} seed {seed}: {said}", file=sys.stderr, flush=True)
    return runs


def _train(
    data: Data, test: Tensor, *, beta: float | str, seed: int, epochs: int, options: dict[str, Any]
) -> Trained:
    torch.manual_seed(seed)
    start = time.process_time()
    model, objective = vae(data.modality, beta=beta, **options)
    training = settle_training({"epochs": epochs, "seed": seed})
    best, chosen = float("-inf"), 1.0
    for progress in train_on(model, objective, data, **training):
        reached = progress.parts.get("validation_elbo", float("-inf"))
        if reached > best:
            best, chosen = reached, progress.parts.get("beta", 1.0)
    seconds = time.process_time() - start
    measured, _, _ = elbo(model.eval(), test)
    assert measured.value is not None
    return Trained(best, measured.value, measured.unit, seconds, chosen)


def _gaps(best: list[Trained], others: list[Trained]) -> list[float]:
    """Per seed, how far the others' test ELBO lies below the best one's, in percent of it."""
    scale = abs(fmean(run.test for run in best))
    return [100 * (a.test - b.test) / scale for a, b in zip(best, others, strict=True)]


def _protocol(setup: Setup, settings: Settings, best: float, auto: list[Trained]) -> str:
    seeds = list(range(settings.seed, settings.seed + SEEDS))
    chosen = ", ".join(f"{run.beta:.3g}" for run in auto)
    return (
        f"{setup.words}; vae, at most {setup.epochs} epochs, patience 10, a tenth validates, "
        f"seeds {seeds}; sweep {list(BETAS)}, its best {best:g} chosen by the mean validation "
        f"ELBO; auto stood at {chosen} where its ELBO was best; ELBO of {TEST:,} test examples, "
        f"mean over seeds, error over seeds (paired); cost is CPU time over that of beta = 1, in "
        f"the same process; {machine()}"
    )


def _figure(
    name: str, values: list[float], unit: str, protocol: str, kind: str = "estimate"
) -> Figure:
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return Figure(name, fmean(values), unit, kind, protocol, error)
