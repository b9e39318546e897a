"""Closed forms: a linear-Gaussian VAE is probabilistic PCA, whose log p(x) is known.

Source: Tipping and Bishop 1999, eqs. 3, 7 and 8; Lucas et al. 2019, arXiv:1911.02469.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from zscape.model.bound import elbo, log_weights
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.objective.objective import Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard
from zscape.study.training.fitting import fit

SIZE, LATENT, SIGMA = 6, 2, 0.5


def linear_data(n=4000):
    weight = torch.randn(LATENT, SIZE)
    return torch.randn(n, LATENT) @ weight + SIGMA * torch.randn(n, SIZE)


def linear_vae() -> Model:
    level = Flat("z", prior=Standard(LATENT), posterior=Gaussian(SIZE, LATENT))
    decoder = Decoder(nn.Linear(LATENT, SIZE), GaussianLikelihood((SIZE,), scale=SIGMA))
    return Model(nn.Identity(), [level], decoder)


def pca_log_likelihood(x):
    """The best a linear-Gaussian model with this noise can do, in nats per example."""
    centred = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    kept = (values[-LATENT:] - SIGMA**2).clamp(min=0)
    weight = vectors[:, -LATENT:] * kept.sqrt()
    covariance = weight @ weight.T + SIGMA**2 * torch.eye(SIZE)
    normal = torch.distributions.MultivariateNormal(x.mean(0), covariance)
    return normal.log_prob(x).mean().item()


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(1)
    x = linear_data()
    model = linear_vae()
    batches = list(x.split(200))
    for learning_rate in (2e-2, 2e-3):
        for _ in fit(
            model,
            Sum(Reconstruction(), Rate()),
            batches,
            epochs=40,
            learning_rate=learning_rate,
            ema=0.99,
        ):
            pass
    return model, x


@torch.no_grad()
def test_the_elbo_reaches_probabilistic_pca(trained):
    model, x = trained
    reached = elbo(model(x, draws=50)).mean().item()
    assert reached == pytest.approx(pca_log_likelihood(x), abs=0.03)


@torch.no_grad()
def test_the_elbo_never_exceeds_the_log_likelihood(trained):
    model, x = trained
    figures = elbo(model(x, draws=50))
    error = figures.mean(0).std().item() / math.sqrt(len(x))
    assert figures.mean().item() <= pca_log_likelihood(x) + error


@torch.no_grad()
def test_importance_weighting_never_loses_by_more_draws():
    torch.manual_seed(2)
    model, x = linear_vae(), linear_data(500)  # untrained: the bound is loose
    weights = log_weights(model(x, draws=512))
    bounds = [
        (weights.unflatten(0, (-1, k)).logsumexp(1) - math.log(k)).mean().item()
        for k in (1, 2, 8, 32, 128, 512)
    ]
    assert all(later > earlier for earlier, later in pairwise(bounds))
    covariance = model.decoder.network.weight @ model.decoder.network.weight.T
    covariance = covariance + SIGMA**2 * torch.eye(SIZE)
    normal = torch.distributions.MultivariateNormal(model.decoder.network.bias, covariance)
    assert bounds[-1] <= normal.log_prob(x).mean().item() + 1e-3
