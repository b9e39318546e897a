"""Rules about code books: are their codes used?"""

from zscape.measures.doctor.code_rules import known
from zscape.measures.doctor.findings import SERIOUS, WARNING, Finding, Remedy
from zscape.measures.doctor.vitals import Vitals

FEW, HARDLY_ANY = 0.5, 0.1  # of a book: below that share it is too large, or has collapsed
ENOUGH = 10  # codes counted for each code of the book, of which a code that is missing is dead


def unused_codes(v: Vitals) -> Finding | None:
    """Most codes of a book are never chosen: it has collapsed."""
    judged = [usage for usage in v.books if usage.seen >= ENOUGH * usage.size]
    worst = min(judged, key=lambda usage: usage.used.value or 0.0, default=None)
    if worst is None or (worst.used.value or 0.0) >= FEW:
        return None
    share, used = worst.used.value or 0.0, round((worst.used.value or 0.0) * worst.size)
    return Finding(
        "codebook collapse",
        SERIOUS if share < HARDLY_ANY else WARNING,
        f"The codebook has collapsed: {used} of {worst.size} codes are used, over {worst.seen:,} "
        "that were chosen.",
        (worst.perplexity, worst.used, worst.dead),
        _cause(v),
        known(v, _remedies(v, used)),
    )


def _cause(v: Vitals) -> str:
    if v.options.get("revive") is False:
        return "codes that lie where no vector comes are never chosen, and so never move."
    if "levels" in v.options:
        return "the encoder has not learned to reach all levels yet, or needs fewer of them."
    if v.steps is not None and v.steps < 2 * int(v.options.get("start_at", 0)):
        return "training ended before the codes found their places."
    return "the data need fewer codes, or the encoder learned to do with few."


def _remedies(v: Vitals, used: int) -> list[Remedy]:
    remedies = []
    if v.options.get("revive") is False:
        remedies.append(Remedy("revive", True, "puts dead codes where the encoder's vectors are"))
    if v.options.get("start_at") == 0:
        remedies.append(Remedy("start_at", 100, "puts all codes at clusters of what is encoded"))
    fewer = 1 << max(used - 1, 1).bit_length()
    remedies.append(Remedy("codes", fewer, "as many codes as are used"))
    if v.recipe != "fsq_vae":
        remedies.append(Remedy("recipe", "fsq_vae", "has no codebook that could collapse"))
    return remedies
