"""An opponent trains under all that is promised of a run."""

import math
from contextlib import nullcontext

import pytest
import torch
from tests.contracts.recipe import DATA

from zscape.model.batch import Batch
from zscape.objective.objective import Critic
from zscape.recipes import aae, factor_vae, vae, vae_gan
from zscape.study.training.batches import Batches, InOrder
from zscape.study.training.capture import Captured, Recorder
from zscape.study.training.guarding import first_bad
from zscape.study.training.memory import footprint
from zscape.study.training.processes import Group
from zscape.study.training.running import Run
from zscape.study.training.stepping import Stepper

BITS, draw = DATA["bits"]
RECIPES = [factor_vae, aae, vae_gan]


def made(recipe, **settings):
    torch.manual_seed(0)
    model, objective = recipe(BITS, latent=3)
    usual = {"learning_rate": 1e-2, "ema": 0.9, "encoder_steps": 0, "key": 3}
    asked = usual | {"precision": "float32", "device": "cpu"} | settings
    return Stepper(model, objective, **asked)


def held(stepper):
    """All that a step may move: weights, statistics and moments of both sides."""
    modules = {"model": stepper.model, "opponents": stepper.opponents}
    found = {f"{of}.{n}": t for of, m in modules.items() for n, t in m.state_dict().items()}
    found |= {n: t for n, t in stepper.tensors().items() if n.startswith("adam")}
    return {name: tensor.clone() for name, tensor in found.items()}


def changed(before, after):
    assert before.keys() == after.keys()
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def batches(count=6):
    generator = torch.Generator().manual_seed(5)
    return [Batch((torch.rand(16, 1, 8, 8, generator=generator) < 0.4).float())] * count


@pytest.mark.parametrize("recipe", RECIPES)
def test_both_sides_move_and_both_are_told(recipe):
    step = made(recipe)
    before = held(step)
    figures = step.advance(batches()[0], 0)
    assert changed(before, held(step)) == {"model", "opponents", "adam", "adams"}
    assert step.names[0] == "loss" and step.names[-1] == "critic"
    assert len(figures) == len(step.names) and figures.isfinite().all()


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_opponent_learns_from_its_own_loss_alone(recipe, monkeypatch):
    (critic,) = made(recipe).objective.critics
    monkeypatch.setattr(
        type(critic),
        "critic_loss",
        lambda self, trace, step: 0 * next(p.sum() for p in self.network.parameters()),
    )
    step = made(recipe)
    before = {n: p.detach().clone() for n, p in step.opponents.named_parameters()}
    for number, batch in enumerate(batches(3)):
        step.advance(batch, number)
    assert all(torch.equal(p, before[n]) for n, p in step.opponents.named_parameters())


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("side", ["model", "opponent"])
def test_a_refused_step_leaves_both(recipe, side, monkeypatch):
    step = made(recipe)
    step.advance(batches()[0], 0)
    batch = batches()[0].clone()
    if side == "model":
        batch.x[0, 0, 0, 0] = math.inf
    else:
        (critic,) = step.objective.critics
        loss = critic.critic_loss
        monkeypatch.setattr(critic, "critic_loss", lambda trace, step: math.nan * loss(trace, step))
        assert first_bad(step.model, step.objective, batch, 1) == "the critic"
    before = held(step)
    figures = step.advance(batch, 1)
    assert changed(before, held(step)) == set()
    assert not figures.any() and step.guard.take()[0] == 1
    monkeypatch.undo()
    step.advance(batches()[0], 2)
    assert changed(before, held(step)) == {"model", "opponents", "adam", "adams"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_parts_of_a_batch_move_both(recipe):
    step = made(recipe)
    step.parts = 4
    before = held(step)
    assert step.advance(batches()[0], 0).isfinite().all()
    assert changed(before, held(step)) == {"model", "opponents", "adam", "adams"}


class Again(Recorder):
    """Replays by computing again."""

    def warm(self, compute, batch):
        return compute(batch)

    def record(self, compute, batch):
        result = torch.zeros(9)
        self.replayed = 0

        def replay():
            self.replayed += 1
            figures = compute(batch)
            result[: len(figures)] = figures

        return replay, result


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recorded_step_is_the_same_one(recipe):
    assert made(recipe).objective.steady
    replayed, plain, recorder = made(recipe), made(recipe), Again()
    replayed.rate = torch.zeros(())
    replayed.captured = Captured(replayed._make, recorder)
    for number, batch in enumerate(batches()):
        replayed.advance(batch, number), plain.advance(batch, number)
    assert recorder.replayed == 3
    for name, tensor in held(plain).items():
        torch.testing.assert_close(held(replayed)[name], tensor)


class Twins(Group):
    """Two processes that happen to do the same."""

    def __init__(self):
        super().__init__()
        self.world, self.numbers, self.shared = 2, 0, 0

    def sum(self, tensor):
        self.numbers = tensor.numel()
        return 2 * tensor

    def share_first(self, tensors):
        self.shared += sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize("recipe", RECIPES)
def test_processes_average_what_moves_an_opponent(recipe):
    group = Twins()
    shared, alone = made(recipe, group=group), made(recipe)
    for number, batch in enumerate(batches(3)):
        shared.advance(batch, number), alone.advance(batch, number)
    for name, tensor in held(alone).items():
        torch.testing.assert_close(held(shared)[name], tensor)
    modules = (alone.model, alone.opponents)
    weights = sum(p.numel() for module in modules for p in module.parameters())
    assert group.numbers > weights and group.shared >= weights


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_footprint_counts_an_opponent_and_leaves_it_as_it_was(recipe):
    torch.manual_seed(0)
    model, objective = recipe(BITS, latent=3)
    network = objective.critics[0].network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    seen = footprint(model, objective, batches()[0][:8], batch=64, autocast=nullcontext())
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    objective.critics = ()
    without = footprint(model, objective, batches()[0][:8], batch=64, autocast=nullcontext())
    own = 4 * sum(p.numel() for p in network.parameters())
    assert seen.weights - without.weights == 5 * own
    assert seen.step >= without.step


def run_of(recipe, **changed):
    torch.manual_seed(0)
    model, objective = recipe(BITS, latent=3)
    x = (torch.rand(64, 1, 8, 8) < 0.4).float()
    settings = {
        "epochs": 4,
        "learning_rate": 1e-3,
        "validation": InOrder(x),
        "patience": 1,
        "ema": 0.9,
        "encoder_steps": 0,
        "precision": "float32",
        "device": "cpu",
    }
    return Run(model, objective, Batches(x, size=16), **settings | changed)


@pytest.mark.parametrize("recipe", RECIPES)
def test_going_back_restores_an_opponent(recipe):
    run = run_of(recipe)
    good = {n: t.clone() for n, t in run.stepper.opponents.state_dict().items()}
    list(run.records())
    assert any(not torch.equal(t, good[n]) for n, t in run.stepper.opponents.state_dict().items())
    run._go_back()
    assert all(torch.equal(t, good[n]) for n, t in run.stepper.opponents.state_dict().items())
    assert not run.stepper.opposing[0].means[0].any()


def test_what_no_figure_ranks_is_trained_to_its_end():
    for recipe, ranks in ((vae, True), (factor_vae, True), (aae, False), (vae_gan, False)):
        run = run_of(recipe, learning_rate=0.3)  # so that no epoch is better than the one before
        records = list(run.records())
        assert run.objective.ranks == ranks
        assert bool(run.stepper.average.best) == ranks
        assert ranks or records[-1].epoch == 4
        assert "validation_distortion" in records[-1].parts


def test_a_word_more_and_no_other():
    assert Critic.__abstractmethods__ == {"__call__", "critic_loss"}
