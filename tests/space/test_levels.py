"""Levels: what is kept is kept, what is redrawn is drawn from its prior, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.contracts.space import digits_space, ladder_space

from zscape.errors import SpecError
from zscape.measures.levels import levels
from zscape.space.levels import level_named, redraw, redraw_tensor, redrawn_levels, units_of
from zscape.space.paths import traverse


@pytest.fixture(scope="module")
def space():
    return ladder_space()


def codes(space, n=5):
    return {name: z[:n] for name, z in space.codes.tensors.items()}


def test_redrawing_nothing_is_decoding(space):
    made = redraw_tensor(space, codes(space), [])
    assert torch.allclose(made, space.decode_tensor(space.codes[:5]), atol=1e-5)


def test_kept_levels_reach_the_model_as_they_are(space, monkeypatch):
    seen, generate = [], space.model.generate

    def spy(n, **options):
        seen.append(options["given"])
        return generate(n, **options)

    monkeypatch.setattr(space.model, "generate", spy)
    redraw(space, 3, below=2, n=4, seed=0)
    redraw(space, 3, levels=["z1", 3], n=4, seed=0)
    assert list(seen[0]) == ["z1", "z2"]
    assert list(seen[1]) == ["z2"]
    assert all(torch.equal(z, space.codes[3][k].expand_as(z)) for k, z in seen[0].items())


def test_redrawing_repeats_under_its_seed_and_leaves_the_rest_of_randomness(space):
    first = redraw(space, 0, below=1, n=3, seed=5)
    assert np.array_equal(first, redraw(space, 0, below=1, n=3, seed=5))
    assert not np.array_equal(first, redraw(space, 0, below=1, n=3, seed=6))
    assert len(first) == 3


def test_below_and_levels_name_the_same(space):
    assert redrawn_levels(space) == ["z2", "z3"]
    assert redrawn_levels(space, below=0) == ["z1", "z2", "z3"]
    assert redrawn_levels(space, levels=["2"]) == ["z2"]
    assert level_named(space, 3) == "z3"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"below": 3}, "below must be from 0 to 2, as this study has 3 levels"),
        ({"below": -1}, "got -1"),
        ({"below": 1, "levels": ["z1"]}, "got both"),
        ({"levels": ["z4"]}, "Unknown level 'z4'"),
        ({"levels": [4]}, "between 1, the coarsest, and 3, got 4"),
        ({"n": 0}, "n must be at least 1"),
    ],
)
def test_what_cannot_be_redrawn_is_refused(options, said, space):
    with pytest.raises(SpecError, match=said):
        redraw(space, 0, **options)


def test_a_space_of_one_level_can_only_be_redrawn_whole():
    with pytest.raises(SpecError, match="as this study has 1 level and"):
        redraw(digits_space(), 0, below=1)
    assert len(redraw(digits_space(), 0, below=0, n=2)) == 2


def test_samples_of_few_levels_vary_less(space):
    drawn = [space.sample_tensor(64, seed=0, levels=k) for k in (1, 2, 3, None)]
    assert torch.equal(drawn[2], drawn[3])
    assert not torch.allclose(drawn[0], drawn[2])
    with pytest.raises(SpecError, match="levels must be from 1 to 3"):
        space.sample(2, levels=4)


def test_a_traversal_keeps_to_its_level(space):
    assert list(units_of(space, "z2")) == list(range(4, 10))
    way = traverse(space, 0, level=2, steps=3)
    assert set(way.units) == set(range(4, 10))
    moved = way.codes.flat - space.codes[0].flat
    assert not moved[:, :4].any() and not moved[:, 10:].any()
    with pytest.raises(SpecError, match="A unit must be between 4 and 9, got 2"):
        traverse(space, 0, level="z2", units=[2])


def test_what_levels_hold(space):
    rows = levels(space, most=40)
    assert [row.name for row in rows] == ["z1", "z2", "z3"]
    assert rows[-1]["class kept when finer levels are redrawn"].value == 1.0
    for row in rows:
        assert row["rate"].value > 0
        assert 0 <= row["class changed when redrawn"].value <= 1
    assert levels(digits_space()) == ()


def test_no_class_is_told_where_no_kept_thing_has_a_label(space):
    bare = replace(space, labels=np.full(len(space.codes), -1))
    assert levels(bare, most=40)[0].figures[-1].kind == "undefined"


def test_a_level_that_says_nothing_moves_nothing(space):
    decoded = space.decode_tensor(space.codes[:8])
    made = redraw_tensor(space, codes(space, 8), ["z3"], seed=0)
    silent = {k: v for k, v in space.model.state_dict().items()}
    try:
        with torch.no_grad():
            space.model.levels[2].intake.project.weight.zero_()
        assert torch.allclose(
            redraw_tensor(space, codes(space, 8), ["z3"], seed=0),
            redraw_tensor(space, codes(space, 8), [], seed=0),
            atol=1e-6,
        )
    finally:
        space.model.load_state_dict(silent)
    assert not torch.allclose(made, decoded)
