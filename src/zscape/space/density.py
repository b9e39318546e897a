"""The density of the codes of a space's data: a mixture of Gaussians fitted to them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.probability.distributions import FullGaussianMixture
from zscape.probability.expectation import fit_mixture

MOST_AXES = 32
MOST_FITTED = 20_000
COMPONENTS = (1, 3, 10, 30)


@dataclass(frozen=True, slots=True)
class CodeDensity:
    """A density of codes along their principal axes.

    Attributes:
        shift: the mean of the codes, `[D]`.
        axes: `[D, A]`, each divided by the standard deviation along it.
        log_volume: log of the product of these deviations, in nats.
        mixture: of the codes in these axes.
    """

    shift: Tensor
    axes: Tensor
    log_volume: float
    mixture: FullGaussianMixture

    def nats(self, codes: Tensor) -> Tensor:
        """-log of the density of codes `[N, D]` along the axes, in nats, `[N]`."""
        found: Tensor = self.mixture.log_prob((codes - self.shift) @ self.axes)
        return self.log_volume - found.double()


@torch.inference_mode()
def fit_density(codes: Tensor, apart: Tensor, *, seed: int = 0) -> CodeDensity:
    """A mixture of Gaussians along at most 32 principal axes, as many as held-out codes want.

    Args:
        codes: `[N, D]`, that are fitted.
        apart: `[M, D]`, that pick the number of Gaussians.
        seed: of the starts.
    """
    shift = codes.mean(0)
    centred = codes - shift
    variance, axes = torch.linalg.eigh((centred.T @ centred / len(codes)).double())
    # Units that never vary have no density.
    alive = (variance > 1e-8 * variance.max()).nonzero().flatten()[-MOST_AXES:]
    scale = variance[alive].sqrt()
    turned = (axes[:, alive] / scale).float()
    points, picking = centred[:MOST_FITTED] @ turned, (apart - shift) @ turned
    best, lowest = None, torch.inf
    for components in COMPONENTS:
        if components * len(alive) > len(points):
            break
        *_, found = fit_mixture(points, components, seed=seed)
        nats = -float(found.log_prob(picking).double().mean())
        if nats >= lowest:
            break
        best, lowest = found, nats
    if best is None:
        *_, best = fit_mixture(points, 1, seed=seed)
    return CodeDensity(shift, turned, float(scale.log().sum()), best)
