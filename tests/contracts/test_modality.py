"""Every modality keeps the contract; a new member is one line here."""

import numpy as np
import pandas as pd
import pytest
from tests.contracts.modality import Case, Check, checks_for

from zscape.modalities import MODALITIES
from zscape.modalities.array import find_array
from zscape.modalities.image import find_image
from zscape.modalities.logs import find_logs, parsed
from zscape.modalities.table import find_table


def rng():
    return np.random.default_rng(0)


def pixels(*shape):
    return rng().integers(0, 256, (7, *shape), dtype=np.uint8)


def ink(*shape):
    return np.where(rng().random((7, *shape)) < 0.9, 255, pixels(*shape)).astype(np.uint8)


def bits(*shape):
    return (rng().random((7, *shape)) < 0.5).astype(np.uint8)


def reals(*shape):
    return rng().normal(5, 20, (7, *shape))


def frame():
    generator, n = rng(), 30
    return pd.DataFrame(
        {
            "age": generator.integers(18, 90, n),
            "income": np.where(generator.random(n) < 0.2, np.nan, generator.normal(0, 1e5, n)),
            "children": generator.poisson(1, n),
            "città": generator.choice(["Köln", "日本", "🙂"], n),
            "member": generator.random(n) < 0.3,
            "country": "DE",
            "zero": 0.0,
        }
    )


def array_case(name, things, misfit):
    return Case(name, things, find_array, same_numbers, misfit)


def image_case(name, things, misfit=lambda: np.zeros((2, 5, 5), np.uint8), same=None):
    return Case(name, things, find_image, same or np.testing.assert_array_equal, misfit)


def same_numbers(back, things):
    assert back.dtype == things.dtype
    np.testing.assert_allclose(back, things, rtol=1e-5, atol=1e-5)


def same_frame(back, things):
    pd.testing.assert_frame_equal(back, things, check_exact=False, rtol=1e-5)


def same_lists(back, things):
    assert back == things


def words():
    return [["a", "b", "b", "c"], ["a", "c"], ["b", "b", "b", "a", "c"], ["a"]]


def ids():
    return [[5, 22, 5], [5, 5, 5, 11, 9], [22]]


def session_case(name, things):
    return Case(name, things, lambda s: find_logs(parsed(s)), same_lists, lambda: [["a"], "b"])


CASES = [
    session_case("sessions of words", words),
    session_case("sessions of ids", ids),
    image_case("grey", lambda: pixels(9, 8)),
    image_case("ink", lambda: ink(28, 28)),
    image_case("bits", lambda: bits(8, 8) * np.uint8(255)),
    image_case(
        "zeros and ones",
        lambda: bits(8, 8),
        same=lambda back, x: np.testing.assert_array_equal(back, x * np.uint8(255)),
    ),
    image_case("colour", lambda: pixels(64, 70, 3)),
    image_case(
        "floats",
        lambda: (pixels(3, 16, 16) / 255).astype(np.float32),
        same=lambda back, x: np.testing.assert_array_equal(
            back, np.rint(np.moveaxis(x, 1, -1) * 255).astype(np.uint8)
        ),
    ),
    array_case("reals", lambda: reals(3), lambda: np.zeros((2, 4))),
    array_case("single precision", lambda: reals(3).astype(np.float32), lambda: np.zeros((2, 4))),
    array_case("binary", lambda: bits(5), lambda: np.zeros((2, 4))),
    array_case("truths", lambda: bits(5).astype(bool), lambda: np.zeros((2, 4))),
    array_case("counts", lambda: rng().poisson(4, (7, 5)), lambda: np.zeros((2, 4))),
    array_case("large counts", lambda: rng().poisson(900.0, (7, 5)), lambda: np.zeros((2, 4))),
    array_case("unit", lambda: rng().random((7, 5)), lambda: np.zeros((2, 4))),
    array_case("grid", lambda: reals(4, 6), lambda: np.zeros((2, 4))),
    array_case("colour grid", lambda: reals(3, 6, 6), lambda: np.zeros((2, 4))),
    array_case("cube", lambda: reals(2, 5, 6), lambda: np.zeros((2, 4))),
    Case(
        "table",
        frame,
        find_table,
        same_frame,
        lambda: frame().drop(columns="age"),
        first=lambda things: things.head(1),
    ),
]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{case.name}-{check.name}")
        for case in CASES
        for check in checks_for(case)
    ],
)
def test_contract(check: Check):
    check.run()


def test_every_modality_is_here():
    tried = {type(case.find(case.things()).modality) for case in CASES}
    assert tried == set(MODALITIES.values())
