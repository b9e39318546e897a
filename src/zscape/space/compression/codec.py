"""Bits-back coding of symbols over many chains at once: what goes in comes out, or is told.

The bits of one thing's codes are drawn by the bits of the thing before it in the chain, and given
back when that is decoded, so that a thing costs what the ELBO says.
Source: Townsend et al. 2019, arXiv:1901.04866; Townsend et al. 2020, arXiv:1912.09953 (ladders).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.errors import SpecError
from zscape.modalities import Image
from zscape.probability.distributions import (
    Bernoulli,
    DiagonalGaussian,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    NegativeBinomial,
    Row,
    SpikedLogistic,
)
from zscape.space.compression import tables
from zscape.space.compression.alphabets import Alphabet, Symbols
from zscape.space.compression.cells import Cells, numbers
from zscape.space.compression.chains import Chains, shares
from zscape.space.compression.exact import exactly
from zscape.space.compression.latents import Grid
from zscape.space.compression.levels import Tones, pixels
from zscape.space.compression.symbols import Coder, Coins
from zscape.space.compression.walking import Walker
from zscape.space.space import Space

COUNTED = 1024  # items of a study in which tones are counted
MEASURED = 512  # rows that tell which grids suit
Said = Callable[[Distribution], Coder]


class Codec:
    """The codec of a space: the same on every computer, or it says that it is not.

    Attributes:
        model: SHA-256 of the network in whole numbers and of how things look.
        check: SHA-256 of what the network and the tables say here of a known thing.

    Raises:
        SpecError: a model that cannot compress.
    """

    def __init__(self, space: Space) -> None:
        self.modality = space.modality
        self.walker = Walker(space.model)
        x = self.modality.prepare(space.items[:COUNTED]).double()
        self.tones = self._toned(x)
        self._require_sayable(x[:1])
        self.model = _model_sum(self.walker, self.modality)
        self.check = self._checked(x[:1])

    def coder(self, alphabet: Alphabet) -> Said:
        """From a likelihood to the coder of these symbols.

        Raises:
            SpecError: the likelihood has none.
        """
        return partial(_coder, alphabet=alphabet, tones=self.tones)

    def grids(self, alphabet: Alphabet, symbols: Symbols) -> list[Grid]:
        """Grids that suit these things."""
        step = max(len(symbols) // MEASURED, 1)
        return self.walker.measure(alphabet.seen(symbols.rows(slice(None, None, step))))

    def encode(
        self, alphabet: Alphabet, symbols: Symbols, grids: list[Grid], sizes: Sequence[int]
    ) -> list[bytes]:
        """The chains of things.

        Args:
            alphabet: of the symbols.
            symbols: all of them, one chain's after the other's.
            grids: of the codes.
            sizes: how many things each chain holds, falling.
        """
        self.walker.settle_on(grids)
        chains, starts = Chains([b""] * len(sizes)), _starts(sizes)
        coder = self.coder(alphabet)
        for turn in range(max(sizes, default=0)):
            rows = _rows(sizes, starts, turn)
            own = symbols.rows(rows)
            steps, state = self.walker.draw(alphabet.seen(own), chains, first=turn == 0)
            coder(self.walker.said(state)).push(chains, own.of, own.active)
            self.walker.push(steps, chains, first=turn == 0)
        return chains.content()

    def decode(
        self,
        alphabet: Alphabet,
        active: np.ndarray,
        grids: list[Grid],
        sizes: Sequence[int],
        content: Sequence[bytes],
    ) -> tuple[np.ndarray, np.ndarray]:
        """The things `[N, n]` of chains, and whether each chain ended as it must, `[C]`.

        Args:
            alphabet: of the symbols.
            active: of all of them, `[N, n]`.
            grids: of the codes.
            sizes: how many things each chain holds, falling.
            content: of the chains.
        """
        self.walker.settle_on(grids)
        chains, starts = Chains(content), _starts(sizes)
        coder, result = self.coder(alphabet), np.zeros(active.shape, dtype=np.int32)
        for turn in reversed(range(max(sizes, default=0))):
            rows = _rows(sizes, starts, turn)
            steps, state = self.walker.pop(chains, len(rows), first=turn == 0)
            found = coder(self.walker.said(state)).pop(chains, active[rows])
            result[rows] = found
            if turn:
                seen = alphabet.seen(Symbols(found, active[rows]))
                self.walker.give_back(seen, steps, chains)
        return result, np.array([stack.is_empty() for stack in chains.stacks], dtype=bool)

    def _require_sayable(self, x: Tensor) -> None:
        """Refuses likelihoods that give no chances of symbols."""
        with exactly():
            said = self.walker.model.encode(x).likelihood
        pictures = isinstance(self.modality, Image)
        if isinstance(said, Bernoulli):
            known = pictures or self.modality.likelihood == "bernoulli"
        elif isinstance(said, DiscretizedLogistic | DiscretizedLogisticMixture | SpikedLogistic):
            known = pictures
        else:
            known = isinstance(said, DiagonalGaussian | NegativeBinomial | Row)
        if not known:
            raise SpecError(
                "A study that compresses must have a likelihood that gives each value a chance, "
                f"and {type(said).__name__} gives these none. Train vae with --likelihood "
                f"{'spiked_logistic' if pictures else 'gaussian_learned'}."
            )

    def _toned(self, x: Tensor) -> Tones | None:
        """Where a model of ink is asked about grey: what grey its coins were."""
        modality = self.modality
        if not isinstance(modality, Image) or modality.two_valued:
            return None
        with exactly():
            said = self.walker.model.encode(x).likelihood
        if not isinstance(said, Bernoulli):
            return None
        return Tones(said.logits.numpy(), (x * 255).round().long().numpy())

    def _checked(self, x: Tensor) -> bytes:
        """What is computed here from one thing, to be compared with what another computer did."""
        with exactly():
            trace = self.walker.model.encode(x)
        told = [latent.z.contiguous().numpy() for latent in trace.latents]
        told += _parameters(trace.likelihood)
        made = [*map(tables.function, ("silu", "softplus", "tanh")), tables.exponential()]
        made += [tables.density(), tables.cumulative(), tables.sigmoid()]
        made += [] if self.tones is None else [self.tones.below]
        return _sum(*(each.tobytes() for each in [*told, *made]), *_coded_alike())


def sizes_of(count: int, chains: int) -> list[int]:
    """How many of `count` things each chain holds, falling."""
    each, more = divmod(count, chains)
    return [each + (number < more) for number in range(chains)]


def _coded_alike() -> list[bytes]:
    """What the entropy coder makes of known symbols by known tables."""
    chains, symbols = Chains([b""]), np.arange(64)[None]
    chains.push(shares(tables.density()[None, :1024].repeat(64, 0).astype(np.float64)), symbols)
    return chains.content()


def _coder(said: Distribution, *, alphabet: Alphabet, tones: Tones | None) -> Coder:
    if isinstance(said, Bernoulli):
        return Coins(said.logits.flatten(1)) if tones is None else tones.coder(said.logits)
    if isinstance(said, DiscretizedLogistic | DiscretizedLogisticMixture | SpikedLogistic):
        return pixels(said)
    if isinstance(said, Row):
        return Cells(said, alphabet.listed())
    assert isinstance(said, DiagonalGaussian | NegativeBinomial), "a codec refuses other ones"
    return numbers(said, alphabet.listed())


def _starts(sizes: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def _rows(sizes: Sequence[int], starts: np.ndarray, turn: int) -> np.ndarray:
    """Which things have this turn in the chains that are so long."""
    return np.asarray(starts[np.asarray(sizes) > turn] + turn)


def _model_sum(walker: Walker, modality: object) -> bytes:
    told = json.dumps(asdict(modality), sort_keys=True, default=str)  # type: ignore[call-overload]
    parts = [told.encode()]
    for name, tensor in walker.model.state_dict().items():
        parts += [name.encode(), tensor.contiguous().numpy().tobytes()]
    return _sum(*parts)


def _parameters(said: Distribution) -> list[np.ndarray]:
    groups = said.groups if isinstance(said, Row) else (said,)
    return [
        value.contiguous().numpy()
        for group in groups
        for _, value in sorted(vars(group).items())
        if isinstance(value, torch.Tensor)
    ]


def _sum(*parts: bytes) -> bytes:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.digest()
