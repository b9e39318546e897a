"""MIG, modularity and InfoMEC: worked by hand, and against slow literal implementations."""

import math

import numpy as np
import pytest
from tests.measures.disentanglement.made import full_grid, noisy

from zscape.errors import SpecError
from zscape.measures.disentanglement.information import (
    infomec,
    information,
    mig,
    modularity,
    neighbour_information,
)

GRID = full_grid(4, 4, 4)


def literal_information(unit, classes, bins):
    """I(z; s) by its definition, one cell at a time, over numpy's own histogram bins."""
    edges = np.histogram(unit, bins)[1]
    places = np.digitize(unit, edges[:-1])
    total = 0.0
    for b in set(places.tolist()):
        for c in set(classes.tolist()):
            both = np.mean((places == b) & (classes == c))
            if both > 0:
                total += both * math.log(both / (np.mean(places == b) * np.mean(classes == c)))
    return total


def literal_entropy(classes):
    shares = [np.mean(classes == c) for c in set(classes.tolist())]
    return -sum(share * math.log(share) for share in shares)


def literal_mig(codes, factors, bins=20):
    gaps = []
    for classes in factors.T:
        known = sorted(literal_information(unit, classes, bins) for unit in codes.T)
        gaps.append((known[-1] - known[-2]) / literal_entropy(classes))
    return sum(gaps) / len(gaps)


def literal_modularity(codes, factors, bins=20):
    scores = []
    for unit in codes.T:
        known = [literal_information(unit, classes, bins) ** 2 for classes in factors.T]
        rest = sum(known) - max(known)
        scores.append(1 - rest / (max(known) * (len(known) - 1)))
    return sum(scores) / len(scores)


def literal_neighbour_information(unit, classes, k):
    """Ross 2014: psi(N) + <psi(k)> - <psi(N_x)> - <psi(m)>, over pairs of examples."""
    import torch

    def psi(n):
        return torch.digamma(torch.tensor(float(n), dtype=torch.float64)).item()

    kept = [i for i in range(len(unit)) if (classes == classes[i]).sum() > 1]
    terms = []
    for i in kept:
        own = [abs(unit[j] - unit[i]) for j in kept if j != i and classes[j] == classes[i]]
        near = min(k, len(own))
        reach = sorted(own)[near - 1]
        inside = sum(abs(unit[j] - unit[i]) < reach or unit[j] == unit[i] for j in kept)
        # Of continuous numbers that is k: the example itself and k - 1 nearer than the k-th.
        near = 1 + sum(distance < reach or distance == 0 for distance in own)
        terms.append(psi(near) - psi(len(own) + 1) - psi(inside))
    return max(0.0, psi(len(kept)) + sum(terms) / len(terms))


@pytest.mark.parametrize("seed", range(4))
def test_mig_is_its_definition(seed):
    codes, factors = noisy(seed)
    assert mig(codes, factors).value == pytest.approx(literal_mig(codes, factors), abs=1e-9)
    rounded = np.round(codes, 1)  # numbers that lie on the edges of bins
    assert mig(rounded, factors).value == pytest.approx(literal_mig(rounded, factors), abs=1e-9)
    few = mig(codes, factors, bins=7).value
    assert few == pytest.approx(literal_mig(codes, factors, bins=7), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_modularity_is_its_definition(seed):
    codes, factors = noisy(seed)
    expected = literal_modularity(codes, factors)
    assert modularity(codes, factors).value == pytest.approx(expected, abs=1e-9)


def test_one_unit_a_factor_scores_one():
    codes = -2.5 * GRID[:, ::-1].astype(float)
    assert mig(codes, GRID).value == pytest.approx(1.0)
    assert modularity(codes, GRID).value == pytest.approx(1.0)


def test_two_equal_units_score_zero():
    codes = np.concatenate([GRID, GRID], 1).astype(float)
    assert mig(codes, GRID).value == pytest.approx(0.0, abs=1e-12)
    assert modularity(codes, GRID).value == pytest.approx(1.0)


def test_constant_units_score_zero():
    codes = np.ones((64, 3))
    assert mig(codes, GRID).value == pytest.approx(0.0, abs=1e-12)
    assert modularity(codes, GRID).value == 0.0


def test_by_hand():
    # Two factors of two classes. The first unit is the first factor; the second knows the first
    # in half of the cases: I = log 2 - H where H(s | z) = 3/4 h(1/3) = 3/4 (log 3 - 2/3 log 2).
    factors = full_grid(2, 2)
    factors = np.repeat(factors, 10, axis=0)
    codes = np.stack([factors[:, 0], factors[:, 0] * factors[:, 1]], 1).astype(float)
    little = math.log(2) - 0.75 * (math.log(3) - 2 / 3 * math.log(2))
    known = information(codes, factors) * math.log(2)
    expected = [[math.log(2), little], [0.0, little]]
    np.testing.assert_allclose(known, expected, atol=1e-12)
    gaps = [(math.log(2) - little) / math.log(2), little / math.log(2)]
    assert mig(codes, factors).value == pytest.approx(sum(gaps) / 2)
    # The second unit knows both factors alike, so it is not modular at all.
    assert modularity(codes, factors).value == pytest.approx((1 + 0) / 2)


def test_the_error_of_mig_is_its_spread_over_tables():
    figures = [mig(*noisy_table(seed)) for seed in range(80)]
    spread = np.std([figure.value for figure in figures])
    assert np.mean([figure.error for figure in figures]) == pytest.approx(spread, rel=0.25)


def noisy_table(seed):
    generator = np.random.default_rng(seed)
    factors = np.stack([generator.integers(0, k, 2000) for k in (3, 5)], 1)
    codes = factors @ np.array([[1.0, 0.3, 0], [0, 1, 0.5]]) + generator.normal(size=(2000, 3))
    return codes, factors


def test_a_single_unit_has_no_rival_and_a_single_factor_no_modularity():
    assert mig(GRID[:, :1].astype(float), GRID[:, :1]).value == pytest.approx(1.0)
    assert modularity(GRID.astype(float), GRID[:, :1]).kind == "undefined"
    found = infomec(GRID[:, :1] + 0.0, GRID[:, :1])
    assert found.infom.value is None and found.infoc.value is None


def test_information_without_bins_is_its_definition():
    codes, factors = noisy(1, n=150)
    factors[:1, 0] = 9  # alone in its class
    for unit in [*codes.T, np.round(4 * codes[:, 0]) / 4]:
        for classes in factors.T:
            for k in (3, 10):
                found = neighbour_information(unit, np.unique(classes, return_inverse=True)[1], k)
                expected = literal_neighbour_information(unit, classes, k)
                assert found == pytest.approx(expected, abs=1e-9)


def test_information_without_bins_is_that_of_scikit_learn():
    from sklearn.feature_selection import mutual_info_classif

    codes, factors = noisy(2)
    for classes in factors.T:
        expected = mutual_info_classif(
            codes, classes, discrete_features=False, n_neighbors=10, random_state=0
        )
        found = [neighbour_information(unit, classes, 10) for unit in codes.T]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_numbers_that_repeat_are_known_as_classes_are():
    # A perfect code of few values tells the factor, and nothing of the other.
    known = [
        [neighbour_information(unit, classes, 10) for unit in GRID.T.astype(float)]
        for classes in GRID.T
    ]
    np.testing.assert_allclose(known, math.log(4) * np.eye(3), atol=0.05)
    found = infomec(GRID.repeat(20, axis=0) + 0.0, GRID.repeat(20, axis=0))
    assert found.infom.value > 0.99 and found.infoc.value > 0.99


def literal_infomec(codes, factors):
    ranges = codes.max(0) - codes.min(0)
    kept = [d for d in range(codes.shape[1]) if ranges[d] > ranges.max() / 20]
    known = np.array(
        [
            [literal_neighbour_information(codes[:, d], s, 10) / literal_entropy(s) for d in kept]
            for s in factors.T
        ]
    )
    num_factors, num_units = known.shape
    infom = np.mean([max(column) / sum(column) for column in known.T])
    infoc = np.mean([max(row) / sum(row) for row in known])
    return (
        (infom - 1 / num_factors) / (1 - 1 / num_factors),
        (infoc - 1 / num_units) / (1 - 1 / num_units),
        known,
    )


def test_infom_and_infoc_are_their_definitions():
    codes, factors = noisy(3, n=200)
    codes = np.concatenate([codes, 0.01 * codes[:, :1]], 1)  # too narrow to count
    found = infomec(codes, factors)
    infom, infoc, known = literal_infomec(codes, factors)
    assert found.active.tolist() == [True] * 4 + [False]
    assert found.infom.value == pytest.approx(infom, abs=1e-6)
    assert found.infoc.value == pytest.approx(infoc, abs=1e-6)
    np.testing.assert_allclose(found.information[:, :4], known, atol=1e-9)


def literal_infoe(codes, factors):
    """1 - (mean log loss of the best softmax regression) / H, by Newton's steps on its weights."""
    x = np.concatenate([(codes - codes.mean(0)) / codes.std(0), np.ones((len(codes), 1))], 1)
    removed = []
    for classes in factors.T:
        count = classes.max() + 1
        weights, told = np.zeros((x.shape[1], count - 1)), np.eye(count)[classes]
        for _ in range(30):
            logits = np.concatenate([x @ weights, np.zeros((len(x), 1))], 1)
            chances = np.exp(logits - logits.max(1, keepdims=True))
            chances /= chances.sum(1, keepdims=True)
            gradient = x.T @ (chances - told)[:, :-1]
            p = chances[:, :-1]
            curvature = np.einsum("na,nb,ni,ij->aibj", x, x, p, np.eye(count - 1))
            curvature -= np.einsum("na,nb,ni,nj->aibj", x, x, p, p)
            step = np.linalg.solve(curvature.reshape(weights.size, -1), gradient.ravel())
            weights -= step.reshape(weights.shape)
        spent = -np.log(chances[np.arange(len(x)), classes]).mean()
        removed.append(1 - spent / literal_entropy(classes))
    return np.mean(removed)


def test_infoe_is_its_definition():
    codes, factors = noisy(4, n=300)
    found = infomec(codes, factors).infoe
    assert found.value == pytest.approx(literal_infoe(codes, factors), abs=1e-5)


def test_infom_is_never_quoted_without_infoe():
    # A code that forgot two of three factors is perfectly modular; its name tells on it.
    generator = np.random.default_rng(0)
    codes = GRID[:, :1] + 0.01 * generator.normal(size=(64, 1))
    found = infomec(codes, GRID)
    assert found.infom.value > 0.8 and found.infoe.value < 0.4
    assert found.infom.name == f"InfoM (at InfoE {found.infoe.value:.2f})"


def test_perfect_codes_reach_one_by_infomec():
    generator = np.random.default_rng(0)
    factors = full_grid(3, 3, 3).repeat(12, axis=0)
    found = infomec(factors + 1e-3 * generator.normal(size=factors.shape), factors)
    assert found.infom.value > 0.95 and found.infoc.value > 0.95 and found.infoe.value > 0.99


def test_settings_that_cannot_be():
    codes, factors = noisy()
    with pytest.raises(SpecError, match="bins must be at least 2, got 1"):
        mig(codes, factors, bins=1)
    with pytest.raises(SpecError, match="neighbours must be at least 1, got 0"):
        infomec(codes, factors, neighbours=0)
