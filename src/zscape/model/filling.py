"""Walks that begin from what is left of a thing: holes, the state of what is seen, its completion.

The first state holds features of what is seen and the cells themselves, nan where hidden, side by
side; prior and posterior see the features alone.
"""

from math import prod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zscape.modalities.conditions import Conditions
from zscape.model.level import Evidence, Level
from zscape.model.start import Start
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import Completed

Shape = tuple[int, ...]
ALL_HIDDEN = 0.1  # share of examples of which nothing is seen


class Holes:
    """Draws what is hidden: True where it is.

    Of pictures a box of any size, or some of the four quadrants, each as often; of rows any share
    of the cells. Sometimes everything, so that nothing needs to be known.

    Args:
        shape: of the event; pictures are `(C, H, W)`.
        kind: of pictures: "mixed", or only "boxes" or "quadrants".
    """

    def __init__(self, shape: Shape, *, kind: str = "mixed") -> None:
        self.shape = shape
        self.kind = kind

    def __call__(self, count: int, device: torch.device) -> Tensor:
        """Which cells of `count` examples are hidden, `[count, *shape]`."""
        if len(self.shape) != 3:
            share = torch.rand(count, *[1] * len(self.shape), device=device)
            hidden = torch.rand(count, *self.shape, device=device) < share
        else:
            hidden = self._of_pictures(count, device)[:, None]
        nothing_seen = torch.rand(count, *[1] * len(self.shape), device=device) < ALL_HIDDEN
        return (hidden | nothing_seen).expand(count, *self.shape)

    def _of_pictures(self, count: int, device: torch.device) -> Tensor:
        high, wide = self.shape[1:]
        if self.kind == "boxes":
            return _boxes(count, high, wide, device)
        quadrants = _quadrants(count, high, wide, device)
        if self.kind == "quadrants":
            return quadrants
        as_box = torch.rand(count, 1, 1, device=device) < 0.5
        return torch.where(as_box, _boxes(count, high, wide, device), quadrants)


class Filling(Start):
    """What is left of a thing as the first state `[B, F + cells]`.

    The context is the thing itself, flat, nan where it is hidden. In training, holes are drawn in
    what is observed; without a context nothing is seen.

    Args:
        network: things `[..., *shape]`, nan where hidden, to features `[..., F]`.
        shape: of a thing.
        holes: draws what training hides.
    """

    def __init__(self, network: nn.Module, shape: Shape, holes: Holes) -> None:
        super().__init__()
        self.known = Conditions()
        self.network = network
        self.shape = shape
        self.holes = holes

    def forward(self, context: Tensor | None, like: Tensor) -> Tensor:
        """`[B, F + cells]`."""
        if context is None:
            observed = self.training and like.ndim > 1
            nothing = torch.full((like.shape[0], prod(self.shape)), torch.nan, device=like.device)
            context = self.left_of(like) if observed else nothing
        seen = context.unflatten(-1, self.shape)
        features: Tensor = self.network(seen)
        return torch.cat([features.float(), context], -1)

    def left_of(self, x: Tensor) -> Tensor:
        """A context: what holes, drawn at random, leave of x, `[B, cells]`."""
        return x.masked_fill(self.holes(len(x), x.device), torch.nan).flatten(1)


def measured_context(start: Start, x: Tensor, context: Tensor | None) -> Tensor | None:
    """The context that x is measured in: what is known, or what holes leave of it."""
    return start.left_of(x) if isinstance(start, Filling) and context is None else context


class Filled(Level):
    """A level whose posterior sees the features of the state, of which there are so many."""

    def __init__(
        self, name: str, *, prior: Conditional, posterior: Conditional, features: int
    ) -> None:
        super().__init__(name, prior=_OfFeatures(prior, features), posterior=posterior)
        self.features = features

    def infer(self, state: Tensor, evidence: Evidence, p: Distribution) -> Distribution:
        """The posterior of features, first in `[..., F + cells]`, beside evidence `[..., H]`."""
        assert isinstance(evidence, Tensor), "one level has evidence of one place"
        return self.posterior.forward(torch.cat([state[..., : self.features], evidence], -1))

    def absorb(self, state: Tensor, z: Tensor) -> Tensor:
        """`[..., F + cells + D]` from `[..., F + cells]` and `[..., D]`."""
        return torch.cat([state.expand(*z.shape[:-1], -1), z], -1)


class Completion(Conditional):
    """p(x | what is seen, z): cells that are seen are certain, the others by a likelihood.

    Args:
        network: features and code `[..., F + D]` to what the likelihood asks for.
        likelihood: of all cells, each independent of the others.
        shape: of a thing.
        features: F.
    """

    def __init__(
        self, network: nn.Module, likelihood: Conditional, *, shape: Shape, features: int
    ) -> None:
        super().__init__()
        self.network = network
        self.likelihood = likelihood
        self.shape = shape
        self.features = features

    def forward(self, context: Tensor) -> Distribution:
        """The completion, event `[*shape]`, given a state `[..., F + cells + D]`."""
        cells = prod(self.shape)
        code = context.shape[-1] - self.features - cells
        features, seen, z = context.split([self.features, cells, code], -1)
        rows = torch.cat([features, z], -1).flatten(0, -2)
        said: Tensor = self.network(rows).unflatten(0, context.shape[:-1])
        base = self.likelihood.forward(said.float())
        return Completed(base, seen.unflatten(-1, self.shape))  # type: ignore[arg-type]


class _OfFeatures(Conditional):
    """A conditional that sees only the features of a state."""

    def __init__(self, inner: Conditional, features: int) -> None:
        super().__init__()
        self.inner = inner
        self.features = features

    def forward(self, context: Tensor) -> Distribution:
        """The inner distribution given `[..., F]` of `[..., F + cells]`."""
        return self.inner.forward(context[..., : self.features])


def _boxes(count: int, high: int, wide: int, device: torch.device) -> Tensor:
    """Boxes between two random rows and two random columns, `[count, H, W]`."""
    down = _between(count, high, device)[:, :, None]
    return down & _between(count, wide, device)[:, None, :]


def _between(count: int, size: int, device: torch.device) -> Tensor:
    ends = (torch.rand(count, 2, device=device) * (size + 1)).floor().sort(1).values
    places = torch.arange(size, device=device)
    return (ends[:, :1] <= places) & (places < ends[:, 1:])


def _quadrants(count: int, high: int, wide: int, device: torch.device) -> Tensor:
    """One to four of the quadrants, `[count, H, W]`: any of the 15 choices as often."""
    number = torch.randint(1, 16, (count, 1, 1), device=device)
    lower = (torch.arange(high, device=device) >= high // 2)[:, None].long()
    right = (torch.arange(wide, device=device) >= wide // 2).long()
    return (number >> (2 * lower + right)) & 1 == 1
