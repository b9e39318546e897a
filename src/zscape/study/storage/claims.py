"""Whether the parts of a study fit together: what its spec says, its weights, codes and items.

A checksum tells damage; a folder that somebody made can be whole and still make no sense.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from math import prod
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from zscape.errors import StudyError
from zscape.modalities import MODALITIES, Array, Image, Logs, Modality, Table
from zscape.modalities.array import LIKELIHOODS as KINDS
from zscape.modalities.columns import MODELLED, Column
from zscape.modalities.conditions import Conditions, Field
from zscape.modalities.cutting import cut_of
from zscape.modalities.words import LONGEST
from zscape.model.codes import Codes

MOST_NUMBERS = 2**31  # of one example
NUMBERS = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
NUMBERS |= {torch.float16, torch.float32, torch.float64}
# What a recipe or a run may raise when it is given values that do not fit together.
MISFITS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
PARTS = {"recipe": str, "options": dict, "training": dict, "modality": dict, "data": dict}


STATE: dict[str, Any] = {
    **dict.fromkeys(("step", "epoch", "batch", "turns_left", "waited", "counted"), int),
    **dict.fromkeys(("key", "made", "parts", "threads", "returns"), int),
    **dict.fromkeys(("frozen", "refusals", "names", "memories"), list),
    **dict.fromkeys(("means", "lagging", "good"), dict),
    **dict.fromkeys(("seconds", "rate_scale"), float),
    "best": float | None,
}


def require_state(plain: Any, name: str) -> None:
    """Refuses what cannot be the plain values of a run under way.

    Raises:
        StudyError: one is missing or of another kind.
    """
    for key, kind in STATE.items():
        value: Any = plain.get(key, ...) if isinstance(plain, dict) else ...
        if not _fits(value, kind) or (kind is int and not 0 <= value < 2**63):
            raise _misfit(f"{name} must hold the state of a run, got {key} = {value!r:.40}.")


def require_spec(asked: Mapping[str, Any], name: str) -> None:
    """Refuses what a spec cannot say.

    Raises:
        StudyError: a part is missing or of another kind.
    """
    missing = PARTS.keys() - asked.keys()
    if missing:
        raise _misfit(f"{name} must name its {' and '.join(sorted(missing))}, and does not.")
    for part, kind in PARTS.items():
        if not isinstance(asked[part], kind):
            raise _misfit(f"{part} in {name} must be a {kind.__name__}, got {asked[part]!r:.40}.")
    share, seed = (asked["training"].get(key) for key in ("validation", "seed"))
    if not (_fits(share, float) and 0 <= share < 1 and _fits(seed, int) and 0 <= seed < 2**62):
        raise _misfit(
            f"training in {name} must have a share for validation and a seed, "
            f"got {share!r:.40} and {seed!r:.40}."
        )
    fold = asked["training"].get("fold", 0)
    if not (_fits(fold, int) and 0 <= fold < 2**20):
        raise _misfit(f"fold of training in {name} must be a small number, got {fold!r:.40}.")
    told = asked["data"]
    if not (_fits(told.get("label_names", []), list) and _fits(told.get("notes", []), list)):
        raise _misfit(f"label_names and notes in {name} must be lists.")
    words = [*told.get("label_names", []), *told.get("notes", []), told.get("source", "")]
    if not all(isinstance(word, str) for word in words):
        raise _misfit(f"Names and notes in {name} must be text.")


def require_record(record: Any, name: str) -> dict[str, Any]:
    """A line of a training log.

    Raises:
        StudyError: it is none.
    """
    sound = isinstance(record, dict) and _fits(record.get("step"), int)
    sound = sound and _fits(record.get("epoch"), int) and _fits(record.get("seconds"), float)
    parts = record.get("parts") if sound else None
    if not isinstance(parts, dict) or not all(isinstance(v, float | int) for v in parts.values()):
        raise _misfit(f"{name} must hold the records of training, got {record!r:.60}.")
    return dict(record)


def modality_from(record: Mapping[str, Any], name: str) -> Modality:
    """The modality of a record.

    Raises:
        StudyError: the record is not as written.
    """
    values = dict(record)
    kind = values.pop("kind", None)
    try:
        made = MODALITIES[str(kind)](**values)
        _require_typed(made)
        _require_sound(made)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise _misfit(
            f"The modality in {name} must be as zscape wrote it, got {kind!r:.40} ({error})."
        ) from error
    return made


def conditions_from(record: Any, name: str) -> Conditions:
    """What a recipe was told of, from plain values.

    Raises:
        StudyError: the record is not as written.
    """
    try:
        told = [dict(field) for field in dict(record).get("fields", [])]
        lists = ({k: tuple(v) for k, v in f.items() if isinstance(v, list)} for f in told)
        made = [Field(**(f | listed)) for f, listed in zip(told, lists, strict=True)]
        for field in made:
            _require_typed(field)
            _require_field(field)
        if len({field.name for field in made}) < len(made):
            raise ValueError("a name twice")
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise _misfit(
            f"What is known in {name} must be as zscape wrote it, and is not ({error!s:.80})."
        ) from error
    return Conditions(tuple(made))


@contextmanager
def no_larger_than(size: int, name: str = "study.toml") -> Iterator[None]:
    """While a model is built, refuses tensors that could not come from a file of that size.

    Memory is asked for and not yet touched when a parameter or buffer is registered, so a spec
    that promises a network of a terabyte is refused before it costs anything.

    Args:
        size: of the file, in bytes.
        name: of the file that says what the model is.

    Raises:
        StudyError: the model is larger.
    """
    most, taken = 2 * size + 2**20, 0

    def count(module: nn.Module, part: str, tensor: Tensor | None) -> None:
        nonlocal taken
        taken += 0 if tensor is None else tensor.nbytes
        if taken > most:
            raise _misfit(f"The network in {name} must be that of the weights, and is larger.")

    with (
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    ):
        yield


def require_same_types(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str
) -> None:
    """Refuses tensors that would have to be converted.

    Raises:
        StudyError: one is of another type than the one it is to become.
    """
    for key, tensor in tensors.items():
        if key in wanted and tensor.dtype != wanted[key].dtype:
            raise _misfit(f"{key!r:.60} in {name} must be {wanted[key].dtype}, got {tensor.dtype}.")


def require_codes(
    tensors: Mapping[str, Tensor], count: object, levels: Sequence[str], name: str
) -> Codes:
    """Codes of as many examples as the spec says, of these levels and in their order.

    A file does not keep the order in which its tensors were given.

    Raises:
        StudyError: they are none.
    """
    sound = bool(tensors) and all(t.ndim > 1 and t.numel() for t in tensors.values())
    lengths = {len(t) for t in tensors.values()} if sound else set()
    if len(lengths) != 1 or count not in (None, *lengths):
        raise _misfit(f"{name} must hold codes of the {count} examples of study.toml.")
    if not all(t.dtype == torch.float32 and t.isfinite().all() for t in tensors.values()):
        raise _misfit(f"{name} must hold finite numbers in single precision.")
    if sorted(tensors) != sorted(levels):
        raise _misfit(f"{name} must hold codes of the levels {', '.join(levels):.200}.")
    return Codes({level: tensors[level] for level in levels})


def require_items(
    tensors: Mapping[str, Tensor],
    modality: Modality,
    known: Conditions,
    count: int,
    classes: int,
    name: str,
) -> None:
    """Refuses kept items that are not of the modality, or labels and attributes of other examples.

    Args:
        tensors: `items` and `kept`; also `labels`, `told`, and `attribute.NAME`.
        modality: of the study.
        known: what its model is told of.
        count: N.
        classes: how many there are.
        name: of the file.

    Raises:
        StudyError: they are no such things.
    """
    for key in ("items", "kept"):
        if key not in tensors:
            raise _misfit(f"{name} must hold {key!r}, and does not.")
    items, kept = tensors["items"], tensors["kept"]
    if tuple(items.shape[1:]) != modality.shape or items.dtype not in (torch.uint8, torch.float32):
        raise _misfit(
            f"{name} must hold examples of shape {modality.shape}, got {tuple(items.shape[1:])} "
            f"in {items.dtype}."
        )
    if kept.dtype != torch.int64 or kept.shape != items.shape[:1] or not _rising(kept, count):
        raise _misfit(f"{name} must say which of the {count} examples its items are.")
    labels = tensors.get("labels")
    if labels is not None and not _are_labels(labels, count, classes):
        raise _misfit(f"{name} must hold a label of {classes} for each of {count} examples.")
    told = tensors.get("told")
    if told is not None and not (told.shape[:1] == items.shape[:1] and known.take(told)):
        raise _misfit(f"{name} must hold what the model was told of each of its items.")
    for key, values in tensors.items():
        named = key in ("items", "kept", "labels", "told") or key.startswith("attribute.")
        shaped = key in ("items", "kept", "told") or values.shape == (count,)
        if not (named and shaped and values.dtype in NUMBERS):
            raise _misfit(f"{key!r:.60} in {name} must be numbers, one for each example.")


def require_names(record: Any, count: int, name: str) -> tuple[str, ...]:
    """The names of so many examples.

    Raises:
        StudyError: they are none, or of another number.
    """
    sound = isinstance(record, list) and all(isinstance(word, str) for word in record)
    if not sound or len(record) != count:
        raise _misfit(f"{name} must hold a name for each of {count} examples.")
    return tuple(record)


def _rising(kept: Tensor, count: int) -> bool:
    places = kept.tolist()
    return places == sorted(set(places)) and bool(places) and 0 <= places[0] <= places[-1] < count


def _are_labels(labels: Tensor, count: int, classes: int) -> bool:
    if labels.dtype != torch.int64 or labels.shape != (count,):
        return False
    return -1 <= int(labels.min()) and int(labels.max()) < classes


def _require_typed(record: Any) -> None:
    hints = get_type_hints(type(record))
    for field in fields(record):
        value = getattr(record, field.name)
        if not _fits(value, hints[field.name]):
            raise TypeError(f"{field.name} is {value!r:.40}")
        for inner in value if isinstance(value, tuple) else ():
            if isinstance(inner, Column):
                _require_typed(inner)


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type, of which tuples of it and unions are known."""
    if hint is Any:
        return True
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, kind) for kind in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(v, get_args(hint)[0]) for v in value)
    if hint is float:
        number = isinstance(value, float | int) and not isinstance(value, bool)
        return number and bool(np.isfinite(float(value)))  # type: ignore[arg-type]
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _require_sound(made: Modality) -> None:
    if not made.shape or min(made.shape) < 1 or prod(made.shape) > MOST_NUMBERS:
        raise ValueError(f"shape {made.shape}")
    if isinstance(made, Image) and made.channels not in (1, 3):
        raise ValueError(f"{made.channels} channels")
    if isinstance(made, Array):
        if made.holds not in KINDS or np.dtype(made.dtype).kind not in "biuf":
            raise ValueError(f"{made.holds!r:.40} numbers of {made.dtype!r:.40}")
        if {len(made.mean), len(made.scale)} - {0, prod(made.shape)}:
            raise ValueError(f"{len(made.mean)} means of {prod(made.shape)} numbers")
    if isinstance(made, Logs):
        cut_of(session=made.session, window=made.window or None, seconds=made.seconds or None)
        if len(made.templates) not in (0, len(made.events)) or made.longest < 1:
            raise ValueError(f"{len(made.templates)} templates of {len(made.events)} events")
        if not all(_fits(event, str) or _fits(event, int) for event in made.events):
            raise ValueError("an event that is neither text nor a number")
    if isinstance(made, Table):
        for column in made.described:
            _require_column(column)


def _require_field(field: Field) -> None:
    if not field.scale > 0 or (field.names and field.words):
        raise ValueError(f"the field {field.name!r:.40}")
    if not 1 <= field.width <= (LONGEST if field.words else 1):
        raise ValueError(f"a field of {field.width} columns")


def _require_column(column: Column) -> None:
    if column.kind not in (*MODELLED, "constant", "dropped"):
        raise ValueError(f"a column of kind {column.kind!r:.40}")
    if column.kind in ("categorical", "constant") and not column.classes:
        raise ValueError("a column without its classes")


def _misfit(words: str) -> StudyError:
    return StudyError(f"{words} Restore the file from a copy, or train again.")
