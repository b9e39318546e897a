"""How the C library hands out memory in training; it knows no tensors."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in glibc's malloc.h
_KEPT = 2**28  # bytes that are free at the end of the heap before any go back to the system
_HEAP = 2**25  # bytes, the most that glibc allows, from which a piece is mapped by itself


def keep_freed_memory() -> bool:
    """Lets this process keep the memory that a step frees, as the next step asks for it again.

    Otherwise tensors over 128 KiB come from the system and go back to it in every step, each page
    of them cleared anew: a tenth of a step on 2,000 counts. Only glibc has this; returns whether.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(set_option(_MMAP_THRESHOLD, _HEAP)) and bool(set_option(_TRIM_THRESHOLD, _KEPT))
