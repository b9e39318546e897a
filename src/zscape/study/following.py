"""Judging sessions of a log while its lines come: bounded memory, and no look at the future."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zscape.errors import SpecError, unknown
from zscape.modalities.cutting import Cutter, Session, message_of
from zscape.modalities.logs import Logs
from zscape.space.beside import beside, scores_beside
from zscape.space.calibration import (
    believed,
    extrapolated,
    p_of,
    p_words,
    require_threshold,
    surprise,
)
from zscape.space.explanations import explain_sessions, reason_of
from zscape.space.sessions import WHOLE, Seen, seen_of, session_scores
from zscape.space.space import Space
from zscape.study.intake.logs import no_session

IDLE = 10_000  # lines that go by without a session before it is over
REMEMBERED = 50_000  # different sessions, of which how strange they are is known; and names

Told = tuple[float, str, str]  # -log p in nats, the score that leads, and p by it alone in words


@dataclass(frozen=True, slots=True)
class Judged:
    """A session that is over.

    Attributes:
        name: its id, or the numbers of its lines.
        first: the number of its first line.
        last: of its last one.
        events: how many it has.
        p: the share of normals as strange; extrapolated beyond them, and never 0.
        flagged: whether that is at most the threshold.
        reason: why, in words; empty where it is not flagged.
        again: whether a session of that name was over before, so that this is the rest of it.
    """

    name: str
    first: int
    last: int
    events: int
    p: float
    flagged: bool
    reason: str
    again: bool


@dataclass(frozen=True, slots=True, repr=False)
class Judge:
    """How strange sessions are, calibrated once.

    Attributes:
        space: of sessions.
        before: what the normal ones were like.
        normals: each score that counts, of the normals, by name, `[M]`.
        whole: the sum of their surprises as they are extrapolated, `[M]`.
        known: what was told of the sessions that were judged.
        notes: what limits the p-values, a sentence each.
    """

    space: Space
    before: Seen
    normals: Mapping[str, Tensor]
    whole: Tensor
    known: dict[bytes, Told]
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many normals calibrated it."""
        return int(self.whole.isfinite().sum())

    def judge(self, stored: Tensor) -> list[Told]:
        """What is told of stored sessions."""
        keys = [row.tobytes() for row in stored.float().numpy()]
        new = {key: place for place, key in enumerate(keys) if key not in self.known}
        if len(self.known) > REMEMBERED:
            self.known.clear()
            new = {key: place for place, key in enumerate(keys)}
        if new:
            found = self._measured(stored[list(new.values())])
            self.known.update(zip(new, found, strict=True))
        return [self.known[key] for key in keys]

    def _measured(self, stored: Tensor) -> list[Told]:
        values = session_scores(self.space, self.before, stored, own=False)
        names = list(self.normals)
        each = torch.stack([extrapolated(self.normals[name], values[name]) for name in names])
        whole = surprise(self.whole, each.sum(0)).tolist()
        most, leading = each.max(0)
        alone = p_of(believed(most)).tolist()
        led = zip(whole, alone, map(names.__getitem__, leading.tolist()), strict=True)
        return [(nats, name, p_words(p, self._normals_of(name))) for nats, p, name in led]

    def _normals_of(self, name: str) -> int:
        return int((~self.normals[name].isnan()).sum())


def judge_of(space: Space, parts: Sequence[str] = ()) -> Judge:
    """A judge of sessions, calibrated on the normals of a space as `score` is.

    Args:
        space: of a log.
        parts: names of the scores that count; none: all four.

    Raises:
        SpecError: a space of other things, or a score that there is not.
        DataError: fewer than 5 normals.
    """
    if not isinstance(space.modality, Logs):
        raise SpecError(
            "Lines that come can be scored by a study of a log, and this one is of other things. "
            "Give a file."
        )
    for name in parts:
        if name not in WHOLE:
            raise unknown("score", name, list(WHOLE))
    names = tuple(parts) or WHOLE
    (others,) = beside((space,), own=False)
    *_, (_, _, found) = scores_beside(space, space.items[:1], others, names, draws=1, seed=0)
    normals = {name: of_normals for name, (of_normals, _) in found.items()}
    whole = torch.stack([extrapolated(values, values) for values in normals.values()]).sum(0)
    return Judge(space, seen_of(space), normals, whole, {}, others.notes)


def follow(
    space: Space | Judge,
    chunks: Iterable[list[str]],
    *,
    threshold: float = 0.01,
    parts: Sequence[str] = (),
    idle: int = IDLE,
) -> Iterator[Judged]:
    """Judges the sessions of lines as soon as each is over; memory does not grow with the lines.

    Args:
        space: of a log, whose lines are cut as those it was trained on; or the judge of one.
        chunks: lines, as many at a time as have come.
        threshold: share of normals that may be flagged.
        parts: names of the scores that count; none: all four, or those of the judge.
        idle: lines that go by without a session, cut by its id, before it is over.

    Raises:
        SpecError: a space of other things, a score that there is not, a threshold that is no
            share, or less than 1 idle line.
        DataError: the lines are over, and none was of a session.
    """
    require_threshold(threshold)
    if idle < 1:
        raise SpecError(f"idle must be at least 1 line, got {idle}. {IDLE:,} is usual.")
    judge = space if isinstance(space, Judge) else judge_of(space, parts)
    return _followed(judge, chunks, threshold, idle)


def _followed(
    judge: Judge, chunks: Iterable[list[str]], threshold: float, idle: int
) -> Iterator[Judged]:
    logs = judge.space.modality
    assert isinstance(logs, Logs)
    miner, cutter, names = logs.miner(), Cutter(logs.how, idle=idle), dict[str, None]()
    for lines in chunks:
        over: list[Session] = []
        for line in lines:
            over += cutter.add(line, miner.event_of(message_of(line)))
        yield from _judged(judge, over, threshold, names)
    over = cutter.rest()
    if not over and not names:
        raise no_session("What came", cutter.read, logs.how)
    yield from _judged(judge, over, threshold, names)


def _judged(
    judge: Judge, sessions: list[Session], threshold: float, names: dict[str, None]
) -> Iterator[Judged]:
    if not sessions:
        return
    logs = judge.space.modality
    assert isinstance(logs, Logs)
    stored = logs.encode_numbers([session.events for session in sessions])
    nats, leading, alone = zip(*judge.judge(stored), strict=True)
    p = p_of(torch.tensor(nats, dtype=torch.float64))
    strange = (p <= threshold).nonzero().flatten().tolist()
    odd = {place: sessions[n].odd for place, n in enumerate(strange)}
    told = explain_sessions(judge.space, judge.before, stored[strange], odd)
    why = dict(zip(strange, told, strict=True)) if strange else {}
    for n, session in enumerate(sessions):
        yield Judged(
            name=session.name,
            first=session.first,
            last=session.last,
            events=len(session.events),
            p=float(p[n]),
            flagged=n in why,
            reason=reason_of(leading[n], alone[n], why[n]) if n in why else "",
            again=session.name in names,
        )
        names[session.name] = None
        if len(names) > REMEMBERED:
            del names[next(iter(names))]
