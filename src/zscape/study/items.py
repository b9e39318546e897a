"""Single things named in words, from the data of a study or from a file; and things as files."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError, SpecError
from zscape.modalities.found import printable, quote
from zscape.modalities.image import Image
from zscape.modalities.logs import Logs
from zscape.modalities.modality import Rows
from zscape.space.pictures import picture, png
from zscape.space.space import Space
from zscape.study.intake.arrays import load_array
from zscape.study.intake.files import require_file
from zscape.study.intake.logs import load_log_like
from zscape.study.intake.pictures import SUFFIXES, load_picture, picture_size
from zscape.study.intake.tables import TABLE_SUFFIXES, kind_of, load_table
from zscape.study.storage.folder import write_file


def item(space: Space, name: str) -> Any:
    """The thing that a name means: an index for `#12`, else what the file of that path holds.

    Where there is no such file, an example of the study's own of that name, as its index.

    Pictures are brought to the size of the study's; of several rows or arrays the first is taken.

    Raises:
        SpecError: '#' and no index.
        DataError: no such index, or a file that is not there, cannot be read or holds something
            else.
    """
    if name.startswith("#"):
        return space.index(_number(name))
    if name in space.names and not os.path.exists(name):
        return space.names.index(name)
    path = Path(name)
    named = f"a name of the study's, such as {quote(space.names[0])}, " if space.names else ""
    what = f"An item must be '#' and an index, such as '#12' (in quotes), {named}or a file: that"
    require_file(path, what, hint="'#0' is the first of the data.")
    kind = kind_of(path)
    if isinstance(space.modality, Logs):
        return load_log_like(path, space.modality).things[:1]
    if kind in TABLE_SUFFIXES and not isinstance(space.modality, Image):
        return load_table(path).things.iloc[:1]
    if kind in (".npy", ".npz"):
        things = load_array(path).things
        return things if len(space.modality.encode(things)) == 1 else things[:1]
    return _picture(space, path, kind)


def stored_item(space: Space, name: str) -> Tensor:
    """The same thing as it is stored, `[1, *shape]`.

    Raises:
        SpecError: '#' and no index.
        DataError: as `item`, or an index whose example the study did not keep.
        ShapeError: a thing of another size than those of the study.
    """
    thing = item(space, name)
    return space.item(thing) if isinstance(thing, int) else space.modality.encode(thing)[:1]


def mask_file(space: Space, path: Path, *, of: Path | None = None) -> Tensor:
    """What a picture file hides, bool `[C, H, W]`: where it is brighter than middle grey.

    Args:
        space: of pictures.
        path: of the mask, of the size of what it is for.
        of: the picture it is for, brought to the study's size as the mask is; none: one of the
            study's own.

    Raises:
        DataError: no picture, one that hides all, or a study of other things.
        ShapeError: a mask of another size.
    """
    pixels = torch.from_numpy(_picture(space, path, kind_of(path)).copy())
    wanted = tuple(space.modality.shape[1:]) if of is None else picture_size(of)
    if (found := picture_size(path)) != wanted:
        raise ShapeError(
            f"A mask must have the size of the picture, {wanted[1]}x{wanted[0]}, got "
            f"{found[1]}x{found[0]}. Resize it, so that it hides what is meant."
        )
    bright = pixels > 127
    if bright.all():
        raise DataError(
            f"A mask must leave something known, and {printable(path.name)!r} hides all. Paint "
            "what is known black, or draw whole pictures: zscape sample."
        )
    return (bright if bright.ndim == 2 else bright.any(-1)).expand(space.modality.shape)


def write_things(path: Path, space: Space, x: Tensor) -> None:
    """Writes what a model sees, `[N, *shape]`, as a .png, .npy or .csv file.

    Raises:
        SpecError: another suffix, or one that such things have no file of.
        StorageError: the disk is full or refuses.
    """
    writers = {".png": _as_png, ".npy": _as_npy, ".csv": _as_csv}
    if path.suffix.lower() not in writers:
        raise SpecError(
            f"--out must end in {', '.join(writers)}, got {printable(path.name)!r}. Rename it."
        )
    write_file(path, writers[path.suffix.lower()](space, x))


def _number(name: str) -> int:
    if not name[1:].isdecimal():
        raise SpecError(
            f"An item must be '#' and an index, got {printable(name)!r}. "
            "'#0' is the first of the data."
        )
    return int(name[1:])


def _picture(space: Space, path: Path, kind: str) -> np.ndarray:
    if not isinstance(space.modality, Image) or kind not in SUFFIXES:
        wanted = "a picture" if isinstance(space.modality, Image) else ".csv, .npy or another table"
        raise DataError(
            f"An item of this study must be {wanted}, got {printable(path.name)!r}. "
            "Give a file of that kind."
        )
    pixels: np.ndarray = load_picture(path, space.modality).things[0]
    return pixels


def _as_png(space: Space, x: Tensor) -> bytes:
    return png(picture(space.modality.show(x)))


def _as_npy(space: Space, x: Tensor) -> bytes:
    things = space.modality.decode(x)
    if not isinstance(things, np.ndarray):
        raise SpecError("--out must end in .csv for rows of mixed columns, got .npy. Rename it.")
    file = io.BytesIO()
    np.save(file, things, allow_pickle=False)
    return file.getvalue()


def _as_csv(space: Space, x: Tensor) -> bytes:
    shown = space.modality.show(x)
    if not isinstance(shown, Rows):
        raise SpecError("--out must end in .png or .npy for pictures, got .csv. Rename it.")
    things = space.modality.decode(x)
    if isinstance(things, list):
        things = np.array(shown.cells)
    if not isinstance(things, np.ndarray):
        text: str = things.to_csv(index=False)
        return text.encode()
    rows = [shown.columns, *things.reshape(len(things), -1).tolist()]
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
