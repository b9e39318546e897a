"""Mixing things: the content of one, the style of another, by blocks of their codes.

What is style is named: a level, units of the code, or what the model was told (its class).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, SpecError, unknown
from zscape.model.codes import Codes, concatenate
from zscape.model.level import Choice
from zscape.model.start import Told
from zscape.space.levels import level_named, level_names, units_of
from zscape.space.space import Space, codes_of, encode_stored, in_chunks

STYLE = "style"  # the level that is style where a model has one of that name


@dataclass(frozen=True, slots=True)
class Blocks:
    """What of a thing is its style; all else is its content.

    Attributes:
        units: which units of the flat code, bool `[D]`.
        told: what the model was told, by the names of the conditions.
    """

    units: Tensor
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Halves:
    """The codes of things beside what the model was told of them, `[N, F]`, or None."""

    codes: Codes
    context: Tensor | None


def mix(space: Space, content: Any, style: Any, *, taken: str | Sequence[str] = ()) -> Any:
    """A thing with the content of one and the style of another, as the person's own kind of thing.

    What is style is swapped as it stands in the codes, so mixing a thing with itself is its
    reconstruction.

    Args:
        space: a space.
        content: an index into the space's data, a code, or a thing.
        style: likewise.
        taken: what is taken of `style`: a level by its name or as "level2" (1 the coarsest),
            "units:3,5-7" of the flat code, "label" or another condition that the model was told;
            or several of them. None: the level `style`; else all levels but the coarsest; of a
            model that was told something, its code.

    Raises:
        SpecError: no such block, none where one must be named, or all there is.
        ShapeError: not one thing.
        DataError: no such item, or one of which nothing is known that the model must be told.

    Source: the swap of a shared and an own part: Bouchacourt et al. 2018, section 4.2,
    arXiv:1705.08841; of layers: Karras et al. 2019, section 3.1, arXiv:1812.04948.
    """
    return mix_grid(space, [content], [style], taken=taken)


def mix_grid(
    space: Space,
    contents: Iterable[Any],
    styles: Iterable[Any],
    *,
    taken: str | Sequence[str] = (),
) -> Any:
    """Every content in every style, `A * B` things: a row for each content, one after the other.

    Args:
        space: a space.
        contents: A things, as of `mix`.
        styles: B of them.
        taken: as of `mix`.
    """
    blocks = blocks_of(space, taken)
    parts = halves_of(space, contents, blocks), halves_of(space, styles, blocks, style=True)
    return space.modality.decode(mix_tensor(space, *parts, blocks))


def blocks_of(space: Space, taken: str | Sequence[str] = ()) -> Blocks:
    """What is style, of the words of `mix`.

    Raises:
        SpecError: no such block, none where one must be named, or all there is.
    """
    words = [taken] if isinstance(taken, str) else list(taken)
    words = [_meant(space, word) for word in words if word] or _usual(space)
    known, units = _told(space), torch.zeros(space.codes.flat.shape[1], dtype=torch.bool)
    told = tuple(name for name in known if name in words)
    for word in words:
        if word not in known:
            units[_units(space, word)] = True
    if units.all() and len(told) == len(known):
        raise SpecError(
            f"Style must be a part of what a thing is, got {' and '.join(words)}, which is all of "
            f"it. {_choices(space)}"
        )
    return Blocks(units, told)


def halves_of(
    space: Space, things: Iterable[Any], blocks: Blocks, *, style: bool = False
) -> Halves:
    """The codes of things, and what the model was told of them.

    Args:
        space: a space.
        things: each an index, a code, or a thing.
        blocks: what is style.
        style: whether they lend their style, else their content.

    Raises:
        DataError: what a thing must lend is not known of it.
    """
    each = list(things)
    if not each:
        raise SpecError("Contents and styles must be one thing at least each, got none. Name some.")
    if not isinstance(space.model.start, Told):
        return Halves(concatenate([codes_of(space, thing) for thing in each]), None)
    contexts = [_context(space, thing) for thing in each]
    for thing, context in zip(each, contexts, strict=True):
        _require_known(space, thing, context, blocks, style=style)
    codes = [_told_code(space, t, c) for t, c in zip(each, contexts, strict=True)]
    return Halves(concatenate(codes), torch.cat(contexts))


@torch.inference_mode()
def mix_tensor(space: Space, contents: Halves, styles: Halves, blocks: Blocks) -> Tensor:
    """Every content in every style as a model sees it, `[A * B, *shape]`, content by content."""
    codes = contents.codes.like(_crossed(contents.codes.flat, styles.codes.flat, blocks.units))
    context = None
    if contents.context is not None and styles.context is not None:
        known, taken = space.known, torch.zeros(space.known.width, dtype=torch.bool)
        taken[known.columns(blocks.told)] = True
        context = _crossed(contents.context, styles.context, taken)

    def made(rows: slice) -> Tensor:
        some, told = codes[rows], None if context is None else context[rows]
        likelihood = space.model.generate(len(some), told, given=dict(some.tensors)).likelihood
        return likelihood.mean

    return in_chunks(made, len(codes))


def _crossed(contents: Tensor, styles: Tensor, taken: Tensor) -> Tensor:
    """Rows `[A * B, D]` that have the columns `taken` of each style, the others of each content."""
    rows = contents.repeat_interleave(len(styles), 0)
    return torch.where(taken, styles.repeat(len(contents), 1), rows)


def _told(space: Space) -> list[str]:
    """The names of what the decoder is told beside the code."""
    is_told = isinstance(space.model.start, Told)
    return [field.name for field in space.known.fields] if is_told else []


def _meant(space: Space, word: str) -> str:
    """A word, or what the label is: the level of classes, or the first class that is told."""
    classes = [field.name for field in space.known.fields if field.names]
    if word not in ("label", *classes[:1]):
        return word
    choice = [str(level.name) for level in space.model.levels if isinstance(level, Choice)]
    taught = word in _told(space)
    return word if taught else next(iter(choice or classes[: len(_told(space))]), word)


def _usual(space: Space) -> list[str]:
    """What is style where nobody says it."""
    names = level_names(space)
    if STYLE in names:
        return [STYLE]
    if len(names) > 1:
        return names[1:]
    if _told(space):
        return names
    raise SpecError(
        "What is taken of the style must be named, as this study has one level and none called "
        f"style; got nothing. {_choices(space)}"
    )


def _units(space: Space, word: str) -> list[int]:
    """The units of the flat code that a word names."""
    size, names = space.codes.flat.shape[1], level_names(space)
    if word not in names and word.startswith("units:"):
        ranges = [re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part) for part in word[6:].split(",")]
        ends = [(int(r[1]), int(r[2] or r[1])) for r in ranges if r]
        if len(ends) < len(ranges) or not all(0 <= low <= high < size for low, high in ends):
            raise SpecError(
                f"Units must be numbers from 0 to {size - 1}, as units:0,2-3, got {word!r}. "
                "'zscape traverse' shows what each does."
            )
        return [unit for low, high in ends for unit in range(low, high + 1)]
    number = re.fullmatch(r"(?:level)?(\d+)", word)
    if word not in names and number is None:
        raise unknown("style", word, names, hint=_choices(space))
    return list(units_of(space, level_named(space, word if number is None else number[1])))


def _choices(space: Space) -> str:
    """What style may be, for the end of an error."""
    names, size = level_names(space), space.codes.flat.shape[1]
    words = [*(names if len(names) > 1 or _told(space) else []), *_told(space)]
    named = f"{', '.join(words)}, or " if words else ""
    return f"Name {named}units as units:0,2-3; there are {size}, from 0 on."


def _context(space: Space, thing: Any) -> Tensor:
    """What the model is told of a thing, `[1, F]`: of one of the data what is known of it."""
    if not isinstance(thing, int | np.integer):
        return space.known.context(1, {})
    known: dict[str, Any] = {}
    index = space.index(int(thing))
    for field in space.known.fields:
        if field.name in space.attributes:
            value = space.attributes[field.name][index]
            known |= {} if value != value else {field.name: value}
        elif space.labels is not None and field.names == space.label_names:
            label = int(space.labels[index])
            known |= {} if label < 0 else {field.name: field.names[label]}
    return space.known.context(1, known)


def _require_known(
    space: Space, thing: Any, context: Tensor, blocks: Blocks, *, style: bool
) -> None:
    names = [field.name for field in space.known.fields if not field.words]
    lent = [name for name in names if (name in blocks.told) == style]
    missing = [name for name in lent if context[:, space.known.columns([name])].isnan().any()]
    # Where other things are known, one that is not is left open, as the model was taught to.
    if missing and (style or len(missing) == len(lent)):
        what = (
            f"item #{thing}"
            if isinstance(thing, int | np.integer)
            else "a thing that is not of the data"
        )
        raise DataError(
            f"{missing[0]} must be known of what lends it, and is not of {what}. Mix an item of "
            "which it is known."
        )


def _told_code(space: Space, thing: Any, context: Tensor) -> Codes:
    """The code of a thing beside what is known of it, which then holds the rest."""
    if context.isnan().all():
        return codes_of(space, thing)
    return encode_stored(space.model, space.modality, space.item(int(thing)), context)
