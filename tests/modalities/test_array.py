import numpy as np
import pytest
import torch

from zscape.errors import DataError, ShapeError
from zscape.modalities.array import Array, find_array

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("numbers", "likelihood", "dtype"),
    [
        (RNG.integers(0, 2, (20, 4)), "bernoulli", torch.uint8),
        (RNG.integers(0, 2, (20, 4)).astype(float), "bernoulli", torch.uint8),
        (RNG.poisson(3, (20, 4)), "negative_binomial", torch.uint8),
        (RNG.poisson(3, (20, 4)).astype(float), "negative_binomial", torch.uint8),
        (RNG.poisson(3000.0, (20, 4)), "negative_binomial", torch.float32),
        (RNG.random((20, 4)), "continuous_bernoulli", torch.float32),
        (RNG.normal(size=(20, 4)), "gaussian_learned", torch.float32),
        (-RNG.poisson(3, (20, 4)), "gaussian_learned", torch.float32),
        (RNG.integers(0, 10**9, (20, 4)), "gaussian_learned", torch.float32),
    ],
)
def test_likelihood_is_chosen_by_the_numbers(numbers, likelihood, dtype):
    found = find_array(numbers)
    assert found.modality.likelihood == likelihood
    assert found.x.dtype == dtype
    assert "likelihood:" in found.notes[0]


def test_reals_are_standardised_per_dimension():
    x = find_array(RNG.normal([5.0, -1e6], [0.1, 1e5], (1000, 2))).x
    torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(2), atol=1e-4, rtol=0)


def test_constant_dimensions_come_back_exactly_whatever_the_model_says():
    numbers = np.column_stack([RNG.normal(size=50), np.full(50, 0.1)])
    found = find_array(numbers)
    assert torch.equal(found.x[:, 1], torch.zeros(50))
    assert "1 dimension of 2 never changes" in " ".join(found.notes)
    assert (found.modality.decode(torch.randn(9, 2))[:, 1] == 0.1).all()


def test_later_counts_may_pass_the_largest_one_seen():
    array = find_array(np.array([[0, 3], [200, 1]])).modality
    assert array.encode([[1000, 2]]).tolist() == [[1000, 2]]
    assert array.decode(torch.tensor([[-0.4, 2.6]])).tolist() == [[0, 3]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("row", [0, 25, 49])
def test_bad_numbers_are_refused_by_column_count_and_row(bad, row):
    numbers = RNG.normal(size=(50, 3))
    numbers[row, 2] = bad
    with pytest.raises(DataError, match=rf"column 2 holds 1 cell, first in row {row + 1} \(index"):
        find_array(numbers)
    with pytest.raises(DataError, match="column 2 holds 1 cell"):
        find_array(RNG.normal(size=(50, 3))).modality.encode(numbers)


def test_bad_numbers_in_all_columns_are_counted():
    with pytest.raises(DataError, match=r"column 0 holds 50 cells \(150 in all dimensions\)"):
        find_array(np.full((50, 3), np.nan))


@pytest.mark.parametrize("bad", ["1,5", None, "oops", [1]])
def test_cells_that_are_no_numbers_are_refused_by_name(bad):
    cells = np.empty((10, 2), dtype=object)
    cells[:] = 1.0
    cells[4, 1] = bad
    with pytest.raises(DataError, match=r"column 1 holds 1 cell, first in row 5 \(index 4\)"):
        find_array(cells)


def test_ragged_lists_are_refused():
    with pytest.raises(DataError, match="one shape"):
        find_array([[1.0, 2.0], [1.0]])


def test_values_of_another_kind_are_refused_at_encode():
    for numbers, bad in ((RNG.integers(0, 2, (9, 2)), 2), (RNG.poisson(9, (9, 2)), 0.5)):
        with pytest.raises(DataError, match=r"as in training; got .* in row 2"):
            find_array(numbers).modality.encode([[1, 1], [1, bad]])
    with pytest.raises(DataError, match="between 0 and 1"):
        find_array(RNG.random((9, 2))).modality.encode([1.5, 0])


def test_another_shape_is_refused():
    with pytest.raises(ShapeError, match="5 numbers but this study was trained on 4 numbers"):
        find_array(RNG.normal(size=(9, 4))).modality.encode(np.zeros((2, 5)))


def test_the_dtype_that_came_is_the_dtype_that_goes():
    for dtype in (np.float32, np.int16, np.uint8, np.int64, np.bool_):
        numbers = RNG.integers(0, 2, (9, 3)).astype(dtype)
        array = find_array(numbers).modality
        back = array.decode(torch.rand(4, 3) * 3 - 1)
        assert back.dtype == dtype


def test_flattened_pictures_get_a_hint():
    notes = find_array(RNG.integers(0, 256, (9, 784), dtype=np.uint8)).notes
    assert any("[N, 28, 28]" in note for note in notes)


def test_lists_make_an_equal_record():
    assert Array([3], "real", mean=[0.0] * 3, scale=[1.0] * 3) == Array(
        (3,), "real", mean=(0.0,) * 3, scale=(1.0,) * 3
    )
