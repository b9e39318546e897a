"""Two processes do what one does; when one dies, the group ends and goes on later."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from zscape.errors import SpecError
from zscape.model.batch import joined
from zscape.study.checkpoints import last_checkpoint
from zscape.study.study import WEIGHTS
from zscape.study.training.batches import Batches
from zscape.study.training.processes import ALONE, join

pytest.importorskip("lightning_fabric")
pytestmark = pytest.mark.slow

# Without noise of its own, an autoencoder does not notice how many processes train it.
COMMON = ("digits", "--recipe", "ae", "--network", "mlp:16", "--latent", "2", "--batch-size", "61")


def started(*words):
    command = [sys.executable, "-m", "zscape", "train", *map(str, words)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=env)


def run(*words):
    done = started(*words)
    out, err = done.communicate(timeout=300)
    return done.returncode, out.decode(), err.decode()


def losses(folder):
    return [json.loads(line)["loss"] for line in read_lines(folder)]


def test_a_batch_is_shared_out_whole():
    x = torch.arange(100.0)[:, None]
    whole = Batches(x, size=31, seed=3)
    parts = [Batches(x, size=31, seed=3, rank=rank, world=3) for rank in range(3)]
    for batch, *shares in zip(whole.of(2), *(part.of(2) for part in parts), strict=True):
        assert [len(share) for share in shares] == [11, 10, 10]
        assert torch.equal(joined(shares).x.sort(0).values, batch.x.sort(0).values)


def test_alone_nothing_is_told():
    assert join() is ALONE
    x = torch.ones(3)
    assert ALONE.sum(x) is x and ALONE.from_first(x) is x and ALONE.device == "auto"
    with pytest.raises(SpecError, match="at least 1, got 0"):
        join(0)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two processes that trained for three epochs, and what they printed."""
    folder = tmp_path_factory.mktemp("two") / "study"
    return folder, run(*COMMON, "--epochs", 3, "--out", folder, "--devices", 2)


def test_two_processes_train_as_one(two, tmp_path):
    folder, (code, out, err) = two
    assert code == 0, err
    assert run(*COMMON, "--epochs", 3, "--out", tmp_path / "one")[0] == 0
    assert "training in 2 processes" in err and out.count("The study is in") == 1
    assert losses(folder) == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    one, both = (load_file(path / "weights.safetensors") for path in (tmp_path / "one", folder))
    for name, tensor in one.items():
        torch.testing.assert_close(both[name], tensor, rtol=1e-3, atol=1e-4)


def test_an_uneven_batch_goes_on_to_the_same_bits(two, tmp_path):
    """61 rows a batch are shared out unevenly; both processes must still hold the same weights."""
    parts = tmp_path / "parts"
    assert run(*COMMON, "--devices", 2, "--epochs", 2, "--out", parts)[0] == 0
    assert run("--resume", parts, "--epochs", 3, "--devices", 2)[0] == 0
    assert (parts / WEIGHTS).read_bytes() == (two[0] / WEIGHTS).read_bytes()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_group_which_goes_on_with_another_number(rank, tmp_path):
    folder = tmp_path / "study"
    words = (*COMMON, "--out", folder, "--patience", 0, "--checkpoint-seconds", 0)
    done = started(*words, "--epochs", 100_000, "--devices", 2)
    wait_for_steps(folder, 60)
    killed = done.pid if rank == 0 else child_of(done.pid)
    os.kill(killed, signal.SIGKILL)
    _, err = done.communicate(timeout=300)
    assert done.returncode == (-signal.SIGKILL if rank == 0 else 70), err.decode()
    assert b"one is gone" in err and b"--resume" in err and b"Traceback" not in err
    state = last_checkpoint(folder).state
    assert all(tensor.isfinite().all() for tensor in state.tensors.values())
    epochs = state.plain["epoch"] + 1
    code, _, err = run("--resume", folder, "--epochs", epochs)
    assert code == 0, err
    assert f"goes on from step {state.plain['step']:,}" in err
    steps = [json.loads(line)["step"] for line in read_lines(folder)]
    assert steps == sorted(steps)


def wait_for_steps(folder, steps):
    limit = time.monotonic() + 300
    while time.monotonic() < limit:
        start = last_checkpoint(folder) if (folder / "checkpoints").is_dir() else None
        if start is not None and start.state.plain["step"] >= steps:
            return
        time.sleep(0.1)
    raise TimeoutError


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        (child,) = children.read().split()
    return int(child)


def read_lines(folder):
    return (folder / "training.jsonl").read_text().splitlines()
