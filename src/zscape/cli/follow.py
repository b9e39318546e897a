"""`zscape score STUDY -`: lines as they come, and what is strange about sessions once over."""

import csv
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from zscape.cli.output import say, tell
from zscape.modalities.found import printable
from zscape.space.calibration import few_normals, p_words
from zscape.space.space import Space
from zscape.study.following import Judged, follow, judge_of
from zscape.study.intake.logs import lines_coming


def follow_input(
    space: Space,
    *,
    threshold: float,
    parts: tuple[str, ...],
    idle: int,
    out: Path | None,
    json: bool,
) -> None:
    """Judges the sessions on standard input: prints the strange ones, and writes all to `out`."""
    judge, coming = judge_of(space, parts), lines_coming(sys.stdin.fileno())
    sessions = follow(judge, coming, threshold=threshold, idle=idle)
    for note in (*judge.notes, *few_normals(judge.count, threshold)):
        tell(f"  {note}")
    judged = flagged = again = 0
    written = None if out is None else out.open("w", 1, encoding="utf-8", newline="")
    try:
        with written or nullcontext():
            table = None if written is None else csv.writer(written, lineterminator="\n")
            if table is not None:
                table.writerow(["item", "flagged", "p", "first", "last", "events", "reason"])
            for session in sessions:
                judged, flagged = judged + 1, flagged + session.flagged
                if session.again and not again:
                    tell(
                        f"  {printable(session.name)} came back after it was judged, so that what "
                        f"came then counts as another session; a larger --idle than {idle:,} waits"
                    )
                again += session.again
                if table is not None:
                    table.writerow(_row(session))
                if session.flagged:
                    _print(session, judge.count, json=json)
    finally:
        if judged:
            tell(f"  {flagged:,} of {judged:,} sessions flagged at {threshold:.3g}")


def _row(session: Judged) -> list[str]:
    told = [session.name, str(session.flagged).lower(), f"{session.p:.6g}"]
    places = (session.first, session.last, session.events)
    return [*told, *map(str, places), session.reason]


def _print(session: Judged, normals: int, *, json: bool) -> None:
    if json:
        say(asdict(session))
    else:
        p, reason = p_words(session.p, normals), printable(session.reason)
        print(f"{printable(session.name)}  p {p}  {reason}")
    sys.stdout.flush()
