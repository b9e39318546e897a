"""Training within a time: how much of it is spent, and feeds and rates that follow it."""

import math
import time
from collections.abc import Callable, Iterator

from zscape.model.batch import Batch
from zscape.objective.schedules import Schedule
from zscape.study.training.batches import Feed


class Budget:
    """How much of a time is spent.

    Args:
        seconds: of it.
        clock: what counts: CPU seconds of this process, so that a busy machine changes nothing, or
            seconds on the wall.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.process_time) -> None:
        self.seconds, self.clock, self.start = seconds, clock, clock()

    def end(self, number: int, frame: object) -> None:
        """Spends the rest: what is asked by SIGTERM is still measured."""
        self.seconds = 1e-9

    def share(self) -> float:
        """From 0 to 1."""
        return min((self.clock() - self.start) / self.seconds, 1.0)


class Stage:
    """A part of a budget, from one share of it to another."""

    def __init__(self, budget: Budget, begin: float, end: float) -> None:
        self.budget, self.begin, self.end = budget, begin, end

    def share(self) -> float:
        """How much of this part is spent, from 0 to 1."""
        spent = (self.budget.share() - self.begin) / (self.end - self.begin)
        return min(max(spent, 0.0), 1.0)

    def cosine(self, top: float) -> Schedule:
        """A learning rate that has fallen to 0 when the part is spent."""

        def value(step: int) -> float:
            risen = min((step + 1) / 200, 1.0)
            return max(top * risen * 0.5 * (1 + math.cos(math.pi * self.share())), 1e-7)

        return value


class Timed(Feed):
    """The batches of a feed while a stage lasts; several passes go for one epoch.

    At the end of an epoch the held-out part is measured, which takes time.
    """

    def __init__(self, feed: Feed, stage: Stage, *, passes: int) -> None:
        self.feed, self.stage, self.passes = feed, stage, passes

    def __len__(self) -> int:
        return self.passes * len(self.feed)

    def of(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, fewer where the stage ends in it."""
        done, first = divmod(start, len(self.feed))
        for number in range(done, self.passes):
            begin = first if number == done else 0
            for x in self.feed.of((epoch - 1) * self.passes + number + 1, start=begin):
                if self.stage.share() >= 1:
                    return
                yield x
