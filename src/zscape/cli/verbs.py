"""The verbs on a study: each opens it, calls one function of its space, and leaves a picture."""

import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from zscape.cli.conditions import asked_of
from zscape.cli.output import Result, leave, say
from zscape.errors import SpecError
from zscape.modalities.found import printable
from zscape.modalities.labels import UNKNOWN
from zscape.modalities.modality import Pictures, Rows
from zscape.space.conditions import across
from zscape.space.maps import map_codes
from zscape.space.paths import traverse
from zscape.space.pictures import captioned, grid, pairs
from zscape.space.scatter import MOST_CLASSES, class_colour, class_name, scatter
from zscape.space.space import Space, encode_stored
from zscape.space.tables import beside, headed, table_picture
from zscape.space.units import measuring_items
from zscape.study.items import item, stored_item, write_things
from zscape.study.spec import find_recipe
from zscape.study.study import Study

SHOWN = 16  # things that a verb shows where nothing else is asked
FINEST = 200  # pixels below which a picture is one for the terminal
LONGEST_NAME = 80  # characters of a picture's name

Folder = Annotated[Path, Parameter(help="the folder that training made.")]
Out = Annotated[Path | None, Parameter(help="where the picture goes; none: into the study.")]
Json = Annotated[
    bool,
    Parameter(help="one JSON object on stdout, nothing else.", negative="", show_default=False),
]
Own = Annotated[
    str, Parameter(help="package.module:function, if the recipe is not ours.", show_default=False)
]
Seed = Annotated[int, Parameter(help="repeats the same draws.")]
Item = Annotated[
    str, Parameter(help="'#12', an index into the study's data, its name there, or a file.")
]
Levels = Annotated[
    int | None, Parameter(help="coarse levels that are drawn, the rest at their centres.")
]
Steps = Annotated[int, Parameter(help="how many things on the way.")]


def sample(
    study: Folder,
    /,
    *,
    n: Annotated[int, Parameter(name=["-n", "--number"], help="how many.")] = SHOWN,
    levels: Levels = None,
    where: Annotated[
        str,
        Parameter(help="what they must be, as smile=1,age=40; a value in quotes may hold commas."),
    ] = "",
    prompt: Annotated[
        str, Parameter(help='the same in a few words, as "small heart, top left".')
    ] = "",
    over: Annotated[
        str, Parameter(help="a condition: a row for each of its classes, of the same codes.")
    ] = "",
    seed: Seed = 0,
    out: Annotated[Path | None, Parameter(help="a .png, .npy or .csv file.")] = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Draw new things: codes from the prior, decoded."""
    space = opened(study, recipe).space()
    asked = asked_of(space, where, prompt, over=over)
    record: dict[str, Any] = {"verb": "sample", "number": n, "seed": seed}
    record |= {"where": asked, "levels": levels}
    if over:
        leave(_across(space, over, n, asked, record), study, out=out, json=json)
        return
    x = space.sample_tensor(n, where=asked, seed=seed, levels=levels)
    if out is not None and out.suffix.lower() != ".png":
        write_things(out, space, x)
        say({**record, "study": str(study), "file": str(out)}) if json else print(out)
        return
    words = [f"{k}-{v}" for k, v in asked.items()] + ([f"levels{levels}"] if levels else [])
    name = named("sample", f"{n}", f"seed{seed}", *words)
    leave(result_of(space, name, x, record), study, out=out, json=json)


def reconstruct(
    study: Folder,
    /,
    *items: Item,
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Show things above what the study makes of them; without items, held-out examples."""
    space = opened(study, recipe).space()
    stored = [stored_item(space, name) for name in items]
    x = torch.cat(stored) if stored else measuring_items(space, SHOWN)[0]
    codes = encode_stored(space.model, space.modality, x)
    made = space.decode_tensor(codes)
    before, after = space.modality.show(space.modality.prepare(x)), space.modality.show(made)
    record: dict[str, Any] = {
        "verb": "reconstruct",
        "items": list(items),
        "codes": codes.flat.tolist(),
    }
    name = named("reconstruct", *(items or ("held-out",)))
    leave(_beside(name, before, after, record), study, out=out, json=json)


def traverse_(
    study: Folder,
    item_: Annotated[str, Parameter(help="'#12' or a file; none: the mean of all codes.")] = "",
    /,
    *,
    units: Annotated[
        tuple[str, ...], Parameter(help="a unit, again for more; top: those that say the most.")
    ] = ("top",),
    steps: Steps = 9,
    level: Annotated[
        str, Parameter(help="units of this level alone: its name, or its number, 1 the coarsest.")
    ] = "",
    span: Annotated[float, Parameter(help="how far, in standard deviations of the unit.")] = 3.0,
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Move along single units of the code: a row of things for each unit."""
    space = opened(study, recipe).space()
    thing = item(space, item_) if item_ else None
    way = traverse(space, thing, units=_units(units), level=level or None, steps=steps, span=span)
    shown = space.modality.show(space.decode_tensor(way.codes))
    captions = [f"unit {unit}" for unit in way.units]
    record: dict[str, Any] = {"verb": "traverse", "item": item_ or None, "units": list(way.units)}
    record |= {"level": level} if level else {}
    record |= {"offsets": list(way.offsets), "codes": way.codes.flat.tolist()}
    name = named("traverse", item_ or "mean", *([f"level{level}"] if level else []), *units)
    if isinstance(shown, Rows):
        steps_of = [f"{offset:+.1f}" for offset in way.offsets]
        marks = [f"{caption} {step}" for caption in captions for step in steps_of]
        leave(_table(name, headed(shown, "unit", marks), record), study, out=out, json=json)
        return
    result = Result(
        name,
        lambda width: _traversal(shown, captions, steps, width),
        record,
        lines=(f"from top to bottom: {', '.join(captions)}",),
    )
    leave(result, study, out=out, json=json)


def map_(
    study: Folder,
    /,
    *,
    method: Annotated[str, Parameter(help="pca or umap.")] = "pca",
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Lay the codes of the data out on a plane, coloured by label."""
    space = opened(study, recipe).space()
    found = map_codes(space, method=method, seed=seed)
    record: dict[str, Any] = {"verb": "map", "method": found.method, "explained": found.explained}
    record |= {"to_scale": found.to_scale, "points": found.points.tolist()}
    record |= {"label_names": list(space.label_names)}
    record["labels"] = None if space.labels is None else space.labels.tolist()
    lines = [] if found.to_scale else ["distances are not to scale: it keeps who is near whom"]
    if found.explained is not None:
        lines = [f"the plane keeps {found.explained:.0%} of the variance of the codes (exact)"]
    result = Result(
        f"map-{found.method}",
        lambda width: _map(found.points, space, width),
        record,
        lines=tuple(lines),
        legend=_legend(space),
    )
    leave(result, study, out=out, json=json)


def opened(study: Path, recipe: str) -> Study:
    """The study of a folder; its recipe is ours, or the one that was typed."""
    return Study.open(study, recipe=find_recipe(recipe) if recipe else None)


def _across(
    space: Space, over: str, n: int, asked: dict[str, Any], record: dict[str, Any]
) -> Result:
    """The same codes under every class of a condition, a row of things for each class."""
    x, values = across(space, over, n=n, where=asked, seed=record["seed"])
    record |= {"over": over, "values": list(values)}
    name = named("sample", "over", over, *(f"{k}-{v}" for k, v in asked.items()))
    shown, marks = space.modality.show(x), [f"{over} {value}" for value in values]
    if isinstance(shown, Rows):
        return _table(name, headed(shown, over, [v for v in values for _ in range(n)]), record)
    lines = (f"from top to bottom: {', '.join(marks)}",)
    return Result(name, lambda width: _traversal(shown, marks, n, width), record, lines=lines)


def result_of(
    space: Space,
    name: str,
    x: Tensor,
    record: dict[str, Any],
    *,
    columns: int | None = None,
    heads: tuple[str, list[str]] | None = None,
) -> Result:
    """Things as a grid, or as rows with a column of heads before them."""
    shown = space.modality.show(x)
    if isinstance(shown, Rows):
        return _table(name, shown if heads is None else headed(shown, *heads), record)
    tiles = shown.tiles
    return Result(name, lambda width: grid(tiles, columns=columns, width=width), record)


def _table(name: str, rows: Rows, record: dict[str, Any]) -> Result:
    return Result(name, lambda width: table_picture(rows), record, rows=rows)


def _beside(
    name: str, before: Pictures | Rows, after: Pictures | Rows, record: dict[str, Any]
) -> Result:
    if isinstance(before, Pictures) and isinstance(after, Pictures):
        above, below = before.tiles, after.tiles
        return Result(name, lambda width: pairs(above, below, width=width), record)
    assert isinstance(before, Rows) and isinstance(after, Rows)
    return _table(name, beside(before, after), record)


def _traversal(shown: Pictures, captions: list[str], steps: int, width: int) -> np.ndarray:
    # The terminal has no pixels for letters; what stands where is printed below the picture.
    if width < FINEST:
        return grid(shown.tiles, columns=steps, width=width)
    return captioned(shown.tiles, captions, columns=steps, width=width)


def _map(points: np.ndarray, space: Space, width: int) -> np.ndarray:
    if width < FINEST:  # drawn larger and reduced, as points are pixels wide; names do not fit
        return scatter(points, space.labels, size=6 * width, legend=False)
    return scatter(points, space.labels, space.label_names, size=min(width, 900))


def _legend(space: Space) -> tuple[tuple[str, str], ...]:
    if space.labels is None:
        return ()
    classes = list(range(int(space.labels.max()) + 1))[:MOST_CLASSES]
    if (space.labels < 0).any():
        classes.append(UNKNOWN)
    return tuple((printable(class_name(k, space.label_names)), class_colour(k)) for k in classes)


def _units(words: tuple[str, ...]) -> list[int] | None:
    if words == ("top",):
        return None
    if not all(word.isdecimal() for word in words):
        raise SpecError(
            f"--units must be whole numbers or 'top', got {' '.join(words)!r}. Mend it."
        )
    return [int(word) for word in words]


def named(*words: str) -> str:
    """A file name of words; of a path its last part."""
    parts = (re.sub(r"[^A-Za-z0-9_.]+", "-", Path(word).stem).strip("-.") for word in words)
    return "-".join(part for part in parts if part)[:LONGEST_NAME]
