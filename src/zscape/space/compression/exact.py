"""Networks whose numbers are the same on every computer, at any batch size and thread count.

Weights are whole numbers of 16 bits times a power of two, what is summed with them are multiples of
2^-10, and both are carried in float64, whose sums of whole numbers are exact below 2^53 in any
order. Functions are read from integer tables. The network itself stays as it is written: a mode
replaces what it calls.

Source: Balle et al. 2019, section 3 (integer networks), openreview S1zz2i0cY7.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zscape.errors import SpecError
from zscape.space.compression import tables
from zscape.space.compression.tables import END, UNIT

WEIGHT_BITS = 15  # and a sign
FINE_BITS = 16  # fraction bits of biases and other vectors
LARGEST = 2.0**10  # of an activation, and of a bias
EXACT = 2.0**53  # whole numbers up to here are exact in float64


def exact_copy(model: nn.Module) -> nn.Module:
    """The model in float64 with rounded weights, for use inside `exactly`.

    Raises:
        SpecError: a layer so wide that its sums might leave the whole numbers that float64 has.
    """
    rounded = deepcopy(model).cpu().double().eval().requires_grad_(False)
    with torch.no_grad():
        for name, tensor in [*rounded.named_parameters(), *rounded.named_buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(_rounded(tensor, name))
    return rounded


@contextmanager
def exactly() -> Iterator[None]:
    """A `with` in which networks compute exactly, or are refused.

    Raises:
        SpecError: a network does what is not known to be exact.
    """
    with torch.inference_mode(), _Exact():
        yield


def settle(x: Tensor) -> Tensor:
    """The nearest multiples of 2^-10, cut at 2^10."""
    return x.mul(UNIT).round_().clamp_(-LARGEST * UNIT, LARGEST * UNIT).mul_(1 / UNIT)


def look_up(name: str, x: Tensor) -> Tensor:
    """A function of numbers, settled, by its table; beyond the table it goes on as it ends."""
    place = x.mul(UNIT).round_().add_(END * UNIT).clamp_(0, 2 * END * UNIT)
    y = torch.take(_table(name), place.long())
    if name in ("silu", "softplus") and bool(place.max() == 2 * END * UNIT):
        y = torch.where(x > END, x, y)  # they end as straight lines
    return y


def exp(x: Tensor) -> Tensor:
    """e^x between e^-16 and e^16."""
    place = x.mul(UNIT).round_().add_(END * UNIT)
    return _exponentials()[place.clamp(0, 2 * END * UNIT).long()]


def log(x: Tensor) -> Tensor:
    """Log x, a multiple of 2^-10, between -16 and 16."""
    return torch.searchsorted(_exponentials(), x.contiguous()).double() / UNIT - END


def log1p(x: Tensor) -> Tensor:
    """log(1 + x) of x >= 0."""
    return log(1 + x)


def _rounded(tensor: Tensor, name: str) -> Tensor:
    if tensor.ndim < 2:
        unit = 2.0**-FINE_BITS
        return (tensor / unit).round().clamp(-LARGEST / unit, LARGEST / unit) * unit
    # The power of two that brings the largest weight into 16 bits.
    _, exponent = torch.frexp(tensor.abs().max())
    unit = 2.0 ** (int(exponent) - WEIGHT_BITS)
    whole = (tensor / unit).round()
    sums = max(float(whole.abs().transpose(0, d).flatten(1).sum(1).max()) for d in (0, 1))
    if not sums * LARGEST * UNIT < EXACT:
        raise SpecError(
            f"A network that compresses must have sums that float64 holds exactly, and those of "
            f"{name} may not be. Train a narrower network."
        )
    return whole * unit


@cache
def _table(name: str) -> Tensor:
    return torch.from_numpy(tables.function(name)).double() / UNIT


@cache
def _exponentials() -> Tensor:
    return torch.from_numpy(tables.exponential())


class _Exact(TorchFunctionMode):
    """Replaces what a network calls by what is exact."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name, kwargs = func.__name__.strip("_"), kwargs or {}
        if name in _AS_IT_IS:
            return func(*args, **kwargs)
        if name in _SUMS:
            return func(settle(args[0]), *args[1:], **kwargs)
        if name in _TABLES:
            return look_up(name, args[0])
        if name in _REPLACED:
            return _REPLACED[name](*args, **kwargs)
        raise SpecError(
            f"A model that compresses must be of layers that are known to be exact, and {name!r} "
            "is none. The recipes vae and ladder_vae work, with any of their networks."
        )


def _normalised(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch normalisation by kept statistics: one product a number."""
    assert not training, "an exact network is in evaluation mode"
    result = (x - mean) / (variance + eps).sqrt()
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias


def _cast(x: Tensor, *to: Any, **kwargs: Any) -> Tensor:
    """Kinds of floats stay as they are."""
    wanted = [t for t in (*to, *kwargs.values()) if isinstance(t, torch.dtype)]
    if not wanted or wanted[0].is_floating_point:
        return x.double()
    return x.to(*to, **kwargs)


# Of one number, or two, at a time: IEEE 754 says each to the bit.
_AS_IT_IS = frozenset(
    """
    get len getitem view reshape permute flatten unflatten transpose movedim expand expand_as
    contiguous chunk split split_with_sizes tensor_split unsafe_split cat stack squeeze unsqueeze
    select index_select gather unbind narrow pad pixel_shuffle pixel_unshuffle interpolate
    upsample_nearest2d size dim numel stride is_floating_point is_contiguous isnan masked_fill
    clone detach new_full new_zeros new_empty full zeros ones zeros_like ones_like empty_like where
    eq ne lt gt le ge invert and or relu neg abs clamp clamp_min max amax dropout
    feature_dropout broadcast_shapes broadcast_tensors is_autocast_enabled nan_to_num
    has_torch_function format repr hash bool arange tril diag_embed diagonal is_complex type
    add radd iadd sub rsub isub mul rmul imul div truediv rtruediv square addcmul
    """.split()
)
# Sums, whose order differs from computer to computer, are of settled numbers.
_SUMS = frozenset("linear conv2d conv_transpose2d matmul fold avg_pool2d sum mean".split())
_TABLES = ("silu", "sigmoid", "tanh", "softplus")
_REPLACED: dict[str, Callable[..., Tensor]] = {
    "batch_norm": _normalised,
    "to": _cast,
    "float": _cast,
    "double": _cast,
    "exp": exp,
    "log": log,
    "log1p": log1p,
}
