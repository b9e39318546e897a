"""Mixing: a block of codes is swapped as it stands, what was told too, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.contracts.space import array_space, digits_space, ladder_space, table_space

from zscape.errors import DataError, SpecError
from zscape.modalities.conditions import find_conditions
from zscape.recipes import conditional_vae, m2_vae
from zscape.space.mixing import blocks_of, halves_of, mix, mix_grid, mix_tensor
from zscape.space.space import Space, encode_stored
from zscape.study.data import look

TAKEN = {
    "pictures": (digits_space, "units:0,2-3"),
    "ladders": (ladder_space, ""),
    "grids": (lambda: digits_space("vq_vae", latent=3), "units:0-5"),
    "rows": (table_space, "units:1"),
}


def told_space(recipe=conditional_vae):
    """Of an untrained model that is told a class, unknown of every fifth example, and an age."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = np.where(np.arange(60) % 5 == 4, -1, np.arange(60) % 3)
    data = look(rng.random((60, 8, 8)))
    known, _ = find_conditions(labels, ("a", "b", "c"), {"age": rng.normal(40, 10, 60)})
    options = {"conditions": "label"} if recipe is conditional_vae else {}
    model, _ = recipe(data.modality, known, latent=3, network="mlp:16", **options)
    codes = encode_stored(model.eval(), data.modality, data.x)
    return Space(model, data.modality, codes, data.x, torch.arange(60), labels, ("a", "b", "c"))


def grid(space, contents, styles, taken=()):
    blocks = blocks_of(space, taken)
    lent = halves_of(space, contents, blocks), halves_of(space, styles, blocks, style=True)
    return mix_tensor(space, *lent, blocks)


@pytest.mark.parametrize("kind", TAKEN)
def test_the_diagonal_of_a_grid_is_the_reconstructions(kind):
    make, taken = TAKEN[kind]
    space, items = make(), [3, 0, 7]
    made = grid(space, items, items, taken)
    wanted = space.decode_tensor(space.codes[items])
    torch.testing.assert_close(made[[0, 4, 8]], wanted, rtol=1e-5, atol=1e-5)


def test_the_named_units_are_those_of_the_style_and_all_others_of_the_content():
    space = digits_space()
    code = space.codes[1].flat.clone()
    code[:, [0, 2, 3]] = space.codes[2].flat[:, [0, 2, 3]]
    wanted = space.decode_tensor(code)
    assert torch.equal(grid(space, [1], [2], "units:0,2-3"), wanted)
    assert torch.equal(grid(space, [2], [1], ["units:1", "units:4-5"]), wanted)
    assert np.array_equal(mix(space, 1, 2, taken="units:0,2-3"), space.modality.decode(wanted))


def test_of_a_ladder_the_coarsest_level_is_content_unless_another_is_named():
    space = ladder_space()
    given = {name: space.codes[int(name != "z1")][name] for name in ("z1", "z2", "z3")}
    with torch.no_grad():
        wanted = space.model.generate(1, given=given).likelihood.mean
    for taken in ((), ["z2", "z3"], ["2", "level3"]):
        torch.testing.assert_close(grid(space, [0], [1], taken), wanted)
    torch.testing.assert_close(grid(space, [1], [0], "level1"), wanted)


def test_a_grid_runs_through_the_styles_first_and_takes_things_of_any_kind():
    space = digits_space()
    things = space.modality.decode(space.modality.prepare(space.items[:1]))
    made = mix_grid(space, [4, space.codes[5]], [1, things, 2], taken="units:1")
    assert len(made) == 6
    for number, (a, b) in enumerate([(4, 1), (4, 0), (4, 2), (5, 1), (5, 0), (5, 2)]):
        alone = np.asarray(mix(space, a, b, taken="units:1"))
        np.testing.assert_allclose(np.asarray(made)[number].astype(float), alone[0], atol=1)


@pytest.mark.parametrize("taken", ["label", "z"])
def test_what_was_told_goes_with_its_side_and_codes_hold_the_rest(taken):
    space = told_space()
    known = [space.known.context(1, {"label": name}) for name in "ab"]
    codes = [
        encode_stored(space.model, space.modality, space.items[n : n + 1], known[n]) for n in (0, 1)
    ]
    code, context = (codes[0], known[1]) if taken == "label" else (codes[1], known[0])
    with torch.no_grad():
        wanted = space.model.generate(1, context, given=dict(code.tensors)).likelihood.mean
    torch.testing.assert_close(grid(space, [0], [1], taken), wanted)
    assert taken == "label" or torch.equal(grid(space, [0], [1]), grid(space, [0], [1], "z"))


def test_of_m2_the_label_is_its_level_of_classes():
    space = told_space(m2_vae)
    assert torch.equal(grid(space, [0], [1], "label"), grid(space, [0], [1], "y"))
    assert torch.equal(grid(space, [0], [1]), grid(space, [0], [1], "z"))
    given = {"y": space.codes[1]["y"], "z": space.codes[0]["z"]}
    with torch.no_grad():
        wanted = space.model.generate(1, given=given).likelihood.mean
    torch.testing.assert_close(grid(space, [0], [1], "label"), wanted)


def test_a_class_that_is_lent_must_be_known():
    space = told_space()
    with pytest.raises(DataError, match=r"label must be known of what lends it, .* of item #4"):
        mix(space, 4, 0)
    with pytest.raises(DataError, match="a thing that is not of the data"):
        mix(space, 0, space.codes[1], taken="label")
    assert len(mix(space, 0, 4)) == 1  # the style lends its code alone


@pytest.mark.parametrize(
    ("make", "taken", "said"),
    [
        (digits_space, "", "must be named, as this study has one level and none called style"),
        (digits_space, "units:6", "from 0 to 5, as units:0,2-3, got 'units:6'"),
        (digits_space, "units:2-1", "got 'units:2-1'"),
        (digits_space, "units:", "got 'units:'"),
        (digits_space, "units:0-5", "a part of what a thing is, got units:0-5, which is all"),
        (digits_space, "label", "Unknown style 'label'"),
        (ladder_space, "z4", "Unknown style 'z4'. Name z1, z2, z3, or"),
        (ladder_space, "level4", "between 1, the coarsest, and 3, got 4"),
        (ladder_space, ["z1", "z2", "z3"], "got z1 and z2 and z3, which is all"),
        (array_space, "", "Name units as units:0,2-3; there are 1"),
    ],
)
def test_what_cannot_be_style_is_refused(make, taken, said):
    with pytest.raises(SpecError, match=said):
        mix(make(), 0, 1, taken=taken)


def test_a_grid_needs_things_on_both_sides():
    with pytest.raises(SpecError, match="one thing at least each, got none"):
        mix_grid(digits_space(), [0], [], taken="units:1")


def test_a_level_named_style_is_the_style():
    space = ladder_space()
    names = {"z1": "style", "z2": "a", "z3": "b"}
    tensors = {names[name]: z for name, z in space.codes.tensors.items()}
    assert blocks_of(replace(space, codes=type(space.codes)(tensors))).units.sum() == 4
