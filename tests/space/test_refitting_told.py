"""A refitted prior of a model that is told something sees it, and leads by it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.neighbors import KNeighborsClassifier
from tests.contracts.space import digits

import zscape as zs
from zscape.errors import DataError, SpecError, StudyError
from zscape.measures.priors import _rates
from zscape.space.refitting import parts, refit_prior

pytestmark = pytest.mark.slow


@cache
def told():
    settings = {"latent": 4, "network": "mlp:64", "epochs": 40, "learning_rate": 5e-3}
    settings |= {"beta": 0.2, "patience": 0}
    return zs.fit(digits(), recipe="conditional_vae", **settings)


@cache
def refitted(kind, guidance=1.0):
    few = {"components": 4 * (kind == "diffusion"), "updates": 200}
    return refit_prior(told(), kind, guidance=guidance, **few)


def test_it_is_told_what_training_was_told():
    assert torch.equal(told().told[:, 0], torch.from_numpy(told().labels).float())


@pytest.mark.parametrize("kind", ["flow", "diffusion"])
def test_the_rate_falls_and_samples_are_of_the_class_asked_for(kind):
    after = refitted(kind)
    gain = _rates(told(), after, parts(told())[2], 0)[1].figures[1]
    assert gain.value > 3 * gain.error
    nearest = KNeighborsClassifier(5).fit(told().items.flatten(1), told().labels)
    for name in ("0", "6"):
        made = after.sample_tensor(100, where={"label": name}, seed=0)
        assert (nearest.predict(255 * made.flatten(1)) == int(name)).mean() > 0.9


def test_who_is_told_nothing_is_led_nowhere():
    model = refitted("diffusion", 3.0).model
    level, start = model.levels[0], model.start(None, torch.zeros(500))
    drawn = []
    for context in (start, start[:, :0]):
        torch.manual_seed(0)
        drawn.append(level.prior.forward(context).sample())
    torch.testing.assert_close(drawn[0], drawn[1])


def test_what_cannot_be_is_refused():
    with pytest.raises(SpecError, match=r"sees it \(diffusion or flow\), got 'mixture'"):
        refit_prior(told(), "mixture")
    with pytest.raises(SpecError, match=r"told label.* Leave out by"):
        refit_prior(told(), "diffusion", by="label")
    with pytest.raises(DataError, match="before that was kept"):
        refit_prior(replace(told(), told=None), "flow", updates=1)


def test_a_study_keeps_it_and_refuses_classes_that_there_are_not(tmp_path):
    path, rows = tmp_path / "s", np.random.default_rng(0).normal(size=(60, 2))
    told = {"labels": ["left", "right"] * 30, "recipe": "conditional_vae"}
    space = zs.fit(rows, out=path, epochs=1, latent=2, **told)
    assert torch.equal(zs.open(path).told, space.told)
    items = load_file(path / "items.safetensors")
    items["told"][0, 0] = 7
    study = zs.Study.open(path)
    save_file(items, tmp_path / "items.safetensors")
    study.add({"items.safetensors": (tmp_path / "items.safetensors").read_bytes()})
    with pytest.raises(StudyError, match="what the model was told"):
        zs.open(path)
