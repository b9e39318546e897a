import pytest
import torch
from torch import nn

from zscape.errors import SpecError
from zscape.model.bound import distortion, elbo, log_weights, rate
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.posteriors import Gaussian, Point
from zscape.probability.priors import Standard


def flat_model(latent=2, posterior=Gaussian) -> Model:
    level = Flat("z", prior=Standard(latent), posterior=posterior(5, latent))
    decoder = Decoder(nn.Linear(latent, 3), GaussianLikelihood((3,)))
    return Model(nn.Linear(3, 5), [level], decoder)


def two_level_model() -> Model:
    levels = [
        Flat("top", prior=Standard(2), posterior=Gaussian(5, 2)),
        Flat("low", prior=Gaussian(2, 4), posterior=Gaussian(2 + 5, 4)),
    ]
    return Model(nn.Linear(3, 5), levels, Decoder(nn.Linear(6, 3), GaussianLikelihood((3,))))


def test_inferred_traces_have_draws_and_batch():
    trace = two_level_model()(torch.randn(7, 3), draws=4)
    assert trace["top"].z.shape == (4, 7, 2)
    assert trace["low"].z.shape == (4, 7, 4)
    for figure in (distortion(trace), elbo(trace), log_weights(trace)):
        assert figure.shape == (4, 7)


def test_generated_traces_have_n():
    trace = two_level_model().generate(5)
    assert trace["low"].z.shape == (5, 4)
    assert trace.likelihood.mean.shape == (5, 3)
    assert trace["low"].q is None


def test_given_codes_replace_the_draw_and_pass_on():
    model, code = two_level_model(), torch.full((5, 2), 3.0)
    first = model.generate(5, given={"top": code})
    assert torch.equal(first["top"].z, code)
    assert first["top"].given
    assert not torch.allclose(first["low"].p.mean, model.generate(5)["low"].p.mean)
    x = torch.randn(5, 3)
    inferred = model(x, draws=3, given={"top": code})
    assert torch.equal(inferred["top"].z, code.expand(3, 5, 2))
    assert torch.allclose(rate(inferred["top"]), -Standard(2)(torch.zeros(5, 0)).log_prob(code))


def test_unknown_levels_are_refused_by_name():
    with pytest.raises(SpecError, match="Did you mean 'top'"):
        two_level_model().generate(2, given={"tops": torch.zeros(2, 2)})


def test_context_is_where_the_walk_starts():
    level = Flat("z", prior=Gaussian(4, 2), posterior=Gaussian(4 + 5, 2))
    model = Model(nn.Linear(3, 5), [level], Decoder(nn.Linear(6, 3), GaussianLikelihood((3,))))
    context = torch.randn(6, 4)
    assert model(torch.randn(6, 3), context, draws=2)["z"].z.shape == (2, 6, 2)
    generated = model.generate(6, context)
    assert torch.allclose(generated["z"].p.mean, level.prior(context).mean)


def test_encoding_is_deterministic_and_at_the_centre():
    model, x = flat_model(), torch.randn(4, 3)
    assert torch.equal(model.encode(x)["z"].z, model.encode(x)["z"].z)
    assert torch.equal(model.encode(x)["z"].z, model.encode(x)["z"].q.mean)


def test_mean_log_weight_is_the_elbo():
    model, x = flat_model(), torch.randn(4, 3)
    trace = model(x, draws=20_000)
    spread = log_weights(trace).std(0) / 20_000**0.5
    assert ((log_weights(trace).mean(0) - elbo(trace).mean(0)).abs() < 4 * spread).all()


def test_the_rate_of_a_point_is_undefined():
    trace = flat_model(posterior=Point)(torch.randn(4, 3))
    with pytest.raises(SpecError, match="undefined"):
        rate(trace["z"])


def test_latents_are_those_of_a_walk_that_nothing_decodes():
    model, x = two_level_model(), torch.randn(7, 3)
    model.decoder.forward = None  # called, it would fail
    found = model.latents(x)
    del model.decoder.forward
    for one, other in zip(found, model.encode(x).latents, strict=True):
        assert one.name == other.name and torch.equal(one.z, other.z)
