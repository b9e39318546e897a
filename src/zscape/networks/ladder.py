"""Networks of a ladder: one pass up through a picture, and the blocks of the way down.

A state or evidence is a vector `[..., C]` or a map `[..., C, H, W]`; both may have any number of
leading dimensions. Which codes stand where is the business of `model.ladder` and the recipe.

Convolutions are plain 3x3 ones in a bottleneck: depthwise 5x5 ones have a ninth of the products
and take as long on a CPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad, pixel_shuffle, pixel_unshuffle, silu

from zscape.networks.mlp import scale_weights

Size = tuple[int, int]

LONGEST = 7  # a short side of at most 7, or 8 if it is even, is coarse enough for the first maps


@dataclass(frozen=True, slots=True)
class Place:
    """Where a state lives: `channels` numbers, at each point of a map of `size` if there is one."""

    channels: int
    size: Size | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The event shape, `(C,)` or `(C, H, W)`."""
        return (self.channels,) if self.size is None else (self.channels, *self.size)


def coarse_cut(height: int, width: int) -> int:
    """The side of the squares that a picture is cut into, so that 4 to 8 of them fit a side.

    Pictures under 8 pixels are not cut.
    """
    cut = 1
    while min(height, width) / cut > LONGEST + 1:
        cut *= 2
    return cut


def size_after(height: int, width: int, cut: int) -> Size:
    """How many squares of side `cut` cover a picture."""
    return -(-height // cut), -(-width // cut)


class Squares(nn.Module):
    """Cuts pictures `[..., C, H, W]` into squares: `[..., C * cut^2, h, w]`, zeros beyond the edge.

    It loses nothing, and what follows works on 1 / cut^2 of the points.
    Source: Shi et al. 2016, section 3.2 (the inverse), arXiv:1609.05158.
    """

    def __init__(self, cut: int) -> None:
        super().__init__()
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        """The squares, a point each."""
        height, width = x.shape[-2:]
        x = pad(x, (0, -width % self.cut, 0, -height % self.cut))
        return pixel_unshuffle(x, self.cut)


class Paint(nn.Module):
    """A map `[..., C, h, w]` to features of pictures `[..., *features]`, a square a point."""

    def __init__(self, channels: int, features: tuple[int, int, int], cut: int) -> None:
        super().__init__()
        self.features, self.cut = features, cut
        self.last = nn.Conv2d(channels, features[0] * cut**2, 3, padding=1)
        scale_weights(self.last, fan_in=9 * channels)
        with torch.no_grad():
            self.last.weight *= 0.5  # pictures start greyish

    def forward(self, state: Tensor) -> Tensor:
        """The features, cut to the size of the picture."""
        squares = over_leading(self.last, silu(state), 3)
        _, height, width = self.features
        return pixel_shuffle(squares, self.cut)[..., :height, :width]


class Block(nn.Module):
    """x + last(hidden(x)): a bottleneck of vectors or of maps, whose last layer starts small.

    Args:
        place: of x.
        width: hidden features.
        depth: how many blocks follow each other; each starts 1 / sqrt(depth) as strong.

    Source: Child 2021, section 4.1 (scaled initialisation), arXiv:2011.10650.
    """

    def __init__(self, place: Place, width: int, *, depth: int = 1) -> None:
        super().__init__()
        self.event_dims = len(place.shape)
        self.first = _point(place, place.channels, width)
        self.middle = None if place.size is None else nn.Conv2d(width, width, 3, padding=1)
        self.last = _point(place, width, place.channels)
        if self.middle is not None:
            scale_weights(self.middle, fan_in=9 * width)
        with torch.no_grad():
            self.last.weight /= 2 * sqrt(depth)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return over_leading(self._residual, x, self.event_dims)

    def _residual(self, x: Tensor) -> Tensor:
        hidden = silu(self.first(silu(x)))
        if self.middle is not None:
            hidden = silu(self.middle(hidden))
        residual: Tensor = self.last(hidden)
        return x + residual


class Head(nn.Module):
    """A state to `outputs` numbers, at each point where it is a map.

    Args:
        place: of the state.
        width: hidden features.
        outputs: how many numbers.
        silent: whether they all start at zero.
    """

    def __init__(self, place: Place, width: int, outputs: int, *, silent: bool = True) -> None:
        super().__init__()
        self.event_dims = len(place.shape)
        maps = place.size is not None
        self.first: nn.Linear | nn.Conv2d = (
            nn.Conv2d(place.channels, width, 3, padding=1)
            if maps
            else _point(place, place.channels, width)
        )
        scale_weights(self.first, fan_in=place.channels * (9 if maps else 1))
        self.last = _point(place, width, outputs)
        if silent:
            nn.init.zeros_(self.last.weight)

    def forward(self, state: Tensor) -> Tensor:
        """`[..., outputs]` or `[..., outputs, H, W]`."""
        return over_leading(self._head, state, self.event_dims)

    def _head(self, state: Tensor) -> Tensor:
        outputs: Tensor = self.last(silu(self.first(silu(state))))
        return outputs


class Meeting(nn.Module):
    """What a posterior sees: the state and the evidence, each through a layer, added up.

    The evidence goes through its layer once, however many draws the state has.

    Args:
        place: of both.
        stateless: there is no state yet: the evidence is all there is.
    """

    def __init__(self, place: Place, *, stateless: bool = False) -> None:
        super().__init__()
        self.event_dims = len(place.shape)
        self.of_state = None if stateless else _point(place, place.channels, place.channels)
        self.of_evidence = _point(place, place.channels, place.channels)

    def forward(self, state: Tensor, evidence: Tensor) -> Tensor:
        """`[..., *place]` of a state and evidence `[..., *place]`."""
        seen = over_leading(self.of_evidence, evidence, self.event_dims)
        if self.of_state is None:
            return seen
        return over_leading(self.of_state, state, self.event_dims) + seen


class Intake(nn.Module):
    """The state after a code: state + project(z), blocks, and the step to the next place.

    Args:
        code: where the code lives.
        state: where the state lives.
        then: where the next state lives; a vector may become a map, a map a finer one.
        blocks: after the code was added.
        width: hidden features of each.
        depth: blocks on the whole way; each code and block starts 1 / sqrt(depth) as strong.
    """

    def __init__(
        self, code: Place, state: Place, then: Place, *, blocks: int, width: int, depth: int
    ) -> None:
        super().__init__()
        self.event_dims = len(code.shape)
        self.project = _point(state, code.channels, state.channels)
        with torch.no_grad():
            self.project.weight /= sqrt(depth)
        self.blocks = nn.Sequential(*(Block(state, width, depth=depth) for _ in range(blocks)))
        self.step = nn.Identity() if then == state else Step(state, then)

    def forward(self, state: Tensor, z: Tensor) -> Tensor:
        """`[..., *then]`; a state of no features, as at the top, adds nothing."""
        taken = over_leading(self.project, z.to(self.project.weight.dtype), self.event_dims)
        hidden: Tensor = self.blocks(taken if state.shape[-1] == 0 else state + taken)
        stepped: Tensor = self.step(hidden)
        return stepped


class Step(nn.Module):
    """From a vector to a map, or from a map to a finer one."""

    def __init__(self, before: Place, after: Place) -> None:
        super().__init__()
        assert after.size is not None, "a ladder goes from coarse to fine"
        self.before, self.after = before, after
        outputs = prod(after.shape) if before.size is None else after.channels
        self.layer = _point(before, before.channels, outputs)

    def forward(self, state: Tensor) -> Tensor:
        """The state at its new place."""
        return over_leading(self._moved, state, len(self.before.shape))

    def _moved(self, state: Tensor) -> Tensor:
        assert self.after.size is not None
        if self.before.size is None:
            # Channels last: as convolutions run fastest.
            points: Tensor = self.layer(silu(state))
            return points.view(-1, *self.after.size, self.after.channels).permute(0, 3, 1, 2)
        finer: Tensor = interpolate(self.layer(state), size=self.after.size)
        return finer


class Upward(nn.Module):
    """One pass up: a picture `[..., *shape]` to evidence at each place.

    Args:
        channels: of x.
        cut: squares of this side come first.
        places: from fine to coarse, maps before a vector.
        blocks: at each place.
        width: hidden features of each block.
    """

    def __init__(
        self, channels: int, cut: int, places: Sequence[Place], *, blocks: int, width: int
    ) -> None:
        super().__init__()
        self.places = tuple(places)
        finest = places[0]
        self.front = nn.Sequential(
            Squares(cut), nn.Conv2d(channels * cut**2, finest.channels, 3, padding=1)
        )
        depth = blocks * len(places)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Block(place, width, depth=depth) for _ in range(blocks)))
            for place in places
        )
        self.steps = nn.ModuleList(_Rise(fine, coarse) for fine, coarse in pairwise(places))

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """Evidence by the number of its place, 0 the finest."""
        x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
        hidden: Tensor = self.blocks[0](over_leading(self.front, x, 3))
        evidence = {0: hidden}
        for number, (step, blocks) in enumerate(zip(self.steps, self.blocks[1:], strict=True), 1):
            hidden = blocks(step(hidden))
            evidence[number] = hidden
        return evidence


class _Rise(nn.Module):
    """From a map to a coarser one, or to a vector."""

    def __init__(self, before: Place, after: Place) -> None:
        super().__init__()
        self.before, self.after = before, after
        inputs = prod(before.shape) if after.size is None else before.channels
        self.layer = _point(after, inputs, after.channels)

    def forward(self, hidden: Tensor) -> Tensor:
        return over_leading(self._moved, hidden, 3)

    def _moved(self, hidden: Tensor) -> Tensor:
        hidden = silu(hidden)
        if self.after.size is None:
            hidden = hidden.permute(0, 2, 3, 1).flatten(1)
        else:
            hidden = avg_pool2d(hidden, 2, ceil_mode=True)
        moved: Tensor = self.layer(hidden)
        return moved


def over_leading(network: Callable[[Tensor], Tensor], x: Tensor, event_dims: int) -> Tensor:
    """`network` of `[N, *event]`, applied over any number of leading dimensions."""
    leading = x.shape[: x.ndim - event_dims]
    if len(leading) == 1:
        once: Tensor = network(x)
        return once
    rows: Tensor = network(x.flatten(0, len(leading) - 1) if leading else x[None])
    return rows.unflatten(0, leading) if leading else rows[0]


def _point(place: Place, before: int, after: int) -> nn.Linear | nn.Conv2d:
    """A layer that acts at each point by itself."""
    layer = nn.Linear(before, after) if place.size is None else nn.Conv2d(before, after, 1)
    scale_weights(layer, fan_in=before)
    return layer
