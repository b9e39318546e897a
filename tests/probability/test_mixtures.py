import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture as Reference

from zscape.probability.distributions import FullGaussianMixture, Moved, StandardGaussian
from zscape.probability.expectation import fit_mixture
from zscape.probability.priors import FullMixture, Standardised


def some_mixture(components=3, size=2):
    loc = 2 * torch.randn(components, size)
    root = torch.randn(components, size, size).tril(-1) + torch.diag_embed(
        torch.rand(components, size) + 0.3
    )
    return FullGaussianMixture(torch.randn(components), loc, root)


def clusters(number=900):
    """Three long, turned clusters in the plane."""
    turned = torch.tensor([[1.0, 0.9], [0.0, 0.3]])
    centers = torch.tensor([[-4.0, 0.0], [0.0, 3.0], [4.0, -2.0]])
    return torch.randn(number, 2) @ turned + centers[torch.arange(number) % 3]


def test_density_is_that_of_multivariate_normals():
    mixture, z = some_mixture(size=4), torch.randn(5, 6, 4)
    parts = [
        torch.distributions.MultivariateNormal(loc, scale_tril=root).log_prob(z)
        for loc, root in zip(mixture.loc, mixture.scale_tril, strict=True)
    ]
    expected = (torch.stack(parts, -1) + mixture.logits.log_softmax(-1)).logsumexp(-1)
    torch.testing.assert_close(mixture.log_prob(z), expected, rtol=1e-4, atol=1e-4)


def test_draws_have_the_moments():
    mixture = some_mixture()
    drawn = mixture.sample((40_000,))
    torch.testing.assert_close(drawn.mean(0), mixture.mean, atol=0.06, rtol=0)
    torch.testing.assert_close(drawn.var(0), mixture.variance, atol=0.15, rtol=0.02)


def test_every_round_of_em_raises_the_likelihood():
    points = clusters()
    values = [m.log_prob(points).mean().item() for m in fit_mixture(points, 6, strength=1e-6)]
    assert len(values) > 3
    assert (np.diff(values) > -1e-4).all()
    assert values[-1] > values[0]


def test_the_fit_is_as_good_as_sklearns():
    points, fresh = clusters(), clusters(3000)
    *_, mixture = fit_mixture(points, 3, strength=1e-6)
    reference = Reference(3, n_init=5, random_state=0).fit(points.numpy()).score(fresh.numpy())
    assert mixture.log_prob(fresh).mean().item() == pytest.approx(reference, abs=0.02)


def test_few_or_equal_points_stay_regular():
    for points in (torch.ones(3, 2), torch.randn(2, 5), torch.zeros(50, 3)):
        *_, mixture = fit_mixture(points, 10)
        assert mixture.log_prob(points).isfinite().all()
        assert mixture.sample((4,)).isfinite().all()


def test_a_class_has_components_of_its_own():
    prior = FullMixture(2, 2, classes=2)
    mixture = FullGaussianMixture(
        torch.zeros(2), torch.tensor([[-5.0, 0], [5.0, 0]]), torch.eye(2).repeat(2, 1, 1)
    )
    joint = torch.tensor([[0.25, 1e-30], [1e-30, 0.75]]).log()
    prior.take(mixture, joint)
    first = prior(torch.tensor([1.0, 0.0]))
    assert (first.sample((200,))[:, 0] < 0).all()
    unknown = prior(torch.zeros(2))
    torch.testing.assert_close(unknown.logits.softmax(-1), torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(prior(torch.zeros(0)).logits, unknown.logits)
    z = torch.randn(7, 2)
    chance = torch.tensor([0.25, 0.75]).log()
    both = torch.stack([prior(row).log_prob(z) for row in torch.eye(2)], -1)
    torch.testing.assert_close(unknown.log_prob(z), (both + chance).logsumexp(-1))


def test_moved_is_a_change_of_variables():
    shift, scale = torch.randn(1, 2, 2), torch.rand(1, 2, 2) + 0.5
    moved = Moved(StandardGaussian(torch.zeros(4)), shift, scale)
    z = torch.randn(3, 1, 2, 2)
    expected = torch.distributions.Normal(shift, scale).log_prob(z).sum((1, 2, 3))
    torch.testing.assert_close(moved.log_prob(z), expected)
    drawn = moved.sample((20_000,))
    torch.testing.assert_close(drawn.mean(0), shift, atol=0.05, rtol=0)
    assert Standardised(FullMixture(4, 2), (1, 2, 2))(torch.zeros(3, 0)).sample().shape[1:] == (
        1,
        2,
        2,
    )
