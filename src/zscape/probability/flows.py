"""Invertible transforms from zuko, and one beside them: what priors and posteriors are bent by.

Each begins as the identity, computes in float32 and sees a context, or none where it is 0 wide.
`pace` multiplies what its networks say, and so how fast they learn: Adam moves weights that hardly
matter yet as fast as any, and a posterior that jitters while its code is young learns late.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn.functional import softplus
from zuko.distributions import DiagNormal
from zuko.flows import MAF, NICE, Flow
from zuko.lazy import LazyTransform, UnconditionalDistribution
from zuko.transforms import MonotonicAffineTransform

Widths = tuple[int, ...]
Build = Callable[..., Flow]  # from (latent, context, transforms=...)

_SMALLEST_SLOPE = 0.05  # of an affine layer or a planar one; the slopes of all layers multiply
_BINS, _BOUND, _FLATTEST = 8, 5.0, 1e-3  # of a spline: its smallest slope is the last
_LEAST = 1e-20  # under a root or a fraction line, where rounding may leave 0
_AT_ONE = math.log(math.e - 1)  # where softplus is 1
_STRONGEST = 10.0  # the largest entry of a planar layer's vectors
_HALVINGS, _TANGENTS = 12, 4  # to invert a planar layer: bisection, then Newton's method


def coupling(
    latent: int, context: int, *, transforms: int, hidden: Widths = (64, 64), pace: float = 1.0
) -> Flow:
    """Affine couplings, each of every other unit: one pass of its networks in either direction.

    Source: Dinh et al. 2017, eqs. 4 and 5, arXiv:1605.08803.
    """
    affine = partial(MonotonicAffineTransform, slope=_SMALLEST_SLOPE)
    flow = NICE(latent, context, transforms=transforms, hidden_features=hidden, univariate=affine)
    return _settled(flow, pace)


def autoregressive(
    latent: int, context: int, *, transforms: int, hidden: Widths = (64, 64), pace: float = 1.0
) -> Flow:
    """Affine layers, each unit given all before it: one pass forward, `latent` passes back.

    Source: Kingma et al. 2016, eqs. 9 and 10, arXiv:1606.04934.
    """
    affine = partial(MonotonicAffineTransform, slope=_SMALLEST_SLOPE)
    flow = MAF(latent, context, transforms=transforms, hidden_features=hidden, univariate=affine)
    return _settled(flow, pace)


def spline(
    latent: int,
    context: int,
    *,
    transforms: int,
    hidden: Widths = (64, 64),
    passes: int = 2,
    pace: float = 1.0,
) -> Flow:
    """Rational-quadratic splines on [-5, 5], and nothing beyond: one pass forward, `passes` back.

    Source: Durkan et al. 2019, eqs. 4 to 8, arXiv:1906.04032.
    """
    flow = MAF(
        latent,
        context,
        transforms=transforms,
        hidden_features=hidden,
        passes=passes,
        univariate=Spline,
        shapes=[(_BINS,), (_BINS,), (_BINS - 1,)],
    )
    return _settled(flow, pace)


class Spline(Transform):
    """Monotonic rational-quadratic splines of `K` bins on [-5, 5], the identity beyond.

    The same function as zuko's, several times faster on a CPU: bins come first, so that every
    operation runs along memory, and a point picks its bin by masked sums, not by gathering.

    Args:
        widths: of the bins, unconstrained, `[..., K]`.
        heights: likewise.
        slopes: at the inner knots, unconstrained, `[..., K - 1]`; 1 at the ends.
    """

    domain = constraints.real
    codomain = constraints.real
    bijective = True
    sign = +1

    def __init__(self, widths: Tensor, heights: Tensor, slopes: Tensor) -> None:
        super().__init__()
        self.widths = _shares(_first(widths))
        self.heights = _shares(_first(heights))
        self.slopes = _first(slopes)

    def _call(self, x: Tensor) -> Tensor:
        bent: Tensor = self.call_and_ladj(x)[0]
        return bent

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The bent numbers `[...]`, and the logarithms of the slopes there `[...]`."""
        within = x.clamp(-_BOUND, _BOUND)
        x0, width, y0, height, d0, d1 = self._bin(within, self.widths)
        slope, share = height / width, (within - x0) / width
        rest = share * (1 - share)
        below = slope + (d0 + d1 - 2 * slope) * rest
        y = y0 + height * (slope * share.square() + d0 * rest) / below
        rise = d1 * share.square() + 2 * slope * rest + d0 * (1 - share).square()
        stretch = 2 * (slope / below).log() + rise.log()
        inside = x.abs() < _BOUND
        return torch.where(inside, y, x), torch.where(inside, stretch, 0.0)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the slope at x `[...]`."""
        return self.call_and_ladj(x)[1]

    def _inverse(self, y: Tensor) -> Tensor:
        within = y.clamp(-_BOUND, _BOUND)
        x0, width, y0, height, d0, d1 = self._bin(within, self.heights)
        slope, up = height / width, within - y0
        bend = up * (d0 + d1 - 2 * slope)
        a, b, c = height * (slope - d0) + bend, height * d0 - bend, -slope * up
        # Rounding may leave nothing under the root, where its gradient would be infinite.
        root = (b.square() - 4 * a * c).clamp(min=_LEAST).sqrt()
        share = (-2 * c / (b + root).clamp(min=_LEAST)).clamp(0, 1)
        return torch.where(y.abs() < _BOUND, x0 + share * width, y)

    def _bin(self, value: Tensor, axis: Tensor) -> tuple[Tensor, ...]:
        # Start and size of the value's bin across and up, and the slopes at its two knots.
        axis = _beside(axis, value)
        with torch.no_grad():
            passed = (value > axis[:-1].cumsum(0) - _BOUND).to(value.dtype)
            border = torch.ones_like(passed[:1])
            here = torch.cat([border, passed]) - torch.cat([passed, border - 1])
        starts_and_sizes = []
        for sizes in (self.widths, self.heights):
            sizes = _beside(sizes, value)
            starts_and_sizes += [(passed * sizes[:-1]).sum(0) - _BOUND, (here * sizes).sum(0)]
        slopes = _beside(self.slopes, value)
        left, right = (here[1:] * slopes).sum(0), (here[:-1] * slopes).sum(0)
        return *starts_and_sizes, _bent(left, 1).exp(), _bent(right, 1).exp()


def planar(latent: int, context: int, *, transforms: int) -> Flow:
    """Layers that each bend space along one direction; their vectors are linear in the context.

    There are no networks. The way back solves for one number a layer.
    Source: Rezende and Mohamed 2015, eqs. 10 to 12 and appendix A.1, arXiv:1505.05770.
    """
    zeros, ones = torch.zeros(latent), torch.ones(latent)
    noise = UnconditionalDistribution(DiagNormal, loc=zeros, scale=ones, buffer=True)
    return Flow(Planar(latent, context, transforms), noise)


class Planar(LazyTransform):  # type: ignore[misc]
    """The layers of `planar`."""

    def __init__(self, latent: int, context: int, transforms: int) -> None:
        super().__init__()
        self.latent = latent
        self.transforms = transforms
        self.hyper = nn.Linear(context, transforms * (2 * latent + 1))
        with torch.no_grad():
            # Directions at random, and no step along them.
            weight = self.hyper.weight.unflatten(0, (transforms, -1))
            bias = self.hyper.bias.unflatten(0, (transforms, -1))
            weight[:, :latent] = 0
            bias[:, :latent] = 0
            bias[:, latent : 2 * latent].normal_(std=latent**-0.5)

    def forward(self, c: Tensor | None = None) -> Transform:
        """The transform given a context `[..., context]`."""
        assert c is not None
        with torch.autocast(c.device.type, enabled=False):
            told = self.hyper(c).unflatten(-1, (self.transforms, 2 * self.latent + 1))
        step, direction, offset = told.split_with_sizes((self.latent, self.latent, 1), -1)
        return PlanarTransform(_bounded(step), _bounded(direction), offset.squeeze(-1))


class PlanarTransform(Transform):
    """x + u tanh(w x + b), `K` times: u and w are `[..., K, D]`, b is `[..., K]`."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, step: Tensor, direction: Tensor, offset: Tensor) -> None:
        super().__init__()
        # Invertible where w u > -1, so u's part along w is bent; the identity stays where u is 0.
        along = (step * direction).sum(-1, keepdim=True)
        wanted = softplus(along + _AT_ONE) * (1 - _SMALLEST_SLOPE) - (1 - _SMALLEST_SLOPE)
        length = direction.square().sum(-1, keepdim=True).clamp(min=1e-6)
        self.steps = (step + (wanted - along) * direction / length).unbind(-2)
        self.directions = direction.unbind(-2)
        self.offsets = offset.unbind(-1)
        self.gains = wanted.squeeze(-1).unbind(-1)

    def _call(self, x: Tensor) -> Tensor:
        moved: Tensor = self.call_and_ladj(x)[0]
        return moved

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The moved points `[..., D]`, and the log-determinant `[...]`."""
        stretch = x.new_zeros(())
        for step, direction, offset, gain in self._layers():
            wave = ((direction * x).sum(-1) + offset).tanh()
            x = torch.addcmul(x, step, wave.unsqueeze(-1))
            stretch = stretch + (gain * (1 - wave.square())).log1p()
        return x, stretch

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The log-determinant `[...]` at x."""
        return self.call_and_ladj(x)[1]

    def _inverse(self, y: Tensor) -> Tensor:
        for step, direction, offset, gain in reversed(self._layers()):
            wave = (_solve((direction * y).sum(-1) + offset, gain)).tanh()
            y = torch.addcmul(y, step, wave.unsqueeze(-1), value=-1)
        return y

    def _layers(self) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        return list(zip(self.steps, self.directions, self.offsets, self.gains, strict=True))


def _solve(target: Tensor, gain: Tensor) -> Tensor:
    """The a with a + gain tanh(a) = target, which is rising as gain > -1, and its gradients."""
    with torch.no_grad():
        reach = gain.abs()
        low, high = target - reach, target + reach
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = middle + gain * middle.tanh() > target
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        a = (low + high) / 2
        for _ in range(_TANGENTS):
            a = _tangent(a, target, gain).clamp(low, high)
    return _tangent(a, target, gain)  # once more with gradients: those of the implicit function


def _tangent(a: Tensor, target: Tensor, gain: Tensor) -> Tensor:
    wave = a.tanh()
    return a - (a + gain * wave - target) / (1 + gain * (1 - wave.square()))


class FullPrecision(nn.Module):
    """A network that computes in float32 where its caller computes in bfloat16.

    Eight bits of a spline's knots leave bins of zero width, which are infinite slopes.
    """

    def __init__(self, network: nn.Module, pace: float) -> None:
        super().__init__()
        self.network = network
        self.pace = pace

    def forward(self, x: Tensor) -> Tensor:
        """The network's answer in float32."""
        with torch.autocast(x.device.type, enabled=False):
            answer: Tensor = self.network(x.float() if x.dtype.itemsize < 4 else x)
            return answer if self.pace == 1 else answer * self.pace


def _first(parameters: Tensor) -> Tensor:
    return parameters.movedim(-1, 0).contiguous()


def _shares(sizes: Tensor) -> Tensor:
    # Of the whole interval; bounded as they are, their exponentials need no softmax.
    raised = _bent(sizes, 2).exp()
    return raised * (2 * _BOUND / raised.sum(0))


def _bent(x: Tensor, sharpness: float) -> Tensor:
    return x / (1 + (x * (sharpness / math.log(_FLATTEST))).abs())


def _beside(parameters: Tensor, value: Tensor) -> Tensor:
    # `[K, ...]` with as many dims behind the first as the value has.
    missing = value.ndim + 1 - parameters.ndim
    return parameters.reshape(len(parameters), *[1] * missing, *parameters.shape[1:])


def _bounded(x: Tensor) -> Tensor:
    return _STRONGEST * (x / _STRONGEST).tanh()


@torch.no_grad()
def _settled(flow: Flow, pace: float) -> Flow:
    """The same flow as the identity, with the network of every layer in full precision."""
    for layer in flow.transform.transforms:
        for name, network in list(layer.named_children()):
            if name == "hyper":
                network[-1].weight.zero_()
                network[-1].bias.zero_()
                layer.hyper = FullPrecision(network, pace)
        for parameter in getattr(layer, "phi", []):  # a single unit without a context
            parameter.zero_()
    return flow
