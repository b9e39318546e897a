"""Directions that a page asks for: found, kept, and told."""

from dataclasses import replace
from typing import Any

from zscape.errors import DataError, SpecError
from zscape.space.directions import Direction, find_direction, unsupervised_directions
from zscape.space.known import known_numbers
from zscape.studio.work.made import Made, Missing, told
from zscape.studio.work.shelf import Opened
from zscape.study.directions import drop_direction, keep_direction, kept_directions

METHODS = ("pca", "ica", "units")


def listed(opened: Opened, user: str) -> Made:
    """The directions of a study and those that a user found, and of what one can be found."""
    kept = kept_directions(opened.study, opened.latent)
    return told(
        {
            "kept": [_record(d, kept=True) for d in kept.values()],
            "found": [_record(d, kept=False) for d in opened.directions[user].values()],
            "known": list(known_numbers(opened.space).names),
        }
    )


def found(
    opened: Opened,
    positive: dict[str, Any],
    negative: dict[str, Any] | None,
    name: str,
    apart_from: list[str],
    keep: bool,
    user: str,
) -> Made:
    """The direction of a property, with its evidence; a user has it until the studio ends."""
    things = _things(opened, positive)
    if isinstance(things, str) and negative is not None:
        raise SpecError(
            f"A known property is set against all else, got a negative group beside {things!r}. "
            "Leave it out."
        )
    against = None if negative is None else _things(opened, negative)
    if isinstance(against, str):
        raise DataError("A negative group must be items, got a name. Select them.")
    direction = find_direction(opened.space, things, against, name=name, apart_from=apart_from)
    if keep:
        keep_direction(opened.study, direction)
    else:
        opened.directions[user][direction.name] = direction
    return told(_record(direction, kept=keep))


def kept(opened: Opened, name: str, to: str, user: str) -> Made:
    """A direction that a user found, written into the study under a name."""
    named = replace(_found(opened, name, user), name=to or name)
    keep_direction(opened.study, named)
    del opened.directions[user][name]
    return told(_record(named, kept=True))


def dropped(opened: Opened, name: str, kept: bool, user: str) -> Made:
    """A direction is let go: one that a user found, or one that is kept in the study."""
    if kept:
        direction = drop_direction(opened.study, name, opened.latent)
    else:
        direction = _found(opened, name, user)
        del opened.directions[user][name]
    opened.gone[user][name] = direction, kept
    return told({})


def restored(opened: Opened, name: str, user: str) -> Made:
    """A direction that a user let go is there again, as it was."""
    if name not in opened.gone[user]:
        raise Missing("not_found", "A direction must have been let go, and was not. Find it again.")
    direction, kept = opened.gone[user].pop(name)
    if kept:
        keep_direction(opened.study, direction)
    else:
        opened.directions[user][name] = direction
    return told(_record(direction, kept=kept))


def _found(opened: Opened, name: str, user: str) -> Direction:
    if name not in opened.directions[user]:
        raise Missing("not_found", "A direction must have been found, and is not. Find it again.")
    return opened.directions[user][name]


def unsupervised(opened: Opened, method: str, number: int, user: str) -> Made:
    """Directions that no label taught."""
    made = unsupervised_directions(opened.space, method=method, number=number)
    opened.directions[user].update({direction.name: direction for direction in made})
    return told({"directions": [_record(direction, kept=False) for direction in made]})


def _things(opened: Opened, group: dict[str, Any]) -> str | list[int]:
    if group.get("name") is not None:
        name: str = group["name"]
        return name
    return [opened.item(index) for index in group["items"]]


def _record(direction: Direction, *, kept: bool) -> dict[str, Any]:
    return {
        "name": direction.name,
        "vector": direction.vector.tolist(),
        "score": direction.score,
        "measure": direction.measure,
        "number": direction.number,
        "leakage": dict(direction.leakage),
        "kept": kept,
    }
