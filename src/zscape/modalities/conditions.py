"""What is known beside things - classes, numbers - as one row of numbers each, nan where it is not.

It knows names and values; how a model takes them in is the business of networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, SpecError, unknown

MOST_CLASSES = 2  # different values of a number that is taken for a class


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is known: a class of `names`, or, without names, a number.

    Attributes:
        name: of it.
        names: of the classes.
        mean: of a number over the data.
        scale: its standard deviation.
    """

    name: str
    names: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    def encode(self, value: Any) -> float:
        """A value as a number: the index of a class, or in standard deviations from the mean.

        Raises:
            SpecError: no such class, or no number.
        """
        if self.names:
            if (name := _name(value)) not in self.names:
                raise unknown(self.name, name, list(self.names))
            return float(self.names.index(name))
        try:
            return (float(value) - self.mean) / self.scale
        except (TypeError, ValueError) as error:
            raise SpecError(
                f"{self.name} must be a number, got {value!r}. {self.mean:.3g} is its mean."
            ) from error


@dataclass(frozen=True, slots=True)
class Conditions:
    """The fields that may be known of a thing; each is a column of a context `[N, F]`."""

    fields: tuple[Field, ...] = ()

    def __len__(self) -> int:
        return len(self.fields)

    def chosen(self, names: Sequence[str]) -> "Conditions":
        """Only the fields of these names.

        Raises:
            SpecError: there is no such field.
        """
        known = {field.name: field for field in self.fields}
        for name in names:
            if name not in known:
                raise unknown("condition", name, list(known))
        return Conditions(tuple(known[name] for name in names))

    def column(self, name: str) -> int:
        """Where a field stands.

        Raises:
            SpecError: there is no such field.
        """
        names = [field.name for field in self.fields]
        if name not in names:
            raise unknown("condition", name, names)
        return names.index(name)

    def context(self, n: int, where: Mapping[str, Any]) -> Tensor:
        """`n` equal rows of what is asked, nan for all else, `[n, F]`.

        Raises:
            SpecError: no such field or class.
        """
        row = torch.full((len(self.fields),), torch.nan)
        for name, value in where.items():
            column = self.column(name)
            row[column] = self.fields[column].encode(value)
        return row.expand(n, -1)


def find_conditions(
    labels: np.ndarray | None,
    label_names: tuple[str, ...],
    attributes: Mapping[str, np.ndarray],
    *,
    label: str = "label",
) -> tuple[Conditions, Tensor | None]:
    """What is known of each example, and as rows of numbers `[N, F]`, nan where it is not.

    The label comes first; an attribute of two values is a class, of more a number.

    Args:
        labels: class ids `[N]`, below 0 where unknown; or None.
        label_names: of the classes.
        attributes: numbers `[N]` by name, nan where unknown.
        label: the name of the label's field.

    Raises:
        DataError: an attribute of the label's name.
    """
    fields, columns = [], []
    if labels is not None:
        fields.append(Field(label, label_names))
        columns.append(np.where(labels < 0, np.nan, labels))
    for name, values in attributes.items():
        if labels is not None and name == label:
            raise DataError(f"Attributes must have other names than the label, got {name!r} twice.")
        field, column = _found(name, np.asarray(values, np.float64))
        fields.append(field)
        columns.append(column)
    if not fields:
        return Conditions(), None
    return Conditions(tuple(fields)), torch.from_numpy(np.stack(columns, 1)).float()


def _found(name: str, values: np.ndarray) -> tuple[Field, np.ndarray]:
    known = values[np.isfinite(values)]
    different = np.unique(known)
    if 0 < len(different) <= MOST_CLASSES:
        ids = np.searchsorted(different, values).astype(float)
        column = np.where(np.isfinite(values), ids, np.nan)
        return Field(name, tuple(_name(value) for value in different.tolist())), column
    mean = float(known.mean()) if len(known) else 0.0
    scale = float(known.std()) if len(known) else 1.0
    column = np.where(np.isfinite(values), (values - mean) / (scale or 1.0), np.nan)
    return Field(name, mean=mean, scale=scale or 1.0), column


def _name(value: Any) -> str:
    """A class as it is written: 1.0 and "1" are the same."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return str(int(number)) if number.is_integer() else str(number)
