"""Sessions of log lines as a model sees them: how often each event came, and in which order.

Templates stand in `drain`; which lines form a session, in `cutting`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError
from zscape.modalities.cutting import (
    LOOKED_AT,
    Cut,
    Cutter,
    Session,
    cut_of,
    likely_ids,
    message_of,
)
from zscape.modalities.drain import Drain
from zscape.modalities.found import Found, counted, listed, place, quote
from zscape.modalities.modality import Modality, Rows

MOST_EVENTS = 255
LONGEST = 64  # events of which the order is told
MOST_BEYOND = 1000  # of a kind, of events whose order is not told
OTHER = "?"  # an event that training did not see, or too seldom


@dataclass(frozen=True, slots=True)
class Mined:
    """Sessions of a log that nothing is known of yet.

    Attributes:
        sessions: event numbers, in their order.
        names: of each session, or empty.
        events: the name of each event.
        templates: of each event; empty where the events came without text.
        how: lines were cut; None: they came as sessions.
        lines: how many were read.
        left: how many of them were of no session.
        ids: a pattern of ids that most lines name and an example of one, where windows were the
            usual ones; or empty.
    """

    sessions: tuple[Sequence[int], ...]
    names: tuple[str, ...]
    events: tuple[str | int, ...]
    templates: tuple[str, ...] = ()
    how: Cut | None = None
    lines: int = 0
    left: int = 0
    ids: tuple[str, str] = ("", "")

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self.sessions)


@dataclass(frozen=True, slots=True)
class Logs(Modality):
    """Sessions of events, seen by a model as float32 `[K + 1 + T]`.

    First how often each of K events came, then how often others did; then the first T events in
    their order as 1 + event, 0 beyond the end. Longer sessions are counted whole.

    Attributes:
        events: the names of the K events.
        templates: of each event, with `<*>` for gaps; empty where events came without text.
        longest: T.
        session: the pattern of ids that cut lines into sessions, or "".
        window: lines of a session, or 0.
        seconds: of a session, or 0.
        num_examples: sessions it was fitted on.
    """

    events: tuple[Any, ...]
    templates: tuple[str, ...] = ()
    longest: int = LONGEST
    session: str = ""
    window: int = 0
    seconds: float = 0.0
    num_examples: int = 0

    def __post_init__(self) -> None:
        """Takes lists, as TOML and JSON have no tuples."""
        for name in ("events", "templates"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def shape(self) -> tuple[int, ...]:
        """`(K + 1 + T,)`."""
        return (len(self.events) + 1 + self.longest,)

    @property
    def likelihood(self) -> str:
        """`sessions`: counts, then their order."""
        return "sessions"

    @property
    def network(self) -> str:
        """`mlp`."""
        return "mlp"

    @property
    def columns(self) -> tuple[tuple[str, int], ...]:
        """Counts, then for each place the K + 1 events or none."""
        kinds = len(self.events) + 1
        return (("log_logistic", 1),) * kinds + (("categorical", kinds + 1),) * self.longest

    @property
    def how(self) -> Cut:
        """How its lines were cut."""
        return Cut(self.session, self.window, self.seconds)

    def encode(self, things: Any) -> Tensor:
        """Stores sessions `[N, K + 1 + T]`, as uint8 where they fit, or float32.

        Args:
            things: sessions, each a list of event names or of lines; or one of these. An event
                that training did not see counts among the others.

        Raises:
            ShapeError: neither a list of sessions nor a session.
            DataError: a session without an event.
        """
        sessions = _sessions(things)
        numbers = self._numbered(sessions)
        empty = [n for n, session in enumerate(numbers) if not session]
        if empty:
            raise DataError(
                f"A session must hold at least one event, got none in {place(empty[0])}. "
                "Leave it out."
            )
        return self.encode_numbers(numbers)

    def encode_numbers(self, sessions: Sequence[Sequence[int]]) -> Tensor:
        """Stores sessions of event numbers; -1, or one beyond K, is another event."""
        kinds = len(self.events) + 1
        stored = np.zeros((len(sessions), *self.shape), dtype=np.float32)
        for row, session in zip(stored, sessions, strict=True):
            events = np.asarray(session, dtype=np.int64)
            events = np.where((events < 0) | (events >= kinds), kinds - 1, events)
            row[:kinds] = np.bincount(events, minlength=kinds)
            row[kinds : kinds + len(events)] = events[: self.longest] + 1
        fits = stored.max(initial=0) <= np.iinfo(np.uint8).max
        return torch.from_numpy(stored.astype(np.uint8) if fits else stored)

    def prepare(self, stored: Tensor) -> Tensor:
        """Casts stored numbers to float32."""
        return stored.to(torch.float32)

    def decode(self, x: Tensor) -> list[list[Any]]:
        """Turns `[N, K + 1 + T]` into lists of event names; `?` is another event.

        Beyond the first T events, which are in their order, come those that the counts tell of.
        """
        names = (*self.events, OTHER)
        return [[names[event] for event in events] for events in self.numbers_of(x)]

    def numbers_of(self, x: Tensor) -> list[list[int]]:
        """The event numbers of sessions, K for the others; as `decode`.

        A model may think of any number: of what is beyond the first T events there are at most
        1,000 of a kind.
        """
        kinds = len(self.events) + 1
        rows = x.detach().to("cpu", torch.float64).round().long().clamp(min=0)
        counts, order = rows[:, :kinds].numpy(), rows[:, kinds:].clamp(max=kinds).numpy()
        sessions = []
        for count, events in zip(counts, order, strict=True):
            told = [int(event) - 1 for event in events if event]
            left = count - np.bincount(told, minlength=kinds)[:kinds]
            beyond = np.repeat(np.arange(kinds), left.clip(0, MOST_BEYOND))
            sessions.append(told + (beyond.tolist() if len(told) == self.longest else []))
        return sessions

    def show(self, x: Tensor) -> Rows:
        """Rows: how many lines a session has, and its events, repeats counted."""
        sessions = self.decode(x)
        cells = ((str(len(events)), _run(events)) for events in sessions)
        came = {str(event) for events in sessions for event in events}
        legend = tuple((e, t) for e, t in self._meanings() if e in came)
        return Rows(("lines", "events"), tuple(cells), legend)

    def miner(self) -> Drain:
        """Tells of lines which event they are; learns nothing."""
        return Drain(self.templates, learns=False)

    def called(self, event: int) -> str:
        """What an event is called where something is said of it."""
        if event >= len(self.events):
            return "an unseen event"
        return f"`{self.events[event]}`"

    def legend(self, words: str, *, most: int = 50) -> str:
        """The templates of the events that words name, shortened; "" where there are none."""
        return ", ".join(f"{event} {quote(text, most)}" for event, text in self.named(words))

    def named(self, words: str) -> tuple[tuple[str, str], ...]:
        """The events that words name in backticks, each with its template, as they come."""
        known = dict(self._meanings())
        named = dict.fromkeys(re.findall(r"`([^`]+)`", words))
        return tuple((event, known[event]) for event in named if event in known)

    def _meanings(self) -> list[tuple[str, str]]:
        return [(str(e), t) for e, t in zip(self.events, self.templates, strict=False)]

    def _numbered(self, sessions: list[Sequence[Any]]) -> list[list[int]]:
        """Event numbers of names, and of lines by the templates; -1 where it is neither."""
        known = {name: number for number, name in enumerate(self.events)}
        miner = self.miner()

        def number_of(said: Any) -> int:
            if isinstance(said, str | int | np.integer) and said in known:
                return known[said]
            lines = self.templates and isinstance(said, str)
            return miner.event_of(message_of(said)) if lines else -1

        return [[number_of(said) for said in session] for session in sessions]


def mine(lines: Sequence[str] | Iterable[str], again: Iterable[str], how: Cut) -> Mined:
    """Finds the templates of lines, and the sessions that the lines form.

    The lines are gone through twice: a template is known as it ends, not as it began.

    Args:
        lines: of a log.
        again: the same lines.
        how: they are cut.
    """
    learner, first = Drain(), list[str]()
    for line in lines:
        learner.event_of(message_of(line))
        if len(first) < LOOKED_AT:
            first.append(line)
    templates = learner.templates
    read, sessions = cut_lines(again, Drain(templates, learns=False), how)
    used = sum(len(session.events) for session in sessions)
    return Mined(
        sessions=tuple(session.events for session in sessions),
        names=tuple(session.name for session in sessions),
        events=tuple(f"E{n}" for n in range(1, len(templates) + 1)),
        templates=templates,
        how=how,
        lines=read,
        left=max(read - used, 0),
        ids=likely_ids(first) if how == cut_of() else ("", ""),
    )


def cut_lines(lines: Iterable[str], miner: Drain, how: Cut) -> tuple[int, list[Session]]:
    """How many lines there were, and their sessions."""
    cutter = Cutter(how)
    sessions = [s for line in lines for s in cutter.add(line, miner.event_of(message_of(line)))]
    return cutter.read, sessions + cutter.rest()


def parsed(sessions: Sequence[Sequence[Any]]) -> Mined:
    """Sessions that came as lists of events, which are named by text or numbers."""
    numbers: dict[Any, int] = {}
    coded = tuple([numbers.setdefault(event, len(numbers)) for event in s] for s in sessions)
    wrong = [event for event in numbers if not isinstance(event, str | int | np.integer)]
    if wrong:
        raise DataError(
            f"An event must be named by text or a whole number, got {wrong[0]!r:.40}. Rename it."
        )
    names = (name if isinstance(name, str) else int(name) for name in numbers)
    return Mined(coded, (), tuple(names), lines=sum(map(len, coded)))


def find_logs(mined: Mined) -> Found:
    """Fits `Logs` to sessions: at most 255 events, and as much order as most sessions have.

    Raises:
        DataError: a session without an event.
    """
    empty = [n for n, session in enumerate(mined.sessions) if not len(session)]
    if empty:
        raise DataError(
            f"A session must hold at least one event, got none in {place(empty[0])}. Leave it out."
        )
    often = Counter(event for session in mined.sessions for event in session)
    often.pop(-1, None)
    kept = sorted(event for event, _ in often.most_common(MOST_EVENTS))
    how = mined.how or Cut()
    lengths = sorted(len(session) for session in mined.sessions)
    logs = Logs(
        events=tuple(mined.events[event] for event in kept),
        templates=tuple(mined.templates[event] for event in kept) if mined.templates else (),
        longest=min(lengths[-1], LONGEST),
        session=how.pattern,
        window=how.window,
        seconds=float(how.seconds),
        num_examples=len(mined),
    )
    new = {event: number for number, event in enumerate(kept)}
    x = logs.encode_numbers([[new.get(event, -1) for event in s] for s in mined.sessions])
    middle = lengths[len(lengths) // 2]
    headline = (
        f"{counted(len(mined), 'session')} of {lengths[0]:,} to {lengths[-1]:,} events "
        f"({middle:,} in the middle), {counted(len(often), 'kind')} of event"
    )
    return Found(logs, x, headline, tuple(_notes(mined, logs, often, lengths)))


def _notes(mined: Mined, logs: Logs, often: Counter[int], lengths: list[int]) -> Iterable[str]:
    if mined.how:
        ways = {
            "session": f"by the id {quote(logs.session)} that they name",
            "window": f"of {logs.window:,} each",
            "seconds": f"of {logs.seconds:g} seconds each",
        }
        way = next(words for name, words in ways.items() if getattr(logs, name))
        yield f"{counted(mined.lines, 'line')}, cut into sessions {way}"
    if mined.ids[0]:
        pattern, one = mined.ids
        asked = f"--session {quote(pattern)}"
        yield f"most lines name an id, such as {one}: {asked} makes a session of each"
    if mined.left:
        yield f"{counted(mined.left, 'line')} name no session and are left out"
    shown = [f"{e} {quote(t, 60)}" for e, t in zip(logs.events, logs.templates, strict=False)]
    if shown:
        yield f"events are templates of lines: {listed(shown, 3)}"
    if len(often) > len(logs.events):
        seldom = len(often) - len(logs.events)
        yield f"warning: the {seldom:,} most seldom events count as one, {quote(OTHER)}"
    longer = sum(length > logs.longest for length in lengths)
    if longer:
        yield (
            f"of {counted(longer, 'session')} longer than {logs.longest} the order of the first "
            f"{logs.longest} events is modelled, and the counts of all"
        )


def _sessions(things: Any) -> list[Sequence[Any]]:
    """Sessions as a list of lists; one session alone is a list of one."""
    if isinstance(things, Mined):
        return [[things.events[e] if e >= 0 else OTHER for e in s] for s in things.sessions]
    plain = list(things) if isinstance(things, list | tuple | np.ndarray) else None
    if not plain:
        raise ShapeError(
            f"Sessions must come as lists of events or of lines, got {type(things).__name__}. "
            "Pass [['E1', 'E2'], ...]."
        )
    inner = [isinstance(part, list | tuple | np.ndarray) for part in plain]
    if all(inner):
        return [list(part) for part in plain]
    if any(inner):
        raise ShapeError("Sessions must all be lists, got some that are none. Mend them.")
    return [plain]


def _run(events: list[Any]) -> str:
    runs = ((event, len(list(same))) for event, same in groupby(events))
    return " ".join(f"{event}" if n == 1 else f"{event}x{n}" for event, n in runs)
