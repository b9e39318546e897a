"""UDR: by hand, against a literal implementation, and what it must rank first."""

import numpy as np
import pytest

from zscape.errors import ShapeError, SpecError
from zscape.measures.disentanglement.agreement import udr

X = np.random.default_rng(0).normal(size=(500, 3))


def rotated(seed):
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return X @ turn


def literal_pair(own, other, method):
    """Duan et al., eq. 3, with R found one entry at a time."""
    from scipy.stats import spearmanr
    from sklearn.linear_model import Lasso

    own = (own - own.mean(0)) / own.std(0)
    other = (other - other.mean(0)) / other.std(0)
    relation = np.zeros((own.shape[1], other.shape[1]))
    for b in range(other.shape[1]):
        if method == "lasso":
            relation[:, b] = abs(Lasso(alpha=0.1).fit(own, other[:, b]).coef_)
        else:
            relation[:, b] = [abs(spearmanr(unit, other[:, b])[0]) for unit in own.T]
    total = 0.0
    for row in [*relation, *relation.T]:
        total += max(row) ** 2 / sum(row) if sum(row) > 0 else 0.0
    return total / sum(relation.shape)


@pytest.mark.parametrize("method", ["lasso", "spearman"])
def test_udr_is_its_definition(method):
    models = [X, rotated(1)[:, :2], np.round(rotated(2), 1), X[:, ::-1] ** 3]
    found = udr(models, method=method)
    for i, own in enumerate(models):
        for j, other in enumerate(models):
            if i != j:
                expected = literal_pair(own, other, method)
                assert found.pairs[i, j] == pytest.approx(expected, abs=1e-9)
        others = np.delete(found.pairs[i], i)
        assert found.scores[i].value == pytest.approx(np.median(others))
        assert found.scores[i].error == pytest.approx(others.std(ddof=1) / 3**0.5)


def test_order_and_sign_do_not_matter():
    found = udr([X, -X[:, [2, 0, 1]], 5 * X], method="spearman")
    # Unrelated units of 500 examples have correlations of about 0.04.
    assert all(score.value > 0.85 for score in found.scores)
    found = udr([X, -X[:, [2, 0, 1]], 5 * X])
    # The penalty takes 0.1 of each weight.
    assert all(score.value == pytest.approx(0.9, abs=1e-2) for score in found.scores)


def test_the_odd_one_out_scores_least():
    found = udr([X, X[:, ::-1], -X, rotated(3)])
    values = [score.value for score in found.scores]
    assert int(np.argmin(values)) == 3 and found.best != 3


def test_units_that_carry_nothing_do_not_count():
    noise = np.random.default_rng(1).normal(size=(500, 2))
    wide = np.concatenate([X, noise], 1)
    rates = [np.ones(3), np.array([1.0, 1, 1, 0.005, 0.01])]
    kept = udr([X, wide], rates=rates).pairs[0, 1]
    assert kept == pytest.approx(udr([X, X]).pairs[0, 1], abs=1e-12)
    # Without rates the variance of the codes stands in for them.
    quiet = np.concatenate([X, 0.05 * noise], 1)
    assert udr([X, quiet]).pairs[0, 1] == pytest.approx(kept, abs=1e-12)
    assert udr([X, wide]).pairs[0, 1] < kept


def test_a_model_that_carries_nothing_scores_zero():
    found = udr([X, X, 0 * X])
    assert found.scores[2].value == 0.0 and np.isnan(found.pairs[1, 1])
    assert udr([X, 0 * X], method="spearman").scores[1].value == 0.0


def test_two_models_have_no_error():
    assert udr([X, X]).scores[0].error is None


def test_mistakes():
    with pytest.raises(SpecError, match=r"Unknown method 'laso'\. Did you mean 'lasso'"):
        udr([X, X], method="laso")
    with pytest.raises(SpecError, match="two models at least, got 1"):
        udr([X])
    with pytest.raises(ShapeError, match="the same examples"):
        udr([X, X[:10]])
