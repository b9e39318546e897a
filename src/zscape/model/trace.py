"""The record of one walk through a model."""

from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Distribution


@dataclass(frozen=True, slots=True)
class Latent:
    """What happened at one level: the code `z` chosen, the posterior `q` and prior `p` there.

    `z` has leading dimensions `[S, B]` (draws, batch) when something was observed and `[B]` when
    generated; `q` is None when nothing was observed; `given` says that the caller chose `z`.
    """

    name: str
    z: Tensor
    q: Distribution | None
    p: Distribution
    given: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """Frozen record of a walk: one latent per level, the likelihood, and what was observed.

    `context` is what was known beside x, `[B, F]`, nan where it was not; None: nothing was.
    """

    latents: tuple[Latent, ...]
    likelihood: Distribution
    x: Tensor | None
    context: Tensor | None = None

    def __getitem__(self, name: str) -> Latent:
        """The latent of the level of that name."""
        return next(latent for latent in self.latents if latent.name == name)
