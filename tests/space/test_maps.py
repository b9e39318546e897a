"""Maps: PCA against its definition, what UMAP is asked for, and the message where it is missing."""

import builtins
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from tests.contracts.space import digits_space

from zscape.errors import DataError, SpecError
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
    with pytest.raises(DataError, match=r"pip install 'zscape\[maps\]'"):
        map_codes(digits_space(), method="umap")


@pytest.fixture
def asked(monkeypatch):
    """What a package in UMAP's place is asked for, in order."""
    heard = []

    class Reducer:
        def __init__(self, **options):
            heard.append(options)

        def fit_transform(self, codes):
            heard.append(codes)
            return codes[:, :2].astype(np.float64)

        def transform(self, codes):
            heard.append(codes)
            return codes[:, :2] + 1.0

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Reducer))
    return heard


def test_umap_is_asked_for_a_layout_that_repeats(asked):
    codes = torch.randn(30, 4)
    laid = map_codes(space_of(codes), method="umap", seed=7)
    assert asked[0] == {"n_neighbors": 15, "n_components": 2, "random_state": 7, "n_jobs": 1}
    assert len(asked) == 2 and np.array_equal(asked[1], codes.numpy())
    assert np.array_equal(laid.points, codes[:, :2].numpy()) and laid.points.dtype == np.float32
    assert (laid.method, laid.explained, laid.to_scale) == ("umap", None, False)
    assert map_codes(space_of(codes)).to_scale


def test_umap_lays_out_the_data_and_places_further_codes(asked):
    space = space_of(torch.randn(6, 4))
    laid = map_codes(space, method="umap", codes=space.codes[2:4])
    assert asked[0]["n_neighbors"] == 5  # there are no more
    assert np.array_equal(asked[1], space.codes.flat.numpy())
    assert np.array_equal(asked[2], space.codes.flat[2:4].numpy())
    np.testing.assert_allclose(laid.points, space.codes.flat[2:4, :2].numpy() + 1)


def test_umap_needs_a_few_codes(asked):
    with pytest.raises(DataError, match="at least 4 codes to lay out, got 3"):
        map_codes(space_of(torch.randn(3, 4)), method="umap")
    assert asked == []


@pytest.mark.slow  # it is compiled when it is first called
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_umap_keeps_groups_together():
    pytest.importorskip("umap")
    label = np.arange(90) % 3
    codes = 12 * torch.randn(3, 6)[label] + torch.randn(90, 6)
    laid = map_codes(space_of(codes), method="umap", seed=1)
    assert laid.points.shape == (90, 2) and np.isfinite(laid.points).all()
    far = ((laid.points[:, None] - laid.points[None]) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    assert (label[far.argmin(1)] == label).all()
    again = map_codes(space_of(codes), method="umap", seed=1)
    assert np.array_equal(again.points, laid.points)
    assert len(map_codes(space_of(codes[:4]), method="umap").points) == 4
