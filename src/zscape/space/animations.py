"""Animations of pictures: GIF, WebP and MP4 as bytes; frames in, no disk.

What the frames show is not known here. Grids and strips stand in `pictures`.
"""

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO

import numpy as np
from PIL import Image

from zscape.errors import SpecError
from zscape.modalities.extras import optional
from zscape.space.pictures import enlarge

SIDE = 224  # pixels that small frames are enlarged towards
FASTEST = 50  # frames a second: players slow a GIF of more down to 10
QUALITY = "18"  # of H.264, where 0 is without loss and 23 usual


def animation(tiles: np.ndarray, suffix: str, *, fps: float = 12.0) -> bytes:
    """Frames as the bytes of an animated file. GIF and WebP play for ever; MP4 as its player does.

    Small frames are enlarged by a whole factor. MP4 is H.264 in yuv420p, which browsers play;
    frames of an odd height or width get their last row or column twice, as it needs even ones.

    Args:
        tiles: `[T, H, W, 3]` uint8.
        suffix: ".gif", ".webp" or ".mp4".
        fps: frames a second.

    Raises:
        SpecError: another suffix, or a pace that cannot be.
        DataError: ".mp4" without the package of the extra `media`.
    """
    if suffix not in WRITERS:
        raise SpecError(
            f"An animation must end in {', '.join(WRITERS)}, got {suffix!r}. Rename it."
        )
    if not 0.1 <= fps <= FASTEST:
        raise SpecError(
            f"An animation must have from 0.1 to {FASTEST} frames a second, got {fps:g}. "
            "12 is usual; --steps says how many there are."
        )
    high, wide = tiles.shape[1:3]
    return WRITERS[suffix](enlarge(tiles, max(1, round(SIDE / max(high, wide)))), fps)


def _gif(frames: np.ndarray, fps: float) -> bytes:
    return _by_pillow(frames, fps, format="GIF")


def _webp(frames: np.ndarray, fps: float) -> bytes:
    return _by_pillow(frames, fps, format="WEBP", lossless=True)


def _by_pillow(frames: np.ndarray, fps: float, *, format: str, **options: bool) -> bytes:
    file, images = BytesIO(), [Image.fromarray(frame) for frame in frames]
    images[0].save(
        file,
        format=format,
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / fps),
        loop=0,  # for ever
        **options,
    )
    return file.getvalue()


def _mp4(frames: np.ndarray, fps: float) -> bytes:
    av = optional("av", "media")
    even = [(0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)]
    frames, file = np.pad(frames, even, mode="edge"), BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(100))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": QUALITY}
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()


WRITERS: dict[str, Callable[[np.ndarray, float], bytes]] = {
    ".gif": _gif,
    ".webp": _webp,
    ".mp4": _mp4,
}
