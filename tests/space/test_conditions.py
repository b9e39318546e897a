"""A space that was told of conditions is asked by them; others refuse in one sentence."""

import numpy as np
import pytest
import torch
from tests.contracts.space import digits_space

from zscape.errors import SpecError
from zscape.modalities.conditions import find_conditions
from zscape.recipes import conditional_vae
from zscape.space.conditions import across, askable, prompt
from zscape.space.space import Space, encode_stored
from zscape.study.data import look

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def space():
    """Of an untrained model: what is asked for reaches it all the same."""
    torch.manual_seed(0)
    data = look(RNG.random((60, 8, 8)))
    attributes = {"age": RNG.normal(40, 10, 60), "smile": RNG.integers(0, 2, 60)}
    known, _ = find_conditions(np.arange(60) % 3, ("a", "b", "c"), attributes)
    model, _ = conditional_vae(data.modality, known, latent=3, network="mlp:16")
    codes = encode_stored(model.eval(), data.modality, data.x)
    return Space(model, data.modality, codes, data.x, torch.arange(60))


def test_samples_are_those_of_the_model_under_what_is_asked(space):
    where = {"label": "b", "age": 55}
    made = space.sample_tensor(4, where=where, seed=3)
    torch.manual_seed(3)
    with torch.no_grad():
        wanted = space.model.generate(4, space.known.context(4, where)).likelihood.mean
    assert torch.equal(made, wanted)
    assert not torch.equal(made, space.sample_tensor(4, where={"label": "c", "age": 55}, seed=3))
    assert not torch.equal(made, space.sample_tensor(4, seed=3))
    assert np.array_equal(space.sample(4, where=where, seed=3), space.modality.decode(made))


def test_each_sample_may_be_asked_for_something_else(space):
    one_by_one = {"label": ["c", "a"], "smile": 1}
    both = space.sample_tensor(2, where=one_by_one, seed=0)
    first = space.sample_tensor(2, where={"label": "c", "smile": 1}, seed=0)[0]
    torch.testing.assert_close(both[0], first)
    with pytest.raises(SpecError, match="label must be one value or a list of 3, got 2"):
        space.sample(3, where=one_by_one)


def test_codes_and_things_are_told_of_in_the_same_words(space):
    things, where = space.items[:3].numpy(), {"label": "a"}
    told = space.encode(things, where=where)
    assert not torch.allclose(told.flat, space.encode(things).flat)
    assert not np.array_equal(space.decode(told, where=where), space.decode(told))
    many = space.decode_tensor(torch.randn(1100, 3), where={"label": ["a", "b"] * 550})
    assert many.shape == (1100, 1, 8, 8)  # over several chunks


def test_across_keeps_the_draws_and_changes_the_class(space):
    x, values = across(space, "label", n=4, where={"smile": 0}, seed=1)
    assert values == ("a", "b", "c") and x.shape == (12, 1, 8, 8)
    wanted = space.sample_tensor(4, where={"smile": 0, "label": "b"}, seed=1)
    assert torch.equal(x[4:8], wanted)
    _, numbers = across(space, "age", n=1)
    mean = space.known.field("age").mean
    assert len(numbers) == 5 and float(numbers[2]) == pytest.approx(mean, rel=0.01)


def test_what_can_be_asked_is_told(space):
    label, age, smile = askable(space)
    assert label == "label: a, b, c" and smile == "smile: 0, 1"
    assert age.startswith("age: a number, mean ")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"lable": "a"}, "Unknown condition 'lable'. Did you mean 'label'"),
        ({"label": "d"}, "Unknown label 'd'"),
        ({"age": "old"}, "age must be a number, got 'old'"),
        ({"age": float("nan")}, "age must be a number, got nan"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(space, where, said):
    with pytest.raises(SpecError, match=said):
        space.sample(2, where=where)


def test_a_space_that_was_told_nothing_says_so():
    with pytest.raises(SpecError, match="must have been told of conditions to be asked for label"):
        digits_space().sample(2, where={"label": "3"})


@pytest.fixture(scope="module")
def captioned():
    """Of an untrained model that is told of captions and an age."""
    torch.manual_seed(0)
    data = look(RNG.random((60, 8, 8)))
    texts = {"caption": ["small heart, top left", "a big square"] * 30}
    known, _ = find_conditions(None, (), {"age": RNG.normal(40, 10, 60)}, texts)
    model, _ = conditional_vae(data.modality, known, latent=3, network="mlp:16")
    codes = encode_stored(model.eval(), data.modality, data.x)
    return Space(model, data.modality, codes, data.x, torch.arange(60))


def test_a_prompt_is_a_condition_and_unknown_words_are_said(captioned):
    where, notes = prompt(captioned, "big haert")
    assert where == {"caption": "big haert"}
    assert notes == ("'haert' was never seen and is read as 'heart'",)
    assert prompt(captioned, "Big heart")[1] == ()
    assert prompt(captioned, "purple heart")[1] == ("never seen, so passed over: purple",)
    made = captioned.sample_tensor(2, where=where, seed=0)
    assert made.equal(captioned.sample_tensor(2, where={"caption": "Big heart"}, seed=0))
    assert not made.equal(captioned.sample_tensor(2, where={"caption": "square"}, seed=0))
    assert askable(captioned)[1].startswith("caption: a text of up to 4 words; a, big, heart")


def test_prompts_that_cannot_be(captioned, space):
    with pytest.raises(SpecError, match="caption must hold a word that training saw"):
        prompt(captioned, "purple")
    with pytest.raises(SpecError, match="must have one text to stand for, got none"):
        prompt(space, "heart")
    with pytest.raises(SpecError, match="caption must be a class or a number here, got a text"):
        across(captioned, "caption")
