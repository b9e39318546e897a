"""Verbs of spaces that were told of conditions: what can be asked, and one code under all of it."""

from typing import Any

import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.modalities.conditions import Field
from zscape.modalities.words import read_text
from zscape.space.space import Space, Where

FAR = 5.0  # standard deviations from the mean beyond which a model was hardly ever told a number
SPREAD = (-2, -1, 0, 1, 2)  # standard deviations from the mean at which a number is shown
NAMED = 12  # classes or words that a line lists


def across(
    space: Space, name: str, *, n: int = 8, where: Where = None, seed: int = 0
) -> tuple[Tensor, tuple[str, ...]]:
    """The same draws under every class of one condition: style stays, the class changes.

    A number is taken at its mean and at one and two standard deviations from it.

    Args:
        space: told of conditions.
        name: of the one that changes.
        n: draws under each.
        where: what else they must be.
        seed: of the draws.

    Returns:
        Things as a model sees them, `[K * n, *shape]`, `n` of each class, and the K values.

    Raises:
        SpecError: no such condition, or one that is a text.
    """
    field = space.known.field(name)
    if field.words:
        raise SpecError(f"{name} must be a class or a number here, got a text. Ask for one text.")
    values: list[Any] = list(field.names)
    if not values:
        values = [float(f"{field.mean + spread * field.scale:.3g}") for spread in SPREAD]
    # The same seed for each: the same noise, so the same code.
    drawn = [
        space.sample_tensor(n, where={**(where or {}), name: value}, seed=seed) for value in values
    ]
    return torch.cat(drawn), tuple(map(str, values))


def prompt(space: Space, text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """A short text as `where`, and notes on the words that training did not see.

    Raises:
        SpecError: the space was told of no texts, of several, or knows none of the words.
    """
    fields = [field for field in space.known.fields if field.words]
    if len(fields) != 1:
        names = ", ".join(field.name for field in fields) or "none"
        raise SpecError(
            f"A prompt must have one text to stand for, got {names} that this space was told of. "
            + ("Name one by where." if fields else "Train conditional_vae on data with captions.")
        )
    field = fields[0]
    field.row(text)
    return {field.name: text}, notes_on(space, {field.name: text})


def notes_on(space: Space, where: Where) -> tuple[str, ...]:
    """What becomes of what is asked: words that training did not see, numbers far from its own.

    Raises:
        SpecError: no such condition, no such class, no number, or a text without a known word.
    """
    notes = list[str]()
    for name, value in (where or {}).items():
        field = space.known.field(name)
        row = field.row(value)
        if field.words:
            read = read_text(value, field.words)
            notes += [
                f"{word!r} was never seen and is read as {near!r}" for word, near in read.taken
            ]
            if read.unseen:
                notes.append(f"never seen, so passed over: {', '.join(read.unseen)}")
        elif not field.names and abs(row[0]) > FAR:
            notes.append(
                f"{name} is {value}, {abs(row[0]):,.0f} standard deviations from the mean of "
                f"training, {field.mean:.3g}: what is drawn so far out is a guess"
            )
    return tuple(notes)


def askable(space: Space) -> list[str]:
    """What `where` may ask of a space, a line for each condition."""
    return [f"{field.name}: {_values(field)}" for field in space.known.fields]


def _values(field: Field) -> str:
    if field.names:
        return _some(field.names, "classes")
    if field.words:
        return f"a text of up to {field.width} words; {_some(field.words, 'words')}"
    return f"a number, mean {field.mean:.3g}, standard deviation {field.scale:.3g}"


def _some(names: tuple[str, ...], kind: str) -> str:
    more = f", ... ({len(names)} {kind})" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
