"""`zscape direction`, `directions` and `edit`: what changes a property, and things changed."""

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter

from zscape.cli.output import Result, leave, say, tell
from zscape.cli.verbs import Folder, Item, Json, Out, Own, named, opened, result_of
from zscape.errors import SpecError
from zscape.modalities.found import printable
from zscape.space.directions import Direction, find_direction, unsupervised_directions
from zscape.space.edits import WORDS, along
from zscape.space.edits import edit as edited
from zscape.space.known import known_numbers
from zscape.space.space import Space
from zscape.space.units import measuring_places
from zscape.study.directions import keep_direction, kept_directions
from zscape.study.items import item

STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
SHOWN = 5  # things that a direction is shown on
TOLD = 5  # leaks that are told, the largest first

Strength = Annotated[str, Parameter(help="NAME=STRENGTH, as smile=+2; again for more.")]
Items = Annotated[tuple[str, ...], Parameter(help="'#12' or a file; again for more.")]


def direction(
    study: Folder,
    property_: Annotated[str, Parameter(name="PROPERTY", help="a known attribute or class.")] = "",
    /,
    *,
    positive: Items = (),
    negative: Items = (),
    apart_from: Annotated[
        tuple[str, ...], Parameter(help="what is to stay as it is; again for more.")
    ] = (),
    name: Annotated[str, Parameter(help="under which it is kept; none: the property's.")] = "",
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Find the direction of a property with its evidence, keep it in the study, and show it."""
    trained = opened(study, recipe)
    space = trained.space()
    if bool(property_) == bool(positive):
        raise SpecError(
            "A direction must be of a known property or of examples with --positive, got "
            f"{'both' if positive else 'neither'}. 'zscape directions STUDY' lists what is known."
        )
    if positive and not name:
        raise SpecError("A direction of examples must have a --name, got none. Give it one.")
    examples = [item(space, word) for word in positive]
    others = [item(space, word) for word in negative] or None
    found = find_direction(
        space, property_ or examples, others, name=name or property_, apart_from=apart_from
    )
    keep_direction(trained, found)
    leave(_strip(space, found), study, out=out, json=json)


def directions(
    study: Folder,
    /,
    *,
    method: Annotated[
        str, Parameter(help="pca, ica or units: also those that no label taught.")
    ] = "",
    json: Json = False,
    recipe: Own = "",
) -> None:
    """List the directions of a study with their evidence, and what more is known."""
    trained = opened(study, recipe)
    space = trained.space()
    kept = kept_directions(trained, space.codes.flat.shape[1])
    found = unsupervised_directions(space, method=method) if method else ()
    known = [name for name in known_numbers(space).names if name not in kept]
    if json:
        told = [_record(one) for one in (*kept.values(), *found)]
        say({"verb": "directions", "study": str(study), "directions": told, "known": known})
        return
    for one in (*kept.values(), *found):
        print(_line(one))
    if known:
        print(f"known, not yet found: {', '.join(map(printable, known))}")
    if not (kept or found or known):
        print("none: nothing is known of the data. --method pca finds some without labels.")


def edit(
    study: Folder,
    item_: Item,
    /,
    *strengths: Strength,
    plain: Annotated[
        bool, Parameter(help="as decoded, without the details the code does not hold.", negative="")
    ] = False,
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Change a thing along named directions, each in standard deviations of its property.

    NAME=yes and NAME=no go just so far that it is read to have the property, or not to.
    """
    trained = opened(study, recipe)
    space = trained.space()
    asked = _strengths(strengths)
    kept = kept_directions(trained, space.codes.flat.shape[1])
    thing = item(space, item_)
    done = edited(space, thing, asked, directions=kept, keep_details=not plain)
    if done.warning:
        tell(f"warning: {done.warning}")
    record: dict[str, Any] = {"verb": "edit", "item": item_, "strengths": done.strengths}
    record |= {"codes": done.codes.flat.tolist(), "beyond": done.beyond, "warning": done.warning}
    words = [f"{name}-{_written(strength)}" for name, strength in asked.items()]
    whole = len(space.modality.shape) == 3 and not plain  # else what the code does not hold is gone
    marks = ["as it is" if whole else "as made", "edited"]
    both, heads = torch.cat([done.before, done.x]), ("", marks)
    result = result_of(space, named("edit", item_, *words), both, record, columns=2, heads=heads)
    leave(
        replace(result, lines=(" and ".join(marks), _gone(done.strengths))),
        study,
        out=out,
        json=json,
    )


def _gone(strengths: dict[str, float]) -> str:
    """How far an edit went, in a line."""
    return ", ".join(f"{printable(name)} {far:+.2f}" for name, far in strengths.items()) + " sd"


def _written(strength: float | str) -> str:
    """A strength in letters that a file may be called by, and another for each."""
    told = strength if isinstance(strength, str) else f"{strength:+g}"
    return told.replace("+", "plus").replace("-", "minus").replace(".", "_")


def _strengths(words: tuple[str, ...]) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for word in words:
        name, equals, asked = word.rpartition("=")
        try:
            found[name] = asked if asked in WORDS else float(asked)
            is_good = asked in WORDS or bool(np.isfinite(float(asked)))
        except ValueError:
            is_good = False
        if not equals or not is_good:
            raise SpecError(
                "An edit must be NAME=STRENGTH, as 'smile=+2', or NAME=yes or NAME=no, got "
                f"{printable(word)!r}. 'zscape directions STUDY' lists the names."
            )
    return found


def _strip(space: Space, direction: Direction) -> Result:
    """Some held-out things at several strengths, a row each."""
    held_out = measuring_places(space)
    places = held_out[torch.linspace(0, len(held_out) - 1, SHOWN).long()]
    things = space.kept[places].tolist()
    made = torch.cat([along(space, thing, direction.vector, STRENGTHS) for thing in things])
    marks = [f"{strength:+g}" for strength in STRENGTHS]
    strip = result_of(
        space,
        named("direction", direction.name),
        made,
        {"verb": "direction", **_record(direction)},
        columns=len(marks),
        heads=("sd", marks * len(things)),
    )
    return replace(strip, lines=_lines(direction))


def _lines(direction: Direction) -> tuple[str, ...]:
    marks = " ".join(f"{strength:+g}" for strength in STRENGTHS)
    return (_line(direction), f"from left to right: {marks} standard deviations")


def _line(direction: Direction) -> str:
    """Name, evidence and the largest leaks in a line."""
    told = f"{printable(direction.name)}: "
    if direction.score is not None:
        kind = "exact" if direction.measure.startswith("share") else "estimate, 5 folds"
        told += f"{printable(direction.measure)} {direction.score:.3f} ({kind}), "
    told += f"{direction.number:,} examples"
    largest = sorted(direction.leakage.items(), key=lambda pair: -abs(pair[1]))[:TOLD]
    leaks = ", ".join(f"{printable(name)} {moved:+.2f}" for name, moved in largest)
    return f"{told}; a strength of 1 also moves {leaks} sd" if leaks else told


def _record(direction: Direction) -> dict[str, Any]:
    return {
        "name": direction.name,
        "measure": direction.measure,
        "score": direction.score,
        "number": direction.number,
        "leakage": dict(direction.leakage),
        "vector": direction.vector.tolist(),
    }
