"""Many stacks of bits, side by side, and the tables by which symbols go on and off them.

A table is whole numbers `[..., n, K]`, one for each of K symbols of each of n places, whose sum is
2^24 - K: constriction adds one to each, so that every symbol can be coded and all of them sum to
2^24. What goes on last comes off first.
"""

from collections.abc import Sequence

import numpy as np

from zscape.errors import DataError
from zscape.space.compression.tables import TOTAL

Tables = np.ndarray
WORD = 4  # bytes


def shares(weights: np.ndarray, center: np.ndarray | None = None) -> Tables:
    """Tables from weights `[..., K]`, whole numbers of at most 2^24.

    Args:
        weights: how likely each symbol is, up to a factor.
        center: `[...]`, the symbol that takes what rounding leaves; None: the likeliest.
    """
    symbols = weights.shape[-1]
    total = np.maximum(weights.sum(-1, keepdims=True), 1)
    table = np.floor(weights * float(TOTAL - symbols) / total)
    at = weights.argmax(-1) if center is None else center
    left = TOTAL - symbols - table.sum(-1)
    found = np.take_along_axis(table, at[..., None], -1)
    np.put_along_axis(table, at[..., None], found + left[..., None], -1)
    return np.ascontiguousarray(table, dtype=np.float32)


def coins(ones: np.ndarray) -> Tables:
    """Tables `[..., 2]` of chances of a one, whole numbers of 2^24ths."""
    ones = np.clip(ones, 1, TOTAL - 1) - 1
    return np.stack([TOTAL - 2 - ones, ones], -1).astype(np.float32)


class Chains:
    """Stacks of bits.

    Args:
        content: what each holds.

    Raises:
        DataError: content that no stack can hold.
    """

    def __init__(self, content: Sequence[bytes]) -> None:
        from constriction import stream

        self.categorical = stream.model.Categorical(perfect=False)
        try:
            self.stacks = [stream.stack.AnsCoder(_words(each)) for each in content]
        except ValueError as error:
            raise DataError(f"A chain must end in a word that is not zero ({error}).") from error

    def push(self, tables: Tables, symbols: np.ndarray, sizes: np.ndarray | None = None) -> None:
        """Puts symbols on the first C stacks.

        Args:
            tables: `[n, K]` for all stacks or `[C, n, K]`; with sizes `[m, K]`.
            symbols: `[C, n]`; with sizes `[m]`, those of one stack after those of the other.
            sizes: `[C]`, how many of the m are of each stack.
        """
        symbols = np.ascontiguousarray(symbols, dtype=np.int32)
        if sizes is None:
            each = zip(self.stacks, symbols, _each(tables, len(symbols)), strict=False)
            for stack, row, table in each:
                stack.encode_reverse(row, self.categorical, table)
            return
        for stack, own in zip(self.stacks, _parts(sizes), strict=False):
            if own.start < own.stop:
                stack.encode_reverse(symbols[own], self.categorical, tables[own])

    def pop(self, tables: Tables, sizes: np.ndarray) -> np.ndarray:
        """Takes symbols off the first C stacks, as they were put on with sizes, int32 `[m]`."""
        taken = [
            stack.decode(self.categorical, tables[own])
            for stack, own in zip(self.stacks, _parts(sizes), strict=False)
            if own.start < own.stop
        ]
        return np.concatenate([np.empty(0, np.int32), *taken])

    def pop_rows(self, tables: Tables, count: int) -> np.ndarray:
        """Takes symbols off the first `count` stacks, int32 `[count, n]`, as without sizes."""
        each = zip(self.stacks, _each(tables, count), strict=False)
        return np.stack([stack.decode(self.categorical, table) for stack, table in each])

    def content(self) -> list[bytes]:
        """What each stack holds, without the zeros at its end."""
        words = (stack.get_compressed() for stack in self.stacks)
        return [each.astype("<u4").tobytes().rstrip(b"\0") for each in words]


def _each(tables: Tables, count: int) -> Sequence[np.ndarray]:
    return [tables] * count if tables.ndim == 2 else list(tables)


def _parts(sizes: np.ndarray) -> list[slice]:
    ends = np.cumsum(sizes)
    return list(map(slice, (ends - sizes).tolist(), ends.tolist()))


def _words(content: bytes) -> np.ndarray:
    whole = content + bytes(-len(content) % WORD)
    return np.frombuffer(whole, dtype="<u4").astype(np.uint32)
