"""A number that says what it is: its unit, its kind, its standard error and its source."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

NATS = "nats"
DENSITY = "nats (density)"
BINARISED = "nats (binarised)"  # grey under coins: of the picture binarised at random


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that says what it is.

    Attributes:
        name: what was measured.
        value: per example where the unit is nats; None where it is undefined.
        unit: "nats"; "nats (density)" where values are continuous, so that it depends on their
            scale and an NLL may be negative; "bits per dimension"; "units".
        kind: "exact", "bound", "estimate", "surrogate" or "undefined".
        error: the standard error over examples, in the same unit, where there is one.
        source: where the definition comes from.
    """

    name: str
    value: float | None
    unit: str
    kind: str
    error: float | None = None
    source: str = ""


def mean(name: str, values: Tensor, unit: str, kind: str, source: str = "") -> Figure:
    """The mean over examples `[N]` with its standard error."""
    values = values.double()
    error = (values.std() / len(values) ** 0.5).item() if len(values) > 1 else None
    return Figure(name, values.mean().item(), unit, kind, error, source)


def undefined(name: str, unit: str, source: str = "") -> Figure:
    """A figure that has no value here."""
    return Figure(name, None, unit, "undefined", None, source)


def record_of(figure: Figure) -> dict[str, Any]:
    """A figure as plain values, without its source."""
    return {
        "figure": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "kind": figure.kind,
        "error": figure.error,
    }
