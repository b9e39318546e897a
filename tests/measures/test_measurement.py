"""Everything measured in one call: what it holds, that it repeats, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.contracts.space import digits, digits_space, table_space

import zscape as zs
from zscape.errors import DataError, ShapeError, SpecError
from zscape.measures.likelihood import elbo
from zscape.measures.sections import from_json

ALWAYS = ["likelihood", "code", "samples", "interpolation", "usefulness"]


@pytest.fixture(scope="module")
def of_digits():
    return zs.measure(digits_space(), draws=5)


def test_every_question_has_a_section_and_its_floors(of_digits):
    report = of_digits
    assert [section.name for section in report.sections] == ALWAYS
    rows = {section.name: [row.name for row in section.rows] for section in report.sections}
    assert rows["samples"][0] == "real against real" and "samples from N(0, I)" in rows["samples"]
    assert rows["usefulness"][1] == "principal components"
    assert len(rows["interpolation"]) == 2
    assert (report.examples, report.held_out) == (len(digits_space().items), False)


def test_every_figure_has_a_kind_and_says_undefined_where_it_is(of_digits):
    point = replace(digits_space("ae"), labels=None)
    for report in (of_digits, zs.measure(point, draws=3), zs.measure(table_space(), draws=3)):
        for row in (row for section in report.sections for row in section.rows):
            for figure in row.figures:
                assert figure.kind in {"exact", "bound", "estimate", "surrogate", "undefined"}
                assert (figure.value is None) == (figure.kind == "undefined"), figure


def test_it_repeats_and_leaves_randomness_alone():
    space = table_space()  # made before: it is trained
    before = torch.get_rng_state()
    first = zs.measure(space, draws=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == zs.measure(space, draws=5)
    assert first != zs.measure(space, draws=5, seed=1)


def test_it_can_be_stored_and_read():
    report = zs.measure(table_space(), draws=5)
    again = from_json(json.loads(json.dumps(report.to_json())))
    assert again == report and str(again) == str(report)
    assert "importance-weighted NLL (5 draws)" in str(report)


def test_own_things_take_the_place_of_the_studys():
    things = digits().x[:50, 0].numpy()
    report = zs.measure(digits_space(), things, labels=["even", "odd"] * 25, draws=5)
    assert report.examples == 50
    space = digits_space()
    expected = elbo(space.model, space.modality.prepare(digits().x[:50]))[0]
    assert report["likelihood"].rows[0]["ELBO"] == expected
    accuracy = report["usefulness"].rows[0].figures[0]
    assert accuracy.value is not None and accuracy.value < 0.9  # these labels mean nothing


def test_factors_of_ones_own_are_scored_beside_principal_components():
    space = table_space()
    codes = space.codes.flat.numpy()
    # The first unit's sign is a factor that this very code tells.
    table = pd.DataFrame({"told": np.where(codes[:, 0] > np.median(codes[:, 0]), "high", "low")})
    table["noise"] = np.random.default_rng(0).integers(0, 3, len(codes))
    section = zs.measure(space, factors=table, draws=3)["disentanglement"]
    figures = {figure.name: figure.value for figure in section.rows[0].figures}
    assert "told, noise" in section.lead
    assert 0.2 < figures["MIG"] < 0.8  # one of two factors is told by one unit
    alone = zs.measure(space, factors=table[["told"]].to_dict("series"), draws=3)
    assert alone["disentanglement"].rows[0]["MIG"].value > figures["MIG"]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"labels": [1, 2, 3]}, ShapeError, "labels must have a value for each of the 200 things"),
        ({"factors": np.zeros((7, 2))}, ShapeError, "factor 'factor 0' must have a value for each"),
        ({"factors": {"a": [None] * 200}}, DataError, "'a' must be known in every row"),
        ({"draws": 0}, SpecError, "draws must be at least 1"),
    ],
)
def test_mistakes_are_one_sentence(given, error, words):
    with pytest.raises(error, match=words):
        zs.measure(table_space(), **given)
