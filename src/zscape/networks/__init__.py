"""Networks: shapes in, shapes out; what their outputs mean is the business of probability.

A word names a network: 'mlp', 'skip' (an mlp and a straight line), 'conv', 'residual' or
'coordinate', with sizes after a colon where wanted: 'mlp:400' is one hidden layer of 400, 'conv:32'
starts with 32 channels, 'conv:32,32,64,64' is four strided convolutions of these widths,
'coordinate:32,32' asks two layers of each pixel.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zscape.errors import SpecError, unknown
from zscape.networks.cells import Cells, LogCounts
from zscape.networks.conv import (
    conv_decoder,
    conv_encoder,
    map_decoder,
    map_encoder,
    pooled_encoder,
    residual_decoder,
    residual_encoder,
)
from zscape.networks.coordinate import coordinate_decoder, coordinate_encoder
from zscape.networks.events import Tally
from zscape.networks.mlp import mlp_decoder, mlp_encoder
from zscape.networks.skip import skip_decoder, skip_encoder
from zscape.networks.styled import styled_pictures, styled_rows

__all__ = [
    "Encoder",
    "decoder",
    "encoder",
    "grid_decoder",
    "grid_encoder",
    "keeps_grid",
    "session_encoder",
    "styled_decoder",
    "styled_encoder",
]

Shape = tuple[int, ...]
Columns = tuple[tuple[str, int], ...]


class Encoder(nn.Module):
    """Maps data `[..., *shape]` to hidden features `[..., features]`: a front, then a body.

    Between them stand numbers of event shape `inner`. Features of a map `[F, *size]` are F.
    """

    def __init__(
        self,
        front: nn.Module,
        body: nn.Module,
        *,
        inner: Shape,
        features: int,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.front = front
        self.body = body
        self.inner = inner
        self.features = features
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Hidden features `[..., features]` of data `[..., *shape]`."""
        hidden: Tensor = self.body(self.front(x))
        return hidden


class Beside(nn.Module):
    """Two networks of the same data, their features `[..., F + G]` side by side."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        """Features `[..., F + G]` of data `[..., *shape]`."""
        return torch.cat([self.first(x), self.second(x)], -1)


def encoder(word: str, shape: Shape, *, columns: Columns = (), counts: bool = False) -> Encoder:
    """The encoder that a word names, for data of this event shape.

    Args:
        word: 'mlp', 'skip', 'conv', 'residual' or 'coordinate', with sizes where wanted.
        shape: event shape of the data; pictures are `(C, H, W)`.
        columns: (likelihood word, number of classes or 1) per column of a table with mixed
            columns, where a missing cell is nan.
        counts: the data are raw counts, so their logarithm log(1 + x) is encoded.

    Raises:
        SpecError: an unknown word, sizes that cannot be, or a picture network for rows.
    """
    name, sizes = _parse(word)
    _check_shape(name, shape)
    if columns:
        cells = Cells(columns)
        body, features = _ENCODERS[name]((cells.features,), sizes)
        return Encoder(cells, body, inner=(cells.features,), features=features)
    body, features = _ENCODERS[name](shape, sizes)
    front = LogCounts() if counts else nn.Identity()
    return Encoder(front, body, inner=shape, features=features)


def session_encoder(word: str, events: int) -> Encoder:
    """The encoder that a word names, for sessions of events, `[..., events + T]`.

    Raises:
        SpecError: an unknown word, sizes that cannot be, or a picture network.
    """
    name, sizes = _parse(word)
    tally = Tally(events)
    _check_shape(name, (tally.features,))
    body, features = _ENCODERS[name]((tally.features,), sizes)
    return Encoder(tally, body, inner=(tally.features,), features=features)


def decoder(word: str, latent: int, features_shape: Shape) -> nn.Module:
    """The decoder that a word names: codes `[..., latent]` to features `[..., *features_shape]`.

    It mirrors the encoder of the same word.

    Raises:
        SpecError: an unknown word, sizes that cannot be, or a picture network for rows.
    """
    name, sizes = _parse(word)
    _check_shape(name, features_shape)
    return _DECODERS[name](latent, features_shape, sizes)


def keeps_grid(word: str) -> bool:
    """Whether the network that a word names has a grid of places between picture and code.

    Raises:
        SpecError: an unknown word, or sizes that cannot be.
    """
    return _parse(word)[0] in _ON_GRIDS


def grid_encoder(word: str, shape: Shape, *, counts: bool = False) -> Encoder:
    """The encoder that a word names, stopped at a map: `[..., C, H, W]` to `[..., F, h, w]`.

    Args:
        word: 'conv' or 'residual'; several sizes after a colon are one halving each.
        shape: of the pictures, `(C, H, W)`.
        counts: the data are raw counts.
    """
    name, sizes = _parse(word)
    _check_shape(name, shape)
    body, (features, *size) = map_encoder(shape, sizes)
    front = LogCounts() if counts else nn.Identity()
    return Encoder(front, body, inner=shape, features=features, size=(size[0], size[1]))


def grid_decoder(word: str, dimension: int, features_shape: Shape) -> nn.Module:
    """The decoder of maps `[..., dimension, h, w]` that mirrors `grid_encoder`."""
    _, sizes = _parse(word)
    return map_decoder(dimension, features_shape, sizes)


def styled_encoder(word: str, whole: Encoder) -> tuple[Encoder, tuple[slice, slice]]:
    """An encoder whose features are those of content, then of style, and where each has its own.

    A style is everywhere alike, so of pictures it is read off features that are pooled over all
    places. Of rows both have all features.

    Args:
        word: as of `encoder`.
        whole: the encoder that the word names, which content keeps.
    """
    name, widths = _parse(word)
    if name == "mlp":
        return whole, (slice(None), slice(None))
    pooled, number = pooled_encoder(whole.inner, widths)
    features = whole.features + number
    both = Encoder(whole.front, Beside(whole.body, pooled), inner=whole.inner, features=features)
    return both, (slice(0, whole.features), slice(whole.features, features))


def styled_decoder(
    word: str, sizes: tuple[int, int], features_shape: Shape, *, skipped: int = 0
) -> nn.Module:
    """The decoder of a content and a style, side by side in a code, that a word names.

    The style scales and shifts the features that the content makes.

    Args:
        word: as of `decoder`; all that are for pictures mean the same network, and sizes after
            them are those of the encoder.
        sizes: of content and style.
        features_shape: of what comes out.
        skipped: numbers at the front of the code that are not read.
    """
    name, widths = _parse(word)
    if name == "mlp":
        return styled_rows(sizes, features_shape, widths, skipped=skipped)
    return styled_pictures(sizes, features_shape, skipped=skipped)


def _parse(word: str) -> tuple[str, Shape]:
    name, colon, listed = word.partition(":")
    if name not in _ENCODERS:
        raise unknown("network", name, list(_ENCODERS))
    parts = listed.split(",") if colon else []
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise SpecError(
            f"The sizes of a network must be whole numbers of at least 1, got {word!r}. "
            f"Write them as '{name}:64' or '{name}:64,128'."
        )
    return name, tuple(int(part) for part in parts)


def _check_shape(name: str, shape: Shape) -> None:
    if name not in _ON_ROWS and len(shape) != 3:
        raise SpecError(
            f"The network {name!r} must have pictures of channels, height and width, "
            f"got shape {shape}. Use 'mlp' for rows."
        )


_ON_ROWS = ("mlp", "skip")
_ON_GRIDS = ("conv", "residual")

_ENCODERS: dict[str, Callable[[Shape, Shape], tuple[nn.Module, int]]] = {
    "mlp": mlp_encoder,
    "conv": conv_encoder,
    "residual": residual_encoder,
    "coordinate": coordinate_encoder,
    "skip": skip_encoder,
}

_DECODERS: dict[str, Callable[[int, Shape, Shape], nn.Module]] = {
    "mlp": mlp_decoder,
    "conv": conv_decoder,
    "residual": residual_decoder,
    "coordinate": coordinate_decoder,
    "skip": skip_decoder,
}
