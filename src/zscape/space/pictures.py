"""Pictures of things: grids, pairs, captions, the terminal; arrays in, arrays out, no disk.

Everything is uint8 `[H, W, 3]`. Rows of a table are drawn in `tables`, maps in `scatter`.
"""

import math
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.style import Style
from rich.text import Text

from zscape.modalities.found import printable
from zscape.modalities.modality import Pictures, Rows
from zscape.space.tables import table_picture

PAPER = (255, 255, 255)
INK = (40, 44, 52)
HEAT = ((250, 250, 248), (254, 217, 142), (236, 112, 20), (140, 45, 4), (60, 10, 0))
TILE = 72  # pixels a side that small tiles are enlarged towards
WIDEST = 1200  # pixels that a picture is kept within
MOST_COLUMNS = 16
WORDED = 16  # pixels of a line of words below a tile


def picture(shown: Pictures | Rows, *, columns: int | None = None) -> np.ndarray:
    """What a modality shows, as one picture: a grid of tiles, or a table.

    Args:
        shown: tiles or rows.
        columns: tiles side by side; none: as near a square as may be.
    """
    if isinstance(shown, Rows):
        return table_picture(shown)
    return grid(shown.tiles, columns=columns)


def grid(
    tiles: np.ndarray,
    *,
    columns: int | None = None,
    gap: int = 2,
    scale: int | None = None,
    width: int = WIDEST,
) -> np.ndarray:
    """Tiles in rows, from left to right and from top to bottom.

    Small tiles are enlarged by a whole factor, pixel by pixel; a grid that is too wide is made of
    smaller ones.

    Args:
        tiles: `[N, H, W, 3]` uint8.
        columns: tiles side by side; none: as near a square as may be, at most 16.
        gap: pixels between tiles.
        scale: the whole factor; none: towards 72 pixels a side within `width`.
        width: pixels that the grid is kept within where `scale` is none.
    """
    columns = columns or _columns(len(tiles))
    if scale is None:
        tiles = fit_tiles(tiles, columns=columns, gap=gap, width=width)
    else:
        tiles = enlarge(tiles, scale)
    return _lay(tiles, columns, gap)


def pairs(
    originals: np.ndarray,
    reconstructions: np.ndarray,
    *,
    columns: int | None = None,
    gap: int = 2,
    width: int = WIDEST,
) -> np.ndarray:
    """Originals above their reconstructions, in blocks of two rows.

    Args:
        originals: `[N, H, W, 3]` uint8.
        reconstructions: likewise, in the same order.
        columns: pairs side by side; none: all up to 16.
        gap: pixels between tiles; blocks stand four times as far apart.
        width: pixels that the picture is kept within.
    """
    columns = columns or min(len(originals), MOST_COLUMNS)
    above = fit_tiles(originals, columns=columns, gap=gap, width=width)
    below = fit_tiles(reconstructions, columns=columns, gap=gap, width=width)
    blocks = []
    for start in range(0, len(above), columns):
        part = slice(start, start + columns)
        both = np.concatenate([_filled(above[part], columns), _filled(below[part], columns)])
        blocks.append(_lay(both, columns, gap))
    return stack(blocks, gap=4 * gap)


def captioned(
    tiles: np.ndarray, captions: Sequence[str], *, columns: int, gap: int = 2, width: int = WIDEST
) -> np.ndarray:
    """Rows of tiles, each with words at its left: a traversal with the names of its units.

    Args:
        tiles: `[R * columns, H, W, 3]` uint8, row by row.
        captions: R of them, a short line each.
        columns: tiles in a row.
        gap: pixels between tiles.
        width: pixels that the picture is kept within.
    """
    font = ImageFont.load_default(size=16)
    words = [printable(caption)[:40] for caption in captions]
    margin = math.ceil(max(font.getlength(caption) for caption in words)) + 24
    tiles = fit_tiles(tiles, columns=columns, gap=gap, width=width - margin)
    body = _lay(tiles, columns, gap)
    sheet = Image.new("RGB", (margin + body.shape[1], body.shape[0]), PAPER)
    sheet.paste(Image.fromarray(body), (margin, 0))
    pen, pitch = ImageDraw.Draw(sheet), tiles.shape[1] + gap
    for row, caption in enumerate(words):
        middle = gap + row * pitch + tiles.shape[1] // 2
        pen.text((margin - 12, middle), caption, fill=INK, font=font, anchor="rm")
    return np.asarray(sheet).copy()


def worded(
    tiles: np.ndarray, words: Sequence[str], *, columns: int, gap: int = 6, width: int = WIDEST
) -> np.ndarray:
    """Tiles in rows, each with words below it.

    Args:
        tiles: `[N, H, W, 3]` uint8.
        words: a line or more for each; what is wider than its tile is cut.
        columns: tiles in a row.
        gap: pixels between tiles.
        width: pixels that the picture is kept within.
    """
    font = ImageFont.load_default(size=13)
    tiles = fit_tiles(tiles, columns=columns, gap=gap, width=width)
    high, wide = tiles.shape[1:3]
    lines = [[printable(line) for line in word.split("\n")] for word in words]
    below = max(map(len, lines)) * WORDED
    room = np.full((len(tiles), high + below, wide, 3), PAPER, dtype=np.uint8)
    room[:, :high] = tiles
    sheet = Image.fromarray(_lay(room, columns, gap))
    pen = ImageDraw.Draw(sheet)
    for n, told in enumerate(lines):
        row, column = divmod(n, columns)
        left, top = gap + column * (wide + gap), gap + row * (high + below + gap) + high
        for line, text in enumerate(told):
            while text and font.getlength(text) > wide:
                text = text[:-1]
            place = (left + wide // 2, top + line * WORDED + WORDED // 2)
            pen.text(place, text, fill=INK, font=font, anchor="mm")
    return np.asarray(sheet).copy()


def heat_tiles(maps: np.ndarray) -> np.ndarray:
    """Maps `[N, H, W]` of numbers from 0 as tiles `[N, H, W, 3]`: pale is little, dark much.

    All have one scale, so that tiles can be compared; the largest two in a thousand are cut.
    """
    share = (maps / max(float(np.quantile(maps, 0.998)), 1e-12)).clip(0, 1)
    stops = np.linspace(0, 1, len(HEAT))
    channels = [np.interp(share, stops, levels) for levels in zip(*HEAT, strict=True)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def crossed(
    tiles: np.ndarray, left: np.ndarray, top: np.ndarray, *, gap: int = 2, width: int = WIDEST
) -> np.ndarray:
    """A grid of tiles under one row of tiles and beside one column, which stand a little apart.

    Args:
        tiles: `[A * B, H, W, 3]` uint8, row by row.
        left: A of them.
        top: B of them.
        gap: pixels between tiles; heads stand four times as far apart.
        width: pixels that the picture is kept within.
    """
    columns = 1 + len(top)
    fitted = [fit_tiles(part, columns=columns, gap=4 * gap, width=width) for part in (left, top)]
    body = _lay(fit_tiles(tiles, columns=columns, gap=4 * gap, width=width), len(top), gap)
    side, above = _lay(fitted[0], 1, gap), _lay(fitted[1], len(top), gap)
    size = above.shape[0] + 3 * gap + body.shape[0], side.shape[1] + 3 * gap + body.shape[1], 3
    sheet = np.full(size, PAPER, dtype=np.uint8)
    sheet[: above.shape[0], -above.shape[1] :] = above
    sheet[-side.shape[0] :, : side.shape[1]] = side
    sheet[-body.shape[0] :, -body.shape[1] :] = body
    return sheet


def stack(pictures: Sequence[np.ndarray], *, gap: int = 8) -> np.ndarray:
    """Pictures of any width one below the other, on paper."""
    width = max(part.shape[1] for part in pictures)
    height = sum(part.shape[0] for part in pictures) + gap * (len(pictures) - 1)
    sheet, top = np.full((height, width, 3), PAPER, dtype=np.uint8), 0
    for part in pictures:
        sheet[top : top + part.shape[0], : part.shape[1]] = part
        top += part.shape[0] + gap
    return sheet


def fit_tiles(tiles: np.ndarray, *, columns: int, gap: int = 2, width: int = WIDEST) -> np.ndarray:
    """Tiles enlarged by a whole factor, or made smaller, so that `columns` of them fit a width."""
    room = max((width - gap * (columns + 1)) // columns, 1)
    high, wide = tiles.shape[1:3]
    if wide > room:
        return _reduced(tiles, max(round(high * room / wide), 1), room)
    return enlarge(tiles, max(1, min(round(TILE / max(high, wide)), room // wide)))


def enlarge(tiles: np.ndarray, factor: int) -> np.ndarray:
    """Tiles `[N, H, W, 3]` in which each pixel became `factor` by `factor` pixels."""
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def png(array: np.ndarray) -> bytes:
    """A picture `[H, W, 3]` as the bytes of a PNG file."""
    file = BytesIO()
    Image.fromarray(array).save(file, format="PNG", optimize=True)
    return file.getvalue()


def blocks(array: np.ndarray, *, width: int = 80) -> Text:
    """A picture for the terminal: half blocks, two pixels to a character.

    Args:
        array: `[H, W, 3]` uint8.
        width: characters that it is kept within.
    """
    high, wide = array.shape[:2]
    size = (min(wide, width), max(round(high * min(1.0, width / wide)), 1))
    small = np.asarray(Image.fromarray(array).resize(size, Image.Resampling.BOX))
    if len(small) % 2:
        small = np.concatenate([small, np.zeros_like(small[:1])])
    text = Text(no_wrap=True, end="")
    for top, bottom in zip(small[::2], small[1::2], strict=True):
        for above, below in zip(top, bottom, strict=True):
            text.append("▀", Style(color=_hex(above), bgcolor=_hex(below)))
        text.append("\n")
    return text


def _columns(count: int) -> int:
    return min(max(math.ceil(math.sqrt(count * 1.6)), 1), MOST_COLUMNS, max(count, 1))


def _lay(tiles: np.ndarray, columns: int, gap: int) -> np.ndarray:
    high, wide = tiles.shape[1:3]
    rows = math.ceil(len(tiles) / columns)
    shape = (gap + rows * (high + gap), gap + columns * (wide + gap), 3)
    sheet = np.full(shape, PAPER, dtype=np.uint8)
    for n, tile in enumerate(tiles):
        row, column = divmod(n, columns)
        top, left = gap + row * (high + gap), gap + column * (wide + gap)
        sheet[top : top + high, left : left + wide] = tile
    return sheet


def _filled(tiles: np.ndarray, count: int) -> np.ndarray:
    missing = count - len(tiles)
    blank = np.full((missing, *tiles.shape[1:]), PAPER, dtype=np.uint8)
    return np.concatenate([tiles, blank])


def _reduced(tiles: np.ndarray, high: int, wide: int) -> np.ndarray:
    box = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(t).resize((wide, high), box)) for t in tiles])


def _hex(pixel: np.ndarray) -> str:
    red, green, blue = (int(value) for value in pixel)
    return f"#{red:02x}{green:02x}{blue:02x}"
