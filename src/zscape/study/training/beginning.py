"""The options of training, and the run that they begin; knows no disk."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zscape.errors import SpecError, unknown
from zscape.model.batch import Batch
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.objective.schedules import Schedule, cosine
from zscape.study.data import Data
from zscape.study.known import context_of
from zscape.study.spec import settle
from zscape.study.training.batches import Batches, Feed, InOrder
from zscape.study.training.memory import TRACED, footprint, free_on, require_memory
from zscape.study.training.processes import ALONE, Group
from zscape.study.training.progress import Progress
from zscape.study.training.running import Run
from zscape.study.training.split import repeated, split
from zscape.study.training.stepping import autocast
from zscape.study.training.streaming import Stream

LARGEST_BATCH, SMALLEST_BATCH, STEPS = 128, 8, 10
WIDE = 2**17  # weights of a linear layer, from which its products outweigh the casts
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("auto", "float32", "bfloat16")


def train_on(model: Model, objective: Objective, data: Data, **training: Any) -> Iterator[Progress]:
    """Trains a model on data, in place and without a disk, and yields its progress.

    Args:
        model: trained in place.
        objective: what to minimise.
        data: as `look` found it.
        **training: options of training, as of `begin`.

    Raises:
        DivergedError: the numbers left the finite; the model is the last good one.
    """
    run = begin(model, objective, data, **training)
    try:
        yield from run.records()
    finally:
        run.settle()


def begin(
    model: Model,
    objective: Objective,
    data: Data,
    group: Group = ALONE,
    *,
    epochs: int = 100,
    batch_size: int = 0,
    learning_rate: float = 1e-3,
    schedule: str = "constant",
    weight_decay: float = 0.0,
    patience: int = 10,
    ema: float = 0.999,
    encoder_steps: int = 0,
    compile: bool = False,
    validation: float = 0.1,
    fold: int = 0,
    precision: str = "auto",
    device: str = "auto",
    seed: int = 0,
) -> Run:
    """A run that trains a model on data; its keyword arguments are the options of training.

    Args:
        model: trained in place.
        objective: what to minimise.
        data: as `look` found it.
        group: the processes that train together; every batch is shared out among them.
        epochs: passes over the data at most.
        batch_size: examples a step; 0: 128, fewer of small data (ten steps an epoch).
        learning_rate: Adam's.
        schedule: "constant", or "cosine": the rate rises in the first hundredth of the planned
            steps and then falls to 0 at their end, which pays in long runs that end as planned.
        weight_decay: share of each weight that a step takes away, times the learning rate; 0.01
            holds large networks back from learning small data by heart.
        patience: epochs without a better validation ELBO before the end; 0 never stops early.
        ema: decay of the average of weights; 0 keeps the plain weights.
        encoder_steps: of the encoder alone before each step of everything, in the first epochs,
            while the code still learns to say more; 0: none.
        compile: the networks, which takes half a minute first and pays in long runs, if at all.
        validation: share of the examples that only measure.
        fold: which share that is, 0 the first; studies that differ in it hold others out.
        precision: "float32", "bfloat16", or "auto".
        device: "cpu", "cuda", or "auto".
        seed: of the split, the order, and the noise.
    """
    training, measuring = _split(data, validation, fold, seed)
    context = _context(model, data, where := _place(device, group))
    feed = _feed(data, objective, training, measuring, context, where, batch_size, seed, group)
    return Run(
        model,
        objective,
        feed,
        epochs=epochs,
        learning_rate=_rate(learning_rate, schedule, epochs * len(feed)),
        weight_decay=weight_decay,
        validation=_held(data, measuring, context, where),
        patience=patience,
        ema=ema,
        encoder_steps=encoder_steps,
        compile=compile,
        precision=resolve_precision(precision, model, where),
        device=where,
        group=group,
    )


def foreseen(
    model: Model, objective: Objective, data: Data, *, written: int = 0, **training: Any
) -> list[str]:
    """What a run of `begin` will take in memory, with warnings where that may be too much or slow.

    Args:
        model: as it will be trained; it stays as it is.
        objective: what will be minimised.
        data: as `look` found it.
        written: bytes of a state of the run, held in memory while it is written to a disk.
        **training: options of training, settled.

    Raises:
        MemoryLimitError: more than is free.
    """
    where = _device(training["device"])
    precision = resolve_precision(training["precision"], model, where)
    held = round(training["validation"] * len(data.x))
    x = data.modality.prepare(data.x[: TRACED[-1]].to(where))
    for critic in objective.critics:
        critic.network.to(where)
    context = _context(model, data, where)
    needed = footprint(
        model.to(where),
        objective,
        Batch(x, None if context is None else context[: len(x)]),
        batch=_batch(training["batch_size"], len(data.x) - held),
        data=data.x.numel() * data.x.element_size(),
        written=written,
        autocast=autocast(precision, where),
    )
    free = free_on(where)
    warnings = [require_memory(needed, free), _slow(precision, where)]
    return [needed.told(free), *(f"warning: {warning}" for warning in warnings if warning)]


def _split(data: Data, share: float, fold: int, seed: int) -> tuple[Tensor, Tensor]:
    return split(len(data.x), share=share, seed=seed, labels=data.labels, fold=fold)


def _rate(top: float, schedule: str, steps: int) -> float | Schedule:
    return cosine(top, steps=steps) if schedule == "cosine" else top


def _batch(asked: int, count: int) -> int:
    return asked or min(LARGEST_BATCH, max(count // STEPS, SMALLEST_BATCH))


def _feed(
    data: Data,
    objective: Objective,
    training: Tensor,
    measuring: Tensor,
    context: Tensor | None,
    device: str,
    size: int,
    seed: int,
    group: Group,
) -> Feed:
    """The batches of data: resident, or streamed where x is only a sample."""
    training = repeated(training, context, objective.labelled)
    chosen = _batch(size, len(training))
    if chosen < group.world:
        raise SpecError(
            f"batch_size must be at least the number of processes, {group.world}, got {chosen}. "
            "Start fewer of them."
        )
    share = {"rank": group.rank, "world": group.world}
    if data.shards is not None and data.rows is not None:
        without = data.rows.index_select(0, measuring).tolist()
        return Stream(data.shards, without=without, size=chosen, seed=seed, **share)
    x = data.x.index_select(0, training).to(device)
    beside = None if context is None else context.index_select(0, training.to(device))
    return Batches(
        x,
        size=chosen,
        seed=seed,
        prepare=data.modality.prepare,
        context=beside,
        paired=objective.paired,
        **share,
    )


def _held(data: Data, measuring: Tensor, context: Tensor | None, device: str) -> InOrder | None:
    """The batches of the examples that only measure."""
    if not len(measuring):
        return None
    beside = None if context is None else context.index_select(0, measuring.to(device))
    held = data.x.index_select(0, measuring).to(device)
    return InOrder(held, prepare=data.modality.prepare, context=beside)


def _context(model: Model, data: Data, device: str) -> Tensor | None:
    """What a model is told of each example, `[N, F]`."""
    context = context_of(data, [field.name for field in model.start.known.fields])
    return None if context is None else context.to(device)


def resolve_precision(name: str, model: nn.Module, device: str) -> str:
    """What "auto" means for a model on a device: "float32" or "bfloat16".

    bfloat16 where the processor has it, for networks with convolutions or with wide layers: those
    gain, and lose nothing that the benchmark `precision_parity` resolves. Narrow layers are slower.
    """
    if name != "auto":
        return name
    fast = _has_bfloat16(device) and any(map(_gains_from_bfloat16, model.modules()))
    return "bfloat16" if fast else "float32"


def _slow(precision: str, device: str) -> str:
    """A warning of a precision that a processor only imitates, up to some thirty times slower."""
    if precision == "float32" or _has_bfloat16(device):
        return ""
    return "this processor has no bfloat16 and imitates it slowly: --precision auto is faster."


def _has_bfloat16(device: str) -> bool:
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported()


def _gains_from_bfloat16(module: nn.Module) -> bool:
    wide = isinstance(module, nn.Linear) and module.weight.numel() >= WIDE
    return wide or isinstance(module, nn.Conv2d)


def settle_training(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of training with its value: the given ones checked, the rest by default.

    Raises:
        SpecError: a name is unknown, or a value cannot be.
    """
    settled = settle(begin, given)
    least = {"epochs": 1, "batch_size": 0, "patience": 0, "encoder_steps": 0, "fold": 0, "seed": 0}
    for name, value in least.items():
        if settled[name] < value:
            raise SpecError(
                f"{name} must be at least {value}, got {settled[name]}. "
                "Leave it out for the default."
            )
    if settled["seed"] >= 2**62:  # as of a study that is opened
        raise SpecError(f"seed must be below 2^62, got {settled['seed']}. 0 is usual.")
    if settled["schedule"] not in SCHEDULES:
        raise unknown("schedule", settled["schedule"], list(SCHEDULES))
    if not 0 <= settled["weight_decay"] < 1:
        raise SpecError(
            f"weight_decay must be from 0 to below 1, got {settled['weight_decay']}. 0.01 is usual."
        )
    rate, share, ema = (settled[name] for name in ("learning_rate", "validation", "ema"))
    if not 0 < rate < 1:
        raise SpecError(
            f"learning_rate must be between 0 and 1, got {rate}. 1e-3 is a usual start."
        )
    if not 0 <= share < 1:
        raise SpecError(f"validation must be from 0 to below 1, got {share}. 0.1 is usual.")
    if not 0 <= ema < 1:
        raise SpecError(f"ema must be from 0 to below 1, got {ema}. 0.999 is usual.")
    _device(settled["device"])
    if settled["precision"] not in PRECISIONS:
        raise unknown("precision", settled["precision"], list(PRECISIONS))
    return settled


def _place(device: str, group: Group) -> str:
    """Where this process trains."""
    if group.world == 1:
        return _device(device)
    if device != "auto":
        raise SpecError(
            f"device must be 'auto' with several processes, each of which has its own, got "
            f"{device!r}. Leave it out."
        )
    return group.device


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SpecError(f"device must be one of this machine, got {name!r}. Use 'cpu' here.")
    if name.split(":")[0] not in ("cpu", "cuda", "mps"):
        raise SpecError(f"device must be 'cpu', 'cuda' or 'auto', got {name!r}. Use 'auto'.")
    return name
