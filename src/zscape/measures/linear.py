"""The linear model that a latent space has to beat: principal components of the data itself."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Components:
    """Principal components of flat data `[N, P]`: the best linear codes of their size.

    Attributes:
        mean: `[P]`.
        axes: of unit length, the longest first, `[D, P]`.
        scale: standard deviation along each axis, `[D]`.
        rest: standard deviation along each of the other directions, on average.
    """

    mean: Tensor
    axes: Tensor
    scale: Tensor
    rest: float

    def encode(self, x: Tensor) -> Tensor:
        """Codes `[N, D]` of `[N, P]`."""
        return (x - self.mean) @ self.axes.T

    def decode(self, codes: Tensor) -> Tensor:
        """`[N, P]` from codes `[N, D]`."""
        return codes @ self.axes + self.mean

    def sample(self, n: int, *, noise: bool) -> Tensor:
        """Draws of the Gaussian with these components, `[n, P]`, from torch's generator.

        Args:
            n: how many.
            noise: whether what the axes leave over is drawn too, alike in all other directions.
        """
        drawn = self.decode(torch.randn(n, len(self.scale)) * self.scale)
        if not noise:
            return drawn
        extra = torch.randn_like(drawn)
        return drawn + self.rest * (extra - extra @ self.axes.T @ self.axes)


def components(x: Tensor, size: int) -> Components:
    """The first `size` principal components of `[N, P]`, or as many as there are.

    Source: Tipping and Bishop 1999, eq. 7 and 8, doi:10.1111/1467-9868.00196.
    """
    from sklearn.decomposition import PCA

    size = min(size, x.shape[1], len(x) - 1)
    # A seed, as large data are reduced by a random projection first.
    found = PCA(size, random_state=0).fit(x.numpy())
    rest = max(float(found.noise_variance_), 0.0) ** 0.5
    parts = (found.mean_, found.components_, np.sqrt(found.explained_variance_))
    mean, axes, scale = (torch.from_numpy(np.asarray(part)).float() for part in parts)
    return Components(mean, axes, scale, rest)
