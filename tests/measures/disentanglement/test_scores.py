"""The table of codes and factors at the edge, and all scores in one call."""

import numpy as np
import pytest
from tests.measures.disentanglement.made import full_grid, noisy

from zscape.errors import DataError, ShapeError
from zscape.measures.disentanglement import disentanglement, labelled, mig
from zscape.measures.disentanglement.factors import FACTOR_BINS

CODES, FACTORS = noisy()


def test_whole_numbers_and_texts_are_classes():
    for column in (
        3 * FACTORS[:, 0] - 7,
        FACTORS[:, 0].astype(np.uint8),
        10**12 * FACTORS[:, 0],
        FACTORS[:, 0].astype(float),
        np.array(["a", "b", "c"])[FACTORS[:, 0]],
        np.array(["a", "b", "c"], object)[FACTORS[:, 0]],
    ):
        table = labelled(CODES, column[:, None])
        assert table.classes[:, 0].tolist() == FACTORS[:, 0].tolist()
        assert table.counts == [3] and table.names == ("factor 0",)


def test_columns_may_differ_in_kind():
    mixed = np.array([[int(a), "xyz"[b % 3]] for a, b, _ in FACTORS], dtype=object)
    table = labelled(CODES, mixed, ["size", "word"])
    assert table.counts == [3, 3] and table.names == ("size", "word")


def test_reals_are_binned_by_their_quantiles():
    reals = np.random.default_rng(0).exponential(size=len(CODES))
    classes = labelled(CODES, reals[:, None]).classes[:, 0]
    assert np.bincount(classes).tolist() == [len(CODES) // FACTOR_BINS] * FACTOR_BINS
    assert (np.diff(classes[np.argsort(reals)]) >= 0).all()
    truths = labelled(CODES, (reals > 1)[:, None]).classes[:, 0]
    assert truths.tolist() == (reals > 1).astype(int).tolist()


def test_reals_that_mostly_repeat_have_fewer_bins():
    reals = np.maximum(np.random.default_rng(0).normal(size=len(CODES)), 0.0)
    classes = labelled(CODES, reals[:, None]).classes[:, 0]
    counts = np.bincount(classes)
    assert (counts > 0).all() and 2 <= len(counts) < FACTOR_BINS


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (np.full(len(CODES), 4), "'it' must take at least two values, got only 4"),
        (np.where(np.arange(len(CODES)) < 3, np.nan, 1.5), "got 3 missing of 600"),
        (np.array([None, *"ab" * 300][:600], object), "got 1 missing of 600"),
        (np.array([float("nan"), *[1, 2] * 300][:600], object), "got 1 missing of 600"),
        (np.arange(len(CODES)).astype(str), "must repeat its values, got 600 of them in 600 rows"),
    ],
)
def test_factors_that_cannot_be_used(factors, message):
    with pytest.raises(DataError, match=message):
        labelled(CODES, np.stack([factors], 1), ["it"])


def test_codes_that_cannot_be_used():
    broken = CODES.copy()
    broken[3, 1] = np.inf
    with pytest.raises(DataError, match="Codes must be finite"):
        mig(broken, FACTORS)
    for codes, factors in ((CODES[:5], FACTORS), (CODES[0], FACTORS), (CODES, FACTORS[:, 0])):
        with pytest.raises(ShapeError, match="of the same N"):
            mig(codes, factors)
    with pytest.raises(ShapeError, match="one name per factor, got 1 names of 3"):
        labelled(CODES, FACTORS, ["one"])


def test_all_scores_at_once():
    factors = full_grid(4, 4, 4).repeat(5, axis=0)
    scores = disentanglement(factors + 0.0, factors, ["a", "b", "c"])
    assert scores.names == ("a", "b", "c")
    found = {figure.name: figure.value for figure in scores.figures}
    assert len(found) == len(scores.figures) == 11
    for name in ("MIG", "DCI disentanglement", "FactorVAE score", "beta-VAE score", "modularity"):
        assert found[name] == pytest.approx(1.0, abs=1e-6)
    assert all(figure.source and figure.unit == "score" for figure in scores.figures)
    assert all(figure.kind == "estimate" for figure in scores.figures)
    np.testing.assert_allclose(scores.information, np.eye(3), atol=1e-9)


def test_all_scores_repeat_and_leave_randomness_alone():
    before = np.random.get_state()[1].tolist()
    first, second = (disentanglement(CODES, FACTORS, most=300, seed=2) for _ in range(2))
    assert first.figures == second.figures
    assert np.random.get_state()[1].tolist() == before
    assert disentanglement(CODES, FACTORS, most=300, seed=3).mig != first.mig


def test_torch_codes_will_do():
    import torch

    assert mig(torch.from_numpy(CODES), torch.from_numpy(FACTORS)) == mig(CODES, FACTORS)


def test_whole_numbers_that_hardly_repeat_are_binned():
    numbers = np.arange(len(CODES))
    binned = labelled(CODES, numbers[:, None]).counts
    assert binned == [10]
    assert labelled(CODES[:40], numbers[:40, None] % 17).counts == [8]  # five rows a bin
