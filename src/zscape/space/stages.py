"""Long work that tells how far it is: stages, of which the last has what came of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage(Generic[T]):
    """How far long work is.

    Attributes:
        words: what is done now.
        share: of all work that is done, 0 to 1, roughly.
        outcome: what came of it, when it is done.
    """

    words: str
    share: float
    outcome: T | None = None


Stages = Iterator[Stage[T]]


def outcome(stages: Iterable[Stage[T]]) -> T:
    """What comes of the work, which is done here and now."""
    *_, last = stages
    assert last.outcome is not None
    return last.outcome
