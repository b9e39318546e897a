"""split_vae tells apart what a group shares and what is one's own, and zscape mix swaps them."""

import json

import numpy as np
import pytest
import torch
from tests.contracts.recipe import DATA, KNOWN

import zscape as zs
from zscape.errors import SpecError
from zscape.modalities.conditions import Conditions, Field
from zscape.model.bound import rate
from zscape.model.trace import Latent, Trace
from zscape.objective.apart import Apart
from zscape.objective.cycle import Cycle
from zscape.recipes import split_vae
from zscape.study.study import Study


def planted(n=800, groups=40, seed=0):
    """Rows of two numbers that a group shares and two of one's own, stirred together."""
    rng = np.random.default_rng(seed)
    ids = np.arange(n) % groups
    shared, own = rng.normal(size=(groups, 2))[ids], rng.normal(size=(n, 2))
    stirred = np.linalg.qr(np.random.default_rng(9).normal(size=(4, 4)))[0]
    return np.concatenate([own, shared], 1), stirred, ids


def r2(codes, truth):
    """The share of the truth's variance that a linear function of codes has, on the second half."""
    half = len(codes) // 2
    told = np.concatenate([codes, np.ones((len(codes), 1))], 1)
    weights = np.linalg.lstsq(told[:half], truth[:half], rcond=None)[0]
    left = ((told[half:] @ weights - truth[half:]) ** 2).sum()
    return 1 - left / ((truth[half:] - truth[half:].mean(0)) ** 2).sum()


@pytest.fixture(scope="module")
def fitted():
    factors, stirred, ids = planted()
    settings = {"split": "content=2,style=2", "network": "mlp:64", "epochs": 80, "patience": 0}
    rest = {"learning_rate": 2e-2, "schedule": "cosine", "ema": 0.9, "batch_size": 64}
    rest |= {"likelihood": "gaussian_optimal"}
    space = zs.fit(
        factors @ stirred, labels=[str(k) for k in ids], recipe="split_vae", **settings, **rest
    )
    return space, stirred


def test_a_planted_factor_is_parted_from_the_rest(fitted):
    space, stirred = fitted
    new, _, _ = planted(seed=5)
    codes = space.encode(new @ stirred)
    content, style = (codes[name].numpy() for name in ("content", "style"))
    assert r2(content, new[:, :2]) > 0.9 and r2(style, new[:, 2:]) > 0.9
    assert r2(content, new[:, 2:]) < 0.15 and r2(style, new[:, :2]) < 0.15


def test_a_mix_is_the_row_that_has_both(fitted):
    space, stirred = fitted
    new, _, _ = planted(seed=5)
    made = zs.mix_grid(
        space, *(space.encode((new @ stirred)[rows]) for rows in (range(20), range(20, 40)))
    )
    wanted = np.concatenate([np.repeat(new[:20, :2], 20, 0), np.tile(new[20:40, 2:], (20, 1))], 1)
    found = np.asarray(made) @ stirred.T
    assert np.mean((found - wanted) ** 2) < 0.12  # 1 by chance
    floor = np.repeat(new[:20], 20, 0)
    assert np.mean((found - wanted) ** 2) < 0.3 * np.mean((floor - wanted) ** 2)


def test_nothing_can_be_asked_of_a_group_and_labels_taught_the_codes(fitted):
    space, _ = fitted
    assert space.known == Conditions() and space.taught_by_labels
    with pytest.raises(SpecError, match="told of conditions to be asked for label"):
        space.sample(2, where={"label": "3"})


def test_the_content_may_be_what_is_shared():
    factors, stirred, ids = planted(400)
    settings = {"shared": "content", "latent": 4, "network": "mlp:16", "epochs": 1}
    space = zs.fit(factors @ stirred, labels=ids.tolist(), recipe="split_vae", **settings)
    content, style = space.model.levels
    assert content.shared and not style.shared
    assert [space.codes[name].shape[1] for name in ("content", "style")] == [3, 1]


def test_the_cycle_costs_what_is_not_found_again():
    torch.manual_seed(0)
    model, _ = split_vae(DATA["reals"][0], KNOWN, latent=4)
    trace = model(torch.randn(6, 5), torch.zeros(6, 1))
    part = Cycle(model, 3.0, share=0.5)(trace, 0)
    content, style = (trace[name].z[0] for name in ("content", "style"))
    swapped = {"content": content[:3], "style": style[[3, 4, 5]]}
    mean = model.generate(3, given=swapped).likelihood.mean
    read = model.eval().encode(mean)
    wanted = -sum(read[name].q.log_prob(code) for name, code in swapped.items()).mean()
    torch.testing.assert_close(part.value, wanted)
    torch.testing.assert_close(part.cost, 3 * wanted)


def test_the_shared_part_pays_its_share_of_the_rate():
    torch.manual_seed(0)
    model, objective = split_vae(DATA["reals"][0], KNOWN, latent=4, shared_rate=0.25)
    trace = model(torch.randn(6, 5), torch.zeros(6, 1))
    part = objective.terms[1](trace, 0)
    content, style = (rate(trace[name]).mean() for name in ("content", "style"))
    torch.testing.assert_close(part.value, content + style)
    torch.testing.assert_close(part.cost, content + 0.25 * style)


def test_an_opponent_may_guess_the_group_from_own_codes():
    _, objective = split_vae(DATA["reals"][0], KNOWN, split="content=3,style=2", guess=2.0)
    (critic,) = objective.critics
    assert (critic.level, critic.groups, critic.weight) == ("content", 3, 2.0 * 5 / 32)
    assert split_vae(DATA["reals"][0], KNOWN)[1].critics == ()


def test_a_study_keeps_its_parts_and_mixes(tmp_path, capsys):
    from zscape.cli import main

    rng = np.random.default_rng(0)
    pictures, labels = rng.random((40, 16, 16, 3)), ["a", "b"] * 20
    space = zs.fit(
        pictures, labels=labels, recipe="split_vae", epochs=1, latent=6, out=tmp_path / "s"
    )
    again = zs.open(tmp_path / "s")
    assert list(again.codes.tensors) == ["content", "style"]
    assert torch.equal(again.encode(pictures[:3]).flat, space.encode(pictures[:3]).flat)
    assert Study.open(tmp_path / "s").log()[-1]["parts"]["cycle"] is not None
    capsys.readouterr()
    assert main(["mix", str(tmp_path / "s"), "#1", "#2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["units"] == [4, 5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "content=4"}, "units of content and style, as 'content=16,style=8', got"),
        ({"split": "content=0,style=2"}, "Each must have at least one"),
        ({"split": "content=2,content=2"}, "got 'content=2,content=2'"),
        ({"shared": "both"}, "Unknown shared 'both'"),
        ({"group": "size"}, "a class of at least two, .* got 'size' of 0"),
        ({"group": "colour"}, "Unknown condition 'colour'"),
        ({"cycle_share": 0.0}, "cycle_share must be between"),
        ({"shared_rate": 2.0}, "shared_rate must be between"),
        ({"guess": -1.0}, "guess must be at least 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(SpecError, match=said):
        split_vae(DATA["bits"][0], KNOWN, **options)


def test_a_group_is_needed():
    with pytest.raises(SpecError, match=r"got none\. Name the column"):
        split_vae(DATA["bits"][0], Conditions((Field("size"),)))
    with pytest.raises(SpecError, match="must be told something"):
        zs.fit(np.random.default_rng(0).random((30, 4)), recipe="split_vae", epochs=1)


def test_own_codes_that_follow_from_the_group_cost_and_others_do_not():
    groups = torch.arange(200).repeat_interleave(2)[:, None].float()
    own, alike = torch.randn(400, 3), torch.randn(200, 3).repeat_interleave(2, 0)
    for z, wanted in ((alike, 3.0), (own, 0.0), (torch.cat([alike[:, :1], own[:, :2]], 1), 1.0)):
        latent = Latent("content", z[None], None, None, False)
        trace = Trace((latent,), None, None, groups)
        part = Apart("content", 2.0)(trace, 0)
        assert abs(part.value - wanted) < 0.3 and part.cost == 2 * part.value
    alone = Trace((latent,), None, None, torch.full_like(groups, torch.nan))
    assert Apart("content", 2.0)(alone, 0).value == 0
