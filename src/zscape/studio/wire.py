"""Bytes on the wire: binary answers, the frames of the live socket, and frames between processes.

Layouts are those of docs/studio-api.md; everything is little-endian.
"""

import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MAGIC = b"ZSC1"
BINARY = "application/x-zscape"
ALIGNED = 8
DTYPES = {
    "uint8": "u8",
    "int8": "i8",
    "uint16": "u16",
    "uint32": "u32",
    "int32": "i32",
    "float16": "f16",
    "float32": "f32",
}
UP = struct.Struct("<IHH")  # seq, n, 0
DOWN = struct.Struct("<IHHHHHHf")  # seq, kind, n, height, width, channels, 0, milliseconds
ERROR, PICTURES, ROWS = 0, 1, 2
FRAME = struct.Struct("<II")  # bytes of JSON and of the payload, between processes


def container(header: Mapping[str, Any], arrays: "Mapping[str, np.ndarray]") -> bytes:
    """A header and arrays as one binary answer.

    Args:
        header: plain values.
        arrays: by name, of the dtypes that are known here.
    """
    told = [
        {"name": name, "dtype": DTYPES[a.dtype.name], "shape": list(a.shape), "offset": 0}
        for name, a in arrays.items()
    ]
    text, size = b"", 0
    while True:  # offsets lengthen the header, which moves them
        start = 8 + size
        for record, array in zip(told, arrays.values(), strict=True):
            record["offset"] = start
            start += _aligned(array.nbytes)
        text = json.dumps({**header, "arrays": told}, allow_nan=False).encode()
        if _aligned(len(text)) <= size:
            break
        size = _aligned(len(text))
    parts = [MAGIC, struct.pack("<I", size), text.ljust(size)]
    for array in arrays.values():
        content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        parts.append(content.ljust(_aligned(len(content)), b"\0"))
    return b"".join(parts)


def unpack(content: bytes) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """The header and arrays of a binary answer, for scripts and tests."""
    import numpy as np

    if content[:4] != MAGIC:
        raise ValueError("a binary answer begins with ZSC1")
    (size,) = struct.unpack("<I", content[4:8])
    header = json.loads(content[8 : 8 + size])
    names = {short: name for name, short in DTYPES.items()}
    arrays = {}
    for told in header.pop("arrays"):
        dtype = np.dtype(names[told["dtype"]]).newbyteorder("<")
        count = int(np.prod(told["shape"], dtype=np.int64))
        flat = np.frombuffer(content, dtype, count, told["offset"])
        arrays[told["name"]] = flat.reshape(told["shape"])
    return header, arrays


def frame(record: Mapping[str, Any], payload: bytes | memoryview = b"") -> bytes:
    """A message between processes."""
    text = json.dumps(record, allow_nan=False).encode()
    return b"".join([FRAME.pack(len(text), len(payload)), text, payload])


def down(
    seq: int,
    kind: int,
    payload: bytes | memoryview,
    *,
    shape: tuple[int, int, int, int] = (0, 0, 0, 0),
    milliseconds: float = 0.0,
) -> bytes:
    """A frame that the live socket sends.

    Args:
        seq: of the message that it answers.
        kind: ERROR, PICTURES or ROWS.
        payload: pixels or JSON.
        shape: number, height, width and channels of pictures.
        milliseconds: that the model took.
    """
    return DOWN.pack(seq, kind, *shape, 0, milliseconds) + bytes(payload)


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
