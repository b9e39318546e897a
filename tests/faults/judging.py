"""What is wrong with how a run ended, in a few words; nothing, where it ended as promised."""

from tests.faults.harness import Ended

DOCUMENTED = (0, 64, 65, 71, 74, 75)  # of a file that is refused or taken; 70 would be our mistake
MOST_SECONDS, MOST_BYTES = 2.0, 256 * 2**20


def complaint(ended: Ended, *, seconds: float = MOST_SECONDS) -> str:
    """What a run on a hostile file did wrong.

    Args:
        ended: the run.
        seconds: that it may take.
    """
    said = f"{ended.out[-200:]}{ended.err[-300:]}"
    if ended.crashed:
        return f"died of signal {-ended.code}"
    if ended.traceback:
        return f"a traceback: {said}"
    if ended.code not in DOCUMENTED:
        return f"exit code {ended.code}: {said}"
    if ended.seconds > seconds:
        return f"{ended.seconds:.1f} s"
    if ended.extra_bytes > MOST_BYTES:
        return f"{ended.extra_bytes >> 20} MB"
    if "\x1b" in ended.out + ended.err:
        return "an escape sequence reached the terminal"
    return ""
