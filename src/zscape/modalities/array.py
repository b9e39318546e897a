"""Arrays of numbers of one kind and shape; columns of different kinds are a `Table`."""

from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError
from zscape.modalities.found import Found, counted, number_words, place, quote
from zscape.modalities.modality import Modality, Pictures, Rows

LARGEST_FLOAT = float(np.finfo(np.float32).max)
LARGEST_COUNT = 1_000_000

LIKELIHOODS = {
    "binary": "bernoulli",
    "count": "negative_binomial",
    "unit": "continuous_bernoulli",
    "real": "gaussian_learned",
}


@dataclass(frozen=True, slots=True)
class Array(Modality):
    """Numbers `[*event]` of one kind: `binary`, `count`, `unit` (in [0, 1]) or `real`.

    Real numbers are standardised per dimension by `mean` and `scale` (flat, in the order of the
    event); a dimension that never changes has scale 0 and is given back exactly. Numbers come
    back in the dtype they came in.
    """

    event: tuple[int, ...]
    holds: str
    dtype: str = "float64"
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    high: float = 1.0
    num_examples: int = 0

    def __post_init__(self) -> None:
        """Takes lists, as TOML and JSON have no tuples."""
        for name in ("event", "mean", "scale"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.event

    @property
    def likelihood(self) -> str:
        """The word that suits the kind of numbers."""
        return LIKELIHOODS[self.holds]

    @property
    def network(self) -> str:
        """`mlp`: nothing is known about which dimensions are neighbours."""
        return "mlp"

    @property
    def columns(self) -> tuple[tuple[str, int], ...]:
        """Empty: all dimensions are of one kind."""
        return ()

    def encode(self, things: Any) -> Tensor:
        """Stores numbers `[N, *event]` as uint8 where they fit, or float32; real ones standardised.

        Args:
            things: an array, tensor or list `[N, *event]`, or one example `[*event]`.

        Raises:
            ShapeError: examples of another shape.
            DataError: numbers that are not finite, or not of this kind.
        """
        numbers = as_numbers(things)
        if numbers.shape == self.event:
            numbers = numbers[None]
        if numbers.shape[1:] != self.event:
            raise ShapeError(
                f"Example is {_shape_words(numbers.shape[1:])} but this study was trained on "
                f"{_shape_words(self.event)}. Pass an array [N, {', '.join(map(str, self.event))}]."
            )
        require_finite(numbers)
        self._require_kind(numbers)
        if self.holds == "real":
            mean, scale = self._moments()
            numbers = (numbers - mean) / np.where(scale > 0, scale, 1.0)
        fits = self.holds in ("binary", "count") and self.high <= 255
        # A later count may pass the largest one seen, so each batch is looked at.
        fits = fits and numbers.max(initial=0) <= 255
        return torch.from_numpy(numbers.astype(np.uint8 if fits else np.float32, order="C"))

    def prepare(self, stored: Tensor) -> Tensor:
        """Casts stored numbers to float32; counts stay counts."""
        return stored.to(torch.float32)

    def decode(self, x: Tensor) -> np.ndarray:
        """Turns `[N, *event]` into numbers on the person's own scale and of their own dtype."""
        numbers = x.detach().to("cpu", torch.float64).numpy()
        if self.holds == "real":
            mean, scale = self._moments()
            numbers = numbers * scale + mean
        if self.dtype == "bool":
            return np.asarray(numbers >= 0.5)
        if np.issubdtype(np.dtype(self.dtype), np.integer):
            numbers = np.rint(numbers).clip(*whole_bounds(self.dtype))
        return np.asarray(numbers, dtype=self.dtype)

    def show(self, x: Tensor) -> Pictures | Rows:
        """Rows of numbers, or pictures where an example has two axes (or three, one of colour)."""
        if len(self.event) == 2 or (len(self.event) == 3 and 3 in (self.event[0], self.event[-1])):
            return Pictures(self._tiles(x.detach().cpu().to(torch.float32).numpy()))
        flat = self.decode(x).reshape(len(x), -1)
        names = tuple(str(d) for d in range(flat.shape[1]))
        return Rows(names, tuple(tuple(number_words(float(v)) for v in row) for row in flat))

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        return np.reshape(self.mean, self.event), np.reshape(self.scale, self.event)

    def _tiles(self, x: np.ndarray) -> np.ndarray:
        # Standardised numbers: three standard deviations either side span black to white.
        brightness = (x + 3) / 6 if self.holds == "real" else x / max(self.high, 1.0)
        levels = np.rint(np.clip(brightness, 0, 1) * 255).astype(np.uint8)
        if levels.ndim == 3:
            return np.repeat(levels[..., None], 3, axis=-1)
        return levels if self.event[-1] == 3 else np.moveaxis(levels, 1, -1)

    def _require_kind(self, numbers: np.ndarray) -> None:
        fits, rule = {
            "binary": ((numbers == 0) | (numbers == 1), "0 or 1"),
            "count": ((numbers >= 0) & (numbers == np.floor(numbers)), "whole and not negative"),
            "unit": ((numbers >= 0) & (numbers <= 1), "between 0 and 1"),
        }.get(self.holds, (np.ones((), dtype=bool), ""))
        if fits.all():
            return
        first = tuple(np.argwhere(~fits)[0])
        raise DataError(
            f"Numbers must be {rule}, as in training; got {numbers[first]:g} in "
            f"{place(int(first[0]))}. Mend the value, or train a study on numbers like these."
        )


def whole_bounds(dtype: str | np.dtype[Any]) -> tuple[float, float]:
    """The least and the largest float64 that whole numbers of a dtype can become."""
    bounds = np.iinfo(dtype)
    high = float(bounds.max)  # 2^63 for int64, which is one too many
    return float(bounds.min), high if int(high) <= bounds.max else float(np.nextafter(high, 0))


def find_array(things: Any) -> Found:
    """Fits an `Array` to numbers `[N, ...]`, choosing their kind from their values.

    Raises:
        DataError: text, NaN or infinity, named by column, count and first row.
    """
    numbers = as_numbers(things)
    require_finite(numbers)
    if numbers.ndim == 1:
        numbers = numbers[:, None]
    if not numbers.size:
        raise DataError(
            f"Examples must hold at least one number each, got shape {numbers.shape}. "
            "Check how they were cut."
        )
    kind, reason = _kind(numbers)
    flat = numbers.reshape(len(numbers), -1).astype(np.float64)
    constant = flat.min(axis=0) == flat.max(axis=0)
    mean = np.where(constant, flat[0], flat.mean(axis=0))
    scale = np.where(constant, 0.0, flat.std(axis=0))
    array = Array(
        event=tuple(int(side) for side in numbers.shape[1:]),
        holds=kind,
        dtype=str(numbers.dtype),
        mean=tuple(mean.tolist()) if kind == "real" else (),
        scale=tuple(scale.tolist()) if kind == "real" else (),
        high=float(flat.max()),
        num_examples=len(numbers),
    )
    notes = [reason]
    if constant.any():
        notes.append(
            f"warning: {counted(int(constant.sum()), 'dimension')} of {constant.size:,} "
            f"never change{'s' if constant.sum() == 1 else ''}"
        )
    if _may_be_flat_pictures(numbers):
        side = isqrt(prod(array.event))
        notes.append(
            f"if these are flattened pictures, reshape them to [N, {side}, {side}] uint8 to get "
            "a picture model"
        )
    headline = f"{counted(len(numbers), 'example')} of {_shape_words(array.event)}"
    return Found(array, array.encode(numbers), headline, tuple(notes))


def as_numbers(things: Any) -> np.ndarray:
    """Things as a numeric array, in the dtype they came in.

    Raises:
        DataError: cells that are not numbers, named by column, count and first row.
    """
    if isinstance(things, Tensor):
        tensor = things.detach().cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    try:
        numbers = np.asarray(things)
    except ValueError as error:
        raise DataError(
            f"Examples must all have one shape, got different ones ({error}). "
            "Pad or cut them to one shape."
        ) from error
    if numbers.dtype == np.bool_ or (
        np.issubdtype(numbers.dtype, np.number) and not np.iscomplexobj(numbers)
    ):
        return numbers
    return _parsed(numbers)


def require_finite(numbers: np.ndarray) -> None:
    """Refuses NaN, infinity and what passes float32, naming column, count and first row.

    Raises:
        DataError: such a number is there.
    """
    if not np.issubdtype(numbers.dtype, np.floating):
        return
    largest = min(LARGEST_FLOAT, float(np.finfo(numbers.dtype).max))  # of half precision less
    broken = ~(np.abs(numbers) <= largest)
    if not broken.any():
        return
    first = tuple(int(i) for i in np.argwhere(broken)[0])
    where = _dimension_words(first[1:])
    in_dimension = int(broken[(slice(None), *first[1:])].sum())
    total = int(broken.sum())
    more = "" if total == in_dimension else f" ({total:,} in all dimensions)"
    raise DataError(
        f"Numbers must be finite and within single precision, got {numbers[first]:g}: {where}"
        f"{counted(in_dimension, 'cell')}{more}, first in {place(first[0])}. "
        "Leave these rows out or fill the cells; a table (DataFrame) may have missing cells."
    )


def _kind(numbers: np.ndarray) -> tuple[str, str]:
    if numbers.dtype == np.bool_ or bool(((numbers == 0) | (numbers == 1)).all()):
        if numbers.min() != numbers.max():
            return "binary", "likelihood: Bernoulli, because every number is 0 or 1"
        return "real", "likelihood: Gaussian, standardised"
    low, high = float(numbers.min()), float(numbers.max())
    whole = np.issubdtype(numbers.dtype, np.integer) or bool((numbers == np.floor(numbers)).all())
    if low >= 0 and whole and high - low > 1 and high <= LARGEST_COUNT:
        reason = f"because all numbers are counts (whole, from {low:g} to {high:g})"
        return "count", f"likelihood: negative binomial, {reason}"
    if low >= 0 and high <= 1:
        return "unit", "likelihood: continuous Bernoulli, because all numbers lie between 0 and 1"
    return "real", (
        "likelihood: Gaussian with a learned width per dimension, standardised, "
        f"because the numbers are real (from {number_words(low)} to {number_words(high)})"
    )


def _may_be_flat_pictures(numbers: np.ndarray) -> bool:
    if numbers.ndim != 2 or numbers.min() < 0 or not 1 < numbers.max() <= 255:
        return False
    width: int = numbers.shape[1]
    side = isqrt(width)
    return side >= 8 and side * side == width


def _parsed(cells: np.ndarray) -> np.ndarray:
    """Reads an array of Python things as floats, or names the first that is none."""
    numbers = np.empty(cells.shape, dtype=np.float64)
    bad = []
    for index in np.ndindex(cells.shape):
        try:
            numbers[index] = float(cells[index])
        except (TypeError, ValueError):
            bad.append(index)
    if not bad:
        return numbers
    where = _dimension_words(bad[0][1:])
    alike = sum(index[1:] == bad[0][1:] for index in bad)
    row = place(bad[0][0]) if bad[0] else "the data"
    raise DataError(
        f"Every cell must be a number, got {quote(str(cells[bad[0]]), most=40)}: "
        f"{where}{counted(alike, 'cell')}, first in {row}. "
        "Write numbers with a decimal point, or pass a table (DataFrame)."
    )


def _dimension_words(position: tuple[int, ...]) -> str:
    if not position:
        return ""
    if len(position) == 1:
        return f"column {position[0]} holds "
    return f"position {position} holds "


def _shape_words(event: tuple[int, ...]) -> str:
    if len(event) == 1:
        return counted(event[0], "number")
    return "x".join(str(side) for side in event) + " numbers"
