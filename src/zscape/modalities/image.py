"""Pictures of one size, grey or colour; reading them from files stands in the study layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError
from zscape.modalities.extras import is_frame
from zscape.modalities.found import Found, counted, percent, place
from zscape.modalities.modality import Modality, Pictures

SMALLEST_SIDE = 4
LARGEST_MLP_SIDE = 12
SMALLEST_RESIDUAL_SIDE = 96
INKY_SHARE = 0.75  # of pixels near black or white; with fewer, grey says more than ink or paper
# Up to here a pixel counts as ink or paper: 10 % of 255 from either end.
INK_MARGIN = 25


@dataclass(frozen=True, slots=True)
class Image(Modality):
    """Pictures `[C, H, W]`, stored as uint8 and seen by a model as float32 in [0, 1].

    Pure black and white is Bernoulli. So is grey that is mostly ink or paper, read as the
    probability of ink: the cross entropy is then the expected likelihood of the picture binarised
    at random. (Densities on [0, 1] run off to infinity on pixels that are exactly 0 or 1.)
    Everything else is a discretized logistic over 256 levels.
    """

    channels: int
    height: int
    width: int
    two_valued: bool = False
    inky: bool = False
    num_examples: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width `(C, H, W)`."""
        return (self.channels, self.height, self.width)

    @property
    def likelihood(self) -> str:
        """`bernoulli` or `discretized_logistic`."""
        return "bernoulli" if self.two_valued or self.inky else "discretized_logistic"

    @property
    def network(self) -> str:
        """`mlp` up to 12 pixels a side, `conv` below 96, narrow `residual` from there on.

        A residual network costs several times a plain one on a processor; ask for it where
        pictures are small and time is not.
        """
        side = max(self.height, self.width)
        if side <= LARGEST_MLP_SIDE:
            return "mlp"
        return "conv" if side < SMALLEST_RESIDUAL_SIDE else "residual:16"

    @property
    def columns(self) -> tuple[tuple[str, int], ...]:
        """Empty: pictures have no columns."""
        return ()

    def encode(self, things: Any) -> Tensor:
        """Stores pictures as uint8 `[N, C, H, W]`.

        Args:
            things: an array or tensor `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]`, uint8 or
                float in [0, 1]; a Pillow picture; a list of either; or a single picture.

        Raises:
            ShapeError: pictures of another size, or colour where the study is grey.
            DataError: pixels outside [0, 1] and [0, 255], NaN or infinity.
        """
        if _is_sequence(things):
            if len(things) == 0:
                raise DataError("encode must have at least one picture, got none. Pass some.")
            return torch.cat([self.encode(thing) for thing in things])
        arranged = self._arrange(_picture_array(things))
        levels = to_levels(arranged)
        if self.two_valued and levels.dtype == np.uint8 and levels.max(initial=0) <= 1:
            levels = levels * np.uint8(255)
        return torch.from_numpy(self._recolour(levels).copy())

    def prepare(self, stored: Tensor) -> Tensor:
        """Casts uint8 levels to float32 in [0, 1]."""
        return stored.to(torch.float32) / 255

    def decode(self, x: Tensor) -> np.ndarray:
        """Turns `[N, C, H, W]` in [0, 1] into uint8 pictures, `[N, H, W]` or `[N, H, W, 3]`."""
        levels = (x.detach().to("cpu", torch.float32).clamp(0, 1) * 255).round()
        pictures = levels.to(torch.uint8).numpy()
        return pictures[:, 0] if self.channels == 1 else np.moveaxis(pictures, 1, -1).copy()

    def show(self, x: Tensor) -> Pictures:
        """Turns `[N, C, H, W]` in [0, 1] into colour tiles `[N, H, W, 3]`."""
        pictures = self.decode(x)
        return Pictures(
            np.repeat(pictures[..., None], 3, axis=-1) if self.channels == 1 else pictures
        )

    def _arrange(self, pictures: np.ndarray) -> np.ndarray:
        """One or many pictures in any axis order as `[N, c, H, W]`, where c may differ from C."""
        size = (self.height, self.width)
        many = pictures.ndim == 4 or (pictures.ndim == 3 and pictures.shape[1:] == size)
        if many and pictures.ndim == 3 and pictures.shape[0] == self.channels == 3:
            many = False  # one picture, channels first
        batch = pictures if many else pictures[None]
        if batch.ndim == 3 and batch.shape[1:] == size:
            return batch[:, None]
        if batch.ndim == 4 and batch.shape[2:] == size and batch.shape[1] in (1, 3, 4):
            return batch
        if batch.ndim == 4 and batch.shape[1:3] == size and batch.shape[3] in (1, 3, 4):
            return np.moveaxis(batch, -1, 1)
        raise ShapeError(
            f"Picture is {_size_words(pictures)} but this study was trained on "
            f"{self.height}x{self.width}. Resize it, or open a study trained on "
            f"{_size_words(pictures)}."
        )

    def _recolour(self, levels: np.ndarray) -> np.ndarray:
        levels = on_white(levels)
        if levels.shape[1] == self.channels:
            return levels
        if self.channels == 3:
            return np.repeat(levels, 3, axis=1)
        if is_grey(levels):
            return levels[:, :1]
        raise ShapeError(
            "Picture is in colour but this study was trained on grey. Convert it to grey, or open "
            "a study trained on colour."
        )


def looks_like_pictures(things: np.ndarray) -> bool:
    """Whether an array `[N, ...]` has the axes and the values of pictures."""
    if channel_axis(things) is None:
        return False
    if things.dtype in (np.uint8, np.bool_):
        return True
    if not np.issubdtype(things.dtype, np.floating) or things.size == 0:
        return False
    # NaN compares false, so broken pictures are still called pictures and refused as such.
    return not bool((things < 0).any() or (things > 1).any())


def channel_axis(things: np.ndarray, *, channels_first: bool = False) -> int | None:
    """The channel axis of `[N, ...]` pictures: 1, -1, or 0 for grey without one; None if neither.

    `channels_first` settles arrays that read both ways, as torch tensors and numpy arrays differ.
    """
    shape = things.shape
    if things.ndim == 3 and min(shape[1:]) >= SMALLEST_SIDE:
        return 0
    if things.ndim != 4:
        return None
    first = shape[1] in (1, 3, 4) and min(shape[2:]) >= SMALLEST_SIDE
    last = shape[3] in (1, 3, 4) and min(shape[1:3]) >= SMALLEST_SIDE
    if first and (channels_first or not last):
        return 1
    return -1 if last else None


def find_image(
    things: np.ndarray, *, channels_first: bool = False, levels: np.ndarray | None = None
) -> Found:
    """Fits an `Image` to an array of pictures `[N, ...]` that `looks_like_pictures`.

    Args:
        things: the pictures.
        channels_first: where both ends could be the channels.
        levels: how often each of the 256 levels is among all pictures, if these are a sample.

    Raises:
        DataError: NaN or infinite pixels, named by picture.
    """
    axis = channel_axis(things, channels_first=channels_first)
    batch = things[:, None] if axis == 0 else np.moveaxis(things, axis or 1, 1)
    had_alpha = batch.shape[1] == 4
    pixels = on_white(to_levels(batch))
    histogram = _histogram(pixels) if levels is None else levels
    if histogram[2:].sum() == 0 and histogram[1] > 0:
        pixels = pixels * np.uint8(255)
        histogram = np.concatenate([histogram[:1], np.zeros(254, np.int64), histogram[1:2]])
    # Shares the memory of the person's array where it can: data sets may be large.
    stored = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
    ink = int(histogram[: INK_MARGIN + 1].sum() + histogram[255 - INK_MARGIN :].sum())
    two_valued = bool(histogram[0] and histogram[255] and not histogram[1:255].any())
    number, channels, height, width = pixels.shape
    image = Image(
        channels=channels,
        height=height,
        width=width,
        two_valued=two_valued,
        inky=channels == 1 and bool(ink > INKY_SHARE * histogram.sum()),
        num_examples=number,
    )
    notes = [_why(image, percent(ink, int(histogram.sum())))]
    if had_alpha:
        notes.append("transparent pictures were laid on white")
    if np.count_nonzero(histogram) == 1:
        notes.append("warning: every pixel of every picture is the same; there is nothing to learn")
    tone = "grey" if channels == 1 else "colour"
    return Found(
        image, stored, f"{counted(number, 'picture')}, {height}x{width}, {tone}", tuple(notes)
    )


def to_levels(pictures: np.ndarray) -> np.ndarray:
    """Pixels as uint8 levels: bytes stay, truths become 0 and 255, floats in [0, 1] are rounded.

    Raises:
        DataError: pixels that are not finite or out of range.
    """
    if pictures.dtype == np.uint8:
        return pictures
    if pictures.dtype == np.bool_:
        return pictures.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(pictures.dtype, np.number) or np.iscomplexobj(pictures):
        raise DataError(
            f"Pixels must be numbers, got an array of {pictures.dtype}. "
            "Pass uint8, or floats between 0 and 1."
        )
    _require_finite(pictures)
    top = 255 if np.issubdtype(pictures.dtype, np.integer) else 1
    if pictures.min(initial=0) < 0 or pictures.max(initial=0) > top:
        raise DataError(
            f"Pixels must lie between 0 and {top}, got {pictures.min():g} to {pictures.max():g}. "
            "Rescale them to 0..1 (floats) or 0..255 (uint8)."
        )
    return np.rint(pictures * np.float32(255 / top)).astype(np.uint8)


def on_white(levels: np.ndarray) -> np.ndarray:
    """Drops the transparency of uint8 `[N, 4, H, W]` by laying the pictures on white."""
    if levels.shape[1] != 4:
        return levels
    alpha = levels[:, 3:].astype(np.float32) / 255
    return np.rint(levels[:, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def is_grey(levels: np.ndarray) -> bool:
    """Whether the three channels of `[N, 3, H, W]` are equal everywhere."""
    return bool(
        np.array_equal(levels[:, 0], levels[:, 1]) and np.array_equal(levels[:, 0], levels[:, 2])
    )


def _why(image: Image, share: str) -> str:
    if image.two_valued:
        return "likelihood: Bernoulli, because every pixel is either black or white"
    if image.inky:
        return (
            f"likelihood: Bernoulli, because {share} of the pixels are nearly black or white; "
            "grey is read as the probability of ink"
        )
    reason = "pictures in colour" if image.channels == 3 else "pictures with many shades of grey"
    return f"likelihood: discretized logistic over 256 levels, which suits {reason}"


def _histogram(pixels: np.ndarray) -> np.ndarray:
    """Counts of the 256 levels, in pieces because bincount widens its argument to int64."""
    counts = np.zeros(256, dtype=np.int64)
    rows = max(1, 2**22 // max(1, pixels[0].size))
    for start in range(0, len(pixels), rows):
        counts += np.bincount(pixels[start : start + rows].reshape(-1), minlength=256)
    return counts


def _require_finite(pictures: np.ndarray) -> None:
    broken = ~np.isfinite(pictures).reshape(len(pictures), -1).all(axis=1)
    if not broken.any():
        return
    first = int(np.argmax(broken))
    what = "NaN" if np.isnan(pictures[first]).any() else "infinity"
    raise DataError(
        f"Pixels must be finite numbers, got {what} in {counted(int(broken.sum()), 'picture')}, "
        f"first in {place(first)}. Leave these pictures out, or mend them."
    )


def _is_sequence(things: Any) -> bool:
    return isinstance(things, Sequence)


def _picture_array(thing: Any) -> np.ndarray:
    if is_frame(thing):
        raise DataError(
            "Pictures must come as an array, a Pillow picture or a list of these, got a DataFrame. "
            "Open a study of a table for rows."
        )
    if isinstance(thing, Tensor):
        return np.asarray(thing.detach().cpu().numpy())
    pictures = np.asarray(thing)
    if pictures.ndim < 2:
        raise ShapeError(
            f"A picture must have a height and a width, got {type(thing).__name__} of shape "
            f"{pictures.shape}. Pass an array [H, W], [H, W, 3] or a list of them."
        )
    return pictures


def _size_words(pictures: np.ndarray) -> str:
    shape = pictures.shape
    if len(shape) >= 3 and shape[-1] in (1, 3, 4):
        shape = shape[:-1]
    return "x".join(str(side) for side in shape[-2:])
