"""What is known beside things as features: classes, numbers and texts, each of which may lack."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from zscape.networks.mlp import scale_weights

WIDTH = 64  # of what one field says
FEATURES = 128  # of what all of them say


class Tower(nn.Module):
    """Maps a context `[..., F]`, nan where nothing is known, to features `[..., 128]`.

    A field that is absent says the same in every example, a learned vector, so that nothing which
    was withheld is seen, and no gradient reaches what would have said it.

    Args:
        fields: (kind, size, columns) of each: ("class", how many, 1), ("number", 1, 1), or
            ("text", known words, words that are read).
    """

    def __init__(self, fields: tuple[tuple[str, int, int], ...]) -> None:
        super().__init__()
        self.widths = [columns for _, _, columns in fields]
        self.parts = nn.ModuleList(_PARTS[kind](size) for kind, size, _ in fields)
        self.absent = nn.Parameter(torch.randn(len(fields), WIDTH))
        first, last = nn.Linear(WIDTH * len(fields), FEATURES), nn.Linear(FEATURES, FEATURES)
        for layer in (first, last):
            scale_weights(layer, fan_in=layer.in_features)
        self.body = nn.Sequential(first, nn.SiLU(), last, nn.SiLU())
        self.features = FEATURES

    def forward(self, context: Tensor) -> Tensor:
        """Features `[..., 128]` of a context `[..., F]`."""
        said = []
        columns = context.split(self.widths, -1)
        for part, absent, told in zip(self.parts, self.absent, columns, strict=True):
            # A text begins with its first word, so the first column says whether there is one.
            said.append(torch.where(told[..., :1].isnan(), absent, part(told)))
        features: Tensor = self.body(torch.cat(said, -1))
        return features


class Classes(nn.Module):
    """A learned vector of each class."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, WIDTH)

    def forward(self, told: Tensor) -> Tensor:
        """`[..., WIDTH]` of class ids `[..., 1]`; that of the first where it is nan."""
        vectors: Tensor = self.embedding(told[..., 0].nan_to_num(0.0).long())
        return vectors


class Number(nn.Module):
    """Bent lines in a number, `WIDTH` of them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.randn(WIDTH))
        self.offset = nn.Parameter(torch.randn(WIDTH))

    def forward(self, told: Tensor) -> Tensor:
        """`[..., WIDTH]` of standardised numbers `[..., 1]`; that of 0 where it is nan."""
        return silu(told.nan_to_num(0.0) * self.slope + self.offset)


class Words(nn.Module):
    """The mean over a text's words of what each says between its neighbours.

    Order counts within three words, so "left of" is not "of left", and a text of any length up to
    the longest costs the same.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, WIDTH)
        self.between = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)
        self.last = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, told: Tensor) -> Tensor:
        """`[..., WIDTH]` of word numbers `[..., T]`, nan behind the last word."""
        there = told.isnan().logical_not().unsqueeze(-1)
        words = self.embedding(told.nan_to_num(0.0).long()) * there
        rows = words.flatten(0, -3).transpose(1, 2)
        mixed = silu(self.between(rows)).transpose(1, 2).reshape(words.shape) * there
        count = there.sum(-2).clamp(min=1)
        means: Tensor = self.last(torch.cat([words, mixed], -1).sum(-2) / count)
        return means


_PARTS = {"class": Classes, "number": Number, "text": Words}
