"""Independent components folded into a model: sources are found, decodings stay as they were."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from zscape.errors import SpecError
from zscape.model.bound import rate_per_unit
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks import decoder, encoder
from zscape.objective.ica import fold_ica, ica_turn, rest_units
from zscape.probability.likelihoods import Bernoulli
from zscape.probability.posteriors import Flow, Gaussian, Point
from zscape.probability.priors import Standard

SOURCES = 3


def model_of(word="mlp:20", latent=5, posterior=Gaussian, shape=(1, 8, 8)):
    """A random model of small pictures."""
    torch.manual_seed(0)
    front = encoder(word, shape)
    level = Flat("z", prior=Standard(latent), posterior=posterior(front.features, latent))
    return Model(front, [level], Decoder(decoder(word, latent, shape), Bernoulli(shape))).eval()


def mixed(noise=0.0, latent=5):
    """A model whose first three units are mixtures of uniform sources, and the sources `[N, 3]`.

    Its encoder is the identity of rows; the other units stand at the prior.
    """
    torch.manual_seed(1)
    level = Flat("z", prior=Standard(latent), posterior=Gaussian(SOURCES, latent))
    network = nn.Sequential(nn.Linear(latent, 7), nn.Tanh(), nn.Linear(7, 4))
    model = Model(nn.Identity(), [level], Decoder(network, Bernoulli((4,)))).eval()
    with torch.no_grad():
        level.posterior.linear.weight.zero_()
        level.posterior.linear.bias.zero_()
        level.posterior.linear.weight[:SOURCES] = torch.tensor(
            [[2.0, 1.0, 0.5], [-1.0, 2.0, 0.3], [0.4, -0.7, 1.5]]
        )
        level.posterior.linear.bias[:SOURCES] = torch.tensor([0.5, -1.0, 0.2])
        level.posterior.linear.bias[latent : latent + SOURCES] = torch.tensor([-4.0, -3.0, -5.0])
    return model, torch.rand(4000, SOURCES) * 12**0.5


@pytest.mark.parametrize("word", ["mlp:20", "conv:4", "residual:4", "coordinate:8,8"])
def test_posterior_means_decode_to_what_they_did(word):
    model, x = model_of(word), torch.rand(300, 1, 8, 8)
    before = model.encode(x)
    after = copy.deepcopy(model)
    assert fold_ica(after, x, least=-1.0) == 5
    folded = after.encode(x)
    assert not torch.allclose(folded.latents[0].z, before.latents[0].z, atol=0.1)
    torch.testing.assert_close(folded.likelihood.mean, before.likelihood.mean, atol=1e-4, rtol=1e-4)


def test_sources_become_units():
    model, x = mixed()
    fold_ica(model, x)
    z = model.encode(x).latents[0].z.detach()
    related = np.abs(np.corrcoef(z.T[:SOURCES], x.T)[:SOURCES, SOURCES:])
    assert sorted(related.argmax(1).tolist()) == [0, 1, 2]
    assert (np.sort(related, axis=1)[:, -1] > 0.995).all()
    assert (np.sort(related, axis=1)[:, :-1] < 0.06).all()


def test_uninformative_units_are_left_alone():
    model, x = mixed()
    before = model.encode(x).latents[0]
    assert fold_ica(model, x) == SOURCES
    after = model.encode(x).latents[0]
    assert torch.equal(after.z[:, SOURCES:], before.z[:, SOURCES:])
    assert torch.equal(after.q.variance[:, SOURCES:], before.q.variance[:, SOURCES:])


def test_components_have_the_scale_of_the_prior():
    model, x = mixed()
    fold_ica(model, x)
    q = model.encode(x).latents[0].q
    total = q.mean.var(0) + q.variance.mean(0)
    torch.testing.assert_close(total[:SOURCES], torch.ones(SOURCES), atol=0.02, rtol=0)
    torch.testing.assert_close(q.mean.mean(0), torch.zeros(5), atol=1e-3, rtol=0)


def test_variances_are_those_of_the_components():
    model, x = mixed()
    before = model.encode(x).latents[0].q
    old = copy.deepcopy(model.levels[0].posterior.linear)
    fold_ica(model, x)
    new = model.levels[0].posterior.linear
    # The unmixing, read off the layer itself.
    unmixing = new.weight[:SOURCES] @ torch.linalg.inv(old.weight[:SOURCES])
    expected = before.variance[:, :SOURCES] @ unmixing.square().T
    found = model.encode(x).latents[0].q.variance[:, :SOURCES]
    # The soft bound of log-variances bends by a few percent at these.
    torch.testing.assert_close(found, expected, rtol=0.06, atol=0)


def test_variances_that_depend_on_x_are_right_to_first_order():
    model, x = mixed()
    with torch.no_grad():
        model.levels[0].posterior.linear.weight[5:8] = 0.05 * torch.randn(3, SOURCES)
    before, old = model.encode(x).latents[0].q, copy.deepcopy(model.levels[0].posterior.linear)
    fold_ica(model, x)
    new = model.levels[0].posterior.linear
    unmixing = new.weight[:SOURCES] @ torch.linalg.inv(old.weight[:SOURCES])
    expected = before.variance[:, :SOURCES] @ unmixing.square().T
    found = model.encode(x).latents[0].q.variance[:, :SOURCES]
    torch.testing.assert_close(found, expected, rtol=0.08, atol=0)


def test_resting_units_stand_at_the_prior_and_stay():
    model, x = mixed()
    linear, first = model.levels[0].posterior.linear, model.decoder.network[0]
    with torch.no_grad():
        linear.weight[SOURCES:5] = 0.02
        linear.bias[SOURCES:5] = 0.3
    z = model.encode(x).latents[0].z
    kept = torch.cat([z[:, :SOURCES], z.mean(0)[SOURCES:].expand(len(x), -1)], 1)
    expected = model.generate(len(x), given={"z": kept}).likelihood.mean
    assert rest_units(model, x, least=1.0) == 2
    trace = model.encode(x)
    torch.testing.assert_close(trace.likelihood.mean, expected)
    assert (rate_per_unit(trace.latents[0])[:, SOURCES:] == 0).all()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(5):
        trace = model(x[:50])
        loss = trace.likelihood.log_prob(torch.ones(4)).mean()
        loss = loss + rate_per_unit(trace.latents[0]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (first.weight[:, SOURCES:] == 0).all() and (first.weight[:, :SOURCES] != 0).all()
    assert (rate_per_unit(model.encode(x).latents[0])[:, SOURCES:] == 0).all()
    assert (linear.weight.grad[:SOURCES] != 0).any()


def test_a_turn_folds_and_rests():
    model, x = mixed()
    turn = ica_turn(model, step=7)
    assert turn.step == 7
    turn.change(model, x)
    again = copy.deepcopy(model)
    rates = rate_per_unit(model.encode(x).latents[0])
    assert (rates[:, SOURCES:] == 0).all() and (rates[:, :SOURCES].mean(0) > 1).all()
    # Twice is once, but for order and sign.
    ica_turn(model, step=0).change(again, x)
    first, second = (m.encode(x).latents[0].z.detach().T[:3] for m in (model, again))
    related = np.corrcoef(first, second)[:3, 3:]
    np.testing.assert_allclose(np.sort(np.abs(related), axis=1)[:, -1], 1, atol=1e-3)


def test_it_repeats_and_leaves_randomness_alone():
    model, x = mixed()
    other, state = copy.deepcopy(model), np.random.get_state()[1].tolist()
    before = torch.get_rng_state()
    fold_ica(model, x), fold_ica(other, x)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == state
    for own, its in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(own, its)


def test_too_little_to_unmix_changes_nothing():
    model, x = mixed()
    before = copy.deepcopy(model.state_dict())
    assert fold_ica(model, x, least=100.0) == 0
    assert fold_ica(model, x[:3]) == 0
    ica_turn(model, step=1, least=100.0).change(model, x)
    assert all(torch.equal(own, before[name]) for name, own in model.state_dict().items())


@pytest.mark.parametrize("posterior", [Point, Flow])
def test_other_posteriors_are_refused_when_built(posterior):
    with pytest.raises(SpecError, match=f"Gaussian posterior.*got 1 with {posterior.__name__}"):
        ica_turn(model_of(posterior=posterior), step=10)


def test_other_decoders_are_refused_when_built():
    model = model_of()
    model.decoder.network = nn.Sequential(nn.Tanh(), model.decoder.network)
    with pytest.raises(SpecError, match="begins with a linear layer"):
        ica_turn(model, step=10)
    model = model_of()
    model.levels.append(model.levels[0])
    with pytest.raises(SpecError, match="got 2 with Gaussian"):
        fold_ica(model, torch.rand(5, 1, 8, 8))
