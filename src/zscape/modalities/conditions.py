"""What is known beside things (classes, numbers, texts) as a row of numbers, nan if nothing is.

It knows names and values; how a model takes them in is the business of networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, SpecError, unknown
from zscape.modalities.words import encode_text, encode_texts, vocabulary

MOST_CLASSES = 2  # different values of a number that is taken for a class


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is known: a class of `names`, a text of `words`, or, without both, a number.

    Attributes:
        name: of it.
        names: of the classes.
        mean: of a number over the data.
        scale: its standard deviation.
        words: that texts are made of; each is told by its place among them.
        width: columns of a context that it takes: as many words of a text, else one.
    """

    name: str
    names: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    words: tuple[str, ...] = ()
    width: int = 1

    def encode(self, value: Any) -> float:
        """A value as a number: the index of a class, or in standard deviations from the mean.

        Raises:
            SpecError: no such class, or no number.
        """
        if self.names:
            name = str(value)  # as it is written first: "01" and "1" may be two classes
            if name not in self.names and (name := class_key(value)) not in self.names:
                raise unknown(self.name, name, list(self.names))
            return float(self.names.index(name))
        try:
            number = (float(value) - self.mean) / self.scale
        except (TypeError, ValueError) as error:
            raise self._no_number(value) from error
        if not isfinite(number):
            raise self._no_number(value)
        return number

    def row(self, value: Any) -> list[float]:
        """A value as its columns of a context, nan where a text has no further word.

        Raises:
            SpecError: no such class, no number, or a text without one known word.
        """
        return (
            encode_text(self.name, value, self.words, self.width)
            if self.words
            else [self.encode(value)]
        )

    def takes(self, columns: Tensor) -> bool:
        """Whether columns `[N, width]` of a context may be those of this field."""
        known, kinds = columns[~columns.isnan()], len(self.names or self.words)
        if not kinds:
            return bool(known.isfinite().all())
        return bool(((known >= 0) & (known < kinds) & (known == known.floor())).all())

    def _no_number(self, value: Any) -> SpecError:
        return SpecError(
            f"{self.name} must be a number, got {value!r}. {self.mean:.3g} is its mean."
        )


@dataclass(frozen=True, slots=True)
class Conditions:
    """The fields that may be known of a thing, side by side in a context `[N, F]`."""

    fields: tuple[Field, ...] = ()

    def __len__(self) -> int:
        return len(self.fields)

    @property
    def width(self) -> int:
        """F, the columns of a context."""
        return sum(field.width for field in self.fields)

    def chosen(self, names: Sequence[str]) -> "Conditions":
        """Only the fields of these names.

        Raises:
            SpecError: there is no such field.
        """
        return Conditions(tuple(self.field(name) for name in names))

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises:
            SpecError: there is none.
        """
        names = [field.name for field in self.fields]
        if name not in names:
            raise unknown("condition", name, names)
        return self.fields[names.index(name)]

    def column(self, name: str) -> int:
        """Where a field begins.

        Raises:
            SpecError: there is no such field.
        """
        place = self.fields.index(self.field(name))
        return sum(field.width for field in self.fields[:place])

    def columns(self, names: Sequence[str]) -> list[int]:
        """The columns of the fields of these names.

        Raises:
            SpecError: there is no such field.
        """
        starts = [(self.column(name), self.field(name).width) for name in names]
        return [column for start, width in starts for column in range(start, start + width)]

    def take(self, context: Tensor) -> bool:
        """Whether rows `[N, F]` are a context of these fields, which a model may be told."""
        if context.shape[1:] != (self.width,) or context.dtype != torch.float32:
            return False
        parts = context.split([field.width for field in self.fields], dim=1)
        return all(field.takes(part) for field, part in zip(self.fields, parts, strict=True))

    def context(self, n: int, where: Mapping[str, Any]) -> Tensor:
        """`n` rows of what is asked, nan for all else, `[n, F]`.

        Args:
            n: how many.
            where: a value by the name of its field, for all rows, or a list of `n` of them.

        Raises:
            SpecError: no such field or class, or a list of another length.
        """
        rows = torch.full((n, self.width), torch.nan)
        for name, value in where.items():
            columns, field = self.columns([name]), self.field(name)
            many = isinstance(value, list | tuple | np.ndarray)
            values = list(value) if many else [value]
            if many and len(values) != n:
                raise SpecError(
                    f"{name} must be one value or a list of {n}, got {len(values)}. Mend it."
                )
            rows[:, columns] = torch.tensor([field.row(each) for each in values])
        return rows


def find_conditions(
    labels: np.ndarray | None,
    label_names: tuple[str, ...],
    attributes: Mapping[str, np.ndarray],
    texts: Mapping[str, Sequence[str]] | None = None,
    *,
    label: str = "label",
) -> tuple[Conditions, Tensor | None]:
    """What is known of each example, and as rows of numbers `[N, F]`, nan where it is not.

    The label comes first, texts last; an attribute of two values is a class, of more a number.

    Args:
        labels: class ids `[N]`, below 0 where unknown; or None.
        label_names: of the classes.
        attributes: numbers `[N]` by name, nan where unknown.
        texts: N of them by name, empty where unknown.
        label: the name of the label's field.

    Raises:
        DataError: two fields of one name.
    """
    fields, columns = list[Field](), list[np.ndarray]()
    if labels is not None:
        fields.append(Field(label, label_names))
        columns.append(np.where(labels < 0, np.nan, labels)[:, None])
    for name, values in attributes.items():
        field, column = _found(name, np.asarray(values, np.float64))
        fields.append(field)
        columns.append(column[:, None])
    for name, written in (texts or {}).items():
        words, width = vocabulary(written)
        if words:
            fields.append(Field(name, words=words, width=width))
            columns.append(encode_texts(written, words, width))
    _require_different([field.name for field in fields])
    if not fields:
        return Conditions(), None
    return Conditions(tuple(fields)), torch.from_numpy(np.concatenate(columns, 1)).float()


def _require_different(names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"Labels, attributes and texts must have different names, got {twice!r} twice. "
            "Rename one."
        )


def _found(name: str, values: np.ndarray) -> tuple[Field, np.ndarray]:
    known = values[np.isfinite(values)]
    different = np.unique(known)
    if 0 < len(different) <= MOST_CLASSES:
        ids = np.searchsorted(different, values).astype(float)
        column = np.where(np.isfinite(values), ids, np.nan)
        return Field(name, tuple(class_key(value) for value in different.tolist())), column
    mean = float(known.mean()) if len(known) else 0.0
    scale = float(known.std()) if len(known) else 1.0
    column = np.where(np.isfinite(values), (values - mean) / (scale or 1.0), np.nan)
    return Field(name, mean=mean, scale=scale or 1.0), column


def class_key(value: Any, names: Sequence[str] = ()) -> str:
    """What a class is asked for by: its whole name, or its number as it is written, 1.0 as "1".

    Args:
        value: an index into the names, if there are any; else a number, or a word for one.
        names: of the classes.
    """
    if names and 0 <= value < len(names):
        return names[int(value)]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return str(int(number)) if number.is_integer() else str(number)
