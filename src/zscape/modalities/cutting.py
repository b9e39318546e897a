"""Cutting lines of a log into sessions: by an id that they name, by number, or by time.

What the lines say is `drain`'s; what a model sees of a session is `logs`'.
"""

import re
from array import array
from calendar import timegm
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from zscape.errors import SpecError
from zscape.modalities.found import quote

USUAL_WINDOW = 20  # lines, where nothing else is asked for
LONGEST_ODD = 200  # characters of a line that is shown
LOOKED_AT = 2_000  # lines in which ids are looked for
LONGEST_OPEN = 100_000  # lines, after which a session that goes on is taken for two

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_DAY = rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|{'|'.join(_MONTHS)})"
# Words at the beginning that only say when: no letters but those of a month or a day.
_HEAD = re.compile(rf"(?:(?:[^\s|_A-Za-z\x80-\U0010ffff]+|\[?{_DAY}\w{{0,6}},?)[\s|]+)+")
_IDS = re.compile(r"\b([A-Za-z]+[-_#:=]?)(-?\d+)\b")
_TIMES = re.compile(
    rf"""
    (?P<Y>\d{{4}})[-/.](?P<m>\d\d)[-/.](?P<d>\d\d)[\sT_:-](?P<t>\d\d[:.]\d\d[:.]\d\d)
    | (?P<y2>\d\d)/(?P<m2>\d\d)/(?P<d2>\d\d)[\s](?P<t2>\d\d:\d\d:\d\d)
    | (?P<month>{"|".join(_MONTHS)})\s+(?P<d3>\d{{1,2}})\s(?P<t3>\d\d:\d\d:\d\d)
    | \b(?P<y4>\d\d)(?P<m4>\d\d)(?P<d4>\d\d)\s(?P<t4>\d{{6}})\b
    | \b(?P<epoch>\d{{10}})(?:\.\d+)?\b
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Cut:
    """How lines become sessions; one of the three, or windows of 20 lines.

    Attributes:
        pattern: a regular expression of the id that the lines of a session name (its first group,
            if it has one); a line that names several belongs to several.
        window: lines each.
        seconds: of time each, by what the lines begin with.
    """

    pattern: str = ""
    window: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Session:
    """Lines that belong together: their id if any, the numbers of first and last, their events.

    `odd` is the first line that is like no template, which is event -1; "" where there is none.
    """

    id: str
    first: int
    last: int = 0
    events: "array[int]" = field(default_factory=lambda: array("i"))
    odd: str = ""

    @property
    def name(self) -> str:
        """The id, or the numbers of its lines."""
        return self.id or f"lines {self.first:,} to {self.last:,}"

    def add(self, number: int, line: str, event: int) -> None:
        """Takes the line of that number."""
        self.last = number
        self.events.append(event)
        if event < 0 and not self.odd:
            self.odd = message_of(line)[:LONGEST_ODD]


def cut_of(*, session: str = "", window: int | None = None, seconds: float | None = None) -> Cut:
    """How to cut, as it was asked for.

    Raises:
        SpecError: several ways, sizes that cannot be, or a pattern that is none.
    """
    if bool(session) + (window is not None) + (seconds is not None) > 1:
        raise SpecError(
            "Lines are cut into sessions in one way, got several of session, window and seconds. "
            "Give one."
        )
    if not (window is None or window >= 1) or not (seconds is None or seconds > 0):
        raise SpecError(
            "A window must be at least 1 line or more than 0 seconds, got "
            f"{seconds if window is None else window}. {USUAL_WINDOW} lines are usual."
        )
    try:
        re.compile(session)
    except re.error as error:
        raise SpecError(
            f"session must be a regular expression, got {quote(session)} ({error}). "
            r"'blk_-?\d+' finds the blocks of HDFS."
        ) from error
    return Cut(session, window or (0 if session or seconds else USUAL_WINDOW), seconds or 0.0)


def likely_ids(lines: Sequence[str]) -> tuple[str, str]:
    """A pattern of ids that most lines name and an example, or two empty strings.

    Words that end in a number are ids where there are some, each of some lines.
    """
    found: dict[str, Counter[str]] = {}
    for line in lines:
        for word, number in dict(_IDS.findall(message_of(line))).items():
            found.setdefault(word, Counter())[number] += 1
    for word, ids in sorted(found.items(), key=lambda one: -one[1].total()):
        if 2 * ids.total() > len(lines) and 5 <= len(ids) <= ids.total() / 2:
            sign = "-?" if any(number.startswith("-") for number in ids) else ""
            return rf"{word}{sign}\d+", word + next(iter(ids))
    return "", ""


def message_of(line: str) -> str:
    """A line without the times and numbers that it begins with."""
    head = _HEAD.match(line)
    rest = line[head.end() :] if head else line
    return rest if rest and not rest.isspace() else line


class Cutter:
    """Puts lines into sessions as they come, and gives each back once it is complete.

    A window is complete when it is full, or the time of the next line is in another; a session by
    id at the end, or once `idle` lines went by without it. Lines without an id are of none.

    Args:
        how: by id, number or time.
        idle: lines after which a session by id is over; 0: none.
    """

    def __init__(self, how: Cut, *, idle: int = 0) -> None:
        self.how, self.idle = how, idle
        self.read = 0  # lines
        self._pattern = re.compile(how.pattern)
        self._going: dict[str, Session] = {}  # the one that was heard of least lately first
        self._span = 0.0

    def add(self, line: str, event: int) -> list[Session]:
        """Takes a line with its event; returns the sessions that are complete by it."""
        self.read += 1
        if not self.how.pattern:
            return self._add_in_turn(line, event)
        over = []
        found = {match[match.lastindex or 0] for match in self._pattern.finditer(line)}
        for name in sorted(found - {"", None}):
            session = self._going.pop(name, None) or Session(name, self.read)
            session.add(self.read, line, event)
            if self.idle and len(session.events) >= LONGEST_OPEN:
                over.append(session)
            else:
                self._going[name] = session
        while self.idle and self._going:
            oldest = next(iter(self._going.values()))
            if oldest.last > self.read - self.idle:
                break
            over.append(self._going.pop(oldest.id))
        return over

    def rest(self) -> list[Session]:
        """The sessions that are still open, in the order in which they began."""
        left = sorted(self._going.values(), key=lambda session: session.first)
        self._going = {}
        return left

    def _add_in_turn(self, line: str, event: int) -> list[Session]:
        session = self._going.pop("", None)
        over = self._moves_on(line)
        done = [session] if session is not None and over else []
        session = Session("", self.read) if session is None or over else session
        session.add(self.read, line, event)
        if len(session.events) >= (self.how.window or LONGEST_OPEN):
            done.append(session)
        else:
            self._going[""] = session
        return done

    def _moves_on(self, line: str) -> bool:
        """Whether a line's time is in another span than that of the line before."""
        time = clock_of(line) if self.how.seconds else None
        if time is None:
            return False
        before, self._span = self._span, time // self.how.seconds
        return before != self._span


def clock_of(line: str) -> float | None:
    """The time that a line tells, in seconds; None where it tells none that is known.

    Days without a year count from 1970.
    """
    found = _TIMES.search(line, 0, 120)
    if found is None:
        return None
    if found["epoch"]:
        return float(found["epoch"])
    day: tuple[int, int, int]
    if found["month"]:
        day, time = (1970, _MONTHS.index(found["month"]) + 1, int(found["d3"])), found["t3"]
    else:
        n = "" if found["Y"] else "2" if found["y2"] else "4"
        year = int(found["Y"] or 2000 + int(found[f"y{n}"]))
        day, time = (year, int(found[f"m{n}"]), int(found[f"d{n}"])), found[f"t{n}"]
    digits = re.sub(r"\D", "", time)
    if not (1 <= day[1] <= 12 and 1 <= day[2] <= 31):
        return None
    return float(timegm((*day, int(digits[:2]), int(digits[2:4]), int(digits[4:]))))
