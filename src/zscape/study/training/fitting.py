"""Training as a generator: `fit` knows a model, an objective and batches, and no disk."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from zscape.model.batch import Batch
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.objective.schedules import Schedule
from zscape.study.training.batches import Feed, Repeated
from zscape.study.training.progress import Progress
from zscape.study.training.running import Run


def fit(
    model: Model,
    objective: Objective,
    batches: Feed | Iterable[Tensor | Batch],
    *,
    epochs: int = 100,
    learning_rate: float | Schedule = 1e-3,
    validation: Iterable[Tensor | Batch] | None = None,
    patience: int = 10,
    ema: float = 0.999,
    weight_decay: float = 0.0,
    encoder_steps: int = 0,
    compile: bool = False,
    precision: str = "float32",
    device: str = "cpu",
) -> Iterator[Progress]:
    """Trains a model in place and yields its progress; `break` stops early and keeps the best.

    Every pass over `batches` is an epoch with a record at its end. There the validation ELBO of
    the averaged weights is measured (the objective itself where the rate is undefined), and the
    best weights so far are kept; training ends after `patience` epochs without a better one.
    An objective that does not rank epochs is trained through all of them, and the last is kept.

    A turn of the objective changes the model, after which optimiser, average, best and patience
    begin anew: a best from before it belongs to another model. No run stops early before the last.

    A step that is not finite, or whose gradient is huge (see `Guard`), is refused. Where more than
    10 of the last 1,000 were, the run goes back to its last good state, once, at half the rate.

    Args:
        model: trained in place.
        objective: what to minimise.
        batches: x `[B, *shape]` float32, or a `Batch` of it with what is known; a feed, or what can
            be iterated once per epoch.
        epochs: passes at most.
        learning_rate: Adam's; a number or a schedule of the step.
        validation: batches to measure on; none: all epochs are run and the last weights kept.
        patience: epochs without improvement before the end; 0 never stops early.
        ema: decay of the exponential moving average of weights; 0 keeps the plain weights.
        weight_decay: share of each weight that a step takes away, times the learning rate.
        encoder_steps: steps of the encoder alone before each step of everything, in the first
            epochs, while the code still learns to say more; 0: none.
        compile: the networks, by PyTorch's compiler, which pays in long runs.
        precision: "float32" or "bfloat16" (networks only; likelihoods stay in float32).
        device: where to train, "cpu" or "cuda".

    Raises:
        DivergedError: too many steps had to be refused again; the model is the last good one.
    """
    run = Run(
        model,
        objective,
        batches if isinstance(batches, Feed) else Repeated(batches),
        epochs=epochs,
        learning_rate=learning_rate,
        validation=validation,
        patience=patience,
        ema=ema,
        weight_decay=weight_decay,
        encoder_steps=encoder_steps,
        compile=compile,
        precision=precision,
        device=device,
    )
    try:
        yield from run.records()
    finally:
        run.settle()
