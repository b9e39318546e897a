"""A bad step never enters the weights, whatever makes it bad."""

import math

import pytest
import torch

import zscape as zs
from zscape.errors import DivergedError
from zscape.recipes import RECIPES
from zscape.study.batches import Batches, Feed, InOrder
from zscape.study.guarding import HIGHEST, NEVER, TIMES, Guard
from zscape.study.running import MOST_REFUSED, Run
from zscape.study.spec import settle
from zscape.study.validating import measure

SMALL = {"latent": 3, "network": "mlp:16"}


class Corrupted(Feed):
    """A feed with one absurd number in one batch of the second epoch."""

    def __init__(self, feed, value):
        self.feed, self.value = feed, value

    def __len__(self):
        return len(self.feed)

    def of(self, epoch, *, start=0):
        for index, x in enumerate(self.feed.of(epoch, start=start), start=start):
            if epoch == 2 and index == 3:
                x = x.clone()
                x[0, 0] = self.value
            yield x


def run_of(recipe, data, feed=None, **options):
    torch.manual_seed(0)
    model, objective = RECIPES[recipe](data.modality, **options)
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
    feed = feed or Batches(data.x, size=64, prepare=data.modality.prepare)
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
    data = zs.look("digits") if recipe == "pixel_vae" else reals
    known = settle(RECIPES[recipe], {})
    options = {"latent": 3} if recipe == "pixel_vae" else SMALL
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


def test_the_limit_follows_the_norms_and_yields_to_a_new_regime():
    guard, figures = Guard("cpu"), torch.ones(2)

    def refused(norm):
        bad = bool(guard.refuse(figures, torch.tensor(norm)))
        guard.move()
        return bad

    assert not any(refused(2.0) for _ in range(50))
    assert guard.limit == 2.0 * TIMES
    assert refused(61.0) and guard.limit == 4.0 * TIMES
    assert refused(math.inf) and refused(math.nan)
    # Gradients a thousand times larger than before are let in after few refusals.
    count = sum(refused(2000.0) for _ in range(20))
    assert 0 < count < MOST_REFUSED
    assert guard.limit < HIGHEST
    for _ in range(200):
        refused(1e-9)
    assert guard.limit == NEVER


def test_what_was_bad_is_named(reals):
    run = run_of("vae", reals, **SMALL)(epochs=20)
    # As a fault of memory may leave it: going back does not help.
    for weights in (run.model.state_dict(), {"": run.good.tensors["model.decoder.network.0.bias"]}):
        list(weights.values())[-1].view(-1)[0] = math.nan
    error = finish(run)
    assert isinstance(error, DivergedError)
    assert "the weight decoder.network." in str(error)
    assert "too many steps were refused even at half the rate" in str(error)
