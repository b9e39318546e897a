"""`zscape score STUDY -`: lines as they come, and what is strange about sessions once over."""

import sys
from dataclasses import asdict

from zscape.cli.output import say, tell
from zscape.modalities.found import printable
from zscape.space.space import Space
from zscape.study.following import follow
from zscape.study.intake.logs import lines_coming


def follow_input(
    space: Space, *, threshold: float, parts: tuple[str, ...], idle: int, json: bool
) -> None:
    """Judges the sessions on standard input, and prints those that are strange, one a line."""
    judged = flagged = 0
    coming = lines_coming(sys.stdin.fileno())
    try:
        for session in follow(space, coming, threshold=threshold, parts=parts, idle=idle):
            judged += 1
            flagged += session.flagged
            if session.flagged and json:
                say(asdict(session))
            elif session.flagged:
                print(f"{printable(session.name)}  p {session.p:.2g}  {printable(session.reason)}")
            if session.flagged:
                sys.stdout.flush()
    finally:
        tell(f"  {flagged:,} of {judged:,} sessions flagged at {threshold:.3g}")
