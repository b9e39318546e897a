"""Single items, and thumbnails of all that were kept."""

import io
import math
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zscape.space.pictures import png
from zscape.space.space import Space
from zscape.space.units import rates_of, scales_of
from zscape.studio.work.made import Made, Missing, is_pictures, packed, rows, tiles, told
from zscape.studio.work.shelf import Opened

SHEET, SHEET_COLUMNS = 1024, 32  # tiles of a sheet
SIZES = (32, 64)  # pixels of a tile


def kept(opened: Opened) -> Made:
    """Which items the study holds originals of."""
    space = opened.space
    header = {"items": len(space.codes), "kept": len(space.kept)}
    return packed(header, {"kept": space.kept.numpy().astype(np.uint32)})


def sheets(opened: Opened) -> Made:
    """How thumbnails are laid out."""
    space = opened.space
    if not is_pictures(space):
        raise Missing("not_found", "Things of this study show themselves as rows. Ask for items.")
    return told(
        {
            "sizes": list(SIZES),
            "per_sheet": SHEET,
            "columns": SHEET_COLUMNS,
            "sheets": -(-len(space.kept) // SHEET),
            "items": len(space.codes),
            "all_kept": len(space.kept) == len(space.codes),
        }
    )


def sheet(opened: Opened, size: int, number: int) -> Made:
    """One sheet of thumbnails, as WebP."""
    space = opened.space
    stored = space.items[number * SHEET : (number + 1) * SHEET]
    if size not in SIZES or not len(stored) or not is_pictures(space):
        raise Missing("not_found", "A sheet must be one of those that /thumbs tells of.")
    seen = tiles(space, space.modality.prepare(stored))
    high = -(-len(seen) // SHEET_COLUMNS)
    whole = Image.new("RGB", (SHEET_COLUMNS * size, high * size), (255, 255, 255))
    scale = size / max(seen.shape[1:3])
    wide, tall = (max(round(side * scale), 1) for side in (seen.shape[2], seen.shape[1]))
    for place, tile in enumerate(seen):
        small = Image.fromarray(tile).resize((wide, tall), Image.Resampling.BOX)
        left, top = place % SHEET_COLUMNS * size, place // SHEET_COLUMNS * size
        whole.paste(small, (left + (size - wide) // 2, top + (size - tall) // 2))
    return picture_file(whole, "webp", quality=82, method=2)


def item(opened: Opened, index: int) -> Made:
    """All that is known of one item."""
    space, number = opened.space, opened.item(index)
    x, place = _original(space, number), _place(space, number)
    about: dict[str, Any] = {
        "id": number,
        "name": space.names[number] if space.names else None,
        "kept": x is not None,
        "held_out": _held_out(space, place),
        "label": label_of(space, number),
        "attributes": {n: _number(v[number]) for n, v in space.attributes.items()},
        "z": space.codes.flat[number].tolist(),
        **_posterior(space, x),
        "rows": None,
    }
    if not is_pictures(space):
        made = rows(space, space.decode_tensor(space.codes[number : number + 1]))
        original = None if x is None else list(rows(space, x).cells[0])
        about["rows"] = {
            "columns": list(made.columns),
            "original": original,
            "reconstruction": list(made.cells[0]),
        }
    return told(about)


def scales(opened: Opened, numbers: list[int]) -> Made:
    """Standard deviations of the posteriors of items, `[n, D]`; NaN where one has none to tell."""
    space = opened.space
    found = np.full((len(numbers), opened.latent), np.nan, np.float32)
    for row, number in enumerate(numbers):
        scale = _posterior(space, _original(space, opened.item(number)))["scale"]
        if scale is not None:
            found[row] = scale
    return packed({"items": numbers}, {"scale": found})


def item_picture(opened: Opened, index: int, what: str) -> Made:
    """An item as a picture: the original, the reconstruction, or their difference."""
    space, number = opened.space, opened.item(index)
    if not is_pictures(space):
        raise Missing("not_found", "Things of this study show themselves as rows. Ask for items.")
    made = space.decode_tensor(space.codes[number : number + 1])
    if what == "reconstruction":
        return png_of(tiles(space, made)[0])
    x = _original(space, number)
    if x is None:
        raise Missing(
            "not_kept",
            f"Item #{number} must be one that the study kept, and is not: it holds "
            f"{len(space.kept):,} of {len(space.codes):,}. Its reconstruction is there.",
        )
    if what == "original":
        return png_of(tiles(space, x)[0])
    error = (x - made)[0].abs().mean(0).clamp(0, 1).numpy()
    grey = np.rint(error * 255).astype(np.uint8)
    return png_of(np.repeat(grey[..., None], 3, axis=-1))


def png_of(array: np.ndarray) -> Made:
    """A picture `[H, W, 3]` as a PNG file."""
    return Made(png(array), "image/png")


def picture_file(image: Image.Image, kind: str, **options: Any) -> Made:
    """A picture as a file of that kind."""
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return Made(file.getvalue(), f"image/{kind}")


def _place(space: Space, number: int) -> int | None:
    """Where an item stands among the kept ones."""
    place = int(torch.searchsorted(space.kept, number))
    return place if place < len(space.kept) and int(space.kept[place]) == number else None


def _original(space: Space, number: int) -> Tensor | None:
    place = _place(space, number)
    return None if place is None else space.modality.prepare(space.items[place : place + 1])


def _held_out(space: Space, place: int | None) -> bool | None:
    return None if place is None or space.held_out is None else bool(space.held_out[place])


def label_of(space: Space, number: int) -> str | None:
    """The name of an item's class; None where it is unknown."""
    if space.labels is None or space.labels[number] < 0:
        return None
    label = int(space.labels[number])
    return space.label_names[label] if label < len(space.label_names) else str(label)


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


@torch.inference_mode()
def _posterior(space: Space, x: Tensor | None) -> dict[str, Any]:
    """How sure the code of an item is, and what each unit costs; None where that is undefined."""
    if x is None:
        return {"scale": None, "rate": None}
    latents = space.model.latents(x)
    known = {"scale": scales_of(latents), "rate": rates_of(latents)}
    return {name: None if found is None else found[0].tolist() for name, found in known.items()}
