"""Small tensor arithmetic that every distribution here shares: leading dims, event sums, ranges."""

import torch
from torch import Size, Tensor
from torch.nn.functional import softplus

Shape = Size | list[int] | tuple[int, ...]


def at_least_float32(x: Tensor) -> Tensor:
    """The tensor itself, or its float32 copy where it is bfloat16 or float16."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def broadcast_shape(x: Tensor, y: Tensor) -> Size:
    """The shape that both tensors broadcast to."""
    if x.shape[x.ndim - y.ndim :] == y.shape:
        return x.shape  # the usual case; the function below takes as long as ten operations
    shape: Size = torch.broadcast_shapes(x.shape, y.shape)
    return shape


def sum_event(x: Tensor, ndims: int) -> Tensor:
    """The sum over the last `ndims` dimensions."""
    return x.flatten(-ndims).sum(-1) if ndims > 1 else x.sum(-1)


def expand_batch(x: Tensor, batch_shape: Shape, ndims: int) -> Tensor:
    """A view whose dims before the last `ndims` are `batch_shape`."""
    return x.expand(*batch_shape, *x.shape[x.ndim - ndims :])


def soft_clamp(x: Tensor, low: float, high: float) -> Tensor:
    """Bends x smoothly into [low, high]; by less than exp(-m) at a distance m inside the bounds."""
    below = softplus(x - low)
    return high - softplus((high - low) - below)


def soft_log_scale(log_variance: Tensor, bound: float = 15.0) -> Tensor:
    """Half the log-variance, bent smoothly into (-bound, bound): finite KL, densities, gradients.

    A tanh: two operations fewer than `soft_clamp` in every step, for a bend of 2 % at half of it.
    """
    return (log_variance / (2 * bound)).tanh() * bound
