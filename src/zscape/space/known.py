"""What a space knows of its data, as numbers by name: attributes, and each of its classes."""

from dataclasses import dataclass, field

import numpy as np

from zscape.errors import DataError, SpecError, unknown
from zscape.modalities.conditions import class_key
from zscape.space.readouts import Readout, read_out
from zscape.space.space import Space

MOST_CLASSES = 50


@dataclass(frozen=True, slots=True)
class Known:
    """Properties by name, and their read-outs, which are found when they are first asked for."""

    space: Space
    values: dict[str, np.ndarray]
    found: dict[str, Readout | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All that is known: attributes, then classes."""
        return tuple(self.values)

    def numbers(self, name: str) -> np.ndarray:
        """The values of a property, `[N]`, nan where unknown.

        Raises:
            SpecError: it is not known.
        """
        if not self.values:
            raise SpecError(
                f"{name!r} must be something that is known of the data, and nothing is. Give "
                "examples with and without it, or train with labels or attributes."
            )
        if name not in self.values:
            raise unknown("attribute or class", name, list(self.values))
        return self.values[name]

    def readout(self, name: str) -> Readout | None:
        """How a property is read off codes; None where too little is known of it."""
        if name not in self.found:
            try:
                codes = self.space.codes.flat
                self.found[name] = read_out(codes, self.numbers(name), name=name, folds=0)
            except DataError:
                self.found[name] = None
        return self.found[name]


def known_numbers(space: Space) -> Known:
    """The attributes of a space's data, and each class against all others, by name.

    A class whose name is that of an attribute is told as `label=NAME`.
    """
    values = {name: np.asarray(v, float) for name, v in space.attributes.items()}
    if space.labels is not None:
        classes = np.unique(space.labels[space.labels >= 0])
        for k in classes[:MOST_CLASSES]:
            name = class_key(int(k), space.label_names)
            held = np.where(space.labels < 0, np.nan, space.labels == k)
            values[f"label={name}" if name in space.attributes else name] = held
    return Known(space, values)
