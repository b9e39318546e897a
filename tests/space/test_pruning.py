"""Pruning: planted units that say nothing go, and nothing is lost; others are counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zscape.errors import SpecError
from zscape.model.bound import elbo
from zscape.model.codes import Codes
from zscape.recipes import RECIPES
from zscape.space.pruning import prune
from zscape.space.units import unit_rates
from zscape.study.data import look
from zscape.study.run import fit

ITEMS = (np.random.default_rng(0).random((60, 12, 12)) * 255).astype("uint8")


def spaced(recipe="vae", **options):
    """An untrained space whose odd units are dead: q = p, and the decoder does not hear them."""
    options = {"latent": 6, **options}
    space = fit(ITEMS, recipe=recipe, epochs=1, seed=0, **options)
    return space


def kill(space, units):
    level = space.model.levels[0]
    latent = space.codes.flat.shape[1]
    with torch.no_grad():
        for unit in units:
            for row in (unit, unit + latent):
                level.posterior.linear.weight[row] = 0
                level.posterior.linear.bias[row] = 0
    z = space.codes["z"].clone()
    z[:, units] = 0
    return replace(space, codes=Codes({"z": z}))


@pytest.mark.parametrize("network", ["mlp", "mlp:32", "conv", "residual", "coordinate"])
def test_dead_units_go_and_nothing_changes(network):
    space = kill(spaced(network=network), [1, 4])
    pruned = prune(space, 1.0)
    assert pruned.units == (0, 2, 3, 5)
    assert pruned.share == pytest.approx(1)
    with torch.inference_mode():
        x = space.modality.prepare(space.items[:9])
        whole, part = space.model.encode(x), pruned.space.model.encode(x)
    torch.testing.assert_close(part["z"].z, whole["z"].z[:, [0, 2, 3, 5]])
    torch.testing.assert_close(part.likelihood.mean, whole.likelihood.mean)
    assert pruned.weights[1] < pruned.weights[0]


def test_what_the_loss_of_units_costs_is_the_difference_of_both_bounds():
    space = spaced()
    rates = unit_rates(space)
    keep = float(rates.sort(descending=True).values[:3].sum() / rates.sum()) - 1e-6
    pruned = prune(space, keep)
    assert len(pruned.units) == 3
    x = space.modality.prepare(space.items[space.held_out])
    with torch.inference_mode():
        before = elbo(space.model(x, draws=3000)).mean()
        after = elbo(pruned.space.model(x, draws=3000)).mean()
    assert pruned.before == pytest.approx(float(before), abs=5.0)
    assert pruned.change == pytest.approx(float(after - before), abs=3 * pruned.error)


def test_the_smaller_model_is_that_of_the_recipe_with_fewer_units():
    space = kill(spaced(mean_scale=0.5), [])
    pruned = prune(space, 0.6)
    model, _ = RECIPES["vae"](space.modality, latent=len(pruned.units), mean_scale=0.5)
    model.load_state_dict(pruned.space.model.state_dict())
    x = space.modality.prepare(space.items[:5])
    with torch.inference_mode():
        one, other = model.eval().encode(x), pruned.space.model.encode(x)
    assert torch.equal(one["z"].z, other["z"].z)


def test_the_codes_are_those_of_the_units_that_stay():
    space = spaced()
    pruned = prune(space, 0.7)
    torch.testing.assert_close(pruned.space.codes.flat, space.codes.flat[:, list(pruned.units)])
    torch.testing.assert_close(pruned.space.encode(ITEMS[:4]).flat, pruned.space.codes.flat[:4])


@pytest.mark.parametrize("keep", [0.0, -1.0, 1.01, float("nan")])
def test_a_share_that_cannot_be_is_refused(keep):
    with pytest.raises(SpecError, match="keep must be above 0"):
        prune(spaced(), keep)


@pytest.mark.parametrize("recipe", ["ae", "flow_vae", "mixture_vae"])
def test_models_whose_units_are_not_apart_are_refused(recipe):
    with pytest.raises(SpecError, match="A space that is pruned must have"):
        prune(spaced(recipe))


def test_rows_are_pruned_too():
    rows = look(np.random.default_rng(0).standard_normal((80, 5)).astype("float32"))
    space = fit(rows, latent=4, epochs=1, seed=0)
    rates, pruned = unit_rates(space), prune(space, 0.5)
    kept = rates[list(pruned.units)]
    assert kept.sum() >= 0.5 * rates.sum() > kept.sum() - kept.min()


def test_further_training_is_measured_on_examples_that_it_did_not_look_at():
    space = spaced()
    pruned = prune(space, 0.5, updates=60)
    assert pruned.updates == 60
    assert pruned.change > prune(space, 0.5).change + 3 * pruned.error
    x = space.modality.prepare(space.items[space.held_out][::2])
    with torch.inference_mode():
        before, after = (elbo(s.model(x, draws=3000)).mean() for s in (space, pruned.space))
    assert pruned.change == pytest.approx(float(after - before), abs=3 * pruned.error)
    torch.testing.assert_close(pruned.space.encode(ITEMS[:4]).flat, pruned.space.codes.flat[:4])


def test_further_training_repeats_and_leaves_randomness_and_the_space_alone():
    space = spaced()
    weights = {name: w.clone() for name, w in space.model.state_dict().items()}
    torch.manual_seed(3)
    first = prune(space, 0.5, updates=5)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    assert prune(space, 0.5, updates=5).change == first.change
    assert all(torch.equal(w, weights[name]) for name, w in space.model.state_dict().items())


def test_further_training_of_a_space_that_lacks_examples_is_refused():
    space = spaced()
    part = replace(
        space, items=space.items[:30], kept=space.kept[:30], held_out=space.held_out[:30]
    )
    with pytest.raises(SpecError, match="holds 30 of 60"):
        prune(part, 0.5, updates=5)
    with pytest.raises(SpecError, match="must have held out"):
        prune(replace(space, held_out=None), 0.5, updates=5)
    with pytest.raises(SpecError, match="updates must be at least"):
        prune(space, 0.5, updates=-1)
