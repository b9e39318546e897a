"""Failpoints strike where and when the plan says, and nowhere else."""

import errno
import os
import signal
import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from zscape.errors import SpecError
from zscape.study.storage import failpoints
from zscape.study.storage.failpoints import arm, reach, struck

SOURCE = str(Path(__file__).parents[2] / "src")


@pytest.fixture(autouse=True)
def disarmed():
    yield
    arm("")


def counted(name, times):
    """At which of so many times the place raised."""
    raised = []
    for time in range(1, times + 1):
        try:
            reach(name)
        except OSError:
            raised.append(time)
    return raised


def test_a_fault_strikes_the_time_it_names():
    arm("a=enospc@3;b.after=eio;c=eio@2+")
    assert counted("a", 6) == [3]
    assert counted("b.after", 3) == [1]
    assert counted("c", 4) == [2, 3, 4]
    assert counted("elsewhere", 3) == []


def test_the_errors_are_the_system_s():
    arm("a=enospc;b=eio;c=oom")
    with pytest.raises(OSError) as full:
        reach("a")
    assert full.value.errno == errno.ENOSPC and full.value.strerror
    with pytest.raises(OSError) as broken:
        reach("b")
    assert broken.value.errno == errno.EIO
    with pytest.raises(MemoryError):
        reach("c")


def test_a_step_that_is_struck_counts_apart_from_one_that_is_reached():
    arm("step=nan@2;step=oom@4")
    struck_at, raised_at = [], []
    for time in range(1, 6):
        try:
            reach("step")
        except MemoryError:
            raised_at.append(time)
        if struck("step"):
            struck_at.append(time)
    assert (struck_at, raised_at) == ([2], [4])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_come(number):
    came = []
    before = signal.signal(number, lambda *_: came.append(1))
    try:
        arm(f"step={signal.Signals(number).name.lower()}")
        reach("step")
    finally:
        signal.signal(number, before)
    assert came == [1]


@pytest.mark.parametrize("plan", ["a", "a=b", "a=eio@0", "a=eio@x", "A=eio", "=eio", "a=eio@1;x"])
def test_a_plan_that_cannot_be_read_is_refused(plan):
    with pytest.raises(SpecError, match="ZSCAPE_FAILPOINT"):
        arm(plan)


def ended(plan, *, testing):
    code = (
        "from zscape.study.storage.failpoints import reach; reach('a'); reach('a'); print('alive')"
    )
    environment = {**os.environ, "PYTHONPATH": SOURCE, "ZSCAPE_FAILPOINT": plan}
    environment["ZSCAPE_TESTING"] = testing
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    return done.returncode


def test_the_environment_counts_in_tests_only():
    assert ended("a=kill9@2", testing="1") == -signal.SIGKILL
    assert ended("a=exit@2", testing="1") == 1
    assert ended("a=kill9@2", testing="") == 0


def test_unarmed_it_costs_nothing_to_speak_of():
    assert failpoints._faults is None
    assert min(timeit.repeat(lambda: reach("step"), number=10_000, repeat=5)) < 0.02
