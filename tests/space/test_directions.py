"""Directions: planted properties of planted codes, whose best movements are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zscape.errors import DataError, SpecError
from zscape.modalities.image import Image
from zscape.model.codes import Codes
from zscape.recipes import vae
from zscape.space.directions import find_direction, unsupervised_directions
from zscape.space.edits import along, beyond_data, edit, strength_to
from zscape.space.known import known_numbers
from zscape.space.readouts import read_out
from zscape.space.space import Space

NUMBER, SIZE = 4000, 4
ROOT = torch.tensor(
    [[2.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.5, 1.0, 0.0], [0.3, 0.0, 0.0, 0.5]]
)
READ = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])  # of "age" and "height"


@pytest.fixture(scope="module")
def space():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(NUMBER, SIZE, generator=generator) @ ROOT.T
    age, height = (codes @ READ.T).T.numpy()
    noise = np.random.default_rng(0)
    smile = (age + noise.normal(0, 0.3, NUMBER) > 0).astype(float)
    modality = Image(height=8, width=8, channels=1, num_examples=NUMBER)
    torch.manual_seed(0)
    model, _ = vae(modality, latent=SIZE, network="mlp:16")
    return Space(
        model=model.eval(),
        modality=modality,
        codes=Codes({"z": codes}),
        items=torch.randint(256, (20, 1, 8, 8), dtype=torch.uint8, generator=generator),
        kept=torch.arange(20),
        labels=(height > 0).astype(np.int64),
        label_names=("low", "high"),
        attributes={"age": age, "height": height, "smile": smile},
    )


def covariance(space):
    centred = space.codes.flat - space.codes.flat.mean(0)
    return centred.T @ centred / len(centred)


def test_codes_move_along_the_covariance_times_the_read_out(space):
    found = find_direction(space, "age")
    pattern = covariance(space) @ READ[0]
    wanted = pattern / (READ[0] @ pattern).sqrt()
    torch.testing.assert_close(found.vector, wanted, atol=2e-3, rtol=2e-3)
    assert found.measure == "R2" and found.score > 0.999 and found.number == NUMBER


def test_a_strength_of_one_moves_the_property_by_its_standard_deviation(space):
    found = find_direction(space, "age")
    moved = float(found.vector @ READ[0])
    assert moved == pytest.approx(space.attributes["age"].std(), rel=1e-3)
    assert found.leakage["height"] == pytest.approx(
        float(found.vector @ READ[1]) / space.attributes["height"].std(), abs=1e-2
    )


def test_apart_from_another_the_other_stays(space):
    plain, apart = (find_direction(space, "age", apart_from=a) for a in ((), ("height",)))
    assert abs(plain.leakage["height"]) > 0.1
    assert abs(apart.leakage["height"]) < 1e-3
    moved = float(apart.vector @ READ[0])
    assert moved == pytest.approx(space.attributes["age"].std(), rel=1e-3)


def test_a_class_has_an_auc_of_examples_that_did_not_teach_it(space):
    found = find_direction(space, "smile")
    assert found.measure == "AUC" and 0.97 < found.score < 1.0
    angle = torch.cosine_similarity(found.vector, find_direction(space, "age").vector, dim=0)
    assert angle > 0.99
    guess = np.random.default_rng(1).permutation(space.attributes["smile"])
    assert abs(read_out(space.codes.flat, guess, name="guess").score - 0.5) < 0.05


def test_examples_of_both_sides_say_the_same_as_the_property(space):
    smiles = np.flatnonzero(space.attributes["smile"] == 1)[:300].tolist()
    others = np.flatnonzero(space.attributes["smile"] == 0)[:300].tolist()
    found = find_direction(space, smiles, others, name="grin")
    assert found.name == "grin" and found.number == 600
    known = find_direction(space, "smile")
    assert torch.cosine_similarity(found.vector, known.vector, dim=0) > 0.97
    alone = find_direction(space, smiles)
    assert alone.number == NUMBER


def test_classes_are_known_by_name_and_missing_values_teach_nothing(space):
    assert known_numbers(space).names == ("age", "height", "smile", "low", "high")
    values = space.attributes["age"].copy()
    values[::2] = np.nan
    assert read_out(space.codes.flat, values, name="age").number == NUMBER // 2


def test_principal_directions_are_those_of_the_codes(space):
    found = unsupervised_directions(space, method="pca", number=2)
    values, vectors = torch.linalg.eigh(covariance(space))
    for one, value, vector in zip(found, values.flip(0), vectors.T.flip(0), strict=False):
        assert one.vector.norm() == pytest.approx(float(value.sqrt()), rel=1e-3)
        assert abs(torch.cosine_similarity(one.vector, vector, dim=0)) > 0.999
        assert one.score == pytest.approx(float(value / values.sum()), rel=1e-3)


def test_independent_directions_find_the_sources():
    generator = np.random.default_rng(0)
    sources = generator.uniform(-1, 1, (NUMBER, SIZE))
    codes = torch.from_numpy(sources @ ROOT.double().numpy().T).float()
    modality = Image(height=8, width=8, channels=1, num_examples=NUMBER)
    items = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    model, _ = vae(modality, latent=SIZE, network="mlp:16")
    space = Space(model.eval(), modality, Codes({"z": codes}), items, torch.arange(1))
    found = unsupervised_directions(space, method="ica", number=SIZE)
    vectors = torch.stack([one.vector for one in found])
    near = torch.cosine_similarity(vectors[:, None], ROOT.T[None], dim=-1).abs()
    assert near.max(0).values.min() > 0.99


def test_an_edit_of_nothing_is_the_picture_itself(space):
    done = edit(space, 3, {"age": 0.0})
    torch.testing.assert_close(done.x, space.modality.prepare(space.item(3)))
    assert done.warning == ""


def test_along_a_line_are_the_edits_of_each_strength(space):
    vector = find_direction(space, "age").vector
    made = along(space, 3, vector, (-1.0, 2.0))
    for x, strength in zip(made.split(1), (-1.0, 2.0), strict=True):
        torch.testing.assert_close(x, edit(space, 3, {"age": strength}).x)
    torch.testing.assert_close(edit(space, 3, {"age": 2.0}).before, along(space, 3, vector, (0.0,)))


def test_an_edit_moves_the_code_and_far_ones_are_warned_of(space):
    done = edit(space, 3, {"age": 1.0, "smile": -1.0})
    wanted = find_direction(space, "age").vector - find_direction(space, "smile").vector
    torch.testing.assert_close(done.codes.flat - space.codes[3].flat, wanted[None])
    assert "leaves the data: 100.00%" in edit(space, 3, {"age": 9.0}).warning


def test_a_word_goes_to_where_the_side_that_is_asked_for_is_read(space):
    found = find_direction(space, "smile", apart_from=["height"])
    read, has = space.codes.flat @ found.readout, torch.from_numpy(space.attributes["smile"] == 1)
    sides = {"no": read[~has].mean(), "yes": read[has].mean()}
    known = {"smile": found}
    for word, wanted in sides.items():
        far = strength_to(space, 3, found, "smile", word, reach=1.0)
        outside = (read[3] - wanted) * (1 if word == "yes" else -1)
        if outside >= 0:
            assert far == 0.0
        else:
            moved = space.codes.flat[3] + far * found.vector
            torch.testing.assert_close(moved @ found.readout, wanted, atol=1e-5, rtol=1e-4)
        done = edit(space, 3, {"smile": word}, directions=known)
        assert done.strengths == {"smile": strength_to(space, 3, found, "smile", word)}
        same = edit(space, 3, done.strengths, directions=known)
        assert torch.equal(same.x, done.x)
    turned = replace(found, vector=-found.vector, readout=-found.readout)
    for word in sides:
        far, other = (strength_to(space, 3, d, "smile", word) for d in (found, turned))
        assert other == pytest.approx(-far, abs=1e-5)
    still = replace(found, vector=0 * found.vector)
    with pytest.raises(SpecError, match="must move its own read-out"):
        strength_to(space, 3, still, "smile", "yes")
    both = [edit(space, 3, {"smile": word}).strengths["smile"] for word in ("no", "yes")]
    assert both[0] <= 0 <= both[1] and both[0] < both[1]


def test_how_far_out_a_code_lies_is_told_as_a_share(space):
    middle = space.codes.like(space.codes.flat.mean(0, keepdim=True))
    assert beyond_data(space, middle) == 0.0
    half = np.median([beyond_data(space, space.codes[n]) for n in range(300)])
    assert half == pytest.approx(0.5, abs=0.08)


def test_codes_that_are_all_the_same_are_no_crash(space):
    same = replace(space, codes=Codes({"z": torch.ones(NUMBER, SIZE)}))
    assert beyond_data(same, same.codes[0]) == 0.0


def test_an_index_may_be_numpys(space):
    one, other = edit(space, np.int64(3), {"age": 1.0}), edit(space, 3, {"age": 1.0})
    assert torch.equal(one.x, other.x)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda s: find_direction(s, "smiel"), SpecError, "Did you mean 'smile'"),
        (lambda s: find_direction(s, [1, 2], [3, 4]), DataError, "at least 5 examples on each"),
        (lambda s: find_direction(s, "age", apart_from=["x"]), SpecError, "Unknown attribute"),
        (lambda s: unsupervised_directions(s, method="tsne"), SpecError, "Unknown method 'tsne'"),
        (lambda s: unsupervised_directions(s, number=0), SpecError, "number must be at least 1"),
        (lambda s: edit(s, 3, {}), SpecError, "at least one direction"),
        (lambda s: edit(s, 3, {"smile": "maybe"}), SpecError, "a number, 'yes' or 'no'"),
        (lambda s: edit(s, 3, {"age": "yes"}), SpecError, "must have two values"),
        (lambda s: edit(s, 3, {"frown": 1}), SpecError, "Unknown attribute or class 'frown'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(space, call, error, said):
    with pytest.raises(error, match=said):
        call(space)


def test_classes_whose_long_names_begin_alike_are_two(space):
    names = tuple("a very long name of the class " + end for end in ("low", "high"))
    known = known_numbers(replace(space, label_names=names))
    assert known.names[-2:] == names
