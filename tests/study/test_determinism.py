"""The same seed, the same batches and weights, whatever else differs between two machines' runs."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from zscape.study.training.batches import Batches

pytestmark = pytest.mark.slow

CHILD = """
import hashlib, json, sys, torch, zscape as zs
from zscape.recipes import RECIPES
from zscape.study.training.beginning import begin, settle_training

def sha(*tensors):
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()

torch.set_num_threads(int(sys.argv[2]))
data = zs.look(sys.argv[1])
torch.manual_seed(0)
model, objective = RECIPES["vae"](data.modality, latent=2, network="mlp:8")
run = begin(model, objective, data, **settle_training({"epochs": 2, "batch_size": 16}))
stream = sha(*(batch.x for epoch in (1, 2) for batch in run.feed.of(epoch)))
for _ in run.records():
    pass
run.settle()
print(json.dumps([stream, sha(*model.parameters())]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    drawn = np.random.default_rng(0)
    pictures = {
        f"{kind}/{n}.png": drawn.integers(0, 256, (8, 8)) for kind in "ab" for n in range(40)
    }
    folders = []
    for order in (sorted(pictures), sorted(pictures, reverse=True)):  # of making, so of the disk
        folders.append(tmp_path_factory.mktemp("same") / "pictures")
        for name in order:
            path = folders[-1] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pictures[name].astype(np.uint8)).save(path)
    return folders


def hashes(path, threads, **env):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(threads)],
        env={**os.environ, **env},
        capture_output=True,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout)


def test_batches_and_weights_follow_from_seed_and_data_alone(folder):
    usual = hashes(folder[0], 1, PYTHONHASHSEED="0")
    other = hashes(folder[1], 1, PYTHONHASHSEED="7", LC_ALL="C", PYTHONUTF8="0", TZ="Asia/Tokyo")
    assert other == usual
    assert hashes(folder[0], 2)[0] == usual[0]  # weights are promised for one number of threads


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_stream_is_the_same_for_any_number_of_workers(world):
    x = torch.arange(1000, dtype=torch.uint8)[:, None]
    parts = [Batches(x, size=64, seed=5, rank=rank, world=world) for rank in range(world)]
    found = hashlib.sha256()
    for shares in zip(*(part.of(3) for part in parts), strict=True):
        batch = torch.empty(64, 1)
        for rank, share in enumerate(shares):
            batch[rank::world] = share.x
        found.update(batch.numpy().tobytes())
    assert found.hexdigest().startswith("85a0056e3121fcc9")  # on any machine
