"""A model's walk in a codec: evidence up, levels down, and what the last state says of the data.

Which models can walk exactly is decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.errors import SpecError
from zscape.model.ladder import Informed, Placed, Rung
from zscape.model.level import Evidence, Flat, Level
from zscape.model.model import Model
from zscape.model.start import Plain as PlainStart
from zscape.probability import posteriors, priors
from zscape.probability.distributions import DiagonalGaussian, GaussianMixture
from zscape.space.compression.chains import Chains
from zscape.space.compression.exact import exact_copy, exactly
from zscape.space.compression.latents import MOST, STEPS, Belief, Components, Grid, Plain
from zscape.space.compression.tables import UNIT

REACH = 8.0  # units of a prior that a grid covers on either side of zero, at least
SPARE = 6.0  # standard deviations of a posterior that it covers beyond the outermost mean
APART = 2.0  # standard deviations of a posterior from a point of a grid to the next


@dataclass(frozen=True, slots=True)
class Step:
    """What happened at a level: the state before it, the prior there, and the places `[C, D]`."""

    state: Tensor
    p: Distribution
    places: np.ndarray


class Walker:
    """A model in whole numbers, whose codes lie on grids.

    Args:
        model: of levels with Gaussian posteriors, whose priors are Gaussians or mixtures of them.

    Raises:
        SpecError: another model.
    """

    def __init__(self, model: Model) -> None:
        _require_walkable(model)
        copied = exact_copy(model)
        assert isinstance(copied, Model)
        self.model = copied
        self.levels = [level for level in self.model.levels if isinstance(level, Level)]
        self.grids: list[Grid] = []
        self.priors: list[Plain | Components] = []

    def measure(self, x: Tensor) -> list[Grid]:
        """Grids that suit the posteriors of examples `[N, *shape]`."""
        grids = []
        evidence, state = self._begin(x)
        for level in self.levels:
            with exactly():
                p = level.prior.forward(state)
                mean, log_scale = _told(level, state, evidence, p)
                state = level.absorb(state, _placed(p, mean))
            grids.append(_grid(mean.numpy(), log_scale.numpy()))
        return grids

    def settle_on(self, grids: list[Grid]) -> None:
        """Takes grids, and makes the tables of the priors on them, unless they were the last."""
        if grids is self.grids:
            return
        self.grids, self.priors = grids, []
        for level, grid in zip(self.levels, grids, strict=True):
            if not _is_mixed(level):
                self.priors.append(Plain(grid))
                continue
            with exactly():
                mixture = level.prior.forward(torch.zeros(1, 0, dtype=torch.float64))
            assert isinstance(mixture, GaussianMixture)
            self.priors.append(Components(grid, mixture))

    def draw(self, x: Tensor, chains: Chains, *, first: bool) -> tuple[list[Step], Tensor]:
        """Codes of x `[C, *shape]`, drawn by bits of the chains, and the last state.

        The first things of empty chains take the middle of their posteriors, for there are no bits.
        """
        evidence, state = self._begin(x)
        steps = []
        for level, grid in zip(self.levels, self.grids, strict=True):
            with exactly():
                p = level.prior.forward(state)
                mean, log_scale = _told(level, state, evidence, p)
            middle = grid.nearest(mean.numpy())
            places = middle if first else Belief.on(grid, mean.numpy(), log_scale).pop(chains)
            steps.append(Step(state, p, places))
            state = self._absorbed(level, grid, steps[-1])
        return steps, state

    def give_back(self, x: Tensor, steps: list[Step], chains: Chains) -> None:
        """Puts back the bits that the codes of x were drawn by: the last level first."""
        evidence, _ = self._begin(x)
        for level, grid, step in reversed(list(zip(self.levels, self.grids, steps, strict=True))):
            with exactly():
                mean, log_scale = _told(level, step.state, evidence, step.p)
            Belief.on(grid, mean.numpy(), log_scale).push(chains, step.places)

    def push(self, steps: list[Step], chains: Chains, *, first: bool) -> None:
        """Puts codes on the chains by their priors: the last level first."""
        for prior, step in reversed(list(zip(self.priors, steps, strict=True))):
            prior.push(chains, step.places, first=first)

    def pop(self, chains: Chains, count: int, *, first: bool) -> tuple[list[Step], Tensor]:
        """Takes codes off the first `count` chains by their priors, and the last state."""
        state = self._start(count)
        steps = []
        for level, grid, prior in zip(self.levels, self.grids, self.priors, strict=True):
            places = prior.pop(chains, count, first=first)
            with exactly():
                p = level.prior.forward(state)
            steps.append(Step(state, p, places))
            state = self._absorbed(level, grid, steps[-1])
        return steps, state

    def said(self, state: Tensor) -> Distribution:
        """The likelihood that the last state gives."""
        with exactly():
            return self.model.decoder.forward(state)

    def _begin(self, x: Tensor) -> tuple[Evidence, Tensor]:
        with exactly():
            evidence: Evidence = self.model.encoder(x)
        return evidence, self._start(len(x))

    def _start(self, count: int) -> Tensor:
        return torch.zeros(count, 0, dtype=torch.float64)

    def _absorbed(self, level: Level, grid: Grid, step: Step) -> Tensor:
        units = torch.from_numpy(grid.values(step.places))
        with exactly():
            return level.absorb(step.state, _placed(step.p, units))


def _told(
    level: Level, state: Tensor, evidence: Evidence, p: Distribution
) -> tuple[Tensor, Tensor]:
    """Mean and log-scale of the posterior in the units of the prior, flat, `[C, D]`."""
    if isinstance(level, Rung):
        assert isinstance(evidence, Mapping) and isinstance(level.posterior, Informed)
        meeting = level.posterior.meeting(state, evidence[level.place])
        q: Distribution = level.posterior.forward(meeting)
    else:
        q = level.infer(state, evidence, p)
    assert isinstance(q, DiagonalGaussian), "the posteriors of a walker are Gaussian"
    return q.loc.flatten(1), q.log_scale.flatten(1)


def _placed(p: Distribution, units: Tensor) -> Tensor:
    """The code `[C, *event]` of a point `[C, D]` in the units of the prior."""
    if not isinstance(p, DiagonalGaussian):
        return units
    return p.loc + p.scale * units.reshape(p.loc.shape)


def _grid(mean: np.ndarray, log_scale: np.ndarray) -> Grid:
    scale = np.exp(log_scale.mean(0))
    step = STEPS[np.abs(STEPS[:, None] - APART * scale * UNIT).argmin(0)]
    beyond = np.maximum(np.abs(mean).max(0) + SPARE * np.exp(log_scale.max(0)), REACH)
    reach = int(np.ceil(np.max(beyond * UNIT / step)))
    return Grid(step / UNIT, min(reach, MOST))


def _is_mixed(level: Level) -> bool:
    return isinstance(level.prior, priors.Mixture | priors.Vamp)


def _require_walkable(model: Model) -> None:
    start = model.start
    told = not isinstance(start, PlainStart) or bool(start.known.fields)
    if told or not all(_is_walkable(level) for level in model.levels):
        raise SpecError(
            "A study that compresses must have Gaussian posteriors, the priors that it was trained "
            "with, and no conditions; this one has others. Train vae, beta_vae, mixture_vae, "
            "vamp_vae or ladder_vae, and do not refit the prior."
        )


def _is_walkable(level: object) -> bool:
    usual = (priors.Standard, priors.Mixture, priors.Vamp)
    if isinstance(level, Rung):
        return isinstance(level.prior, (*usual, Placed))
    gaussian = (posteriors.Gaussian, posteriors.NormalisedGaussian)
    if not isinstance(level, Flat):
        return False
    return isinstance(level.posterior, gaussian) and isinstance(level.prior, usual)
