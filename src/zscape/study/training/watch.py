"""Watching a run from its first records on, so that a collapse is told while it can be helped."""

from zscape.space.units import ACTIVE
from zscape.study.training.progress import UNIT, Progress

SILENT = 0.25  # nats of rate; sound starts dip to half a nat and rise, collapses go through this
ALIVE = 1.0  # nats at which a code that was silent has come back
RISING = 1.2  # times the record before, above which a low rate is on its way up
PATIENCE = 2  # low records in a row, where the number of active units is not told


class Watch:
    """Looks at the records of one run in turn and says once when its code collapses.

    A record is low when the rate is under 0.25 nat and not rising. One low record without active
    units is told, or two in a row: at the end of the first epoch at the latest, which is within
    the first 5 % of the steps of any run of 20 epochs.
    """

    def __init__(self) -> None:
        self.before = float("inf")
        self.low = 0
        self.told = False

    def note(self, record: Progress) -> str:
        """A sentence when there is something to say of this record, else nothing."""
        rate = record.parts.get("rate")
        if rate is None:
            return ""
        if self.told:
            return self._recovered(rate)
        is_low = rate < SILENT and rate < RISING * self.before
        self.low = self.low + 1 if is_low else 0
        self.before = rate
        if not (is_low and _is_empty(record)) and self.low < PATIENCE:
            return ""
        self.told = True
        return _warning(record, rate)

    def _recovered(self, rate: float) -> str:
        if rate < ALIVE:
            return ""
        self.told, self.low, self.before = False, 0, float("inf")
        return f"the code has come alive: it carries {rate:.1f} nats."


def _is_empty(record: Progress) -> bool:
    """Whether no unit carries anything; after a few steps means do not vary yet, but rates rise."""
    rates = [rate for name, rate in record.parts.items() if name.startswith(UNIT)]
    return max(rates) <= ACTIVE if rates else record.parts.get("active") == 0


def _warning(record: Progress, rate: float) -> str:
    done = f"step {record.step}"
    if record.share:
        done += f", {record.share:.0%} of the plan"
    return (
        f"the code is collapsing: at {done}, it carries {rate:.2g} nats, so all examples get "
        "nearly the same code. Ctrl-C stops and keeps the study, of which 'zscape doctor' says "
        "what to change."
    )
