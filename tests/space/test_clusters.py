"""Clusters: planted ones are counted, and what has no valley is one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zscape.errors import SpecError
from zscape.model.codes import Codes
from zscape.space.clusters import clusters
from zscape.study.run import fit

RANDOM = np.random.default_rng(0)
ANGLES = RANDOM.uniform(0, 3, 600)
BENT = np.stack([3 * np.cos(ANGLES), 3 * np.sin(ANGLES)], 1) + RANDOM.normal(0, 0.3, (600, 2))


@pytest.fixture(scope="module")
def bare():
    items = (RANDOM.random((20, 6, 6)) * 255).astype("uint8")
    return fit(items, recipe="ae", latent=2, network="mlp:4", epochs=1, seed=0)


def spaced(bare, codes, labels=None):
    found = Codes({"z": torch.from_numpy(np.asarray(codes)).float()})
    return replace(bare, codes=found, labels=labels)


def blobs(count, number=600, size=6, apart=5.0):
    middles = RANDOM.normal(size=(count, size))
    middles *= apart / np.linalg.norm(middles, axis=1, keepdims=True)
    labels = np.arange(number) % count
    return middles[labels] + RANDOM.normal(size=(number, size)), labels


@pytest.mark.parametrize(
    "codes",
    [
        RANDOM.normal(size=(600, 5)),
        RANDOM.uniform(size=(600, 3)),
        RANDOM.exponential(size=(600, 3)),
        BENT,
        np.zeros((600, 2)),
    ],
    ids=["gaussian", "uniform", "skewed", "bent", "collapsed"],
)
def test_what_has_no_valley_is_one_cluster(bare, codes):
    found = clusters(spaced(bare, codes))
    assert len(found.clusters) == 1 and not found.assigned.any()
    assert found.clusters[0].valley is None and found.gaussians <= max(found.evidence)


def test_planted_clusters_are_counted_and_told_of(bare):
    codes, labels = blobs(4)
    labels = np.where(np.arange(600) % 50 == 0, -1, labels)
    found = clusters(spaced(bare, codes, labels))
    assert len(found.clusters) == 4 and found.agreement > 0.97 and found.stability > 0.97
    assert found.gaussians == min(found.evidence, key=found.evidence.__getitem__)
    sizes = [len(one.members) for one in found.clusters]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) == 600
    assert {one.label for one in found.clusters} == {0, 1, 2, 3}
    assert all(one.share > 0.97 and one.valley < 0.3 for one in found.clusters)


def test_the_medoid_is_nearest_to_all_others(bare):
    codes, _ = blobs(2)
    found = clusters(spaced(bare, codes))
    members = found.clusters[0].members
    inside = torch.cdist(*2 * (torch.from_numpy(codes[members]),))
    assert int(inside.mean(1).argmin()) == 0
    assert (inside[0].diff() >= -1e-6).all()


def test_two_bent_clouds_are_two(bare):
    both = np.concatenate([BENT, [3, 1] - BENT])
    labels = np.repeat([0, 1], 600)
    found = clusters(spaced(bare, both, labels))
    assert len(found.clusters) == 2 and found.agreement == 1 and found.gaussians > 2


def test_as_many_as_are_asked_for(bare):
    found = clusters(spaced(bare, RANDOM.normal(size=(300, 2))), 3)
    assert len(found.clusters) == 3 and found.stability < 0.9
    with pytest.raises(SpecError, match="number must be from 1 to 10, half"):
        clusters(bare, 11)
