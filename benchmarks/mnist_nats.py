"""Binarized MNIST in nats: ladders within a budget of CPU minutes, or of minutes on a GPU.

Static: the fixed binarization, 50,000 to train, 10,000 to choose by, 10,000 to test. Dynamic: grey
MNIST (60,000 and 10,000), whose pixels are drawn anew in every step; the test part is drawn once.
The figure is the importance-weighted NLL of all test pictures, a bound from above.
`python -m benchmarks mnist_nats --gpu --minutes 8.5` trains on a GPU against the clock;
`--device cpu --minutes 0.3 --quick` proves that it runs.
"""

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.budget import Budget, Stage, Timed
from benchmarks.data import binarized_digits, mnist
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import (
    bernoulli_mixture,
    independent_pixels_nll,
    standard_error,
)
from zscape.model.bound import log_weights
from zscape.model.model import Model
from zscape.objective.objective import ImportanceWeighted, Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability.likelihoods import Bernoulli
from zscape.probability.priors import Mixture
from zscape.recipes.ladder import SIZES, Size, built
from zscape.study.training.batches import Batches, Feed, InOrder
from zscape.study.training.fitting import fit
from zscape.study.training.stepping import autocast

DRAWS = 1000
DRAWN = 5  # for each picture, in training by the importance-weighted bound
SHAPE = (1, 28, 28)
CHOSEN_BY = 2500  # pictures of the validation part that tell the best epoch
ASKED = 30  # minutes of a GPU
SAID_EVERY = 20.0  # seconds
STREAM = 0xD1  # of the binarization of grey test pictures


@dataclass(frozen=True, slots=True)
class Plan:
    """A ladder and how it is trained."""

    size: Size
    latent: int = 32
    components: int = 500
    rate: float = 2e-3
    weight_decay: float = 0.01
    batch: int = 128
    ema: float = 0.999
    passes: int = 1  # over the data between two looks at the held-out part
    free: float = 0.0  # nats of each level that cost nothing in the first third of the time
    weighted: float = 0.15  # share of the time, the last, for the importance-weighted bound
    shifted: float = 0.0  # share of the rest in which batches are moved by a pixel at most


FIVE = Plan(SIZES["small"], weight_decay=0.1, free=0.5, shifted=0.6)
TWENTY = Plan(SIZES["small"], weight_decay=0.1, free=0.5, shifted=0.7)
GPU = Plan(
    Size((16,), (4,) * 5, (1,) * 6, state=96, channels=64, hidden=128, width=32, blocks=1),
    components=200,
    rate=1.5e-3,
    weight_decay=0.02,
    batch=512,
    passes=4,
    shifted=0.3,
    weighted=0.1,
)


def static(name: str, plan: Plan, minutes: float) -> Callable[[Settings], Iterator[Figure]]:
    """The part that trains on the static binarization for so many minutes of two cores."""

    def part(settings: Settings) -> Iterator[Figure]:
        seconds = 20.0 if settings.quick else 120 * minutes
        data = {k: torch.from_numpy(v).reshape(-1, *SHAPE) for k, v in binarized_digits().items()}
        model, said = trained(plan, data["train"], data["valid"], Budget(seconds), settings.seed)
        test = data["test"][:100] if settings.quick else data["test"]
        protocol = (
            f"static binarized MNIST, {len(data['train']):,} to train, epoch chosen by the ELBO of "
            f"{CHOSEN_BY:,} of the validation part; {described(plan, model)}; at "
            f"most "
            f"{seconds:.0f} CPU seconds ({minutes} minutes of two cores), {said}, seed "
            f"{settings.seed}"
        )
        yield from judged(name, model, test, protocol, draws=50 if settings.quick else DRAWS)

    return part


def nonfinite(settings: Settings) -> Iterator[Figure]:
    """Refused steps over 20 seeds of short runs: none may leave the finite numbers."""
    data = torch.from_numpy(binarized_digits()["train"]).reshape(-1, *SHAPE)
    seeds, steps = range(settings.seed, settings.seed + (2 if settings.quick else 20)), 150
    plan, refused = replace(FIVE, rate=1e-2), 0.0
    for seed in seeds:
        torch.manual_seed(seed)
        feed = Batches(data[: steps * 64], size=64, seed=seed)
        run = fit(
            model_of(plan),
            Sum(Reconstruction(), Rate()),
            feed,
            epochs=1,
            learning_rate=plan.rate,
            patience=0,
        )
        refused += sum(progress.parts.get("refused", 0.0) for progress in run)
    protocol = (
        f"ladder of size 'small', {len(seeds)} seeds of {steps} steps at batch 64, at five times "
        f"its usual rate ({plan.rate:g}): steps that the guard refused; {machine()}"
    )
    yield Figure("ladder_nonfinite_steps_20_seeds", refused, "count", "exact", protocol)


def floors(settings: Settings) -> Iterator[Figure]:
    """What needs no network, static: independent pixels, and a mixture of Bernoullis."""
    rows = 2000 if settings.quick else None
    data = {k: torch.from_numpy(v[:rows]) for k, v in binarized_digits().items()}
    nll = independent_pixels_nll(data["train"], data["test"])
    said = f"static, training means of single pixels, {len(nll)} test pictures; {machine()}"
    yield _figure("floor_independent_pixels", nll, "exact", said)
    components = 20 if settings.quick else 300
    mixtures = bernoulli_mixture(data["train"], components=components, seed=settings.seed)
    _, best = min(((m(data["valid"]).mean().item(), m) for m in mixtures), key=lambda pair: pair[0])
    said = (
        f"static, {components} Bernoullis by EM, round by the validation part; {len(data['test'])} "
        f"test pictures; {machine()}"
    )
    yield _figure("floor_bernoulli_mixture", best(data["test"]), "exact", said)


PARTS = {
    "static_5_minutes": static("static_5_minutes", FIVE, 5),
    "static_20_minutes": static("static_20_minutes", TWENTY, 20),
    "ladder_nonfinite_steps_20_seeds": nonfinite,
    "floors": floors,
}


def against_the_clock(device: str, minutes: float, settings: Settings) -> Iterator[Figure]:
    """Dynamic binarization for so many minutes of the wall, on a GPU or anything else.

    The likelihood is measured afterwards, for a minute at most, on as many test pictures as fit.
    """
    begun = time.monotonic()
    grey = {
        part: torch.from_numpy(mnist(part)[0]).reshape(-1, *SHAPE) for part in ("train", "test")
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM)
        test = torch.bernoulli(grey["test"].float() / 255)
        apart = torch.bernoulli(grey["train"][-CHOSEN_BY:].float() / 255)
    budget = Budget(60 * minutes - (time.monotonic() - begun), time.monotonic)
    signal.signal(signal.SIGTERM, budget.end)
    torch.backends.cudnn.benchmark = device == "cuda"
    model, said = trained(
        GPU,
        grey["train"][:-CHOSEN_BY],
        apart,
        budget,
        settings.seed,
        device=device,
        prepare=drawn_anew,
    )
    where = torch.cuda.get_device_name() if device == "cuda" else machine()
    protocol = (
        f"MNIST binarized anew in every step, 57,500 to train and {CHOSEN_BY:,} to "
        f"choose the epoch; {described(GPU, model)}; {minutes} "
        f"minutes on {where}, {said}, seed {settings.seed}; the test part drawn once"
    )
    test = test[:100] if settings.quick else test
    name = f"dynamic_{minutes:g}_minutes_{device}"
    for figure in judged(name, model, test, protocol, device=device, seconds=60.0):
        yield figure
        if figure.figure == name and device == "cuda" and minutes <= ASKED:
            words = f"within the {ASKED} minutes. {figure.protocol}"
            yield replace(figure, figure=f"dynamic_gpu_{ASKED}_minutes", protocol=words)


def drawn_anew(stored: Tensor) -> Tensor:
    """Grey uint8 pictures as coins."""
    return torch.bernoulli(stored.float() / 255)


def elbo(plan: Plan, stage: Stage) -> Sum:
    """The ELBO, with free bits for each level in the first third of a stage."""

    def free(step: int) -> float:
        return plan.free if stage.share() < 1 / 3 else 0.0

    # On a GPU a step is recorded only where nothing in it is scheduled.
    return Sum(Reconstruction(), Rate(floor=free if plan.free else 0.0, per="level"))


def model_of(plan: Plan) -> Model:
    """A fresh ladder."""
    top = Mixture(plan.latent, plan.components)
    return built(SHAPE, plan.latent, plan.size, top, Bernoulli(SHAPE))


def described(plan: Plan, model: Model) -> str:
    """The ladder and its training in words."""
    count = sum(p.numel() for p in model.parameters())
    return (
        f"ladder of {len(model.levels)} levels ({count:,} parameters; {plan.size}, latent "
        f"{plan.latent}, mixture of {plan.components}), AdamW {plan.rate:g} falling by a cosine of "
        f"the time, batches moved by a pixel at most in the first {plan.shifted:.0%} of it, decay "
        f"{plan.weight_decay:g}, batch {plan.batch}, average {plan.ema:g}, "
        f"{plan.free:g} nats of each level free in the first third, bfloat16"
    )


def trained(
    plan: Plan,
    train: Tensor,
    valid: Tensor,
    budget: Budget,
    seed: int,
    *,
    device: str = "cpu",
    prepare: Callable[[Tensor], Tensor] = Tensor.float,
    begun: Model | None = None,
) -> tuple[Model, str]:
    """A ladder trained until the budget is spent, its best epoch, and how it went in words.

    By the ELBO; then, for `plan.weighted` of the time, by the importance-weighted bound itself. It
    begins fresh, or as `begun`.
    """
    torch.manual_seed(seed)
    model, turn = begun or model_of(plan), 1 - plan.weighted
    first, last = Stage(budget, 0, turn), Stage(budget, turn, 1)

    def moved(stored: Tensor) -> Tensor:
        moves = torch.randint(-1, 2, (2,)).tolist() if first.share() < plan.shifted else [0, 0]
        return prepare(stored.roll(moves, (2, 3)))

    feed = Batches(train.to(device), size=plan.batch, seed=seed, prepare=moved)
    held = InOrder(valid[:CHOSEN_BY].to(device), prepare=Tensor.float)
    said = _ran(plan, model, elbo(plan, first), feed, first, device, validation=held)
    if plan.weighted:
        closing = replace(plan, rate=plan.rate / 4)
        said += " by the ELBO; "
        said += _ran(closing, model, ImportanceWeighted(DRAWN), feed, last, device)
        said += f" by the importance-weighted bound of {DRAWN} draws at a quarter of the rate"
    return model, said


def _ran(
    plan: Plan,
    model: Model,
    objective: Objective,
    feed: Feed,
    stage: Stage,
    device: str,
    validation: InOrder | None = None,
) -> str:
    """Trains for a stage and says how far that was."""
    begun = spoken = time.monotonic()
    best, at, epoch, step = float("inf"), 0, 0, 0
    for progress in fit(
        model,
        objective,
        Timed(feed, stage, passes=plan.passes),
        epochs=10**6,
        learning_rate=stage.cosine(plan.rate),
        validation=validation,
        patience=0,
        ema=plan.ema,
        weight_decay=plan.weight_decay,
        precision="bfloat16",
        device=device,
    ):
        epoch, step = progress.epoch, progress.step
        loss = progress.parts.get("validation_loss", float("inf"))
        if loss < best:
            best, at = loss, epoch
        if time.monotonic() - spoken > SAID_EVERY or progress.note:
            spoken = time.monotonic()
            print(
                f"{spoken - begun:.0f} s, epoch {epoch}, step {step}: loss {progress.loss:.2f}, "
                f"best held-out {best:.2f} at {at} {progress.note}",
                file=sys.stderr,
                flush=True,
            )
        if stage.share() >= 1:
            break
    chosen = f", the best after {at}" if validation is not None else ""
    return f"{epoch} times {plan.passes} passes, {step} steps{chosen}"


def judged(
    name: str,
    model: Model,
    test: Tensor,
    protocol: str,
    *,
    draws: int = DRAWS,
    device: str = "cpu",
    seconds: float = float("inf"),
) -> Iterator[Figure]:
    """The importance-weighted NLL and the negative ELBO of all test pictures, within a time."""
    nll, bounds, made = weighed(model.to(device), test, draws, device=device, seconds=seconds)
    said = f"{protocol}; {made} draws for each of {len(test):,} test pictures, networks in bfloat16"
    said = f"{said}; {machine()}"
    yield _figure(name, nll, "bound", said)
    yield _figure(f"{name}_negative_elbo", bounds, "bound", said)


@torch.no_grad()
def weighed(
    model: Model, x: Tensor, draws: int, *, device: str = "cpu", seconds: float = float("inf")
) -> tuple[Tensor, Tensor, int]:
    """-log (1/K sum_k w_k) and -mean_k log w_k of each picture `[N]`, in nats, and K.

    All pictures are passed over again and again, a few draws at a time, until K is `draws` or the
    time is over.
    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """
    torch.manual_seed(STREAM)
    few, rows = (16, 8192) if device == "cuda" else (50, 1000)
    begun, made, x = time.monotonic(), 0, x.to(device)
    total, plain = (torch.zeros(len(x), dtype=torch.float64, device=device) for _ in range(2))
    total -= torch.inf
    while made < draws and (not made or time.monotonic() - begun < seconds):
        now = min(few, draws - made)
        weights = torch.cat([_weights(model, p, now, device) for p in x.split(rows // now)], 1)
        total = torch.logaddexp(total, weights.logsumexp(0))
        plain, made = plain + weights.sum(0), made + now
    return (math.log(made) - total).cpu(), (-plain / made).cpu(), made


def _weights(model: Model, x: Tensor, draws: int, device: str) -> Tensor:
    with autocast("bfloat16", device):
        trace = model(x.float(), draws=draws)
    return log_weights(trace).double()


def _figure(name: str, values: Tensor, kind: str, protocol: str) -> Figure:
    return Figure(name, values.mean().item(), "nats", kind, protocol, standard_error(values))
