"""`zscape redraw`: one thing again and again, with the finer levels of its code drawn anew."""

from typing import Annotated, Any

import torch
from cyclopts import Parameter

from zscape.cli.output import leave
from zscape.cli.verbs import Folder, Item, Json, Out, Own, Seed, named, opened, result_of
from zscape.errors import SpecError
from zscape.space.levels import redraw_tensor, redrawn_levels
from zscape.space.space import codes_of
from zscape.study.items import item

SHOWN = 7  # things beside the item itself


def redraw_(
    study: Folder,
    item_: Item,
    /,
    *,
    below: Annotated[
        int | None, Parameter(help="how many coarse levels are kept; 1 unless levels are named.")
    ] = None,
    level: Annotated[
        tuple[str, ...],
        Parameter(help="redraw this level alone, by name or number, again for more."),
    ] = (),
    n: Annotated[int, Parameter(name=["-n", "--number"], help="how many.")] = SHOWN,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Draw the finer levels of a thing's code anew; what is coarse about the thing stays."""
    if n < 1:
        raise SpecError(f"-n must be at least 1, got {n}. {SHOWN} is usual.")
    space = opened(study, recipe).space()
    redrawn = redrawn_levels(space, below=below, levels=level)
    code = codes_of(space, item(space, item_))
    many = {k: z.repeat(n, *[1] * (z.ndim - 1)) for k, z in code.tensors.items()}
    x = torch.cat([space.decode_tensor(code), redraw_tensor(space, many, redrawn, seed=seed)])
    record: dict[str, Any] = {"verb": "redraw", "item": item_, "redrawn": redrawn, "seed": seed}
    heads = ["as made", *["redrawn"] * n]
    name = named("redraw", item_, *redrawn, f"seed{seed}")
    result = result_of(space, name, x, record, columns=n + 1, heads=("", heads))
    leave(result, study, out=out, json=json)
