"""A model that is told: closed forms of its prior and bound, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from zscape.errors import SpecError
from zscape.modalities.array import Array
from zscape.modalities.conditions import Conditions, Field, find_conditions
from zscape.model.bound import elbo
from zscape.recipes import conditional_vae
from zscape.study.data import look
from zscape.study.run import fit
from zscape.study.training.batches import Batches
from zscape.study.training.fitting import fit as fit_batches

LABEL = Conditions((Field("label", ("a", "b")),))
TWO = Array((2,), "real", num_examples=4000)


def test_a_learned_prior_becomes_the_true_one_of_each_class_and_of_none():
    """Codes are given: the likeliest Gaussian of a class has the mean and spread of its codes."""
    model, _ = conditional_vae(TWO, LABEL, latent=1, prior="learned", network="mlp:8")
    model.eval()
    ids = torch.arange(2000) % 2
    z = torch.where(ids == 0, -1 + 0.5 * torch.randn(2000), 2 + 1.5 * torch.randn(2000))[:, None]
    told = ids[:, None].float()
    context = torch.cat([told, torch.full_like(told, torch.nan)])
    x, codes = torch.zeros(4000, 2), torch.cat([z, z])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(400):
        optimizer.zero_grad()
        p = model(x, context, given={"z": codes}).latents[0].p
        (-p.log_prob(codes).mean()).backward()
        optimizer.step()
    p = model.generate(3, torch.tensor([[0.0], [1.0], [torch.nan]])).latents[0].p
    parts = [z[ids == 0], z[ids == 1], z]
    torch.testing.assert_close(p.mean, torch.stack([c.mean(0) for c in parts]), atol=0.03, rtol=0)
    spreads = torch.stack([c.std(0, correction=0) for c in parts])
    torch.testing.assert_close(p.stddev, spreads, atol=0.03, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["standard", "learned"])
def test_the_bound_comes_to_log_p_of_x_under_each_condition(prior):
    """x = m_c + w z + noise: p(x | c) is a Gaussian, and p(x) a mixture of two."""
    centre = torch.tensor([[-2.0, 1.0], [2.0, 0.0]])
    w = torch.tensor([1.5, 1.0])
    ids = torch.arange(4000) % 2
    x = centre[ids] + torch.randn(4000, 1) * w + torch.randn(4000, 2)
    model, objective = conditional_vae(
        TWO, LABEL, latent=1, prior=prior, likelihood="gaussian", network="mlp:32"
    )
    batches = Batches(x, size=200, context=ids[:, None].float())
    for _ in fit_batches(model, objective, batches, epochs=60, learning_rate=4e-3):
        pass
    true = [MultivariateNormal(m, torch.outer(w, w) + torch.eye(2)) for m in centre]
    each = torch.stack([p.log_prob(x) for p in true])
    with torch.no_grad():
        bound = elbo(model.eval()(x, ids[:, None].float(), draws=8)).mean().item()
        without = elbo(model(x, draws=8)).mean().item()
    exact = each.gather(0, ids[None]).mean().item()
    mixed = (each.logsumexp(0) - math.log(2)).mean().item()
    assert exact - 0.04 < bound < exact + 0.02
    assert mixed - 0.5 < without < mixed + 0.02  # one Gaussian code of two clouds is a loss
    assert bound > without + 0.2


def test_it_is_told_only_what_is_named():
    known, _ = find_conditions(
        np.array([0, 1]), ("a", "b"), {"smile": np.array([0, 1]), "age": np.array([1.0, 5.0])}
    )
    model, _ = conditional_vae(TWO, known, conditions="age, label")
    assert [field.name for field in model.start.known.fields] == ["age", "label"]
    with pytest.raises(SpecError, match=r"Unknown condition 'smiel'\. Did you mean 'smile'"):
        conditional_vae(TWO, known, conditions="smiel")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"drop": 0.95}, "drop must be between 0 and 0.9"),
        ({"prior": "vamp"}, "Unknown prior 'vamp'"),
        ({"beta": -1.0}, "beta must be at least 0"),
    ],
)
def test_options_that_cannot_be(options, said):
    with pytest.raises(SpecError, match=said):
        conditional_vae(TWO, LABEL, **options)


def test_data_of_which_nothing_is_known_are_refused():
    with pytest.raises(SpecError, match="must be told something of the examples"):
        fit(look(np.random.rand(40, 3)), recipe="conditional_vae")
