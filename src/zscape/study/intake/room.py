"""How much a file may unpack to: what this machine has room for, and no bomb."""

import os
from pathlib import Path

from zscape.errors import DataError

MOST_BYTES = 4 * 2**30
SHARE = 4  # the memory that is free, over what a file may take: it is held more than once
TEXT_SHARE = 20  # likewise of text, whose cells are things of Python on their way to a table
BOMB_BYTES = 512 * 2**20  # below this any ratio is fair
BOMB_RATIO = 200  # unpacked over packed; pictures of pure black reach 100, zeros 1,000


def most_bytes(share: int = SHARE) -> int:
    """The bytes that one file may take in memory, 4 GB at most."""
    return min(MOST_BYTES, free_memory() // share)


def require_room(shown: str, *, packed: int, unpacked: int, share: int = SHARE) -> None:
    """Refuses a file that unpacks to more than there is room for, or that looks like a bomb.

    Args:
        shown: its name.
        packed: its bytes on the disk.
        unpacked: its bytes in memory, as it declares them.
        share: how many times as much must be free.

    Raises:
        DataError: it does.
    """
    most = most_bytes(share)
    if unpacked > most:
        raise DataError(
            f"{shown} must hold at most {most >> 20:,} MB, got {_megabytes(unpacked)}. Pass a part "
            "of it, or split it into a folder of part-*.parquet, which is streamed."
        )
    if unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed:
        raise DataError(
            f"{shown} must unpack to at most {BOMB_RATIO} times its size, got {packed:,} bytes "
            f"that become {_megabytes(unpacked)}. If that is no mistake, unpack it first."
        )


def _megabytes(size: int) -> str:
    return f"{size >> 20:,} MB" if size >= 2**20 else f"{size:,} bytes"


def free_memory() -> int:
    """Bytes of memory that are free, as far as the system says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        known = dict(line.split(":", 1) for line in lines)
        return int(known["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError, AttributeError):
        return SHARE * MOST_BYTES
