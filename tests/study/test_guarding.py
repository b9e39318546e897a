"""A bad step never enters the weights, whatever makes it bad."""

import math

import numpy as np
import pytest
import torch
from tests.contracts.recipe import PICTURES_ONLY, built
from torch import nn

import zscape as zs
from zscape.errors import DivergedError
from zscape.recipes import RECIPES
from zscape.study.spec import settle
from zscape.study.training.adam import Adam
from zscape.study.training.batches import Batches, Feed, InOrder
from zscape.study.training.guarding import HIGHEST, NEVER, TIMES, Guard
from zscape.study.training.running import Run
from zscape.study.training.validating import measure

pytestmark = pytest.mark.slow

SMALL = {"latent": 3, "network": "mlp:16"}


class Corrupted(Feed):
    """A feed with one absurd number in one batch of the second epoch."""

    def __init__(self, feed, value):
        self.feed, self.value = feed, value

    def __len__(self):
        return len(self.feed)

    def of(self, epoch, *, start=0):
        for index, batch in enumerate(self.feed.of(epoch, start=start), start=start):
            if epoch == 2 and index == 3:
                batch = batch.clone()
                batch.x[0, 0] = self.value
            yield batch


def run_of(recipe, data, feed=None, **options):
    torch.manual_seed(0)
    model, objective, context = built(RECIPES[recipe], data.modality, **options)
    told = context if context is None else context[torch.arange(len(data.x)) % len(context)]
    settings = {
        "epochs": 8,
        "learning_rate": 1e-3,
        "validation": None,
        "patience": 0,
        "ema": 0.99,
        "encoder_steps": 0,
        "precision": "float32",
        "device": "cpu",
    }
    feed = feed or Batches(data.x, size=64, prepare=data.modality.prepare, context=told)
    return lambda **changed: Run(model, objective, feed, **settings | changed)


def finish(run):
    try:
        return list(run.records())
    except DivergedError as error:
        return error


def assert_finite(run):
    for name, tensor in run.state().tensors.items():
        assert tensor.isfinite().all(), name


@pytest.fixture(scope="module")
def reals():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(640, 3, generator=generator) @ torch.randn(3, 6, generator=generator)
    return zs.look((x + 0.1 * torch.randn(640, 6, generator=generator)).numpy())


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_an_absurd_rate_ends_with_finite_weights(recipe, reals):
    data = zs.look("digits") if recipe in PICTURES_ONLY else reals
    known = settle(RECIPES[recipe], {})
    own = {"pixel_vae": {"latent": 3}, "ladder_vae": {"latent": 3, "network": "tiny"}}
    options = own.get(recipe, SMALL)
    if "steps" in known:
        options = options | {"steps": 20}
    run = run_of(recipe, data, **options)(learning_rate=1e20, epochs=3)
    finish(run)
    assert_finite(run)


@pytest.mark.parametrize("value", [1e30, -3e38, math.inf])
def test_one_absurd_number_costs_one_step(value, reals):
    elbos = []
    for made in (None, value):
        feed = Batches(reals.x, size=64, prepare=reals.modality.prepare)
        run = run_of("vae", reals, feed if made is None else Corrupted(feed, made), **SMALL)(
            learning_rate=5e-3, epochs=40
        )
        records = finish(run)
        assert_finite(run)
        refused = sum(record.parts.get("refused", 0) for record in records)
        assert refused == (0 if made is None else 1)
        run.settle()
        held = InOrder(reals.x, prepare=reals.modality.prepare)
        elbos.append(measure(run.model, run.objective, held, step=0)["validation_elbo"])
    assert elbos[1] == pytest.approx(elbos[0], rel=0.01)


@pytest.mark.parametrize("shift", [-200.0, 200.0])
def test_absurd_posterior_variances_are_outlived(shift, reals):
    run = run_of("vae", reals, **SMALL)()
    with torch.no_grad():
        run.model.levels[0].posterior.linear.bias[3:] += shift
    finish(run)
    assert_finite(run)


def test_a_block_a_million_times_too_large_is_outlived(reals):
    run = run_of("vae", reals, **SMALL)()
    with torch.no_grad():
        for parameter in run.model.encoder.parameters():
            parameter.mul_(1e6)
    finish(run)
    assert_finite(run)


def test_long_gradients_are_shortened_to_a_limit_that_follows_the_norms():
    guard, figures = Guard("cpu"), torch.ones(2)

    def judged(norm):
        bad, excess = guard.judge(figures, torch.tensor(norm))
        guard.move()
        return bool(bad), float(excess)

    assert all(judged(2.0) == (False, 1.0) for _ in range(50))
    assert guard.limit == 2.0 * TIMES
    assert judged(120.0) == (False, 2.0)
    assert judged(math.inf)[0] and judged(math.nan)[0]
    assert guard.take() == (2, 2, 1)
    # Gradients a thousand times larger than before are whole again after a hundred steps.
    assert [judged(2000.0)[1] > 1 for _ in range(100)][-1] is False
    assert guard.limit < HIGHEST
    for _ in range(200):
        judged(1e-9)
    assert guard.limit == NEVER


def test_the_optimiser_divides_by_the_excess():
    made = []
    for gradient, excess in ((3.0, 1.0), (300.0, 100.0)):
        weight = nn.Parameter(torch.ones(20))
        adam = Adam([[weight]])
        weight.grad.fill_(gradient)
        adam.step(0.1, refused=torch.tensor(0.0), excess=torch.tensor(excess))
        made.append((weight.detach().clone(), adam.squares[0].clone()))
    assert torch.equal(made[0][0], made[1][0]) and torch.equal(made[0][1], made[1][1])


@pytest.mark.parametrize("draw", ["outliers", "lognormal", "cauchy"])
def test_heavy_tails_do_not_end_a_run(draw):
    random = np.random.default_rng(0)
    x = random.standard_normal((2000, 6))
    if draw == "outliers":
        x[random.random(2000) < 0.01] *= 100
    x = {"outliers": x, "lognormal": np.exp(2 * x), "cauchy": random.standard_cauchy((2000, 6))}[
        draw
    ]
    data = zs.look(x)
    feed = Batches(data.x, size=8, prepare=data.modality.prepare)
    records = finish(run_of("vae", data, feed, **SMALL)(epochs=4))
    assert isinstance(records, list)
    assert not any("refused" in record.parts for record in records)
    assert any("shortened" in record.parts for record in records)


@pytest.mark.parametrize("options", [{"beta": "auto"}, {"target_rate": 3.0}, {"mean_scale": 0.6}])
def test_a_refused_step_leaves_no_trace_in_what_is_remembered(options, reals):
    feed = Batches(reals.x, size=64, prepare=reals.modality.prepare)
    held = InOrder(reals.x[:100], prepare=reals.modality.prepare)
    run = run_of("vae", reals, Corrupted(feed, math.inf), **SMALL, **options)(validation=held)
    records = finish(run)
    assert isinstance(records, list)
    assert sum(record.parts.get("refused", 0) for record in records) == 1
    assert_finite(run)
    elbos = [r.parts["validation_elbo"] for r in records if "validation_elbo" in r.parts]
    assert all(math.isfinite(elbo) for elbo in elbos) and elbos[-1] > elbos[0]


def test_what_was_bad_is_named(reals):
    run = run_of("vae", reals, **SMALL)(epochs=20)
    # As a fault of memory may leave it: going back does not help.
    for weights in (run.model.state_dict(), {"": run.good.tensors["model.decoder.network.0.bias"]}):
        list(weights.values())[-1].view(-1)[0] = math.nan
    error = finish(run)
    assert isinstance(error, DivergedError)
    assert "the weight decoder.network." in str(error)
    assert "too many steps were refused even at half the rate" in str(error)
