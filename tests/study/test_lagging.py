import math

import pytest
import torch
from tests.contracts.recipe import DATA

from zscape.errors import SpecError
from zscape.model.batch import Batch
from zscape.model.trace import Latent
from zscape.objective.aggregate import mutual_information
from zscape.probability.distributions import DiagonalGaussian
from zscape.recipes import ae, flow_vae, vae
from zscape.study.training.fitting import fit
from zscape.study.training.lagging import EPOCHS, EncoderFirst

REALS = DATA["reals"][0]


def moved(model, before):
    return {n for n, p in model.named_parameters() if not torch.equal(p.detach(), before[n])}


def weights(model):
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def test_the_encoder_alone_moves_in_its_own_steps():
    model, objective = vae(REALS, latent=2)
    before = weights(model)
    x = torch.randn(32, 5)
    list(fit(model, objective, [x] * 3, epochs=1, encoder_steps=3, ema=0.0))
    assert moved(model, before)
    assert not [n for n in moved(model, before) if n.startswith("decoder")]
    list(fit(model, objective, [x] * 4, epochs=1, encoder_steps=3, ema=0.0))
    assert [n for n in moved(model, before) if n.startswith("decoder")]


def test_without_encoder_steps_everything_moves_at_once():
    model, objective = vae(REALS, latent=2)
    before = weights(model)
    list(fit(model, objective, [torch.randn(32, 5)], epochs=1, ema=0.0))
    assert [n for n in moved(model, before) if n.startswith("decoder")]


def test_it_ends_when_the_code_learns_to_say_no_more():
    model, _ = vae(REALS, latent=2)
    x = torch.randn(64, 5)
    lagging = EncoderFirst(2)
    lagging.hear(model, Batch(x))
    assert lagging.active
    with torch.no_grad():
        for parameter in model.levels[0].posterior.parameters():
            parameter.zero_()
    lagging.hear(model, Batch(x))
    assert not lagging.active


def test_it_ends_after_a_few_epochs_whatever_the_code_says():
    model, _ = vae(REALS, latent=2)
    x = torch.randn(64, 5)
    lagging = EncoderFirst(2)
    for epoch in range(EPOCHS):
        assert lagging.active, epoch
        lagging.most = 0.0
        lagging.hear(model, Batch(x))
    assert not lagging.active


def test_mutual_information_is_zero_for_equal_and_log_b_for_distinct_posteriors():
    def measured(mean):
        q = DiagonalGaussian(mean, torch.full_like(mean, -4.0))
        return mutual_information(Latent("z", q.rsample()[None], q, q, False)).item()

    assert measured(torch.zeros(50, 2)) == pytest.approx(0, abs=1e-5)
    assert measured(100.0 * torch.arange(50.0)[:, None]) == pytest.approx(math.log(50))


def test_mutual_information_of_a_linear_gaussian_code():
    torch.manual_seed(0)
    x = torch.randn(2000, 1)
    q = DiagonalGaussian(x, torch.zeros_like(x))  # z = x + noise: 0.5 log 2 nats
    z = q.rsample()
    marginal = torch.distributions.Normal(0.0, math.sqrt(2.0))
    exact = (q.log_prob(z) - marginal.log_prob(z[:, 0])).mean().item()
    assert exact == pytest.approx(0.5 * math.log(2), abs=0.06)
    said = mutual_information(Latent("z", z[None], q, q, False)).item()
    assert said == pytest.approx(exact, abs=0.005)


def test_flows_have_it_and_points_do_not():
    x = torch.randn(16, 5)
    assert mutual_information(flow_vae(REALS, latent=2)[0](x).latents[0]).isfinite()
    with pytest.raises(SpecError, match="encoder-steps 0"):
        mutual_information(ae(REALS, latent=2)[0](x).latents[0])


def test_a_negative_number_of_encoder_steps_is_refused():
    from zscape.study.training.beginning import settle_training

    assert settle_training({"encoder_steps": 3})["encoder_steps"] == 3
    with pytest.raises(SpecError, match="encoder_steps must be at least 0, got -1"):
        settle_training({"encoder_steps": -1})
