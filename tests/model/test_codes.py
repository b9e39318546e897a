import numpy as np
import pytest
import torch

from zscape.errors import ShapeError
from zscape.model.codes import Codes, concatenate


def codes() -> Codes:
    return Codes({"top": torch.arange(6.0).reshape(3, 2), "map": torch.randn(3, 2, 2, 2)})


def test_flat_view_and_back():
    original = codes()
    assert original.flat.shape == (3, 10)
    again = original.like(original.flat)
    assert all(torch.equal(again[name], original[name]) for name in ("top", "map"))
    assert np.array_equal(np.asarray(original), original.flat.numpy())


def test_rows_and_levels():
    original = codes()
    assert len(original) == 3
    assert original[1].flat.equal(original.flat[1:2])
    assert original[1:].flat.equal(original.flat[1:])
    assert concatenate(list(original)).flat.equal(original.flat)


def test_a_wrong_size_is_refused():
    with pytest.raises(ShapeError, match=r"\[N, 10\], got \[2, 9\]"):
        codes().like(torch.zeros(2, 9))
