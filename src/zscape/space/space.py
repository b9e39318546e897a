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
from zscape.modalities.conditions import Conditions
from zscape.modalities.modality import Modality
from zscape.model.codes import Codes, concatenate
from zscape.model.model import Model
from zscape.model.parted import Part
from zscape.probability.posteriors import Classes

CHUNK = 512  # examples through the model at a time

Where = Mapping[str, Any] | None


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
        told: what the model was told of each item, `[M, F]`, nan where nothing; None: of none.
        label: the name of what the classes are of, such as a table's column.
        names: of each example, as the id of a session or the file of a picture; or empty.
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
    told: Tensor | None = None
    label: str = "label"
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """How many codes of what, in a line."""
        units = self.codes.flat.shape[1]
        return f"Space({len(self.codes):,} codes of {units} units; {self.modality})"

    @property
    def known(self) -> Conditions:
        """What may be asked by `where`: nothing, unless the recipe was told of it.

        A group that only told parts of a code from each other is no such thing.
        """
        parted = any(isinstance(level, Part) for level in self.model.levels)
        return Conditions() if parted else self.model.start.known

    @property
    def taught_by_labels(self) -> bool:
        """Whether labels taught its codes, which are then no evidence that they know a label."""
        levels = self.model.levels
        return any(isinstance(x, Part) or isinstance(x.posterior, Classes) for x in levels)

    def encode(self, things: Any, *, where: Where = None) -> Codes:
        """The posterior centres of things: deterministic, one code per thing.

        Args:
            things: of the person's own kind.
            where: what is known of them, as of `sample`; the codes then hold the rest.

        Raises:
            ShapeError: things of another size than those it was trained on.
            DataError: values that these things cannot have.
            SpecError: the space was not told of such conditions.
        """
        stored = self.modality.encode(things)
        return encode_stored(self.model, self.modality, stored, self.context(len(stored), where))

    def decode(self, codes: Codes | Tensor | np.ndarray, *, where: Where = None) -> Any:
        """What codes stand for, as the person's own kind of thing: the likelihood's mean.

        Args:
            codes: codes, or their flat view `[N, D]`.
            where: under what conditions, as of `sample`.
        """
        return self.modality.decode(self.decode_tensor(codes, where=where))

    def decode_tensor(self, codes: Codes | Tensor | np.ndarray, *, where: Where = None) -> Tensor:
        """What codes stand for, as the tensor that a model sees, `[N, *shape]`."""
        given = codes if isinstance(codes, Codes) else self.codes.like(_flat_tensor(codes))
        context = self.context(len(given), where)
        return in_chunks(lambda rows: self._means(given[rows], _rows(context, rows)), len(given))

    def sample(
        self,
        n: int = 16,
        *,
        where: Where = None,
        seed: int | None = None,
        levels: int | None = None,
    ) -> Any:
        """New things: codes from the prior, decoded.

        Pictures are the likelihood's mean; rows are drawn from the likelihood, cell by cell.

        Args:
            n: how many.
            where: what they must be: a value by the name of its condition, for all or a list of
                `n`, as `{"label": "3", "age": 40}`; whatever is left out may be anything.
            seed: repeats the same things; none: other things at every call.
            levels: how many are drawn, the coarsest first; the finer ones stand at the centres of
                their priors, which gives smooth things. None: all are drawn.

        Raises:
            SpecError: n below 1, levels that there are not, conditions the space was not told of,
                or a class that it does not know.
        """
        return self.modality.decode(self.sample_tensor(n, where=where, seed=seed, levels=levels))

    def sample_tensor(
        self,
        n: int = 16,
        *,
        where: Where = None,
        seed: int | None = None,
        levels: int | None = None,
    ) -> Tensor:
        """New things as the tensor that a model sees, `[n, *shape]`."""
        return self.draw(n, where=where, seed=seed, levels=levels)[1]

    @torch.inference_mode()
    def draw(
        self,
        n: int = 16,
        *,
        where: Where = None,
        seed: int | None = None,
        levels: int | None = None,
    ) -> tuple[Codes, Tensor]:
        """The codes of `sample`, and the things themselves as a model sees them, `[n, *shape]`."""
        if n < 1:
            raise SpecError(f"n must be at least 1, got {n}. 16 is a usual number of samples.")
        count = len(self.codes.tensors)
        if levels is not None and not 1 <= levels <= count:
            raise SpecError(
                f"levels must be from 1 to {count}, the levels of this study, got {levels}. "
                "Leave it out to draw all of them."
            )
        context = self.context(n, where)
        with seeded(seed):
            trace = self.model.generate(n, context, levels=levels)
            rows = len(self.modality.shape) == 1
            x: Tensor = trace.likelihood.sample() if rows else trace.likelihood.mean
        return Codes({latent.name: latent.z for latent in trace.latents}), x

    def context(self, n: int, where: Where) -> Tensor | None:
        """What is asked as a model is told it, `[n, F]`; None: nothing is.

        Raises:
            SpecError: the space was not told of such conditions, or does not know that class.
        """
        if not where:
            return None
        if not self.known.fields:
            raise SpecError(
                f"A space must have been told of conditions to be asked for {', '.join(where)}, "
                "and this one was not. 'zscape refit-prior STUDY --by label' serves known classes; "
                "else train the recipe conditional_vae."
            )
        return self.known.context(n, where)

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

    def name(self, index: int) -> str:
        """What an example is called: its own name; its index, where it has none."""
        return self.names[index] if self.names else str(index)

    @torch.inference_mode()
    def _means(self, codes: Codes, context: Tensor | None) -> Tensor:
        trace = self.model.generate(len(codes), context, given=dict(codes.tensors))
        return trace.likelihood.mean


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


def all_codes_of(space: Space, things: Any) -> Codes:
    """The codes of one thing or of many: indices into the space's data, codes, or things.

    Raises:
        DataError: there is no such index, or nothing at all.
    """
    if isinstance(things, list | tuple | range | np.ndarray) and len(things) == 0:
        raise DataError("At least one thing must be given, got none. Give an index or a thing.")
    if isinstance(things, list | tuple | range) or are_indices(things):
        return concatenate([codes_of(space, thing) for thing in things])
    if isinstance(things, Codes):
        return things
    is_one = isinstance(things, int | np.integer | str)
    return codes_of(space, things) if is_one else space.encode(things)


def are_indices(things: Any) -> bool:
    """Whether things are whole numbers in a line, which are indices into the data."""
    if isinstance(things, list | tuple | range):
        return all(isinstance(thing, int | np.integer) for thing in things)
    return (
        isinstance(things, np.ndarray)
        and things.ndim == 1
        and np.issubdtype(things.dtype, np.integer)
    )


def examples(space: Space, indices: Tensor) -> Tensor:
    """Examples of the space's data as a model sees them, `[n, *shape]`.

    What was not kept stands as the space makes it of its code.
    """
    places = torch.searchsorted(space.kept, indices).clamp(max=len(space.kept) - 1)
    if bool((space.kept[places] == indices).all()):
        return space.modality.prepare(space.items[places])
    made, here = space.decode_tensor(space.codes[indices]), space.kept[places] == indices
    made[here] = space.modality.prepare(space.items[places[here]])
    return made


@torch.inference_mode()
def encode_stored(
    model: Model, modality: Modality, stored: Tensor, context: Tensor | None = None
) -> Codes:
    """The posterior centres of stored examples `[N, *shape]`, of which `[N, F]` is known."""
    parts = []
    for start in range(0, len(stored), CHUNK):
        rows = slice(start, start + CHUNK)
        latents = model.latents(modality.prepare(stored[rows]), _rows(context, rows))
        parts.append(Codes({latent.name: latent.z for latent in latents}))
    return concatenate(parts)


def in_chunks(function: Callable[[slice], Tensor], count: int) -> Tensor:
    """`function` of the rows of `count` things, a chunk at a time, `[count, ...]`."""
    starts = range(0, count, CHUNK)
    return torch.cat([function(slice(start, start + CHUNK)) for start in starts])


def _rows(context: Tensor | None, rows: slice) -> Tensor | None:
    return None if context is None else context[rows]


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


def own_draws(records: Iterator[tuple[int, float]], seed: int) -> Iterator[tuple[int, float]]:
    """The same records, whose draws go on from one to the next and are not their taker's."""
    with seeded(seed):
        state = torch.get_rng_state()
    while True:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(state)
            record = next(records, None)
            state = torch.get_rng_state()
        if record is None:
            return
        yield record


def _flat_tensor(codes: Tensor | np.ndarray | Sequence[Any]) -> Tensor:
    return torch.as_tensor(np.asarray(codes), dtype=torch.float32)
