"""Maps: PCA against its definition, repeatability, and the message where UMAP is missing."""

import builtins

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from tests.contracts.space import digits_space

from zscape.errors import SpecError
from zscape.model.codes import Codes
from zscape.space.maps import map_codes
from zscape.space.space import Space


def space_of(flat):
    space = digits_space()
    return Space(space.model, space.modality, Codes({"z": flat}), space.items, space.kept)


def test_pca_agrees_with_scikit_learn():
    codes = torch.randn(200, 6) @ torch.diag(torch.tensor([5.0, 3, 1, 1, 0.5, 0.1]))
    laid = map_codes(space_of(codes))
    reference = PCA(2).fit(codes.numpy())
    assert laid.explained == pytest.approx(reference.explained_variance_ratio_.sum(), abs=1e-6)
    expected = reference.transform(codes.numpy())
    signs = np.sign((laid.points * expected).sum(0))
    np.testing.assert_allclose(laid.points, expected * signs, atol=1e-4)


def test_mirrored_codes_give_a_mirrored_map():
    codes = torch.randn(50, 4) * torch.tensor([4.0, 2, 1, 1])
    one, other = map_codes(space_of(codes)), map_codes(space_of(-codes))
    np.testing.assert_allclose(one.points, -other.points, atol=1e-5)


def test_further_codes_are_placed_on_the_same_axes():
    space = digits_space()
    some = map_codes(space, codes=space.codes[5:9])
    np.testing.assert_allclose(some.points, map_codes(space).points[5:9], atol=1e-6)


@pytest.mark.parametrize("size", [1, 2])
def test_few_units_are_kept_whole(size):
    laid = map_codes(space_of(torch.randn(30, size)))
    assert laid.points.shape == (30, 2) and laid.explained == pytest.approx(1.0)
    assert size == 2 or not laid.points[:, 1].any()


def test_codes_without_variance():
    laid = map_codes(space_of(torch.ones(5, 3)))
    assert laid.explained is None and not laid.points.any()


def test_unknown_method():
    with pytest.raises(SpecError, match="Unknown method 'tsne'"):
        map_codes(digits_space(), method="tsne")


def test_a_missing_umap_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "umap":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SpecError, match=r"pip install 'zscape\[maps\]'"):
        map_codes(digits_space(), method="umap")
