"""Validation: its noise is none that a model began with."""

import pytest
import torch
from tests.contracts.space import digits

from zscape.recipes.ladder import ladder_vae
from zscape.study.training.validating import measure


@pytest.mark.parametrize("seed", range(3))
def test_no_seed_draws_the_means_of_a_mixture_and_then_validates_by_them(seed):
    # Draws that follow a prior's own means have a rate far below 0, of which the mean is never.
    data = digits()
    torch.manual_seed(seed)
    model, objective = ladder_vae(data.modality, network="tiny")
    found = measure(model, objective, [data.modality.prepare(data.x[:200])], step=0)
    assert found["validation_rate"] > -0.5
