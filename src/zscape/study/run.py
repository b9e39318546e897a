"""From data to a trained space in one call, with or without a folder."""

import json
import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscape.errors import SpecError, StudyError, unknown
from zscape.measures.gallery import gallery
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.recipes import Recipe
from zscape.space.space import Space, encode_stored
from zscape.study.batches import Batches, InOrder
from zscape.study.data import Data, look
from zscape.study.display import announce, displayed
from zscape.study.figures import report_page
from zscape.study.folder import locked
from zscape.study.progress import Progress
from zscape.study.spec import find_recipe, options, settle
from zscape.study.split import split
from zscape.study.study import LOG, PICTURES, REPORT, Study, gather
from zscape.study.training import fit as fit_model

LARGEST_BATCH, SMALLEST_BATCH, STEPS = 128, 8, 10
PRECISIONS = ("auto", "float32", "bfloat16")


def fit(
    data: Any,
    *,
    recipe: str | Recipe = "vae",
    out: str | Path | None = None,
    labels: Any = None,
    label: str = "",
    **settings: Any,
) -> Space:
    """Trains a recipe on data and returns the space; with `out`, a study folder too.

    On a terminal, what was found and the progress are shown, and nowhere else.

    Args:
        data: whatever `look` takes: a path, a built-in name, an array, a DataFrame, a data set.
        recipe: a recipe's name, or a function of the same kind.
        out: a new folder for the study; None keeps everything in memory.
        labels: one class per example; for colours and splits, never trained on.
        label: the column of a table that holds the class.
        **settings: options of the recipe (`latent=16`) and of training (`epochs=100`,
            `learning_rate=1e-3`, `seed=0`; see `train_on`).

    Raises:
        DataError: data that cannot be used.
        SpecError: a setting that cannot be.
    """
    seen = data if isinstance(data, Data) else look(data, labels=labels, label=label)
    announce(seen.notes)
    if out is not None:
        study = prepare(seen, recipe=recipe, out=out, **settings)
        for _ in displayed(train(study)):
            pass
        return study.space()
    function, chosen, training = _settle(recipe, settings)
    model, objective = _seeded_build(function, seen, chosen, training["seed"])
    for _ in displayed(train_on(model, objective, seen, **training)):
        pass
    return gather(model, seen, encode_stored(model, seen.modality, seen.x), training)


def prepare(data: Any, *, recipe: str | Recipe = "vae", out: str | Path, **settings: Any) -> Study:
    """A study folder that is ready to be trained.

    Args:
        data: whatever `look` takes.
        recipe: a recipe's name, or a function of the same kind.
        out: a new or empty folder.
        **settings: options of the recipe and of training.
    """
    seen = data if isinstance(data, Data) else look(data)
    function, chosen, training = _settle(recipe, settings)
    function(seen.modality, **chosen)  # a mistake shows itself before there is a folder
    name = recipe if isinstance(recipe, str) else f"{recipe.__module__}:{recipe.__name__}"
    return Study.create(out, seen, recipe=function, options=chosen, training=training, name=name)


def train(study: Study) -> Generator[Progress, None, None]:
    """Trains a study and yields its progress; when it ends, or is broken off, all is written.

    Raises:
        StudyError: the study was trained before.
        BusyError: another process trains it.
        StorageError: the disk is full.
        DivergedError: the loss left the finite numbers.
    """
    data = study.data
    if data is None:
        raise StudyError(
            "Only a fresh study can be trained, and this one was trained before. "
            "Make a new one from its data."
        )
    training = study.asked["training"]
    with locked(study.path):
        model, objective = _seeded_build(
            study.recipe, data, study.asked["options"], training["seed"]
        )
        with (study.path / LOG).open("a", encoding="utf-8") as log:
            try:
                for progress in train_on(model, objective, data, **training):
                    log.write(json.dumps(asdict(progress)) + "\n")
                    log.flush()
                    yield progress
            finally:
                log.flush()
                os.fsync(log.fileno())
                _finish(study, model, data)


def train_on(
    model: Model,
    objective: Objective,
    data: Data,
    *,
    epochs: int = 100,
    batch_size: int = 0,
    learning_rate: float = 1e-3,
    patience: int = 10,
    ema: float = 0.999,
    encoder_steps: int = 0,
    validation: float = 0.1,
    precision: str = "auto",
    device: str = "auto",
    seed: int = 0,
) -> Iterator[Progress]:
    """Trains a model on data; its keyword arguments are the options of training.

    Args:
        model: trained in place.
        objective: what to minimise.
        data: as `look` found it.
        epochs: passes over the data at most.
        batch_size: examples a step; 0: 128, fewer of small data (ten steps an epoch).
        learning_rate: Adam's.
        patience: epochs without a better validation ELBO before the end; 0 never stops early.
        ema: decay of the average of weights; 0 keeps the plain weights.
        encoder_steps: of the encoder alone before each step of everything, in the first epochs,
            while the code still learns to say more; 0: none.
        validation: share of the examples that only measure.
        precision: "float32", "bfloat16", or "auto".
        device: "cpu", "cuda", or "auto".
        seed: of the split, the order, and the noise.
    """
    training, measuring = split(len(data.x), share=validation, seed=seed, labels=data.labels)
    where = _device(device)
    prepare_x = data.modality.prepare
    x = data.x.index_select(0, training).to(where)
    held = data.x.index_select(0, measuring).to(where)
    size = batch_size or min(LARGEST_BATCH, max(len(x) // STEPS, SMALLEST_BATCH))
    batches = Batches(x, size=size, seed=seed, prepare=prepare_x)
    yield from fit_model(
        model,
        objective,
        batches,
        epochs=epochs,
        learning_rate=learning_rate,
        validation=InOrder(held, prepare=prepare_x) if len(held) else None,
        patience=patience,
        ema=ema,
        encoder_steps=encoder_steps,
        precision=resolve_precision(precision, model, where),
        device=where,
    )
    model.to("cpu")


def resolve_precision(name: str, model: nn.Module, device: str) -> str:
    """What "auto" means for a model on a device: "float32" or "bfloat16"."""
    # Convolutions gain about 1.3 times from bfloat16 where the processor has it, and lose nothing
    # that the parity benchmark resolves.
    if name != "auto":
        return name
    has_conv = any(isinstance(module, nn.Conv2d) for module in model.modules())
    fast = device != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return "bfloat16" if has_conv and fast else "float32"


def settle_training(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of training with its value: the given ones checked, the rest by default.

    Raises:
        SpecError: a name is unknown, or a value cannot be.
    """
    settled = settle(train_on, given)
    least = {"epochs": 1, "batch_size": 0, "patience": 0, "encoder_steps": 0, "seed": 0}
    for name, value in least.items():
        if settled[name] < value:
            raise SpecError(
                f"{name} must be at least {value}, got {settled[name]}. "
                "Leave it out for the default."
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


def open(path: str | Path, *, recipe: Recipe | None = None) -> Space:
    """The space of a study folder.

    Args:
        path: the folder that training made.
        recipe: the recipe, where it is not one of ours.

    Raises:
        StudyError: no study, damaged, or from a newer zscape.
    """
    return Study.open(path, recipe=recipe).space()


def _finish(study: Study, model: Model, data: Data) -> None:
    """Writes what a training run leaves; weights that left the finite numbers are not kept."""
    if not all(bool(tensor.isfinite().all()) for tensor in model.parameters()):
        return
    codes = encode_stored(model, data.modality, data.x)
    space = gather(model, data, codes, study.asked["training"])
    study.save(space)
    pictures = {f"{PICTURES}/{verb}.png": image for verb, image in gallery(space).items()}
    study.add(pictures | {REPORT: report_page(study, space).encode()})


def _settle(
    recipe: str | Recipe, settings: Mapping[str, Any]
) -> tuple[Recipe, dict[str, Any], dict[str, Any]]:
    """The recipe, its options and training's, from settings of both."""
    function = find_recipe(recipe) if isinstance(recipe, str) else recipe
    of_training = options(train_on)
    training = {name: value for name, value in settings.items() if name in of_training}
    rest = {name: value for name, value in settings.items() if name not in of_training}
    return function, settle(function, rest), settle_training(training)


def _seeded_build(
    recipe: Recipe, data: Data, chosen: Mapping[str, Any], seed: int
) -> tuple[Model, Objective]:
    torch.manual_seed(seed)
    return recipe(data.modality, **chosen)


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SpecError(f"device must be one of this machine, got {name!r}. Use 'cpu' here.")
    if name.split(":")[0] not in ("cpu", "cuda", "mps"):
        raise SpecError(f"device must be 'cpu', 'cuda' or 'auto', got {name!r}. Use 'auto'.")
    return name
