"""Refitting a prior: nothing but the prior moves, and it pays fewer nats for the same codes."""

import pytest
import torch
from tests.contracts.space import digits

from zscape.errors import SpecError
from zscape.model.bound import elbo, sum_rates
from zscape.probability.distributions import Bent, GaussianMixture, StandardGaussian
from zscape.recipes import flow_vae, mixture_vae
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


def test_flows_are_chosen_by_words():
    data = digits().modality
    settings = {"latent": 3, "network": "mlp:8", "components": 5}
    for word, kind in (("spline", Bent), ("vamp", GaussianMixture), ("standard", StandardGaussian)):
        model, _ = flow_vae(data, posterior="iaf", prior=word, transforms=3, **settings)
        (latent,) = model.generate(4).latents
        assert isinstance(latent.p, kind)
        assert len(model.levels[0].posterior.push.transforms) == 3
    model, _ = flow_vae(data, posterior="planar", transforms=10, prior_transforms=2, **settings)
    assert len(model.levels[0].prior.flow.transform.transforms) == 2
    assert model.levels[0].posterior.push.transforms == 10
    with pytest.raises(SpecError, match=r"Unknown posterior 'plane'\. Did you mean .*'planar'"):
        flow_vae(data, posterior="plane", **settings)
    with pytest.raises(SpecError, match="Unknown prior 'splin'"):
        flow_vae(data, prior="splin", **settings)
    with pytest.raises(SpecError, match="prior_transforms must be at least 0"):
        flow_vae(data, prior_transforms=-1, **settings)


def test_a_vamp_prior_of_a_flow_is_the_mixture_of_the_gaussians_that_it_bends():
    torch.manual_seed(0)
    data = digits().modality
    settings = {"latent": 3, "network": "mlp:8", "components": 5}
    model, _ = flow_vae(data, posterior="iaf", prior="vamp", **settings)
    prior, posterior = model.levels[0].prior, model.levels[0].posterior
    assert prior.borrowed[1] is posterior.base
    gaussians = posterior.base(model.encoder.body(prior.pseudo_inputs))
    z = torch.randn(6, 3)
    expected = gaussians.log_prob(z[:, None]).logsumexp(-1) - torch.tensor(5.0).log()
    torch.testing.assert_close(prior(torch.zeros(6, 0)).log_prob(z), expected)
