"""Tensor files that lie: in their head, or in what they hold."""

import json
import struct
from collections.abc import Callable
from typing import Any

import torch
from tests.faults.changes import CODES, ITEMS, WEIGHTS, Change, changed, rewritten

ESCAPE = "\x1b]0;owned\x07"


def headers() -> dict[str, Change]:
    """What the head of a tensor file can claim."""
    two = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    heads: dict[str, Any] = {
        "a list": [],
        "null": None,
        "nothing": {},
        "unknown dtype": {"a": two | {"dtype": "F128"}},
        "dtype a number": {"a": two | {"dtype": 3}},
        "overlapping": {"a": two, "b": two},
        "beyond the end": {"a": two | {"data_offsets": [0, 2**40], "shape": [2**38]}},
        "backwards": {"a": two | {"data_offsets": [8, 0]}},
        "negative": {"a": two | {"data_offsets": [-8, 0]}},
        "negative shape": {"a": two | {"shape": [-2]}},
        "overflowing shape": {"a": two | {"shape": [2**33, 2**33, 2]}},
        "another shape": {"a": two | {"shape": [3]}},
        "a hole": {"a": two | {"data_offsets": [4, 12]}},
        "text for a shape": {"a": two | {"shape": "2"}},
        "real shape": {"a": two | {"shape": [2.5]}},
        "metadata": {"__metadata__": {"a": 3}, "a": two},
        "metadata a list": {"__metadata__": [], "a": two},
        "without offsets": {"a": {"dtype": "F32", "shape": [2]}},
        "an odd name": {"../../a\0" + ESCAPE: two},
        "many dimensions": {"a": two | {"shape": [1] * 10_000 + [2]}},
        "many tensors": {
            str(i): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10**5)
        },
        "bfloat": {"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}},
        "float8": {"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}},
    }
    contents = {n: _framed(json.dumps(head).encode(), bytes(8)) for n, head in heads.items()}
    contents |= {
        "empty": b"",
        "seven bytes": bytes(7),
        "no head": struct.pack("<Q", 0),
        "head of 2^63": struct.pack("<Q", 2**63) + b"{}",
        "head of 100 MB": struct.pack("<Q", 10**8) + b"{}",
        "head one too long": struct.pack("<Q", 3) + b"{}",
        "not JSON": _framed(b"x" * 8, b""),
        "not UTF-8": _framed(b'{"\xff": 1}', b""),
        "deep": _framed(b"[" * 100_000, b""),
        "deep objects": _framed(b'{"a":' * 100_000, b""),
        "twice": _framed(b'{"a": %s, "a": %s}' % ((json.dumps(two).encode(),) * 2), bytes(8)),
        "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
        "a zip": b"PK\x03\x04" + bytes(100),
    }
    return {
        f"{name} in {file}": rewritten(file, content)
        for file in (WEIGHTS, CODES, ITEMS)
        for name, content in contents.items()
    }


def _framed(head: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(head)) + head + data


def tensors() -> dict[str, Change]:
    """True tensor files whose tensors are not those of the study."""
    found: dict[str, Change] = {}
    for file in (WEIGHTS, CODES, ITEMS):
        for name, change in {
            "without the first": lambda t: t.pop(next(iter(t))),
            "one more": lambda t: t.update(extra=torch.zeros(3)),
            "first transposed": lambda t: _first(
                t, lambda x: x.mT.contiguous() if x.ndim > 1 else x[:-1]
            ),
            "first cut": lambda t: _first(t, lambda x: x[:-1].clone()),
            "first empty": lambda t: _first(t, lambda x: x[:0].clone()),
            "first a number": lambda t: _first(t, lambda x: torch.zeros(())),
            "first in half": lambda t: _first(t, lambda x: x.to(torch.bfloat16)),
            "first complex": lambda t: _first(t, lambda x: x.to(torch.complex64)),
            "first true or false": lambda t: _first(t, lambda x: x > 0),
            "not numbers": lambda t: _every(
                t, lambda x: x / 0 - x / 0 if x.is_floating_point() else x
            ),
            "none": lambda t: t.clear(),
        }.items():
            found[f"{name} in {file}"] = changed(file, change)
    for name, kept in {
        "kept beyond": lambda k: k + 10**6,
        "kept negative": lambda k: k - 10**6,
        "kept backwards": lambda k: k.flip(0).contiguous(),
        "kept the same": lambda k: k * 0,
        "kept real": lambda k: k.float(),
    }.items():
        found[name] = changed(ITEMS, lambda t, f=kept: t.update(kept=f(t["kept"])))
    for name, labels in {
        "labels negative": lambda n: -torch.ones(n, dtype=torch.int64),
        "labels beyond": lambda n: torch.full((n,), 2**40),
        "labels real": lambda n: torch.zeros(n),
        "labels of few": lambda n: torch.zeros(3, dtype=torch.int64),
        "labels two-dimensional": lambda n: torch.zeros(n, 2, dtype=torch.int64),
    }.items():
        found[name] = changed(ITEMS, lambda t, f=labels: t.update(labels=f(len(t["kept"]))))
    odd = torch.zeros(3, 3)
    found["attribute of another shape"] = changed(ITEMS, lambda t: t.update({"attribute.a": odd}))
    return found


def _first(tensors: dict[str, Any], change: Callable[[Any], Any]) -> None:
    name = next(iter(tensors))
    tensors[name] = change(tensors[name])


def _every(tensors: dict[str, Any], change: Callable[[Any], Any]) -> None:
    for name, tensor in tensors.items():
        tensors[name] = change(tensor)
