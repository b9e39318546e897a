"""DCI and SAP: worked by hand, literal implementations, and the trees against gradient boosting."""

import math

import numpy as np
import pytest
from tests.measures.disentanglement import made
from tests.measures.disentanglement.made import full_grid, noisy

from zscape.measures.disentanglement import importance
from zscape.measures.disentanglement.importance import dci, sap

GRID = full_grid(4, 4, 4).repeat(4, axis=0)


def told_by(monkeypatch, matrix):
    """Lets the trees find this importance `[D, F]` and tell half of the rows right."""
    columns = iter(np.asarray(matrix, float).T)
    monkeypatch.setattr(
        importance, "_trees", lambda table, *_: (next(columns), np.arange(len(table.codes)) % 2)
    )


def test_by_hand(monkeypatch):
    # Unit 1 serves the first factor alone, unit 2 both alike, unit 3 none.
    told_by(monkeypatch, [[0.6, 0.0], [0.2, 0.2], [0.0, 0.0]])
    codes, factors = np.random.default_rng(0).normal(size=(20, 3)), full_grid(2, 2).repeat(5, 0)
    found = dci(codes, factors)
    assert found.disentanglement.value == pytest.approx(0.6 * 1 + 0.4 * 0)
    first = 1 + (0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(3)
    assert found.completeness.value == pytest.approx(0.8 * first + 0.2 * 1)
    assert found.informativeness.value == pytest.approx(0.5)
    assert found.informativeness.error == pytest.approx(0.5 / 20**0.5)


def literal_dci(matrix):
    """Eastwood and Williams, section 2, one unit at a time."""
    num_units, num_factors = matrix.shape
    total = matrix.sum()
    disentangled = complete = 0.0
    for d in range(num_units):
        shares = [matrix[d, f] / matrix[d].sum() for f in range(num_factors)]
        entropy = -sum(s * math.log(s, num_factors) for s in shares if s > 0)
        disentangled += (1 - entropy) * matrix[d].sum() / total
    for f in range(num_factors):
        shares = [matrix[d, f] / matrix[:, f].sum() for d in range(num_units)]
        entropy = -sum(s * math.log(s, num_units) for s in shares if s > 0)
        complete += (1 - entropy) * matrix[:, f].sum() / total
    return disentangled, complete


@pytest.mark.parametrize("seed", range(2))
def test_dci_is_its_definition(seed):
    found = dci(*noisy(seed))
    disentangled, complete = literal_dci(found.importance)
    assert found.disentanglement.value == pytest.approx(disentangled, abs=1e-9)
    assert found.completeness.value == pytest.approx(complete, abs=1e-9)


def test_perfect_codes_score_one():
    found = dci(-GRID[:, ::-1] + 0.0, GRID)
    assert found.disentanglement.value == pytest.approx(1.0, abs=1e-6)
    assert found.completeness.value == pytest.approx(1.0, abs=1e-6)
    assert found.informativeness.value == 1.0


def test_codes_of_noise_score_near_zero():
    codes = np.random.default_rng(0).normal(size=(len(GRID), 3))
    found = dci(codes, GRID)
    assert found.disentanglement.value < 0.1 and found.completeness.value < 0.1
    assert found.informativeness.value == pytest.approx(0.25, abs=0.1)


def test_constant_codes_score_zero():
    found = dci(np.ones((len(GRID), 3)), GRID)
    assert found.disentanglement.value == pytest.approx(0.0, abs=1e-12)
    assert found.completeness.value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(1, 3))
def test_the_trees_agree_with_gradient_boosting(seed):
    from sklearn.ensemble import GradientBoostingClassifier

    codes, factors = made.noisy(seed, n=900)
    codes = np.concatenate([factors[:, :2] + 0.2 * codes[:, :2], codes], 1)
    matrix = np.stack(
        [
            GradientBoostingClassifier(random_state=0).fit(codes, classes).feature_importances_
            for classes in factors.T
        ],
        1,
    )
    found, (disentangled, complete) = dci(codes, factors), literal_dci(matrix)
    assert found.disentanglement.value == pytest.approx(disentangled, abs=0.1)
    assert found.completeness.value == pytest.approx(complete, abs=0.1)
    assert np.corrcoef(found.importance.ravel(), matrix.ravel())[0, 1] > 0.95


def test_one_factor_has_no_disentanglement_and_one_unit_no_completeness():
    assert dci(GRID + 0.0, GRID[:, :1]).disentanglement.kind == "undefined"
    assert dci(GRID[:, :1] + 0.0, GRID).completeness.kind == "undefined"


def literal_sap(codes, factors, seed):
    """Kumar et al., section 3: the two best accuracies of one-unit classifiers, by hand."""
    from sklearn.svm import LinearSVC

    order = np.random.default_rng(seed).permutation(len(codes))
    cut = int(len(order) * 2 / 3)
    fitted, rest = order[:cut], order[cut:]
    gaps = []
    for classes in factors.T:
        accuracies = []
        for unit in codes.T:
            line = LinearSVC(C=0.01, class_weight="balanced", dual=False, random_state=0)
            told = line.fit(unit[fitted].reshape(-1, 1), classes[fitted]).predict(
                unit[rest].reshape(-1, 1)
            )
            accuracies.append(sum(told == classes[rest]) / len(rest))
        best = max(accuracies)
        accuracies.remove(best)
        gaps.append(best - max(accuracies))
    return sum(gaps) / len(gaps)


@pytest.mark.parametrize("seed", range(2))
def test_sap_is_its_definition(seed):
    codes, factors = noisy(seed)
    expected = literal_sap(codes, factors, seed)
    assert sap(codes, factors, seed=seed).value == pytest.approx(expected, abs=1e-9)


def test_sap_of_two_classes_is_one_half_for_perfect_codes_and_zero_for_twins():
    factors = full_grid(2, 2).repeat(300, axis=0)
    other = np.random.default_rng(0).permutation(1200) % 2  # balanced, so chance is a half
    perfect = 2.0 * factors - 1
    assert sap(perfect, factors).value == pytest.approx(0.5, abs=0.06)
    assert sap(np.concatenate([perfect, perfect], 1), factors).value == 0.0
    assert sap(other[:, None] + 0.0, factors).value == pytest.approx(0.5, abs=0.06)
