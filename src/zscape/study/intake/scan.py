"""Reads one picture at a time in a process of its own, so that a decoder may crash or hang there.

It is run by its path and imports nothing but Pillow, to start fast and stay small. A request is a
JSON line on stdin; the answer a JSON line on stdout, followed by the pixels if there are any.
"""

import errno
import io
import json
import os
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

Part = Sequence[int] | None
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "TGA", "ICO", "JPEG2000")
SMALLEST_SIDE = 4
MOST_PIXELS = 50_000_000
# Added to what the process has mapped at its start; keeps its resident memory under 512 MB.
EXTRA_BYTES = 440 * 2**20
MOST_BYTES = 200_000_000  # of one picture within a file of many
SECONDS = 10
FAILED = 1

GREY_MODES = ("1", "L", "LA", "La", "I", "F")
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FIRST_SIDEWAYS = 5


def measure(path: str, *, part: Part = None) -> dict[str, Any]:
    """Height, width and greyness of a picture from its header.

    Args:
        path: the file.
        part: where the picture lies within it, as offset and bytes; none: it is all of the file.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no picture that can be used; the message is the reason.
    """
    require_file(path)
    with _opened(path, part) as picture:
        width, height = picture.size
        if _orientation(picture) >= FIRST_SIDEWAYS:
            width, height = height, width
        return {"height": height, "width": width, "grey": _is_grey(picture)}


def read(path: str, *, height: int, width: int, grey: bool, part: Part = None) -> bytes:
    """The pixels of a picture, cut to the wanted proportions at its centre and resized.

    Rotation by EXIF is applied, the first of several frames taken, transparency laid on white.
    """
    require_file(path)
    with _opened(path, part) as picture:
        # JPEG decodes at a fraction of the size for a fraction of the cost.
        picture.draft(picture.mode, (2 * max(width, height), 2 * max(width, height)))
        return fitted(picture, height=height, width=width, grey=grey).tobytes()


def fitted(picture: Image.Image, *, height: int, width: int, grey: bool) -> Image.Image:
    """A picture in 8 bits, grey or RGB, cut at its centre and resized to height x width."""
    turn = _orientation(picture)
    size = (height, width) if turn >= FIRST_SIDEWAYS else (width, height)
    plain = _in_eight_bits(picture)
    if plain.size != size:
        plain = ImageOps.fit(plain, size, method=Image.Resampling.LANCZOS)
    if turn in TURNS:
        plain = plain.transpose(TURNS[turn])
    if plain.mode == "RGBA":
        white = Image.new("RGBA", plain.size, "white")
        plain = Image.alpha_composite(white, plain)
    return plain.convert("L" if grey else "RGB")


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """The picture as L, RGB or RGBA."""
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
    if picture.mode == "F":
        span: Any = picture.getextrema()
        if not (span[0] >= 0 and span[1] <= 1):  # NaN fails too
            raise ValueError(f"real pixels from {span[0]} to {span[1]}, not in 0 to 1")
        return picture.point(lambda level: level * 255 + 0.5).convert("L")
    if "transparency" in picture.info or picture.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        return picture.convert("RGBA")
    return picture if picture.mode in ("L", "RGB") else picture.convert(_plain_mode(picture))


def _plain_mode(picture: Image.Image) -> str:
    return "L" if _is_grey(picture) else "RGB"


def _is_grey(picture: Image.Image) -> bool:
    if picture.mode != "P":
        return picture.mode in GREY_MODES or picture.mode.startswith("I;")
    colours = picture.getpalette() or []
    return colours[0::3] == colours[1::3] == colours[2::3]


def _orientation(picture: Image.Image) -> int:
    turn = picture.getexif().get(ORIENTATION, 1)
    return turn if turn in TURNS else 1


def _opened(path: str, part: Part) -> Image.Image:
    picture = Image.open(path if part is None else _cut(path, *part), formats=FORMATS)
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width:,}x{height:,} pixels are more than {MOST_PIXELS:,}")
    if min(width, height) < SMALLEST_SIDE:
        raise ValueError(f"{width}x{height} pixels are too small")
    return picture


def _cut(path: str, offset: int, size: int) -> io.BytesIO:
    if size > MOST_BYTES:
        raise ValueError(f"{size:,} bytes are more than {MOST_BYTES:,}")
    with open(path, "rb") as file:
        file.seek(offset)
        return io.BytesIO(file.read(size))


def require_file(path: str) -> None:
    """Refuses what is no file of two bytes at least; the ValueError says why."""
    mode = os.stat(path).st_mode
    kinds = (
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    for is_kind, name in kinds:
        if is_kind(mode):
            raise ValueError(f"{name}, not a file")
    size = os.path.getsize(path)
    if size == 0:
        raise ValueError("an empty file")
    if size == 1:
        raise ValueError("a file of 1 byte")


def why_not(path: str, error: BaseException) -> str:
    """The reason a picture cannot be read, in words."""
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or of a kind that is not read"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "a link that leads back to itself"
    if isinstance(error, FileNotFoundError):
        return "a link that leads nowhere" if os.path.islink(path) else "the file is gone"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    words = str(error) or type(error).__name__
    if "truncated" in words.lower() or "not enough" in words.lower():
        return "cut off: the file ends too early"
    if isinstance(error, ValueError):
        return words
    return f"damaged ({words})"


def answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The reply to one request, and the pixels where some were asked for."""
    path, part = request.pop("path"), request.pop("part", None)
    try:
        if not request:
            return measure(path, part=part), b""
        pixels = read(path, part=part, **request)
    except Exception as error:  # decoders raise whatever they like; each is a reason
        return {"reason": why_not(path, error)}, b""
    return {"bytes": len(pixels)}, pixels


class TooLargeError(Exception):
    """A file holds more than the other end can."""


def answer_once(send: Callable[[], None]) -> None:
    """Runs the one task of this process and ends it; the reason of a failure goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    code = FAILED
    try:
        send()
        sys.stdout.flush()
        code = 0
    except BrokenPipeError:
        pass
    except BaseException as error:  # decoders raise whatever they like; each is a reason
        reason = "it needs too much memory" if isinstance(error, MemoryError) else str(error)
        told = {"reason": reason, "large": isinstance(error, TooLargeError)}
        print(json.dumps(told), file=sys.stderr, flush=True)
    os._exit(code)  # no destructor of a damaged file gets to crash


def beat() -> None:
    """Starts the clock of the next part; the signal ends us even within a decoder."""
    if sys.platform != "win32":
        signal.alarm(SECONDS)


def rest() -> None:
    """Stops the clock, while the other end takes its time."""
    if sys.platform != "win32":
        signal.alarm(0)


def limit_memory(extra: int = EXTRA_BYTES) -> None:
    """Lets this process map so many bytes more than it has."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm") as pages:
        mapped = int(pages.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + extra, hard))


def main() -> None:
    """Answers requests until stdin ends."""
    Image.MAX_IMAGE_PIXELS = None  # `_opened` has a limit of its own, in our words
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    limit_memory()
    for line in sys.stdin.buffer:
        if sys.platform != "win32":
            signal.alarm(SECONDS + 5)  # outlives no parent, even when a decoder hangs
        head, pixels = answer(json.loads(line))
        sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + pixels)
        sys.stdout.buffer.flush()
        if sys.platform != "win32":
            signal.alarm(0)


if __name__ == "__main__":
    main()
