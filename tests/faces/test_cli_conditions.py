"""Conditions by the words of the command line: what is asked, listed and refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.contracts.space import digits

import zscape
from zscape.cli.conditions import parse_where
from zscape.errors import DataError, StudyError
from zscape.modalities.conditions import Conditions, Field
from zscape.space.conditions import notes_on
from zscape.study.run import prepare, train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("told") / "digits"
    settings = {"latent": 4, "network": "mlp:64", "epochs": 40, "learning_rate": 3e-3}
    for _ in train(prepare(digits(), recipe="conditional_vae", out=path, **settings)):
        pass
    return path


def test_samples_of_a_class_look_like_that_class(study):
    space, data = zscape.open(study), digits()
    x = data.modality.prepare(data.x).flatten(1)
    means = np.stack([x[data.labels == k].mean(0) for k in range(10)])
    right = 0
    for k, name in enumerate(data.label_names):
        made = space.sample_tensor(20, where={"label": name}, seed=0).flatten(1).numpy()
        nearest = ((made[:, None] - means) ** 2).sum(-1).argmin(1)
        right += int((nearest == k).sum())
    assert right >= 150  # of 200; 20 by chance


def test_a_study_opened_again_samples_the_same_to_the_bit(study):
    one, other = (zscape.open(study).sample_tensor(4, where={"label": 3}, seed=1) for _ in "ab")
    assert one.equal(other)


def test_sample_where(study, run):
    code, out, err = run("sample", study, "--where", "label=3", "-n", 4, "--json")
    record = json.loads(out)
    assert (code, err) == (0, "") and record["where"] == {"label": "3"}
    assert record["picture"].endswith("sample-4-seed0-label-3.png")


def test_sample_over(study, run):
    code, out, err = run("sample", study, "--over", "label", "-n", 3, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["values"] == [str(digit) for digit in range(10)]
    assert "from top to bottom: label 0, label 1" in run("sample", study, "--over", "label")[1]


def test_show_lists_what_can_be_asked(study, run):
    code, out, _ = run("show", study)
    assert code == 0
    assert "can be asked: zscape sample --where NAME=VALUE\n  label: 0, 1, 2, 3" in out


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("lable=3", "Unknown condition 'lable'. Did you mean 'label'"),
        ("label=three", "Unknown label 'three'."),
        ("label", "--where must be names and values"),
        ("label=1,label=2", "--where must be names and values, each name once"),
        ('label="1', "--where must be names and values"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(study, run, where, said):
    code, out, err = run("sample", study, "--where", where)
    assert (code, out) == (64, "") and err.startswith(f"zscape: {said}")
    assert err.count("\n") == 1


@pytest.fixture(scope="module")
def sprites(tmp_path_factory):
    path = tmp_path_factory.mktemp("told") / "sprites"
    chosen = zscape.look("sprites", size=8)
    data = replace(
        chosen,
        x=chosen.x[:200],
        labels=chosen.labels[:200],
        attributes={},
        texts={"caption": chosen.texts["caption"][:200]},
        origin={},
    )
    settings = {"latent": 2, "network": "mlp:16", "epochs": 2, "prior": "flow"}
    told = {"recipe": "conditional_vae", "conditions": "caption"}
    for _ in train(prepare(data, out=path, **told, **settings)):
        pass
    return path, data


def test_sample_by_prompt(sprites, run):
    code, out, err = run("sample", sprites[0], "--prompt", "smal square, left", "-n", 2, "--json")
    assert code == 0 and json.loads(out)["where"] == {"caption": "smal square, left"}
    assert err == "'smal' was never seen and is read as 'small'\n"
    assert "caption: a text of up to" in run("show", sprites[0])[1]
    code, out, err = run("sample", sprites[0], "--prompt", "zebra")
    assert (code, out) == (64, "") and "caption must hold a word that training saw" in err


def test_a_caption_may_hold_a_comma_and_its_unknown_words_are_said(sprites, run):
    asked = """caption="small square, zebra",""", "-n", 2, "--json"
    code, out, err = run("sample", sprites[0], "--where", *asked)
    assert code == 0 and json.loads(out)["where"] == {"caption": "small square, zebra"}
    assert err == "never seen, so passed over: zebra\n"
    both = ("--where", "caption=square", "--prompt", "left")
    code, out, err = run("sample", sprites[0], *both)
    assert (code, out) == (64, "") and "caption must be asked for once" in err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("smile=1,age=40", {"smile": "1", "age": "40"}),
        (" smile = 1 , two words = a b ,", {"smile": "1", "two words": "a b"}),
        ("""c="a, b=c",d='e, "f"'""", {"c": "a, b=c", "d": 'e, "f"'}),
        (r'c="say \"a, b\""', {"c": 'say "a, b"'}),
        ("c=it's,d=2", {"c": "it's", "d": "2"}),
        ("a=b=c", {"a": "b=c"}),
        ("", {}),
    ],
)
def test_where_as_it_is_typed(typed, meant):
    assert parse_where(typed) == meant


def test_a_condition_that_over_goes_through_cannot_be_asked(study, run):
    code, out, err = run("sample", study, "--where", "label=3", "--over", "label")
    assert (code, out) == (64, "") and "label must be left open where --over" in err


def test_a_number_far_from_training_is_told():
    known = Conditions((Field("age", mean=40.0, scale=10.0),))
    space = SimpleNamespace(known=known)
    assert notes_on(space, {"age": "85"}) == ()
    (said,) = notes_on(space, {"age": "4000"})
    assert said.startswith("age is 4000, 396 standard deviations from the mean of training, 40")


def test_a_captioned_study_opens_to_the_bit_and_goes_on_with_its_captions_alone(sprites):
    path, data = sprites
    one, other = (
        zscape.open(path).sample_tensor(4, where={"caption": "small square"}, seed=1) for _ in "ab"
    )
    assert one.equal(other)
    zscape.resume(path, data, epochs=3).lock.release()
    moved = {"caption": data.texts["caption"][1:] + data.texts["caption"][:1]}
    with pytest.raises(StudyError, match="must have the data it was begun with"):
        zscape.resume(path, replace(data, texts=moved), epochs=3)


def test_captions_in_python_are_one_per_thing():
    seen = zscape.look(np.zeros((3, 8, 8), np.uint8), captions=["a", "", "b"])
    assert seen.texts == {"caption": ("a", "", "b")} and seen.origin == {}
    with pytest.raises(DataError, match="Captions must be one per example in memory, 3 here"):
        zscape.look(np.zeros((3, 8, 8), np.uint8), captions=["a"])
