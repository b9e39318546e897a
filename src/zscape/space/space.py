"""A trained model, its modality and the codes of its data: it encodes, decodes and samples.

Every other operation is a function of a space, in the modules beside this one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError, SpecError
from zscape.modalities.modality import Modality
from zscape.model.codes import Codes, concatenate
from zscape.model.model import Model
from zscape.model.trace import Trace

CHUNK = 512  # examples through the model at a time


@dataclass(frozen=True, slots=True, repr=False)
class Space:
    """A trained model and the codes of its data.

    Attributes:
        model: in evaluation mode.
        modality: of the things it was trained on.
        codes: posterior centres of its data, N of them.
        items: stored examples that were kept to be shown, `[M, *shape]`, M <= N.
        kept: which example each item is, `[M]`, rising.
        labels: class of each example, `[N]`, -1 where unknown; or None.
        label_names: name of each class.
        attributes: further known columns of the data, each `[N]`.
        held_out: which items only measured and never trained, bool `[M]`; None where unknown.
    """

    model: Model
    modality: Modality
    codes: Codes
    items: Tensor
    kept: Tensor
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    held_out: Tensor | None = None

    def __repr__(self) -> str:
        """How many codes of what, in a line."""
        units = self.codes.flat.shape[1]
        return f"Space({len(self.codes):,} codes of {units} units; {self.modality})"

    def encode(self, things: Any) -> Codes:
        """The posterior centres of things: deterministic, one code per thing.

        Raises:
            ShapeError: things of another size than those it was trained on.
            DataError: values that these things cannot have.
        """
        return encode_stored(self.model, self.modality, self.modality.encode(things))

    def decode(self, codes: Codes | Tensor | np.ndarray) -> Any:
        """What codes stand for, as the person's own kind of thing: the likelihood's mean.

        Args:
            codes: codes, or their flat view `[N, D]`.
        """
        return self.modality.decode(self.decode_tensor(codes))

    def decode_tensor(self, codes: Codes | Tensor | np.ndarray) -> Tensor:
        """What codes stand for, as the tensor that a model sees, `[N, *shape]`."""
        given = codes if isinstance(codes, Codes) else self.codes.like(_flat_tensor(codes))
        return in_chunks(lambda part: self._generate(part).likelihood.mean, given)

    def sample(
        self,
        n: int = 16,
        *,
        seed: int | None = None,
        where: Mapping[str, Any] | None = None,
        levels: int | None = None,
    ) -> Any:
        """New things: codes from the prior, decoded.

        Pictures are the likelihood's mean; rows are drawn from the likelihood, cell by cell.

        Args:
            n: how many.
            seed: repeats the same things; none: other things at every call.
            where: what is to be so, as `{"label": "3"}`, of what the model is told.
            levels: how many are drawn, the coarsest first; the finer ones stand at the centres of
                their priors, which gives smooth things. None: all are drawn.

        Raises:
            SpecError: n below 1, levels that there are not, or something that the model is not
                told.
        """
        return self.modality.decode(self.sample_tensor(n, seed=seed, where=where, levels=levels))

    @torch.inference_mode()
    def sample_tensor(
        self,
        n: int = 16,
        *,
        seed: int | None = None,
        where: Mapping[str, Any] | None = None,
        levels: int | None = None,
    ) -> Tensor:
        """New things as the tensor that a model sees, `[n, *shape]`."""
        if n < 1:
            raise SpecError(f"n must be at least 1, got {n}. 16 is a usual number of samples.")
        count = len(self.codes.tensors)
        if levels is not None and not 1 <= levels <= count:
            raise SpecError(
                f"levels must be from 1 to {count}, the levels of this study, got {levels}. "
                "Leave it out to draw all of them."
            )
        context = self.model.start.known.context(n, where) if where else None
        with seeded(seed):
            drawn = self.model.generate(n, context, levels=levels).likelihood
            rows = len(self.modality.shape) == 1
            x: Tensor = drawn.sample() if rows else drawn.mean
        return x

    def item(self, index: int) -> Tensor:
        """The stored example of that index, `[1, *shape]`.

        Raises:
            DataError: there is none, or it was not kept.
        """
        place = int(torch.searchsorted(self.kept, self.index(index)))
        if place == len(self.kept) or self.kept[place] != index:
            raise DataError(
                f"Item #{index} must be one that the study kept ({len(self.kept):,} of "
                f"{len(self.codes):,}), and is not. Give it by its path instead."
            )
        return self.items[place : place + 1]

    def index(self, index: int) -> int:
        """The same index, when the data has such an example.

        Raises:
            DataError: it has not.
        """
        if not 0 <= index < len(self.codes):
            raise DataError(
                f"An item must be between #0 and #{len(self.codes) - 1}, got #{index}. "
                "Choose another."
            )
        return index

    @torch.inference_mode()
    def _generate(self, codes: Codes) -> Trace:
        return self.model.generate(len(codes), given=dict(codes.tensors))


def reconstruct(space: Space, things: Any) -> Any:
    """What the space makes of things: encoded and decoded, as the person's own kind of thing."""
    return space.decode(space.encode(things))


def codes_of(space: Space, thing: Any) -> Codes:
    """The code of one thing: an index into the space's data, a code, or a thing to encode.

    Raises:
        ShapeError: more or less than one thing.
        DataError: there is no such index.
    """
    if isinstance(thing, str):
        raise DataError(
            f"An item must be an index, a code or a thing here, got the text {thing!r}. "
            "For '#12' write 12; 'zscape.study.items.item' reads a file."
        )
    if isinstance(thing, Codes):
        codes = thing
    elif isinstance(thing, int | np.integer):
        codes = space.codes[space.index(int(thing))]
    else:
        codes = space.encode(thing)
    if len(codes) != 1:
        raise ShapeError(f"One thing is needed here, got {len(codes)}. Pass them one by one.")
    return codes


@torch.inference_mode()
def encode_stored(model: Model, modality: Modality, stored: Tensor) -> Codes:
    """The posterior centres of stored examples `[N, *shape]`."""
    parts = []
    for part in stored.split(CHUNK):
        trace = model.encode(modality.prepare(part))
        parts.append(Codes({latent.name: latent.z for latent in trace.latents}))
    return concatenate(parts)


def in_chunks(function: Callable[[Codes], Tensor], codes: Codes) -> Tensor:
    """`function` of codes, a chunk at a time, `[N, ...]`."""
    starts = range(0, len(codes), CHUNK)
    return torch.cat([function(codes[start : start + CHUNK]) for start in starts])


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """A `with` in which draws repeat, and after which the caller's randomness goes on."""
    state = torch.get_rng_state()
    if seed is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        if seed is not None:
            torch.set_rng_state(state)


def _flat_tensor(codes: Tensor | np.ndarray | Sequence[Any]) -> Tensor:
    return torch.as_tensor(np.asarray(codes), dtype=torch.float32)
