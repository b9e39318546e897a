"""P-values are uniform on normals, whatever the unit of a score; alarms ring as often as asked."""

import math

import pytest
import torch

from zscape.errors import DataError, SpecError
from zscape.space.calibration import (
    FAR,
    combine,
    extrapolated,
    p_of,
    p_words,
    require_threshold,
    surprise,
)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("unit", [lambda v: v, torch.exp, lambda v: 1e6 * v - 3])
def test_p_is_uniform_on_normals_whatever_the_unit(unit):
    normals, others = unit(drawn(2000)), unit(drawn(20_000, seed=1))
    p = (-surprise(normals, others)).exp()
    for level in (0.05, 0.1, 0.3, 0.7):
        assert (p <= level).double().mean().item() == pytest.approx(level, abs=0.02)


def test_the_tail_is_the_exponential_of_its_excesses():
    normals = -torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64).log()  # exponential
    far = torch.tensor([5.0, 10.0, 50.0, 500.0])
    torch.testing.assert_close(extrapolated(normals, far), far.double(), rtol=0.02, atol=0)


def test_beyond_what_any_normals_say_p_falls_as_one_over_the_nats():
    normals = -torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64).log()
    values = torch.tensor([1.0, 10.0, 20.0, 25.0, 100.0, 1e6, 1e30])
    nats, told = extrapolated(normals, values), surprise(normals, values)
    within = nats <= FAR
    assert within.tolist() == [True] * 3 + [False] * 4
    assert torch.equal(told[within], nats[within])
    torch.testing.assert_close(told[~within], FAR + (1 + nats[~within] - FAR).log())
    around = surprise(normals, torch.linspace(19, 22, 301, dtype=torch.float64)).diff()
    assert (around > 0).all() and (around.diff().abs() < 2e-4).all()  # no step, no kink


def test_stranger_is_never_less_surprising():
    values = torch.linspace(-6, 12, 5000)
    found = surprise(drawn(37), values)
    assert (found.diff() >= 0).all() and found[-1] > found[-2]


def test_ties_and_missing_scores_are_borne():
    normals = torch.tensor([1.0] * 20 + [math.nan])
    found = surprise(normals, torch.tensor([1.0, 0.0, 2.0, math.nan]))
    assert found[0] == 0 and found[1] == 0 and FAR < found[2] < 120 and found[3].isnan()


def test_the_combination_is_uniform_on_normals_and_sees_what_one_score_sees():
    normals, others = drawn(2000, 3), drawn(20_000, 3, seed=1)
    others[0] = torch.tensor([0.0, 0.0, 9.0])
    parts = {f"{j}": (normals[:, j], others[:, j]) for j in range(3)}
    found = combine(parts)
    for level in (0.01, 0.1, 0.5):
        assert found.flagged(level).double().mean().item() == pytest.approx(level, rel=0.25)
        assert found.false_alarms(level).double().mean().item() == pytest.approx(level, rel=0.4)
    assert found.leading[0] == 2 and found.flagged(0.0001)[0]
    # The largest of three is large by chance more often than one.
    assert found.surprise.mean() < torch.stack(list(found.surprises.values())).amax(0).mean()


def test_a_sum_sees_what_is_a_little_strange_in_every_way():
    normals, odd = drawn(2000, 4), torch.full((1, 4), 1.5)
    parts = {f"{j}": (normals[:, j], odd[:, j]) for j in range(4)}
    assert not combine(parts).flagged(0.01)[0] and combine(parts, weights={}).flagged(0.01)[0]
    one = combine(parts, weights={f"{j}": 0.0 for j in range(1, 4)})
    torch.testing.assert_close(one.surprise, one.surprises["0"], atol=0.1, rtol=0.05)


def test_the_whole_is_readable_and_its_order_that_of_the_sums():
    normals = torch.stack([torch.ones(80), drawn(80).abs()])  # the first falls off at once
    things = torch.stack([torch.tensor([1.0, 1.5, 2000.0, 3e7]), torch.tensor([0.5, 40, 2, 1])])
    found = combine({"a": (normals[0], things[0]), "b": (normals[1], things[1])}, weights={})
    sums = sum(extrapolated(*pair) for pair in zip(normals, things, strict=True))
    assert sums[3] > 1e15 and torch.equal(found.surprise.argsort(), sums.argsort())
    assert found.surprise.max() < 200 and (found.surprise.diff() > 0).all()
    assert max(of.max() for of in found.surprises.values()) < 120


def test_a_normal_without_one_of_the_scores_calibrates_the_others():
    first, second = drawn(100), drawn(100, seed=1)
    second[:60] = torch.nan
    found = combine({"a": (first, first), "b": (second, second)})
    assert found.normal_surprise.isnan().sum() == 60 and len(found.false_alarms(0.1)) == 40


def test_too_few_normals_and_impossible_thresholds_are_refused():
    with pytest.raises(DataError, match="at least 5 normal things, got 4"):
        surprise(drawn(4), drawn(4))
    with pytest.raises(SpecError, match="between 0 and 1, got 1"):
        require_threshold(1)
    with pytest.raises(SpecError, match="At least one score"):
        combine({})


def test_p_is_never_0_and_says_where_it_is_extrapolated():
    normals = torch.tensor([1.0] * 80)  # whose scores fall off at once
    found = surprise(normals, torch.tensor([1.0, 1.5, 2000.0]))
    assert (p_of(found) > 0).all() and found[2] > found[1] > FAR
    assert [p_words(p, 80) for p in p_of(found).tolist()] == ["1", "<1e-9", "<1e-9"]
    assert p_words(0.2, 80) == "0.2" and p_words(1 / 81, 80) == "0.012"
    assert p_words(0.0031, 80) == "~0.0031" and p_words(0.0031, 800) == "0.0031"


def test_flagged_is_p_at_most_the_threshold():
    normals, others = drawn(40, 1), drawn(500, 1, seed=1) * 2
    found = combine({"a": (normals[:, 0], others[:, 0])})
    for threshold in (0.2, 0.01, 1e-4):
        assert torch.equal(found.flagged(threshold), p_of(found.surprise) <= threshold)
