import subprocess
import sys

import pytest

from zscape.study.training.allocation import keep_freed_memory

FAULTS = """
import resource, sys, torch
from zscape.study.training.allocation import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    print(-1)
    sys.exit()
x = torch.ones(2**19)
def step():
    for _ in range(20):
        y = (x + 1) * x
        z = y.exp() - y
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word):
    asked = [sys.executable, "-c", FAULTS, word]
    environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts of faults as on Linux")
def test_what_is_freed_is_not_cleared_anew():
    kept = faults("kept")
    if kept == -1:
        pytest.skip("another C library")
    assert kept < 100


def test_another_system_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
