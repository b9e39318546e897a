"""A ladder by its words: trained, kept, opened to the bit, sampled, redrawn, measured."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import zscape as zs
from zscape.cli import main
from zscape.space.space import encode_stored

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("ladders") / "digits"
    words = ["--recipe", "ladder_vae", "--network", "tiny", "--latent", "4", "--epochs", "2"]
    more = ["--schedule", "cosine", "--weight-decay", "0.01", "--free-bits", "0.5"]
    assert main(["train", "digits", "--out", str(path), *words, *more]) == 0
    return path


def test_a_ladder_opens_to_the_bit(study):
    spaces = [zs.open(study), zs.open(study)]
    stored = [encode_stored(space.model, space.modality, space.items) for space in spaces]
    assert list(spaces[0].codes.tensors) == list(stored[0].tensors) == ["z1", "z2"]
    assert torch.equal(stored[0].flat, stored[1].flat)
    assert np.array_equal(*(space.sample(4, seed=3) for space in spaces))
    kept = spaces[0].codes[spaces[0].kept]
    assert torch.allclose(kept.flat, stored[0].flat, atol=1e-5)


@pytest.mark.parametrize(
    "words",
    [
        ("redraw", "#0", "--below", "1"),
        ("redraw", "#0", "--level", "z2", "-n", "3"),
        ("traverse", "#2", "--level", "2", "--steps", "3"),
        ("sample", "-n", "6", "--levels", "1"),
    ],
)
def test_a_verb_of_levels_leaves_a_picture(words, study, run):
    verb, *rest = words
    code, out, err = run(verb, study, *rest)
    assert code == 0, err
    with Image.open(out.splitlines()[-1]) as picture:
        assert min(picture.size) > 20
    code, out, _ = run(verb, study, *rest, "--json")
    assert code == 0
    assert json.loads(out)["verb"] == verb


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("redraw", "#0", "--below", "2"), "below must be from 0 to 1, as this study has 2 levels"),
        (("redraw", "#0", "--below", "1", "--level", "z2"), "got both"),
        (("redraw", "#0", "-n", "0"), "-n must be at least 1, got 0."),
        (("sample", "--levels", "3"), "levels must be from 1 to 2"),
        (("traverse", "#0", "--level", "z7"), "Unknown level 'z7'"),
    ],
)
def test_levels_that_are_not_there_are_one_sentence(words, said, study, run):
    verb, *rest = words
    code, _, err = run(verb, study, *rest)
    assert code == 64
    assert said in err
    assert "Traceback" not in err


def test_measuring_shows_what_each_level_holds(study, run):
    code, out, _ = run("measure", study, "--json")
    assert code == 0
    (section,) = (s for s in json.loads(out)["sections"] if s["name"] == "levels")
    assert [row["name"] for row in section["rows"]] == ["z1", "z2"]
    assert section["rows"][1]["figures"][-1]["value"] == 1.0
