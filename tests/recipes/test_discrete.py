"""Discrete codes as recipes: grids, options, training that keeps its promises, spaces and verbs."""

import math

import numpy as np
import pytest
import torch
from tests.contracts.recipe import DATA
from tests.contracts.space import digits

import zscape as zs
from zscape.errors import SpecError
from zscape.model.bound import log_weights, sum_rates
from zscape.objective.commitment import Commitment
from zscape.probability.distributions.grids import Chosen
from zscape.recipes import fsq_vae, rvq_vae, vae, vq_vae
from zscape.space.maps import map_codes
from zscape.space.paths import interpolate_codes, traverse
from zscape.space.refitting import refit_prior
from zscape.study.training.batches import Batches
from zscape.study.training.fitting import fit

GREY, grey = DATA["grey"]
REALS, reals = DATA["reals"]


@pytest.mark.parametrize(
    ("network", "event", "positions"),
    [
        ("conv:4", (3, 7, 6), 42),
        ("conv:4,8", (3, 4, 3), 12),
        ("residual:4", (3, 7, 6), 42),
        ("mlp:16", (24,), 8),
    ],
)
def test_the_network_says_how_fine_the_grid_is(network, event, positions):
    for recipe, sizes in ((vq_vae, (512,)), (rvq_vae, (64, 64)), (fsq_vae, (125,))):
        model, _ = recipe(GREY, latent=3, network=network)
        q = model.encode(grey()).latents[0].q
        assert q.z.shape == (6, *event)
        assert q.indices.shape == (6, positions, len(sizes))
        rate = positions * sum(map(math.log, sizes))
        torch.testing.assert_close(sum_rates(model(grey())), torch.full((6,), rate))


def test_rows_have_groups():
    model, _ = vq_vae(REALS, latent=3, groups=5, codes=7)
    assert model.encode(reals()).latents[0].q.indices.shape == (6, 5, 1)


def test_weights_are_the_bound_itself():
    """Nothing is drawn, so log w = log p(x | z) - P ln K for every draw."""
    for recipe in (vq_vae, rvq_vae, fsq_vae):
        model, _ = recipe(REALS, latent=3)
        trace = model.eval()(reals(), draws=3)
        expected = trace.likelihood.log_prob(trace.x) - sum_rates(trace)
        torch.testing.assert_close(log_weights(trace), expected)


@pytest.mark.parametrize(
    ("recipe", "options", "said"),
    [
        (vq_vae, {"codes": 1}, "codes must be at least 2, got 1"),
        (rvq_vae, {"books": 0}, "books must be at least 1, got 0"),
        (vq_vae, {"commitment": -1}, "commitment must be at least 0, got -1"),
        (vq_vae, {"start_at": -1}, "start_at must be at least 0, got -1"),
        (fsq_vae, {"levels": 1}, "levels must be between 2 and 64, got 1"),
        (fsq_vae, {"levels": 64, "latent": 6}, r"at most 2\^31 codes, got 64\^6"),
        (vq_vae, {"groups": -1, "network": "mlp"}, "groups must be at least 0, got -1"),
        (vq_vae, {"groups": 4}, "groups must be left out where the network has a grid, got 4"),
    ],
)
def test_options_that_cannot_be(recipe, options, said):
    with pytest.raises(SpecError, match=said):
        recipe(GREY, **options)


def test_commitment_by_hand():
    model, _ = vq_vae(REALS, latent=3, codes=7)
    trace = model(reals())
    q = trace.latents[0].q
    part = Commitment(0.5)(trace, 0)
    expected = (q.bounded - q.z).square().sum(-1).mean().item()
    assert part.value.item() == pytest.approx(expected, rel=1e-5)
    assert part.cost.item() == pytest.approx(0.5 * expected, rel=1e-5)
    with pytest.raises(SpecError, match="must have a level whose posterior is quantised"):
        Commitment()(vae(REALS, latent=3)[0](reals()), 0)


def test_codes_move_in_training_alone():
    model, objective = vq_vae(REALS, latent=3, codes=7)
    book, x = model.levels[0].posterior.quantiser, reals()
    before = book.book(0).clone()
    model.encode(x)
    objective(model.eval()(x), 0)
    with torch.no_grad():
        objective(model.train()(x), 0)
    assert torch.equal(book.book(0), before)
    objective(model(x), 0)
    assert not torch.equal(book.book(0), before)


def trained(recipe, *, epochs=6, **options):
    torch.manual_seed(0)
    data = digits()
    model, objective = recipe(data.modality, likelihood="bernoulli", **options)
    batches = Batches(data.x, size=40, prepare=data.modality.prepare)
    for _ in fit(model, objective, batches, epochs=epochs, ema=0):
        pass
    return model, data.modality.prepare(data.x)


def test_the_codes_begin_at_clusters():
    model, x = trained(vq_vae, codes=16, latent=4, start_at=20, network="conv:8", epochs=3)
    q = model.encode(x).latents[0].q
    assert isinstance(q, Chosen)
    assert len(q.indices.unique()) == 16
    far = (q.bounded - q.z).square().sum() / (q.bounded - q.bounded.mean()).square().sum()
    assert far < 0.5


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("discrete") / "study"
    torch.manual_seed(0)
    options = {"latent": 4, "codes": 12, "books": 2, "network": "conv:8", "start_at": 10}
    return path, zs.fit("digits", recipe="rvq_vae", out=path, epochs=2, **options)


def test_it_opens_to_the_bit(study):
    path, space = study
    again = zs.open(path)
    assert again.codes["z"].shape[1:] == (4, 4, 4)
    assert torch.equal(again.codes.flat, space.codes.flat)
    assert np.array_equal(again.decode(again.codes[:9]), space.decode(space.codes[:9]))
    assert np.array_equal(again.sample(5, seed=1), space.sample(5, seed=1))


def test_tokens_lower_the_rate_and_change_nothing_else(study):
    _, space = study
    better = refit_prior(space, "tokens", updates=30)
    x = space.modality.prepare(space.items[space.held_out])
    with torch.no_grad():
        before, after = (s.model.encode(x) for s in (space, better))
    assert torch.equal(before.likelihood.mean, after.likelihood.mean)
    assert sum_rates(after).mean() < sum_rates(before).mean() - 2
    assert better.sample_tensor(4, seed=0).shape == (4, *space.modality.shape)
    again = refit_prior(space, "auto", updates=30)
    assert torch.equal(better.sample_tensor(4, seed=0), again.sample_tensor(4, seed=0))


def test_tokens_by_class(study):
    _, space = study
    better = refit_prior(space, "tokens", by="label", updates=10)
    assert better.sample_tensor(3, seed=0, where={"label": "3"}).shape[0] == 3


def test_priors_of_another_kind_of_code_are_refused(study):
    _, space = study
    with pytest.raises(SpecError, match="must be of tokens, got 'mixture'"):
        refit_prior(space, "mixture")
    flat = zs.fit("digits", latent=2, epochs=1, network="mlp:8")
    with pytest.raises(SpecError, match="A prior of tokens must have a grid of codes"):
        refit_prior(flat, "tokens")


def test_verbs_go_between_grids(study):
    """Ways and units leave the codes: what lies between is decoded as it is."""
    _, space = study
    for method in ("linear", "spherical"):
        way = interpolate_codes(space, 0, 5, steps=3, method=method)
        assert way["z"].shape == (3, 4, 4, 4)
        torch.testing.assert_close(way["z"][[0, 2]], space.codes["z"][[0, 5]])
    assert len(traverse(space, 1, units=[0, 5], steps=3).things) == 6
    assert map_codes(space).points.shape == (len(space.codes), 2)


def test_a_measured_grid_says_what_it_costs_and_uses(study):
    _, space = study
    figures = {f.name: f for s in zs.measure(space, draws=2).sections for f in s.rows[0].figures}
    assert figures["rate"].kind == "exact"
    assert figures["rate"].value == pytest.approx(16 * 2 * math.log(12), rel=1e-5)
    for book in (1, 2):
        perplexity = figures[f"perplexity of 12 codes of book {book} of 2"]
        assert 1 <= perplexity.value <= 12 and perplexity.unit == "codes"
        dead = figures[f"dead codes of 12 of book {book} of 2"].value
        assert figures[f"share of book {book} of 2 that are used"].value == 1 - dead / 12
