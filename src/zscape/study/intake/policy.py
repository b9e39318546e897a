"""How many bad files are too many: up to 1 % are left out and listed, if 100 good ones stay."""

from collections import Counter
from collections.abc import Sequence

from zscape.errors import DataError
from zscape.modalities.found import counted, listed, quote

MOST_BAD_SHARE = 0.01
FEWEST_GOOD_BESIDE_BAD = 100


def require_few_bad(
    good: int, bad: Sequence[tuple[str, str]], *, things: str, strict: bool = False
) -> None:
    """Nothing, unless too many things cannot be read.

    Args:
        good: how many can be.
        bad: `(name, reason)` of those that cannot.
        things: what they are, in the plural.
        strict: refuse any.

    Raises:
        DataError: too many, named with their reasons.
    """
    few = len(bad) <= MOST_BAD_SHARE * (good + len(bad)) and good >= FEWEST_GOOD_BESIDE_BAD
    if not bad or (few and not strict):
        return
    rule = (
        f"Every one of the {things} must be readable (strict)"
        if strict
        else f"At most {MOST_BAD_SHARE:.0%} of the {things} may be unreadable, and at least "
        f"{FEWEST_GOOD_BESIDE_BAD} must be left"
    )
    first = listed([f"{quote(path)}: {why}" for path, why in bad])
    raise DataError(
        f"{rule}; got {len(bad):,} unreadable of {good + len(bad):,}. {first}. "
        "Mend or remove these files."
    )


def skipped_words(bad: Sequence[tuple[str, str]], *, thing: str) -> str:
    """What was left out and why, in a line."""
    reasons = Counter(why for _, why in bad).most_common()
    why = listed([f"{number} {reason}" for reason, number in reasons], most=3)
    return f"{counted(len(bad), thing)} left out: {why}"
