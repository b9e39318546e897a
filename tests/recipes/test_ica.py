"""`ica_vae`: its networks, its costs before and after the turn, and a run through the turn."""

import pytest
import torch
from tests.contracts.recipe import DATA, Plain

from zscape.errors import SpecError
from zscape.model.bound import distortion, rate_per_unit, sum_rates
from zscape.networks import decoder
from zscape.recipes.ica import ica_vae
from zscape.study.training.batches import Batches
from zscape.study.training.fitting import fit

PICTURES = Plain((1, 8, 8), "bernoulli", "mlp")


def test_pictures_get_a_coordinate_decoder_unless_told_otherwise():
    place = type(decoder("coordinate", 2, (1, 8, 8)))
    assert isinstance(ica_vae(PICTURES)[0].decoder.network, place)
    assert not isinstance(ica_vae(PICTURES, network="mlp:9")[0].decoder.network, place)
    rows = ica_vae(Plain((5,), "gaussian_learned", "mlp:16"))[0]
    assert not isinstance(rows.decoder.network, place)


def test_the_rate_costs_beta_before_the_turn_and_final_beta_after():
    model, objective = ica_vae(PICTURES, latent=3, beta=0.25, final_beta=0.75, steps=10)
    trace = model(torch.rand(6, 1, 8, 8))
    spent, rate = distortion(trace).mean(), sum_rates(trace).mean()
    for step, beta in ((0, 0.25), (9, 0.25), (10, 0.75), (999, 0.75)):
        torch.testing.assert_close(objective(trace, step).total, spent + beta * rate)
    assert [turn.step for turn in objective.turns] == [10]


def test_training_passes_the_turn():
    torch.manual_seed(0)
    # Stripes whose two places vary independently: two units at least are informative.
    x = torch.zeros(256, 1, 8, 8)
    places = torch.randint(0, 8, (256, 2))
    x[torch.arange(256), 0, places[:, 0]] = 1.0
    x[torch.arange(256), 0, :, places[:, 1]] = 1.0
    model, objective = ica_vae(PICTURES, latent=6, beta=0.05, steps=120, network="mlp:64")
    records = list(fit(model, objective, Batches(x, size=64), epochs=35, learning_rate=5e-3))
    assert records[-1].step == 140
    rates = rate_per_unit(model.encode(x).latents[0]).mean(0)
    resting = rates == 0
    assert 2 <= (~resting).sum()
    # What rests does so exactly, in the decoder too.
    assert (model.decoder.network[0].weight[:, resting] == 0).all()


@pytest.mark.parametrize("option", ["beta", "final_beta", "steps"])
def test_options_that_cannot_be(option):
    with pytest.raises(SpecError, match=f"{option} must be at least 0, got -1"):
        ica_vae(DATA["bits"][0], **{option: -1})
