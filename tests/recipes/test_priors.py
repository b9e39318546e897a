"""Refitting a prior: nothing but the prior moves, and it pays fewer nats for the same codes."""

import pytest
import torch
from tests.contracts.space import digits

from zscape.errors import SpecError
from zscape.model.bound import elbo, sum_rates
from zscape.probability.distributions import StandardGaussian
from zscape.recipes import mixture_vae
from zscape.study.training.batches import Batches
from zscape.study.training.fitting import fit

SETTINGS = {"latent": 3, "components": 8, "network": "mlp:32", "likelihood": "bernoulli"}


def test_until_then_the_prior_is_standard_and_after_it_alone_moves():
    torch.manual_seed(0)
    data = digits()
    model, objective = mixture_vae(data.modality, refit_at=60, **SETTINGS)
    x = data.modality.prepare(data.x)
    batches = Batches(data.x, size=40, prepare=data.modality.prepare)  # 10 steps an epoch
    p = model.generate(5).latents[0].p
    z = torch.randn(5, 3)
    standard = StandardGaussian(torch.zeros(5, 3))
    torch.testing.assert_close(p.log_prob(z), standard.log_prob(z))
    records = fit(model, objective, batches, epochs=40, ema=0)
    for record in records:
        if record.step == 60:
            frozen = {n: t.clone() for n, t in model.state_dict().items() if "prior" not in n}
            before = elbo(model(x)).mean()
    for name, tensor in model.state_dict().items():
        if "prior" not in name:
            assert torch.equal(tensor, frozen[name]), name
    after = elbo(model(x)).mean()
    assert after > before + 0.05
    assert sum_rates(model(x)).mean() > 0


def test_it_needs_a_number_of_steps():
    with pytest.raises(SpecError, match="refit_at must be at least 0"):
        mixture_vae(digits().modality, refit_at=-1, **SETTINGS)
