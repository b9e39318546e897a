"""What a training run tells of itself, and what it must be given to go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

UNIT = "validation_rate_unit_"  # and its number: a part that is the rate of one unit, in nats


@dataclass(frozen=True, slots=True)
class Progress:
    """One record of a training run.

    Attributes:
        step: optimiser steps done.
        epoch: epochs done or under way.
        share: how much of the planned steps is done, 0 to 1; 0 when the plan is open.
        loss: the objective, mean since the last record.
        parts: its parts, mean since the last record, in nats where the part is a likelihood or
            a rate; at the end of an epoch also `validation_*` figures; `refused` steps, if any.
        seconds: since the start.
        note: what a person should know of it, such as a step back; mostly empty.
    """

    step: int
    epoch: int
    share: float
    loss: float
    parts: Mapping[str, float]
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the next step depends on: tensors, and plain values that JSON can hold."""

    tensors: Mapping[str, Tensor]
    plain: Mapping[str, Any]
