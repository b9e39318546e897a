"""Ctrl-C, SIGTERM, a closed terminal, no memory, a clock that jumps: the state is kept."""

import signal
import time

import pytest
from tests.faults.harness import KILLED
from tests.faults.lives import contents, differences, go_on, history, revive, train

from zscape.study.checkpoints import last_checkpoint

LONG = ("--epochs", "4000", "--latent", "2", "--network", "mlp:8", "--patience", "0")

pytestmark = pytest.mark.slow


def begun_and_training(ward, study):
    """A long training that has come past its first records."""
    begun = ward.runner.start(["train", ward.data, "--out", study, *LONG])
    log, deadline = study / "training.jsonl", time.monotonic() + 300
    while not (log.is_file() and log.read_bytes().count(b"\n") > 3):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return begun


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        ("step=sigint@25", 130),
        ("step=sigterm@25", 143),
        ("step=sighup@25", 129),
        ("file.mid_write=sigterm@9", 143),
        ("checkpoint.before_rename=sigint@2", 130),
        ("checkpoint.before_delete=sigterm@1", 143),
        ("log.mid_append=sigint@3", 130),
    ],
)
def test_a_signal_keeps_the_state_and_changes_nothing(plan, code, ward, tmp_path):
    study = ward.folder / plan.replace("=", "-")
    ended = train(ward.runner, ward.data, study, plan=plan)
    assert (ended.code, ended.traceback) == (code, False), ended.err
    start = last_checkpoint(study)
    assert start.state.plain["step"] >= history(study)[-1]["step"] if history(study) else True
    assert go_on(ward.runner, study).code == 0
    assert differences(ward.whole, contents(study)) == []


@pytest.mark.parametrize(
    ("number", "code", "most"), [(signal.SIGINT, 130, 5), (signal.SIGTERM, 143, 10)]
)
def test_a_signal_from_outside_ends_a_long_training(number, code, most, ward, tmp_path):
    begun = begun_and_training(ward, tmp_path / "study")
    sent = time.monotonic()
    begun.signal(number)
    ended = ward.runner.wait(begun)
    assert time.monotonic() - sent < most
    assert (ended.code, ended.traceback) == (code, False)
    last = history(tmp_path / "study")[-1]
    assert last_checkpoint(tmp_path / "study").state.plain["step"] >= last["step"]


def test_a_second_signal_ends_at_once(ward, tmp_path):
    begun = begun_and_training(ward, tmp_path / "study")
    begun.signal(signal.SIGINT)
    time.sleep(0.05)
    sent = time.monotonic()
    begun.signal(signal.SIGINT)
    ended = ward.runner.wait(begun)
    assert time.monotonic() - sent < 1
    assert (ended.code, ended.traceback) == (130, False)
    assert last_checkpoint(tmp_path / "study") is not None


@pytest.mark.parametrize("step", [1, 25])
def test_no_memory_in_a_step_is_a_sentence_and_the_state_is_kept(step, ward):
    study = ward.folder / f"memory{step}"
    ended = train(ward.runner, ward.data, study, plan=f"step=oom@{step}+")
    assert (ended.code, ended.traceback) == (71, False), ended.err
    assert "memory" in ended.err
    assert last_checkpoint(study).notes == ()
    assert revive(ward.runner, ward.data, study).code == 0
    assert differences(ward.whole, contents(study)) == []


def test_a_limit_of_memory_is_a_sentence(ward, tmp_path):
    # A network of 64 MB, its average, moments and gradient do not fit in 150.
    words = ["train", ward.data, "--out", tmp_path / "study", "--network", "mlp:4000,4000"]
    ended = ward.runner.run(words, memory=150 * 2**20)
    assert (ended.code, ended.traceback) == (71, False), ended.err


def test_a_kill_while_no_memory_is_left_is_survived(ward):
    study = ward.folder / "both"
    plan = "step=oom@25+;file.mid_write=kill9@12"
    assert train(ward.runner, ward.data, study, plan=plan).code in (KILLED, 71)
    assert revive(ward.runner, ward.data, study).code == 0
    assert differences(ward.whole, contents(study)) == []


@pytest.mark.parametrize("jump", [1e6, -1e6])
def test_a_clock_that_jumps_changes_nothing(jump, tmp_path, monkeypatch):
    import zscape as zs

    def trained(folder):
        study = zs.prepare("digits", out=folder, latent=2, network="mlp:8", epochs=2)
        for record in zs.train(study, checkpoint_seconds=1e9):
            if record.step >= 50:
                monkeypatch.setattr(time, "time", lambda now=time.time: now() + jump)
                # This one never goes back, and leaps when a machine was asleep.
                monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 1e6)
        monkeypatch.undo()
        return contents(folder)

    assert differences(trained(tmp_path / "a"), trained(tmp_path / "b")) == []
