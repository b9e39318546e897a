"""The two halves of a space as plain networks: things to codes, and codes to things.

What a program that knows no models takes: one tensor in, one out. Files stand elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from zscape.errors import SpecError
from zscape.model.codes import Codes
from zscape.model.level import Level
from zscape.model.model import Decoder, Model
from zscape.probability.autoregressive import Autoregressive
from zscape.probability.priors import Standard
from zscape.space.space import Space, Where
from zscape.space.units import measuring_items

CHECKED = 64  # items that a half is compared on
TRACED = 2  # rows in the example: of one row a tracer takes the batch for a constant


class Encoding(nn.Module):
    """What a model sees, `[N, *shape]`, to the centres of its posteriors, flat `[N, D]`."""

    context: Tensor | None

    def __init__(self, model: Model, context: Tensor | None) -> None:
        super().__init__()
        # The same walk, with nothing at its end, on which codes do not depend.
        levels = cast(Sequence[Level], model.levels)
        self.model = Model(model.encoder, levels, Standard(1), model.start)
        self.register_buffer("context", context, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Flat codes `[N, D]` of `[N, *shape]`."""
        trace = self.model.encode(x, _repeated(self.context, x))
        return torch.cat([latent.z.flatten(1) for latent in trace.latents], 1)


class Decoding(nn.Module):
    """Flat codes `[N, D]` to the likelihood's mean, `[N, *shape]`."""

    context: Tensor | None

    def __init__(self, model: Model, codes: Codes, context: Tensor | None) -> None:
        super().__init__()
        self.model = model
        self.shapes = {name: tensor.shape[1:] for name, tensor in codes.tensors.items()}
        self.register_buffer("context", context, persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        """`[N, *shape]` of flat codes `[N, D]`."""
        parts = code.split([shape.numel() for shape in self.shapes.values()], 1)
        pairs = zip(self.shapes.items(), parts, strict=True)
        given = {name: part.reshape(-1, *shape) for (name, shape), part in pairs}
        context = _repeated(self.context, code)
        # The first length and not len(), which would fix the number of rows for good.
        mean: Tensor = self.model.generate(code.shape[0], context, given=given).likelihood.mean
        return mean


@dataclass(frozen=True, slots=True)
class Half:
    """One half, traced.

    Attributes:
        name: "encoder" or "decoder".
        program: the traced network, of any number of rows.
        given: rows to compare on, `[n, ...]`.
        wanted: what the space itself makes of them, `[n, ...]`.
    """

    name: str
    program: Any
    given: Tensor
    wanted: Tensor

    @property
    def spread(self) -> float:
        """Standard deviation of what is wanted, which differences are set beside."""
        return float(self.wanted.double().std(correction=0).clamp(min=1e-12))


@torch.no_grad()
def halves(space: Space, *, where: Where = None) -> tuple[Half, Half]:
    """Encoder and decoder of a space, traced, each with real examples to be compared on.

    Args:
        space: a space.
        where: what is known of all things, as of `sample`; the halves then hold it.

    Raises:
        SpecError: the model goes pixel by pixel, or decides by the values it sees, so that no
            trace of it serves others.
    """
    _require_one_pass(space.model)
    items, _ = measuring_items(space, CHECKED)
    x = space.modality.prepare(items)
    context = space.context(1, where)
    encoding = Encoding(space.model, context).eval()
    decoding = Decoding(space.model, space.codes, context).eval()
    codes = encoding(x)
    return _traced("encoder", encoding, x, codes), _traced(
        "decoder", decoding, codes, decoding(codes)
    )


def _require_one_pass(model: Model) -> None:
    decoder = model.decoder
    if isinstance(decoder, Decoder) and isinstance(decoder.likelihood, Autoregressive):
        raise SpecError(
            "A model that is exported must say a thing at once, and this one says it pixel after "
            "pixel, each from those before. Export a study of another recipe."
        )


def _traced(name: str, network: nn.Module, given: Tensor, wanted: Tensor) -> Half:
    rows = torch.export.Dim("batch")
    try:
        program = torch.export.export(
            network, (given[:TRACED].clone(),), dynamic_shapes=({0: rows},)
        )
    except Exception as error:
        kind = type(error).__name__
        raise SpecError(
            f"A model that is exported must do the same steps for all values, and the {name} of "
            f"this one does not ({kind}). Export a study of another recipe."
        ) from error
    return Half(name, program, given, wanted)


def _repeated(context: Tensor | None, like: Tensor) -> Tensor | None:
    return None if context is None else context.expand(like.shape[0], -1)
