"""`zscape mix`: the content of one thing in the style of another, or a grid of many."""

from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter
from torch import Tensor

from zscape.cli.output import Result, leave
from zscape.cli.verbs import Folder, Json, Out, Own, named, opened, result_of
from zscape.errors import DataError
from zscape.modalities.modality import Pictures
from zscape.space.mixing import blocks_of, halves_of, mix_tensor
from zscape.space.pictures import crossed
from zscape.space.space import Space, codes_of
from zscape.space.units import measuring_places
from zscape.study.items import item

SHOWN = 6  # things on each side where none is named

Items = Annotated[str, Parameter(help="'#12' or a file, several with commas; none: held-out ones.")]


def mix_(
    study: Folder,
    content: Items = "",
    style: Items = "",
    /,
    *,
    taken: Annotated[
        tuple[str, ...],
        Parameter(
            name="--style",
            help="what is taken of STYLE: a level (style, level2), units:3,5-7, label; again for "
            "more.",
        ),
    ] = (),
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Show things with the content of one and the style of another; of several a grid."""
    space = opened(study, recipe).space()
    blocks = blocks_of(space, taken)
    names = _names(space, content, start=0), _names(space, style, start=SHOWN)
    contents, styles = ([item(space, name) for name in side] for side in names)
    lent = halves_of(space, contents, blocks), halves_of(space, styles, blocks, style=True)
    x = mix_tensor(space, *lent, blocks)
    record: dict[str, Any] = {"verb": "mix", "content": names[0], "style": names[1]}
    record |= {"units": blocks.units.nonzero().flatten().tolist(), "told": list(blocks.told)}
    sides = [torch.cat([_seen(space, thing) for thing in side]) for side in (contents, styles)]
    words = [*(names[0] if content else ["held-out"]), "in", *(names[1] if style else ["others"])]
    name = named("mix", *words, *taken)
    leave(_result(space, name, x, sides, names, record), study, out=out, json=json)


def _result(
    space: Space,
    name: str,
    x: Tensor,
    sides: list[Tensor],
    names: tuple[list[str], list[str]],
    record: dict[str, Any],
) -> Result:
    """A, B and the mix; of several a grid under and beside what it is made of; or rows."""
    shown = [space.modality.show(some) for some in (*sides, x)]
    if isinstance(shown[2], Pictures) and len(x) > 1:
        left, top, made = (part.tiles for part in shown if isinstance(part, Pictures))
        lines = ("from left to right: styles; from top to bottom: contents",)
        return Result(
            name, lambda width: crossed(made, left, top, width=width), record, lines=lines
        )
    marks = [f"{a} in {b}" for a in names[0] for b in names[1]]
    heads = [*(f"content {a}" for a in names[0]), *(f"style {b}" for b in names[1]), *marks]
    all_of_it = torch.cat([*sides, x])
    return result_of(space, name, all_of_it, record, columns=len(all_of_it), heads=("", heads))


def _names(space: Space, typed: str, *, start: int) -> list[str]:
    """The names of items, which commas part; held-out ones where none is typed."""
    if not typed:
        places = measuring_places(space, 2 * SHOWN).roll(-start)[:SHOWN]
        return [f"#{index}" for index in space.kept[places].tolist()]
    return [typed] if Path(typed).is_file() else [name for name in typed.split(",") if name]


def _seen(space: Space, thing: Any) -> Tensor:
    """A thing as a model sees it, `[1, *shape]`; as it is made where the study kept no more."""
    try:
        stored = space.item(thing) if isinstance(thing, int) else space.modality.encode(thing)[:1]
    except DataError:
        return space.decode_tensor(codes_of(space, thing))
    return space.modality.prepare(stored)
