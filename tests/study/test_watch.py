"""What is said of a run while it trains: collapses early, sound starts never."""

import pytest
import torch
from tests.contracts.space import digits

from zscape.recipes import RECIPES
from zscape.study.display import displayed
from zscape.study.training.beginning import train_on
from zscape.study.training.progress import Progress
from zscape.study.training.watch import Watch


def notes(rates, *, active=None):
    watch = Watch()
    said = []
    for step, rate in enumerate(rates):
        parts = {"rate": rate} if active is None else {"rate": rate, "active": active[step]}
        said.append(watch.note(Progress(step, 1, step / 1000, 0.0, parts, 0.0)))
    return said


def test_a_dip_that_rises_again_is_no_alarm():
    # As real runs began: digits, rows, a likelihood of a fixed width, a learned prior.
    for rates in (
        [13.7, 11.1, 7.2, 7.6, 8.1],
        [1.59, 1.07, 0.63, 0.98, 1.49],
        [0.78, 1.44, 1.69],
        [9.9, 3.1, 2.3, 2.7],
        [0.06, 0.08, 0.3, 0.8],
    ):
        assert not any(notes(rates)), rates


def test_a_collapse_is_told_once():
    said = notes([0.3, 0.02, 0.01, 0.01, 0.005])
    assert [bool(line) for line in said] == [False, False, True, False, False]
    assert "collapsing" in said[2] and "0.01 nats" in said[2]


def test_dead_units_make_one_low_record_enough():
    assert notes([0.017], active=[0.0])[0]
    assert not notes([0.017], active=[3.0])[0]
    assert not notes([5.0], active=[0.0])[0]


def test_units_that_carry_something_are_not_dead_though_their_means_do_not_vary_yet():
    parts = {"rate": 0.16, "active": 0.0, "validation_rate_unit_0": 0.02}
    assert not Watch().note(Progress(10, 1, 0.2, 1.0, parts, 0.0))
    assert Watch().note(Progress(10, 1, 0.2, 1.0, parts | {"validation_rate_unit_0": 0.01}, 0.0))


def test_a_code_that_comes_alive_is_told_too():
    said = notes([0.02, 0.01, 0.01, 0.5, 2.0, 0.02, 0.01])
    assert "come alive" in said[4]
    assert said[6]


def test_records_without_a_rate_say_nothing():
    assert Watch().note(Progress(1, 1, 0.0, 0.0, {"distortion": 3.0}, 0.0)) == ""


def run(beta, epochs):
    torch.manual_seed(0)
    data = digits()
    model, objective = RECIPES["vae"](data.modality, latent=8, beta=beta, network="mlp:64")
    return train_on(model, objective, data, epochs=epochs, seed=0)


def test_a_real_collapse_is_told_in_the_first_twentieth_of_the_steps(capsys):
    for record in displayed(run(1000.0, epochs=60), always=True):
        if record.share > 0.05:
            break
    assert "! the code is collapsing" in capsys.readouterr().err


def test_a_sound_run_is_not_disturbed(capsys):
    for _ in displayed(run(1.0, epochs=6), always=True):
        pass
    assert "collaps" not in capsys.readouterr().err


@pytest.mark.parametrize("always", [True, False])
def test_records_pass_unchanged(always):
    records = [Progress(1, 1, 0.1, 2.0, {"rate": 0.001}, 0.0)] * 3
    assert list(displayed(records, always=always)) == records
