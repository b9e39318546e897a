import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tests.contracts.space import digits

import zscape as zs
from zscape.errors import DataError, SpecError
from zscape.space.candidates import best
from zscape.space.refitting import draws_of, parts, refit_prior, refitting
from zscape.space.slot import Slot, checked, slot_from, top

pytestmark = pytest.mark.slow


@cache
def space(recipe="vae", **options):
    settings = {"latent": 4, "network": "mlp:64", "epochs": 40, "learning_rate": 5e-3} | options
    return zs.fit(digits(), recipe=recipe, **settings)


def cost(trained, places):
    """Mean -log p(z) of the same draws of the posterior."""
    codes, _ = draws_of(trained, places, 1, seed=9)
    with torch.no_grad():
        context = torch.zeros(codes.shape[1], 0)
        return -top(trained.model).prior(context).log_prob(codes[0].clone()).mean().item()


@pytest.mark.parametrize("kind", ["mixture", "diagonal", "vamp", "flow", "diffusion"])
def test_the_rate_falls_and_all_else_is_the_same_bits(kind):
    before = space()
    state = torch.get_rng_state()
    after = refit_prior(before, kind, updates=60, components=0 if kind == "mixture" else 3)
    assert torch.equal(state, torch.get_rng_state())
    judging = parts(before)[2]
    if kind != "vamp":  # three narrow posteriors cover nothing
        assert cost(after, judging) < cost(before, judging) - 0.05
    old, new = before.model.state_dict(), after.model.state_dict()
    assert all(torch.equal(new[name], tensor) for name, tensor in old.items())
    assert all(name.startswith("levels.0.prior") for name in new.keys() - old.keys())
    things = before.decode(before.codes[:5])
    assert torch.equal(before.encode(things).flat, after.encode(things).flat)
    assert np.array_equal(after.decode(before.codes[:5]), things)
    assert after.codes is before.codes
    assert "levels.0.prior.inner.loc" not in old, "the old space was changed"


def test_a_refit_repeats():
    first, second = (refit_prior(space(), components=2, seed=3) for _ in range(2))
    assert np.array_equal(first.sample(5, seed=0), second.sample(5, seed=0))


def test_candidates_are_picked_by_held_out_codes():
    done = [a for a in refitting(space(), "auto", updates=30) if a.prior is not None]
    assert {"mixture", "flow", "diffusion"} == {a.slot.kind for a in done}
    assert best(done).nats == min(a.nats for a in done)
    shares = [a.share for a in refitting(space(), "mixture", components=2)]
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_whoever_takes_the_steps_keeps_draws_and_gradients():
    trained, state = space(), torch.get_rng_state()
    with torch.no_grad():
        steps = refitting(trained, "diffusion", updates=40, components=1)
        for attempt in steps:
            assert torch.equal(torch.get_rng_state(), state) and not torch.is_grad_enabled()
            if attempt.words == "diffusion" and attempt.loss == attempt.loss:
                break
    assert torch.is_grad_enabled()
    steps.close()
    assert torch.is_grad_enabled() and torch.equal(torch.get_rng_state(), state)


def test_parts_are_apart_and_held_out():
    trained = space()
    fitting, picking, judging = parts(trained, seed=1)
    together = torch.cat([fitting, picking, judging])
    assert len(together.unique()) == len(together) == len(trained.items)
    assert trained.held_out[picking].all() and trained.held_out[judging].all()
    without = parts(replace(trained, held_out=None))
    assert len(torch.cat(without).unique()) == len(trained.items)


def test_a_class_can_be_asked_for_without_retraining():
    trained = space()
    after = refit_prior(trained, by="label", components=1)
    x = trained.modality.prepare(trained.items).flatten(1)
    labels = torch.from_numpy(trained.labels)
    means = torch.stack([x[labels == c].mean(0) for c in range(10)])
    right = 0.0
    for c, name in enumerate(trained.label_names):
        made = after.sample_tensor(50, seed=c, where={"label": name}).flatten(1)
        nearest = (made[:, None] - means).square().sum(-1).argmin(1)
        right += (nearest == c).double().mean().item() / 10
    assert right > 0.5  # of ten classes, of 400 examples
    assert after.sample(3, seed=0).shape == trained.sample(3, seed=0).shape
    with pytest.raises(SpecError, match="eleven"):
        after.sample(2, where={"label": "eleven"})


def test_examples_of_no_known_class_are_left_out():
    trained = space()
    labels = trained.labels.copy()
    labels[::3] = -1
    after = refit_prior(replace(trained, labels=labels), by="label", components=1)
    assert [field.names for field in after.known.fields] == [trained.label_names]
    rare = np.where(trained.labels == 4, -1, trained.labels)
    rare[parts(trained)[0][trained.labels[parts(trained)[0]] == 4][:1]] = 4
    with pytest.raises(DataError, match="at least 2 examples"):
        refit_prior(replace(trained, labels=rare), by="label", components=1)


def test_classes_are_named_in_full():
    trained = space()
    wide = np.where(np.arange(len(trained.codes)) % 2, 1_000_000.0, 1_000_001.0)
    names = tuple(f"a very long name of the class {k}" for k in range(10))
    told = replace(trained, attributes={"wide": wide}, label_names=names)
    for by, wanted in (("wide", ("1000000", "1000001")), ("label", names)):
        (field,) = refit_prior(told, by=by, components=1).known.fields
        assert field.names == wanted


def test_a_diffusion_knows_classes_too():
    after = refit_prior(space(), "diffusion", by="label", components=1, updates=20, guidance=2.0)
    assert after.sample(3, seed=0, where={"label": "3"}).shape == (3, 8, 8)


@pytest.mark.parametrize("recipe", ["ae", "wae"])
def test_codes_that_are_points_can_be_refitted(recipe):
    before = space(recipe)
    after = refit_prior(before, components=4)
    judging = parts(before)[2]
    assert cost(after, judging) < cost(before, judging)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prior": "mixtur"}, "Did you mean 'mixture'"),
        ({"components": -1}, "components must be"),
        ({"prior": "diffusion", "steps": 3}, "steps must be between 4 and 64"),
        ({"prior": "diffusion", "guidance": -1.0}, "guidance must be"),
        ({"by": "colour"}, "by must name what is known"),
        ({"prior": "flow", "by": "label"}, "by classes must be a mixture"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(SpecError, match=words):
        refit_prior(space(), **options)


def test_too_few_examples_are_refused():
    few = replace(space(), items=space().items[:10], kept=space().kept[:10], held_out=None)
    with pytest.raises(DataError, match="at least 20 examples, got 10"):
        refit_prior(few)


def test_a_slot_comes_back_from_plain_values():
    slot = Slot("diffusion", 7, "label", ("a", "b"), 16, 2.0)
    assert slot_from(slot.to_plain()) == slot
    for record in (
        {},
        {"kind": 3},
        {"kind": "mixture", "components": 10**9},
        {"kind": "mixture", "components": True},
        {"kind": "mixture", "components": 2, "more": 1},
        {"kind": "mixture", "components": 2, "classes": [1]},
        {"kind": "diffusion", "components": 2, "guidance": math.nan},
    ):
        with pytest.raises(SpecError):
            slot_from(record)
    with pytest.raises(SpecError):
        checked(Slot("token", 1))
