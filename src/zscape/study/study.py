"""A study: a folder that holds what was asked, the weights, the log, the codes and the report."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from safetensors.torch import save
from torch import Tensor

from zscape import __version__
from zscape.errors import StorageError, StudyError, ZscapeError
from zscape.measures.sections import Report
from zscape.measures.sections import from_json as report_from
from zscape.modalities import MODALITIES, Modality
from zscape.model.codes import Codes
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.recipes import Recipe
from zscape.space.slot import install, slot_from
from zscape.space.space import Space
from zscape.study.checkpoints import Start
from zscape.study.data import Data, fingerprint
from zscape.study.journal import LOG
from zscape.study.known import build, context_of, is_told, record_of
from zscape.study.spec import our_recipe, settle
from zscape.study.storage.claims import (
    MISFITS,
    conditions_from,
    modality_from,
    no_larger_than,
    require_codes,
    require_items,
    require_names,
    require_record,
    require_same_types,
    require_spec,
)
from zscape.study.storage.contents import from_json, from_safetensors, from_toml
from zscape.study.storage.folder import has_file, read_file, require_one_writing, write_folder
from zscape.study.storage.lock import LOCK, Lock, refuse_busy
from zscape.study.training.split import split

SPEC = "study.toml"
WEIGHTS = "weights.safetensors"
CODES = "codes.safetensors"
ITEMS = "items.safetensors"
NAMES = "names.json"  # of the examples, where they have some
SKIPPED = "skipped.jsonl"
REPORT = "report.html"
MEASURES = "measures.json"
PICTURES = "pictures"
PRIOR = "prior.json"  # what a refitted prior changed
PRIOR_BEFORE, PRIOR_AFTER = f"{PICTURES}/prior-before.png", f"{PICTURES}/prior-after.png"
KEPT_BYTES = 64 * 2**20  # of the data, so that a study shows its own examples anywhere


@dataclass(frozen=True, slots=True)
class Study:
    """A folder on disk and what was asked of it.

    Attributes:
        path: the folder.
        asked: the content of study.toml: recipe, options, training, modality, data.
        modality: of the things it is about.
        recipe: the function that `asked["recipe"]` names.
        data: what it is to be trained on; None once it was reopened.
        start: where its training goes on; None: at its beginning.
        lock: held from the making of the study, or its resumption, to the end of its training.
    """

    path: Path
    asked: Mapping[str, Any]
    modality: Modality
    recipe: Recipe
    data: Data | None = None
    start: Start | None = None
    lock: Lock | None = None

    @classmethod
    def plan(
        cls,
        path: str | Path,
        data: Data,
        *,
        recipe: Recipe,
        options: Mapping[str, Any],
        training: Mapping[str, Any],
        name: str = "",
    ) -> "Study":
        """A study that has no folder yet: `create` makes it, and training is the step after it.

        Args:
            path: the folder that it is to have.
            data: as `look` found it.
            recipe: a recipe.
            options: every option of the recipe, settled.
            training: every option of training, settled.
            name: how the recipe was called by the person who trains.
        """
        folder = Path(path)
        asked = {
            "zscape": __version__,
            "recipe": name or recipe.__name__,
            "options": dict(options),
            "training": dict(training),
            "modality": modality_record(data.modality),
            "data": _data_record(data, folder),
        }
        if is_told(recipe):
            asked["known"] = record_of(data)
        return cls(folder, asked, data.modality, recipe, data)

    def create(self) -> "Study":
        """The same study in its folder, new or empty until now, whose lock it holds.

        Raises:
            StudyError: the folder holds something.
            BusyError: another process trains there.
            StorageError: the folder cannot be made.
        """
        study = replace(self, lock=_locked_anew(self.path))
        study.write_spec()
        return study

    @classmethod
    def open(cls, path: str | Path, *, recipe: Recipe | None = None) -> "Study":
        """A study that was trained; opening writes nothing and imports nothing that it names.

        Args:
            path: the folder.
            recipe: the recipe, where it is not one of ours.

        Raises:
            StudyError: no study, damaged, or from a newer zscape.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise StudyError(
                f"A study must be a folder, and {str(path)!r} is none. "
                "Give the folder that 'zscape train --out' made."
            )
        asked = _read_spec(folder)
        found = recipe or our_recipe(str(asked["recipe"]))
        return cls(folder, asked, modality_from(asked["modality"], SPEC), found)

    def write_spec(self) -> None:
        """Writes what is asked."""
        write_folder(self.path, {SPEC: tomli_w.dumps(dict(self.asked)).encode()})

    def build(self) -> tuple[Model, Objective]:
        """The model and objective as asked, with fresh weights; a refitted prior in its slot."""
        known = conditions_from(self.asked.get("known", {}), SPEC)
        chosen = settle(self.recipe, self.asked["options"])
        model, objective = build(self.recipe, self.modality, known, chosen)
        if "prior" in self.asked:
            install(model, slot_from(self.asked["prior"]))
        return model, objective

    def save(self, space: Space) -> None:
        """Writes weights, codes, kept items and the log's checksum; the manifest comes last."""
        log = self.path / LOG
        write_folder(
            self.path,
            {
                WEIGHTS: save(_contiguous(space.model.state_dict())),
                CODES: save(_contiguous(dict(space.codes.tensors))),
                ITEMS: save(_items(space)),
                LOG: log.read_bytes() if log.exists() else b"",
                SKIPPED: _lines([{"path": p, "reason": r} for p, r in self._skipped()]),
            }
            | ({NAMES: json.dumps(space.names).encode()} if space.names else {}),
        )

    def space(self) -> Space:
        """The trained space: the same outputs to the bit on the same machine.

        Raises:
            StudyError: a file is missing or damaged.
        """
        if not has_file(self.path, WEIGHTS):
            refuse_busy(self.path)
            raise StudyError(
                f"A study must be trained to be used, and the training of {self.path.name!r} was "
                f"broken off. 'zscape train --resume {self.path}' goes on with it."
            )
        require_one_writing(self.path, (WEIGHTS, CODES, ITEMS))
        model = self._model()
        data = self.asked["data"]
        items, names = self._tensors(ITEMS), tuple(data.get("label_names", ()))
        levels = [str(level.name) for level in model.levels]
        codes = require_codes(self._tensors(CODES), data.get("num_examples"), levels, CODES)
        known = model.start.known
        require_items(items, self.modality, known, len(codes), len(names), ITEMS)
        arrays = {name: tensor.numpy() for name, tensor in items.items()}
        kept, labels = items["kept"], arrays.get("labels")
        return Space(
            model=model.eval(),
            modality=self.modality,
            codes=codes,
            items=items["items"],
            kept=kept,
            labels=labels,
            held_out=_held_out(kept, len(codes), labels, self.asked["training"]),
            told=items.get("told"),
            label_names=names,
            attributes={
                name.removeprefix("attribute."): values
                for name, values in arrays.items()
                if name.startswith("attribute.")
            },
            label=str(data.get("origin", {}).get("label", "label")),
            names=self._names(len(codes)),
        )

    def log(self) -> list[dict[str, Any]]:
        """The records of the training run, oldest first."""
        lines = read_file(self.path, LOG, grows=True).splitlines()
        return [require_record(from_json(line, LOG), LOG) for line in lines]

    def add(self, files: Mapping[str, bytes]) -> None:
        """Writes further files into the folder, listed in its manifest."""
        write_folder(self.path, files)

    def report(self) -> bytes | None:
        """The report as written, or None."""
        return read_file(self.path, REPORT) if has_file(self.path, REPORT) else None

    def measures(self) -> Report | None:
        """What `zscape measure` found last, or None."""
        return self._report(MEASURES, "Measure the study again.")

    def prior_change(self) -> Report | None:
        """What a refitted prior changed, or None where the prior is as trained."""
        return self._report(PRIOR, "Refit the prior again.")

    def _report(self, name: str, remedy: str) -> Report | None:
        if not has_file(self.path, name):
            return None
        try:
            return report_from(from_json(read_file(self.path, name), name))
        except (LookupError, TypeError, AttributeError) as error:
            raise StudyError(
                f"{name} must be as zscape wrote it, and is not ({error}). {remedy}"
            ) from error

    def _model(self) -> Model:
        """The model with its trained weights."""
        content = read_file(self.path, WEIGHTS)
        weights = from_safetensors(content, WEIGHTS)
        try:
            # Fresh weights are overwritten: building must not disturb the caller's randomness.
            with torch.random.fork_rng(devices=[]), no_larger_than(len(content)):
                model, _ = self.build()
            require_same_types(weights, model.state_dict(), WEIGHTS)
            model.load_state_dict(weights)
        except ZscapeError:
            raise
        except MISFITS as error:
            raise StudyError(
                f"{WEIGHTS} must fit the recipe {self.asked['recipe']!r}, and does not. "
                "Open the study with the version of the recipe that trained it."
            ) from error
        if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
            raise StudyError(
                f"{WEIGHTS} must hold finite numbers, and does not. Restore it from a copy."
            )
        return model

    def _tensors(self, name: str) -> dict[str, Tensor]:
        return from_safetensors(read_file(self.path, name), name)

    def _names(self, count: int) -> tuple[str, ...]:
        """The names of so many examples; none in studies of things that have none."""
        if not has_file(self.path, NAMES):
            return ()
        return require_names(from_json(read_file(self.path, NAMES), NAMES), count, NAMES)

    def _skipped(self) -> tuple[tuple[str, str], ...]:
        return () if self.data is None else self.data.skipped


def modality_record(modality: Modality) -> dict[str, Any]:
    """A modality as plain values, its kind among them."""
    kind = next(name for name, cls in MODALITIES.items() if isinstance(modality, cls))
    return {"kind": kind, **asdict(modality)}  # type: ignore[call-overload]


def gather(model: Model, data: Data, codes: Codes, training: Mapping[str, Any]) -> Space:
    """The space of a model, with as many examples kept as a study holds.

    Args:
        model: trained.
        data: what it was trained on.
        codes: of all of it.
        training: the settled options of training, which say what was held out.
    """
    bytes_each = data.x[0].numel() * data.x.element_size()
    count = min(len(data.x), max(KEPT_BYTES // bytes_each, 1))
    kept = torch.linspace(0, len(data.x) - 1, count, dtype=torch.float64).round().long()
    told = context_of(data, [field.name for field in model.start.known.fields])
    return Space(
        model=model.eval(),
        modality=data.modality,
        codes=codes,
        items=data.x.index_select(0, kept),
        kept=kept,
        labels=data.labels,
        label_names=data.label_names,
        attributes=dict(data.attributes),
        held_out=_held_out(kept, len(data.x), data.labels, training),
        told=None if told is None else told[kept],
        label=str(data.origin.get("label", "label")),
        names=data.names,
    )


def _held_out(
    kept: Tensor, count: int, labels: np.ndarray | None, training: Mapping[str, Any]
) -> Tensor:
    """Which kept items only measured, bool `[M]`: the split is a function of its options."""
    share, seed, fold = training["validation"], training["seed"], training.get("fold", 0)
    _, measuring = split(count, share=share, seed=seed, labels=labels, fold=fold)
    return torch.isin(kept, measuring)


def _locked_anew(path: Path) -> Lock:
    """The lock of a folder that is made, or is there and empty."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = Lock(path)
        held = sorted(entry.name for entry in path.iterdir() if entry.name != LOCK)
    except OSError as error:
        raise StorageError(
            f"A study must go to a folder that can be made, got {str(path)!r} ({error.strerror}). "
            "Choose another."
        ) from error
    if held:
        lock.release()
        resume = f" If it is a study that was broken off, --resume {path} goes on with it."
        raise StudyError(
            f"A study must go to a new or empty folder, but {str(path)!r} holds {held[0]!r}. "
            f"Choose another, or remove it first.{resume if (path / SPEC).is_file() else ''}"
        )
    return lock


def _read_spec(folder: Path) -> dict[str, Any]:
    asked = from_toml(read_file(folder, SPEC), SPEC)
    require_spec(asked, SPEC)
    return asked


def _data_record(data: Data, folder: Path) -> dict[str, Any]:
    return {
        "source": data.source,
        "num_examples": len(data.x),
        "sha256": fingerprint(data),
        "label_names": list(data.label_names),
        "notes": list(data.notes),
        "origin": _origin(data, folder),
    }


def _origin(data: Data, folder: Path) -> dict[str, Any]:
    """How to look at the data again; a path is told from the study, so that both can move."""
    origin = dict(data.origin)
    if "path" in origin:
        # Links resolved, as the way back up from a linked folder is another.
        origin["path"] = os.path.relpath(os.path.realpath(origin["path"]), os.path.realpath(folder))
    return origin


def _items(space: Space) -> dict[str, Tensor]:
    tensors = {"items": space.items, "kept": space.kept}
    if space.labels is not None:
        tensors["labels"] = torch.from_numpy(space.labels)
    if space.told is not None:
        tensors["told"] = space.told
    for name, values in space.attributes.items():
        tensors[f"attribute.{name}"] = torch.from_numpy(np.ascontiguousarray(values))
    return _contiguous(tensors)


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _lines(records: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()
