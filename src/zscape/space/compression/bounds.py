"""What a model's own ELBO says that things cost: the mark that an archive of them is held to."""

import math
from typing import Any

import numpy as np
import torch

from zscape.modalities.extras import is_frame
from zscape.model.bound import elbo
from zscape.probability.distributions import DiagonalGaussian, Row
from zscape.space.compression.codec import Codec
from zscape.space.space import CHUNK, Space, seeded

FEW = 3000  # things up to which several draws are taken of each
DRAWS = 3


@torch.inference_mode()
def bound_bits(space: Space, codec: Codec, things: Any, *, seed: int = 0) -> float | None:
    """The negative ELBO of things in bits, a bound; None where it is no count of bits.

    It is none where things are of other sizes, where a likelihood is a density, and where a model
    of ink is asked about grey.
    """
    if codec.tones is not None or not len(things):
        return None
    stored = space.modality.encode(things if is_frame(things) else np.stack(list(things)))
    draws, nats = DRAWS if len(stored) <= FEW else 1, 0.0
    with seeded(seed):
        for part in stored.split(CHUNK):
            trace = space.model(space.modality.prepare(part), draws=draws)
            said = trace.likelihood
            groups = said.groups if isinstance(said, Row) else (said,)
            if any(isinstance(group, DiagonalGaussian) for group in groups):
                return None
            nats -= float(elbo(trace).double().mean(0).sum())
    return nats / math.log(2)
