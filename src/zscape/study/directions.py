"""Named directions of a study, kept in its folder as `directions.toml`."""

from collections.abc import Mapping
from typing import Any

import tomli_w
import torch

from zscape.errors import SpecError, StudyError
from zscape.space.directions import Direction
from zscape.study.storage.claims import MISFITS
from zscape.study.storage.contents import from_toml
from zscape.study.storage.folder import has_file, read_file
from zscape.study.study import Study

DIRECTIONS = "directions.toml"
LONGEST_NAME = 60


def kept_directions(study: Study, size: int) -> dict[str, Direction]:
    """The directions of a study by name.

    Args:
        study: trained.
        size: of its flat codes, which a direction must have.

    Raises:
        StudyError: the file is damaged, or of another study.
    """
    if not has_file(study.path, DIRECTIONS):
        return {}
    told = from_toml(read_file(study.path, DIRECTIONS), DIRECTIONS)
    return {name: _read(name, record, size) for name, record in told.items()}


def keep_direction(study: Study, direction: Direction) -> None:
    """Adds a direction to a study, in place of one of the same name and of itself by another.

    Raises:
        SpecError: a name that cannot be asked for.
        StorageError: the disk is full.
    """
    name = direction.name
    if not name or "=" in name or len(name) > LONGEST_NAME or not name.isprintable():
        raise SpecError(
            f"The name of a direction must be up to {LONGEST_NAME} letters without '=', got "
            f"{name[:LONGEST_NAME]!r}. Choose another with --name."
        )
    others = kept_directions(study, len(direction.vector)).values()
    kept = {one.name: one for one in others if not _same(one, direction)} | {name: direction}
    _write(study, kept)


def drop_direction(study: Study, name: str, size: int) -> Direction:
    """Takes a direction out of a study, and gives it.

    Args:
        study: trained.
        name: of the direction.
        size: of its flat codes.

    Raises:
        SpecError: there is none of that name.
        StorageError: the disk is full.
    """
    kept = kept_directions(study, size)
    if name not in kept:
        raise SpecError(
            f"A direction must be kept to be taken out of a study, and {name!r:.60} is not. "
            f"Kept are: {', '.join(kept) or 'none'}."
        )
    direction = kept.pop(name)
    _write(study, kept)
    return direction


def _write(study: Study, kept: Mapping[str, Direction]) -> None:
    records = {name: _record(kept[name]) for name in sorted(kept)}
    study.add({DIRECTIONS: tomli_w.dumps(records).encode()})


def _same(one: Direction, other: Direction) -> bool:
    """Whether two are the same but for their names."""
    return torch.allclose(one.vector, other.vector, rtol=1e-4, atol=1e-7)


def _record(direction: Direction) -> dict[str, Any]:
    score = {} if direction.score is None else {"score": direction.score}
    return {
        "vector": direction.vector.tolist(),
        "readout": direction.readout.tolist(),
        **score,
        "measure": direction.measure,
        "number": direction.number,
        "leakage": dict(direction.leakage),
    }


def _read(name: str, record: Any, size: int) -> Direction:
    try:
        leakage = {str(n): float(v) for n, v in _table(record["leakage"]).items()}
        score = record.get("score")
        return Direction(
            name,
            vector=_vector(record["vector"], size),
            readout=_vector(record["readout"], size),
            score=None if score is None else float(score),
            measure=str(record["measure"]),
            number=int(record["number"]),
            leakage=leakage,
        )
    except MISFITS as error:
        raise StudyError(
            f"{DIRECTIONS} must hold directions of this study, and {name!r:.60} is none "
            f"({str(error)[:80]}). Find it again."
        ) from error


def _vector(values: Any, size: int) -> torch.Tensor:
    vector = torch.tensor(values, dtype=torch.float32)
    if vector.shape != (size,) or not bool(vector.isfinite().all()):
        raise ValueError(f"it must have {size} finite numbers")
    return vector


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("leakage must be a table")
    return value
