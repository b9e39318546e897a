"""What turns vectors into codes of a finite set: a learned codebook, or rounding.

A quantiser owns the codes and knows how they lie in a grid; what their probabilities are is the
business of the conditionals that use it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import atanh, log, prod

import torch
from torch import Tensor, nn

_CHUNK = 16_384  # rows that are compared with a codebook at a time
_BEAM = 16  # readings of a sum of codes that are followed
_FAINT = 1e-6  # counts below this sink no further, or the place would be lost with them
_HEAVY = 1e8  # counts above this are of codes that were revived in the step before


@dataclass(frozen=True, slots=True)
class Layout:
    """How the vectors of a grid lie in a code.

    Attributes:
        dimension: D, of each vector.
        positions: P, how many vectors a code has.
        size: (H, W) of a map `[D, H, W]`; None where vectors lie side by side, `[P * D]`.
    """

    dimension: int
    positions: int
    size: tuple[int, int] | None = None

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of a code."""
        if self.size is None:
            return (self.positions * self.dimension,)
        return (self.dimension, *self.size)

    def rows(self, z: Tensor) -> Tensor:
        """The vectors `[..., P, D]` of codes `[..., *event]`."""
        if self.size is None:
            return z.unflatten(-1, (self.positions, -1))
        return z.flatten(-2).transpose(-1, -2)

    def whole(self, rows: Tensor) -> Tensor:
        """The codes `[..., *event]` of vectors `[..., P, D]`."""
        if self.size is None:
            return rows.flatten(-2)
        return rows.transpose(-1, -2).unflatten(-1, self.size)


class Quantiser(nn.Module, ABC):
    """A finite set of vectors, and which of them stands for a given one.

    Args:
        layout: of the grid.
        sizes: how many codes each book has; a vector is named by one index a book.
    """

    def __init__(self, layout: Layout, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.layout = layout
        self.sizes = sizes

    @property
    def nats(self) -> float:
        """What naming all codes of a grid costs where each is as likely: P sum_m ln K_m."""
        return self.layout.positions * sum(map(log, self.sizes))

    @abstractmethod
    def bounded(self, rows: Tensor) -> Tensor:
        """What is rounded, `[..., D]`: the vectors themselves, or squeezed into a box."""

    @abstractmethod
    def choose(self, rows: Tensor) -> Tensor:
        """Indices `[..., M]` of the codes for bounded vectors `[..., D]`."""

    @abstractmethod
    def vectors(self, indices: Tensor) -> Tensor:
        """The vectors `[..., D]` of indices `[..., M]`."""

    @abstractmethod
    def read(self, rows: Tensor) -> Tensor:
        """Indices `[..., M]` of vectors that are codes; of others, those of a near one."""

    @abstractmethod
    def follow(self, rows: Tensor, indices: Tensor) -> None:
        """A step of learning from vectors `[N, D]` that chose indices `[N, M]`, if codes learn."""


class Rounding(Quantiser):
    """Every unit is squeezed between two bounds and rounded to one of a few levels: FSQ.

    No codebook, so nothing is learned and nothing can die; units lie in [-1, 1]. All units
    together are one index, of prod(levels).
    Source: Mentzer et al. 2023, eq. 2 and appendix A.1, arXiv:2309.15505; the shift of an even
    number of levels is such that 0 stays 0.

    Args:
        layout: of the grid; D is the number of levels.
        levels: L of each unit.
    """

    halves: Tensor
    offset: Tensor
    shift: Tensor
    basis: Tensor
    levels: Tensor

    def __init__(self, layout: Layout, levels: tuple[int, ...]) -> None:
        super().__init__(layout, (prod(levels),))
        slack = 1 + 1e-3  # so that the outermost levels are reached before infinity
        halves = [(size - 1) * slack / 2 for size in levels]
        offsets = [0.5 * (size % 2 == 0) for size in levels]
        shifts = [atanh(o / h) if h else 0.0 for o, h in zip(offsets, halves, strict=True)]
        steps = [prod(levels[:place]) for place in range(len(levels))]
        for name, values in (("halves", halves), ("offset", offsets), ("shift", shifts)):
            self.register_buffer(name, torch.tensor(values), persistent=False)
        for name, whole in (("basis", steps), ("levels", list(levels))):
            self.register_buffer(name, torch.tensor(whole), persistent=False)

    def bounded(self, rows: Tensor) -> Tensor:
        """The squeezed units in [-1, 1], `[..., D]`."""
        squeezed = (rows + self.shift).tanh() * self.halves - self.offset
        return squeezed / self._width()

    @torch.no_grad()
    def choose(self, rows: Tensor) -> Tensor:
        """The index `[..., 1]` of the nearest levels of units `[..., D]`."""
        return self.read(rows)

    def vectors(self, indices: Tensor) -> Tensor:
        """The levels `[..., D]` in [-1, 1] of indices `[..., 1]`."""
        digits = (indices // self.basis) % self.levels
        return digits / self._width() - 1

    @torch.no_grad()
    def read(self, rows: Tensor) -> Tensor:
        """The index `[..., 1]` of the nearest levels."""
        digits = ((rows + 1) * self._width()).round().long()
        held = digits.clamp(min=0).minimum(self.levels - 1)
        return (held * self.basis).sum(-1, keepdim=True)

    def follow(self, rows: Tensor, indices: Tensor) -> None:
        """Nothing: levels are fixed."""

    def _width(self) -> Tensor:
        return (self.levels // 2).clamp(min=1)


class Codebook(Quantiser):
    """The nearest of K learned vectors; with several books, the nearest to what the others left.

    Codes are moving averages of the vectors that chose them. A code that is hardly chosen is
    put at a vector of the batch.
    Source: van den Oord et al. 2017, eqs. 1, 2 and appendix A.1 (averages), arXiv:1711.00937;
    Zeghidour et al. 2021, section III.C (residual books, dead codes), arXiv:2107.03312.

    Args:
        layout: of the grid.
        size: K of each book.
        books: M, how many.
        decay: of the averages, per step.
        revive: share of the mean use below which a code is dead; 0 revives none.
    """

    sums: Tensor
    counts: Tensor

    def __init__(
        self,
        layout: Layout,
        size: int,
        *,
        books: int = 1,
        decay: float = 0.99,
        revive: float = 0.03,
    ) -> None:
        super().__init__(layout, (size,) * books)
        # Sums and counts, not their ratio: averaged over processes they are those of all examples.
        # Registered before they are filled: what a guard refuses has touched no memory.
        self.register_buffer("sums", torch.empty(books, size, layout.dimension))
        self.register_buffer("counts", torch.empty(books, size))
        self.sums.normal_()
        self.counts.fill_(1.0)
        self.decay = decay
        self.revive = revive

    def bounded(self, rows: Tensor) -> Tensor:
        """The vectors themselves."""
        return rows

    def book(self, number: int) -> Tensor:
        """The codes of a book, `[K, D]`."""
        return self.sums[number] / self.counts[number][:, None]

    @torch.no_grad()
    def choose(self, rows: Tensor) -> Tensor:
        """Indices `[..., M]` of the nearest codes, book by book."""
        left, chosen = rows.detach().reshape(-1, rows.shape[-1]).float(), []
        for number in range(len(self.sizes)):
            codes = self.book(number)
            index = nearest(left, codes)
            chosen.append(index)
            left = left - codes[index]
        return torch.stack(chosen, -1).reshape(*rows.shape[:-1], -1)

    def vectors(self, indices: Tensor) -> Tensor:
        """The sum over books of their codes, `[..., D]`."""
        return torch.stack([self.book(m)[i] for m, i in enumerate(indices.unbind(-1))]).sum(0)

    @torch.no_grad()
    def read(self, rows: Tensor) -> Tensor:
        """Indices `[..., M]` of the codes whose sum is nearest, of the 16 best of each book."""
        flat = rows.reshape(-1, rows.shape[-1]).float()
        found = torch.cat([self._searched(part) for part in flat.split(_CHUNK // _BEAM)])
        return found.reshape(*rows.shape[:-1], -1)

    @torch.no_grad()
    def follow(self, rows: Tensor, indices: Tensor) -> None:
        """Moves the averages by vectors `[N, D]` that chose indices `[N, M]`."""
        left = rows.float()
        for number, index in enumerate(indices.unbind(-1)):
            after = left - self.book(number)[index]
            self._follow(number, left, index)
            left = after

    @torch.no_grad()
    def start(self, rows: Tensor) -> None:
        """Puts all codes at the centres of clusters of vectors `[N, D]`, book by book."""
        left = rows.float()
        for number, size in enumerate(self.sizes):
            codes = clustered(left, size)
            # As if each had been chosen by one vector a step: the first steps soon overrule it.
            self.sums[number].copy_(codes)
            self.counts[number].fill_(1.0)
            left = left - codes[nearest(left, codes)]

    def _follow(self, number: int, rows: Tensor, index: Tensor) -> None:
        sums, counts = self.sums[number], self.counts[number]
        usual = len(rows) / len(counts)
        # Of a code that was revived the place is known, and little else.
        told = torch.where(counts > _HEAVY, 4 * self.revive * usual / counts, 1.0)
        used = torch.zeros_like(counts).index_add_(0, index, torch.ones_like(rows[:, 0]))
        added = torch.zeros_like(sums).index_add_(0, index, rows)
        kept = torch.where(counts > _FAINT, told * self.decay, 1.0)
        counts.mul_(kept).add_(used, alpha=1 - self.decay)
        sums.mul_(kept[:, None]).add_(added, alpha=1 - self.decay)
        if self.revive:
            dead = (counts < self.revive * usual) & (used == 0)
            # Each process proposes a vector of its own share of the batch, of so unlike weights
            # that the mean over all processes is mostly the vector of one of them.
            weight = 2 * _HEAVY * (50 * torch.rand_like(counts)).exp()
            proposed = rows[torch.randint(len(rows), counts.shape, device=rows.device)]
            counts.copy_(torch.where(dead, weight, counts))
            sums.copy_(torch.where(dead[:, None], weight[:, None] * proposed, sums))

    def _searched(self, rows: Tensor) -> Tensor:
        """The best readings `[N, M]` by a beam search over the books."""
        left, paths = rows[:, None], rows.new_zeros(len(rows), 1, 0, dtype=torch.long)
        for number, size in enumerate(self.sizes):
            codes = self.book(number)
            last = number == len(self.sizes) - 1
            beam = 1 if last else min(_BEAM, size)
            far = distances(left.flatten(0, 1), codes).unflatten(0, left.shape[:2])
            far = (far + left.square().sum(-1, keepdim=True)).flatten(1)
            best = far.topk(beam, dim=1, largest=False).indices
            parent, index = best // size, best % size
            left = left.gather(1, _wide(parent, left)) - codes[index]
            paths = torch.cat([paths.gather(1, _wide(parent, paths)), index[..., None]], -1)
        return paths[:, 0]


def nearest(rows: Tensor, codes: Tensor) -> Tensor:
    """Which of the codes `[K, D]` is nearest to each row `[N, D]`, `[N]`."""
    # A traced program has one part: it cannot count its rows.
    parts = (rows,) if torch.compiler.is_exporting() else rows.split(_CHUNK)
    return torch.cat([distances(part, codes).argmin(1) for part in parts])


def distances(rows: Tensor, codes: Tensor) -> Tensor:
    """Squared distances of rows `[N, D]` and codes `[K, D]`, less each row's own length."""
    with torch.autocast(rows.device.type, enabled=False):  # eight bits cannot tell neighbours
        return torch.addmm(codes.square().sum(1), rows, codes.T, alpha=-2)


@torch.no_grad()
def clustered(rows: Tensor, size: int, *, rounds: int = 10) -> Tensor:
    """The centres `[size, D]` of clusters of rows `[N, D]`: k-means from rows drawn at random.

    A cluster that is empty is put at a row again; where rows are few, centres are rows near which
    there is a little noise.
    Source: Lloyd 1982, doi:10.1109/TIT.1982.1056489.
    """
    drawn = torch.randint(len(rows), (size,), device=rows.device)
    if len(rows) >= size:
        drawn = torch.randperm(len(rows), device=rows.device)[:size]
    centres = rows[drawn] + 1e-3 * rows.std() * torch.randn_like(rows[drawn])
    for _ in range(rounds):
        index = nearest(rows, centres)
        counts = torch.zeros_like(centres[:, 0]).index_add_(0, index, torch.ones_like(rows[:, 0]))
        sums = torch.zeros_like(centres).index_add_(0, index, rows)
        others = rows[torch.randint(len(rows), (size,), device=rows.device)]
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], others)
    return centres


def _wide(index: Tensor, like: Tensor) -> Tensor:
    return index[..., None].expand(-1, -1, like.shape[-1])
