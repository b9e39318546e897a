"""`zscape fill`: what is missing of a picture, as a strip; of a table's rows, as a file."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from zscape.cli.output import Result, leave, say
from zscape.cli.verbs import Folder, Json, Own, Seed, named, opened
from zscape.errors import SpecError
from zscape.modalities.image import Image
from zscape.modalities.modality import Pictures
from zscape.modalities.table import Table
from zscape.space.filling import fill_rows, fill_tensor, hole, require_filling
from zscape.space.pictures import grid
from zscape.space.space import Space
from zscape.study.intake.files import require_file
from zscape.study.intake.refilled import refilled, suffix_of
from zscape.study.intake.tables import load_table
from zscape.study.items import mask_file, stored_item
from zscape.study.storage.folder import write_file

HIDDEN = (120, 120, 200)  # colour of what is hidden


def fill(
    study: Folder,
    item: Annotated[str, Parameter(help="'#12' or a picture; a table's rows: a file of them.")],
    /,
    *,
    mask: Annotated[
        str,
        Parameter(help="what is hidden: right, left, top, bottom, box:y0,x0,y1,x1, or a picture."),
    ] = "",
    n: Annotated[int, Parameter(name=["-n", "--number"], help="how many completions.")] = 6,
    seed: Seed = 0,
    out: Annotated[Path | None, Parameter(help="a .png file; of rows one of their kind.")] = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Fill in what is missing: the given, completions, the truth; or the empty cells of rows."""
    space = opened(study, recipe).space()
    require_filling(space)
    if isinstance(space.modality, Table):
        _rows(study, space, item, mask, out=out, json=json)
        return
    pictures = isinstance(space.modality, Image)
    if not pictures or not mask:
        raise SpecError(
            "What is filled must be rows of a table, or pictures with a --mask, got "
            f"{'pictures without one' if pictures else 'arrays'}. 'right' hides the right half."
        )
    stored = stored_item(space, item)
    hidden = _hidden(space, mask, item)
    made = fill_tensor(space, stored, hidden, n=n, seed=seed)
    name = named("fill", item, mask, f"seed{seed}")
    strip = _strip(space, stored, hidden, made)
    record: dict[str, Any] = {"verb": "fill", "item": item, "mask": mask, "number": n, "seed": seed}
    lines = (f"from left to right: what is given, {n} completions, the truth",)
    result = Result(
        name, lambda width: grid(strip, columns=len(strip), width=width), record, lines=lines
    )
    leave(result, study, out=out, json=json)


def _rows(study: Path, space: Space, item: str, mask: str, *, out: Path | None, json: bool) -> None:
    """Writes rows with their empty cells filled."""
    if mask:
        raise SpecError(f"--mask is for pictures, got {mask!r}. Empty cells are what is filled.")
    require_file(Path(item), "Rows to fill", hint="Give a .csv file.")
    frame = load_table(Path(item)).things
    suffix = suffix_of(Path(item))
    path = out or Path(f"{Path(item).stem}-filled{suffix}")
    if path.suffix.lower() != suffix:
        raise SpecError(f"--out must end in {suffix} for these rows, got {path.name!r}. Rename it.")
    filled = fill_rows(space, frame)
    write_file(path, refilled(Path(item), frame, filled))
    count = int(frame.isna().to_numpy().sum() - filled.isna().to_numpy().sum())
    if json:
        say({"verb": "fill", "study": str(study), "file": str(path), "filled": count})
        return
    print(f"{count:,} empty cells filled")
    print(path)


def _hidden(space: Space, mask: str, item: str) -> Tensor:
    if Path(mask).suffix and not mask.startswith("box:"):
        require_file(Path(mask), "A mask", hint="Check the path, or name a side, as right.")
        return mask_file(space, Path(mask), of=None if item.startswith("#") else Path(item))
    return hole(mask, space.modality.shape)


def _strip(space: Space, stored: Tensor, hidden: Tensor, made: Tensor) -> np.ndarray:
    """Tiles: what is given, with the hole in a colour, the completions, the truth."""
    truth = space.modality.prepare(stored)
    shown = space.modality.show(torch.cat([truth, made, truth]))
    assert isinstance(shown, Pictures)
    tiles = shown.tiles.copy()
    tiles[0][hidden[0].numpy()] = HIDDEN
    return tiles
