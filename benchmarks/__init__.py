"""Named benchmarks: what zscape reaches, in figures that say how they were had.

Importing this package before torch keeps every benchmark and every peer on one thread: two
spinning threads on a busy machine can be 50 times slower than one.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
