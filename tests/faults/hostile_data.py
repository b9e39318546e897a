"""Data files that were made to do harm: tables, arrays, and pictures in folders of their own."""

import gzip
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

Make = Callable[[Path], None]
BOMB = 600_000_000  # bytes that a small file unfolds to
PICKLE = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."


def hostile_data(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of one hostile file, or folder of pictures, after the other.

    Args:
        folder: where they are made; each is removed before the next.
    """
    for name, (file, make) in _files().items():
        path = folder / file
        make(path)
        yield name, path
        path.unlink()
    for name, make in _pictures().items():
        place = folder / "pictures"
        place.mkdir()
        for number in range(3):  # too few good ones for the bad one to be left out
            Image.new("L", (8, 8), number).save(place / f"good{number}.png")
        make(place / "bad.png")
        yield f"picture: {name}", place
        for entry in place.iterdir():
            entry.unlink()
        place.rmdir()


def _files() -> dict[str, tuple[str, Make]]:
    found: dict[str, tuple[str, Make]] = {}
    for suffix, cases in (
        ("csv", _csv()),
        ("jsonl", _jsonl()),
        ("npy", _npy()),
        ("npz", _npz()),
        ("parquet", _parquet()),
        ("csv.gz", _gz()),
    ):
        found |= {f"{suffix}: {name}": (f"bad.{suffix}", make) for name, make in cases.items()}
        plain: dict[str, Make] = {
            "empty": _holding(b""),
            "one byte": _holding(b"x"),
            "zeros": _holding(bytes(4096)),
            "noise": _holding(np.random.default_rng(0).bytes(4096)),
            "a pickle": _holding(PICKLE),
            "a pipe": os.mkfifo,
            "a link to itself": lambda path: path.symlink_to(path.name),
            "a link nowhere": lambda path: path.symlink_to("/nowhere/x"),
            "a hole of 50 GB": _hole,
        }
        found |= {f"{suffix}: {name}": (f"bad.{suffix}", make) for name, make in plain.items()}
    return found


def _csv() -> dict[str, Make]:
    rows = b"".join(b"%d,%d\n" % (i, i * i % 7) for i in range(50))
    texts = {
        "only names": b"a,b\n",
        "ragged": b"a,b\n1,2\n1,2,3\n" + rows,
        "an open quote": b'a,b\n"1,2\n' + rows,
        "NUL": b"a,b\n1,\0\n" + rows,
        "not UTF-8": b"a,b\n1,\xff\xfe\n" + rows,
        "half UTF-16": b"\xff\xfea",
        "names twice": b"a,a\n" + rows,
        "no names": b",\n" + rows,
        "many columns": b",".join(b"c%d" % i for i in range(20_000)) + b"\n",
        "a long cell": b"a,b\n1," + b"x" * 2_000_000 + b"\n" + rows,
        "a long number": b"a,b\n1," + b"9" * 100_000 + b"\n" + rows,
        "endless": b"a,b\n1,1e999\n" + rows,
        "not numbers": b"a,b\n1,nan\n" * 3 + rows,
        "escapes": b"a,\x1b]0;owned\x07\n" + rows,
        "script": b"a,<script>alert(1)</script>\n" + rows,
        "a formula": b"a,=cmd|' /C calc'!A0\n" + rows,
        "carriage returns": b"a,b\r1,2\r3,4\r",
        "only empty cells": b"a,b\n,\n,\n,\n",
        "directions": "a,\u202eb\n".encode() + rows,
    }
    return {name: _holding(text) for name, text in texts.items()}


def _jsonl() -> dict[str, Make]:
    texts = {
        "deep": b"[" * 200_000,
        "deep objects": b'{"a":' * 100_000,
        "a list": b"[1]\n" * 9,
        "nested": b'{"a": {"b": [1, {"c": 2}]}}\n' * 9,
        "mixed": b'{"a": 1}\n{"a": "x"}\n{"a": null}\n{"a": []}\n',
        "long integer": b'{"a": ' + b"9" * 6000 + b"}\n",
        "large integers": b'{"a": 99999999999999999999999999}\n' * 9,
        "endless": b'{"a": 1e999}\n{"a": NaN}\n{"a": -Infinity}\n',
        "lone halves": b'{"a": "\\ud800"}\n' * 9,
        "lone halves as names": b'{"\\ud800": 1}\n{"\\ud800": 2}\n',
        "many names": json.dumps({str(i): i for i in range(20_000)}).encode() + b"\n",
        "other names": b"".join(b'{"k%d": 1}\n' % i for i in range(2_000)),
        "lists": b'{"a": [1, 2]}\n{"a": [1]}\n',
    }
    return {name: _holding(text) for name, text in texts.items()}


def _npy() -> dict[str, Make]:
    heads = {
        "a giant shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}",
        "an overflowing shape": f"{{'descr': '<f8', 'fortran_order': 0, 'shape': {(2**40,) * 2}}}",
        "a negative shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
        "code": "__import__('os').system('id')",
        "no type": "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3,)}",
        "records": "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}",
        "no keys": "{}",
        "deep": "(" * 5_000,
        "text": "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (3,)}",
        "nothing of it": "{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}",
        "no dimension": "{'descr': '<f8', 'fortran_order': False, 'shape': ()}",
        "many dimensions": f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(1,) * 64}}}",
    }
    made = {name: _holding(_npy_file(head.encode(), bytes(24))) for name, head in heads.items()}
    arrays = {
        "not numbers": np.full((50, 4), np.nan),
        "endless": np.full((50, 4), np.inf),
        "huge": np.full((50, 4), 1e300),
        "complex": np.ones((50, 4), dtype=np.complex128),
        "dates": np.zeros((50, 4), dtype="datetime64[s]"),
        "text": np.full((50, 4), "x"),
        "true or false": np.ones((50, 4), dtype=bool),
        "one example": np.ones((1, 4)),
        "no examples": np.ones((0, 4)),
        "no width": np.ones((50, 0)),
        "negative pictures": -np.ones((50, 8, 8)),
        "half": np.ones((50, 8, 8), dtype=np.float16),
        "five dimensions": np.ones((5, 2, 2, 2, 2)),
    }
    made |= {f"array of {name}": _saving(array) for name, array in arrays.items()}
    made["a long head"] = _holding(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{}")
    made["a version"] = _holding(b"\x93NUMPY\x09\x00" + struct.pack("<H", 2) + b"{}")
    return made


def _npz() -> dict[str, Make]:
    good = io.BytesIO()
    np.savez(good, x=np.ones((50, 4)))
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%d,)}"
    objects = _npy_file((head % ("|O", 1)).encode(), PICKLE)
    bomb = _npy_file((head % ("|u1", BOMB)).encode(), b"")
    return {
        "cut off": _holding(good.getvalue()[:-30]),
        "a bomb": lambda path: _zipped({"x.npy": bytes(BOMB)})(path),
        "a bomb of an array": lambda path: _zipped({"x.npy": bomb + bytes(BOMB)})(path),
        "objects": _zipped({"x.npy": objects}),
        "up and away": _zipped({"../../x.npy": _npy_file(b"{}", b"")}),
        "no arrays": _zipped({"x.txt": b"x"}),
        "nothing": _zipped({}),
        "many": _zipped({f"{i}.npy": b"" for i in range(5_000)}),
        "twice": _zipped({"x.npy": b"1"}, twice=True),
    }


def _gz() -> dict[str, Make]:
    return {
        "a bomb": lambda path: _gzipped(b"a,b\n" + b"1,2\n" * (BOMB // 4))(path),
        "cut off": _holding(gzip.compress(b"a,b\n" + b"1,2\n" * 500)[:-9]),
        "a wrong checksum": _holding(gzip.compress(b"a,b\n1,2\n")[:-8] + bytes(8)),
        "twice": _holding(gzip.compress(gzip.compress(b"a,b\n1,2\n"))),
    }


def _parquet() -> dict[str, Make]:
    import pyarrow as pa
    from pyarrow import parquet

    def written(table: pa.Table) -> bytes:
        file = io.BytesIO()
        parquet.write_table(table, file)
        return file.getvalue()

    good = written(pa.table({"a": list(range(100)), "b": ["x"] * 100}))
    far, generator = pa.timestamp("us"), np.random.default_rng(0)
    made: dict[str, Make] = {
        "cut off": _holding(good[:-20]),
        "its end alone": _holding(good[-40:]),
        "a long foot": _holding(good[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1"),
        "nested": _holding(written(pa.table({"a": [{"b": [1, 2]}] * 9}))),
        "dates": _holding(written(pa.table({"a": pa.array([0] * 9, pa.timestamp("ns"))}))),
        "dates far away": _holding(written(pa.table({"a": pa.array([2**62] * 9, far)}))),
        "binary": _holding(written(pa.table({"a": [b"\xff"] * 9}))),
        "nulls": _holding(written(pa.table({"a": pa.nulls(9)}))),
        "no rows": _holding(written(pa.table({"a": pa.array([], pa.int64())}))),
        "no columns": _holding(written(pa.table({}))),
        "one text very many times": lambda path: _holding(_repeated(written))(path),
    }
    for number in range(20):
        harmed = bytearray(good)
        for place in generator.integers(4, len(good), 3):
            harmed[place] ^= 1 << int(generator.integers(8))
        made[f"flipped {number}"] = _holding(bytes(harmed))
    return made


def _repeated(written: Callable[..., bytes]) -> bytes:
    """A few kilobytes that unfold to very many cells."""
    import pyarrow as pa

    ones = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000_000, dtype=np.int8)), ["x" * 99])
    return written(pa.table({"a": ones}))


def _pictures() -> dict[str, Make]:
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, "PNG")
    good = file.getvalue()
    made: dict[str, Make] = {
        "empty": _holding(b""),
        "text": _holding(b"not a picture"),
        "cut off": _holding(good[:40]),
        "a bomb": _holding(_png(50_000, 50_000)),
        "of no size": _holding(_png(0, 0)),
        "of negative size": _holding(_png(2**31 + 1, 2**31 + 1)),
        "a pickle": _holding(PICKLE),
        "a pipe": os.mkfifo,
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "a hole of 50 GB": _hole,
        "PostScript": _holding(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(id) system\n"),
        "SVG": _holding(b"<svg onload='alert(1)' xmlns='http://www.w3.org/2000/svg'/>"),
        "a text chunk": _holding(_png(8, 8, text=b"x\0\0" + zlib.compress(bytes(50_000_000)))),
    }
    for number in range(20):
        generator = np.random.default_rng(number)
        harmed = bytearray(good)
        for place in generator.integers(8, len(good), 4):
            harmed[place] ^= 1 << int(generator.integers(8))
        made[f"flipped {number}"] = _holding(bytes(harmed))
    return made


def _png(width: int, height: int, *, text: bytes = b"") -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))]
    chunks += [(b"zTXt", text)] if text else []
    chunks += [(b"IDAT", zlib.compress(bytes(80))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _npy_file(head: bytes, data: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head + b"\n" + data


def _holding(content: bytes) -> Make:
    return lambda path: path.write_bytes(content) and None


def _saving(array: np.ndarray) -> Make:
    return lambda path: np.save(path, array)


def _zipped(entries: dict[str, bytes], *, twice: bool = False) -> Make:
    def make(path: Path) -> None:
        import warnings

        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(1 + twice):
                for name, content in entries.items():
                    archive.writestr(name, content)

    return make


def _gzipped(content: bytes) -> Make:
    return lambda path: path.write_bytes(gzip.compress(content, 1)) and None


def _hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 * 2**30)
