import os
import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch
from tests.contracts.recipe import DATA

from zscape.errors import MemoryLimitError
from zscape.model.batch import Batch
from zscape.recipes import vae
from zscape.study.training.memory import Footprint, footprint, require_memory

REALS = DATA["reals"][0]
PEAK = """
import sys, torch
torch.set_num_threads(1)
from contextlib import nullcontext
import numpy as np
from zscape.model.batch import Batch
from zscape.recipes import vae
from zscape.study.training.batches import Batches, InOrder
from zscape.study.data import look
from zscape.study.training.memory import footprint
from zscape.study.training.fitting import fit
network, shape, batch = sys.argv[1], eval(sys.argv[2]), int(sys.argv[3])
draw = np.random.default_rng(0)
pictures = len(shape) == 3
x = draw.integers(0, 2, (2 * batch, *shape)).astype("uint8") if pictures else (
    draw.standard_normal((2 * batch, *shape)).astype("float32"))
data = look(x)
model, objective = vae(data.modality, network=network)
prepare = data.modality.prepare
said = footprint(model, objective, Batch(prepare(data.x[:8])), batch=batch, autocast=nullcontext())
feed = Batches(data.x, size=batch, prepare=prepare)
held = InOrder(data.x[:512], prepare=prepare)
list(fit(model, objective, feed, epochs=2, validation=held))
# Not ru_maxrss, which begins with what the process took that started this one.
lines = open("/proc/self/status").read().splitlines()
print(said.total, int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak")
@pytest.mark.parametrize(
    ("network", "shape", "batch"),
    [("mlp", (1, 28, 28), 4096), ("conv", (1, 32, 32), 512), ("mlp", (30,), 16384)],
)
def test_the_estimate_is_within_a_third_of_the_peak(network, shape, batch):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    asked = [sys.executable, "-c", PEAK, network, str(shape), str(batch)]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    said, peak = map(int, done.stdout.split())
    assert said == pytest.approx(peak, rel=0.3)


STUDY = """
import re, sys, tempfile, torch
torch.set_num_threads(1)
import numpy as np
import zscape as zs
from zscape.study.run import foresee
x = np.random.default_rng(0).integers(0, 2, (300, 28, 28)).astype("uint8") * 255
with tempfile.TemporaryDirectory() as folder:
    study = zs.prepare(x, out=folder + "/s", network="mlp:2500,2500", epochs=1, batch_size=64)
    said = float(re.search(r"([0-9.]+) GB in all", foresee(study)[0])[1])
    for _ in zs.train(study, checkpoint_seconds=0):
        pass
lines = open("/proc/self/status").read().splitlines()
print(said, int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak")
def test_what_a_study_is_told_counts_the_states_that_it_writes():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    asked = [sys.executable, "-c", STUDY]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    said, peak = map(float, done.stdout.split())
    assert said == pytest.approx(peak, rel=0.3)


def seen(batch, **options):
    torch.manual_seed(0)
    model, objective = vae(REALS, latent=3, **options)
    x = torch.randn(8, 5)
    return footprint(model, objective, Batch(x), batch=batch, autocast=nullcontext())


def test_a_step_grows_in_proportion_to_a_large_batch():
    small, large = (seen(size, network="mlp:256") for size in (10_000, 20_000))
    assert large.step == pytest.approx(2 * small.step, rel=0.05)
    assert large.weights == small.weights
    hidden = 2 * 256 * 4  # bytes of a layer each way
    assert large.step > 20_000 * hidden


def test_looking_ahead_changes_nothing():
    model, objective = vae(REALS, latent=3, beta="auto", likelihood="gaussian_optimal")
    before = {name: t.clone() for name, t in model.state_dict().items()}
    memory = str(objective.memories[0].state_dict())
    footprint(model.eval(), objective, Batch(torch.randn(8, 5)), batch=64, autocast=nullcontext())

    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert str(objective.memories[0].state_dict()) == memory
    assert not model.training and all(p.grad is None for p in model.parameters())


def test_what_cannot_fit_is_refused_with_a_setting_and_what_may_not_is_warned_of():
    needed = Footprint(weights=10 * 2**20, data=2**20, step=2**30, process=2**28)
    with pytest.raises(MemoryLimitError, match=r"free, 512 MB, .* 1\.0 GB.*Lower --batch-size"):
        require_memory(needed, 2**29)
    assert "Lower --batch-size" in require_memory(needed, 2**30)
    assert require_memory(needed, 2**31) == ""
    assert "part of the data" in require_memory(Footprint(1, 2**31, 1, 0), 2**31 - 1)
    assert "--network" in require_memory(Footprint(2**31, 1, 1, 0), 2**31 - 1)
    assert needed.told(2**31).startswith("memory: about 1.0 GB more")
