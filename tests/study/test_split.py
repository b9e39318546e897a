import numpy as np
import pytest
import torch

from zscape.study.training.split import split


def test_the_parts_are_disjoint_and_complete():
    training, measuring = split(1000, share=0.1, seed=0)
    assert len(measuring) == 100
    assert torch.cat([training, measuring]).sort().values.equal(torch.arange(1000))
    assert split(1000, share=0.1, seed=0)[1].equal(measuring)
    assert not split(1000, share=0.1, seed=1)[1].equal(measuring)


@pytest.mark.parametrize("labels", [None, np.arange(1000) % 3])
def test_folds_are_disjoint_and_together_all(labels):
    parts = [split(1000, share=0.25, seed=0, labels=labels, fold=k)[1] for k in range(4)]
    together = torch.cat(parts)
    assert len(together.unique()) == pytest.approx(1000, abs=4)
    assert len(together) == pytest.approx(1000, abs=4)  # classes are parted by whole examples


@pytest.mark.parametrize("n", [1, 2, 19])
def test_few_examples_all_train(n):
    training, measuring = split(n, share=0.1, seed=0)
    assert (len(training), len(measuring)) == (n, 0)


def test_every_class_of_two_is_in_both_parts_and_a_single_one_trains():
    labels = np.array([0] * 990 + [1] * 7 + [2] * 2 + [3])
    training, measuring = split(1000, share=0.1, seed=0, labels=labels)
    assert set(labels[training]) == {0, 1, 2, 3}
    assert set(labels[measuring]) == {0, 1, 2}
    assert len(measuring) == pytest.approx(100, abs=3)


def test_at_most_ten_thousand_measure():
    assert len(split(500_000, share=0.1, seed=0)[1]) == 10_000
