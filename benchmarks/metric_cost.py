"""What the measures of disentanglement cost on 10,000 codes of 10 units, in CPU time.

The least of some rounds, since other programs only ever add to it.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.figures import Figure, Part, Settings, machine
from zscape.measures.disentanglement import dci, disentanglement, mig

SIZES = (3, 6, 40, 32, 32)  # classes of the factors of dSprites
UNITS = 10


def cost(settings: Settings) -> Iterator[Figure]:
    """MIG, DCI, and all eleven scores in one call."""
    count = 2_000 if settings.quick else 10_000
    codes, factors = _table(count, settings.seed)
    words = (
        f"{count:,} codes of {UNITS} units, five factors of {SIZES} classes, of which noisy "
        f"mixtures are the codes; least CPU time of %d rounds; {machine()}"
    )
    for name, unit, scale, rounds, call in (
        ("mig_ms", "ms", 1e3, 20, lambda: mig(codes, factors)),
        ("dci_seconds", "s", 1.0, 3, lambda: dci(codes, factors)),
        ("all_scores_seconds", "s", 1.0, 2, lambda: disentanglement(codes, factors)),
    ):
        yield Figure(name, scale * _least(call, rounds), unit, "measured", words % rounds)


PARTS: dict[str, Part] = {"cost": cost}


def _table(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    factors = np.stack([generator.integers(0, size, count) for size in SIZES], 1)
    mixing = generator.normal(size=(len(SIZES), UNITS))
    return (factors / SIZES) @ mixing + 0.1 * generator.normal(size=(count, UNITS)), factors


def _least(call: Callable[[], object], rounds: int) -> float:
    spent = []
    call()  # imports are not counted
    for _ in range(rounds):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return min(spent)
