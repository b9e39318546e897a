import pytest
import torch

from zscape.probability.distributions import DiscretizedLogistic, DiscretizedLogisticMixture
from zscape.probability.likelihoods import DiscretizedLogisticMixture as MixtureLikelihood

LEVELS = torch.arange(256) / 255


@pytest.mark.parametrize("log_scale", [-7.0, -5.0, -2.0, 0.0, 3.0])
@pytest.mark.parametrize("loc", [-30.0, -1.0, 0.1234, 0.9, 1.0, 30.0])
def test_256_masses_sum_to_one(loc: float, log_scale: float):
    logistic = DiscretizedLogistic(torch.tensor([loc]), torch.tensor([log_scale]), 256)
    total = logistic.log_prob(LEVELS[:, None]).double().exp().sum()
    assert abs(total.item() - 1) < 1e-5


def test_masses_are_differences_of_the_cumulative_function():
    loc, log_scale = torch.tensor([0.2]).double(), torch.tensor([-2.0]).double()
    edges = (2 * torch.arange(257).double() - 1) / 255 - 1
    cumulative = ((edges - loc) / log_scale.exp()).sigmoid()
    cumulative[0], cumulative[-1] = 0, 1
    levels = torch.arange(256).double() / 255
    logistic = DiscretizedLogistic(loc, log_scale, 256)
    masses = logistic.log_prob(levels[:, None]).exp()
    torch.testing.assert_close(masses, cumulative.diff(), atol=1e-12, rtol=1e-9)


def test_far_tails_keep_a_slope():
    loc = torch.tensor([50.0], requires_grad=True)
    logistic = DiscretizedLogistic(loc, torch.tensor([-6.0]), 256)
    logistic.log_prob(torch.tensor([0.5])).backward()
    assert loc.grad.isfinite().all() and loc.grad.item() < -1


def test_draws_lie_on_the_grid_and_the_mean_is_their_mean():
    torch.manual_seed(0)
    loc = torch.tensor([-3.0, -1.0, -0.3, 0.0, 0.8, 1.5, 400.0])
    logistic = DiscretizedLogistic(loc, torch.full_like(loc, -1.5), 256)
    drawn = logistic.sample((20_000,))
    assert torch.equal((drawn * 255).round() / 255, drawn)
    error = drawn.std(0) / len(drawn) ** 0.5
    assert ((drawn.mean(0) - logistic.mean).abs() <= 5 * error + 1e-4).all()


def test_mixture_of_equal_components_is_one_logistic():
    loc, log_scale = torch.randn(4, 1, 2, 2), torch.randn(4, 1, 2, 2) - 2
    one = DiscretizedLogistic(loc, log_scale, 256, 3)
    mixture = DiscretizedLogisticMixture(
        torch.randn(4, 5, 1, 2, 2),
        loc.unsqueeze(1).expand(4, 5, 1, 2, 2),
        log_scale.unsqueeze(1).expand(4, 5, 1, 2, 2),
        None,
        256,
    )
    x = (255 * torch.rand(3, 4, 1, 2, 2)).round() / 255
    torch.testing.assert_close(mixture.log_prob(x), one.log_prob(x))
    torch.testing.assert_close(mixture.mean, one.mean)


def test_coupling_moves_green_and_blue_with_the_channels_before():
    torch.manual_seed(0)
    coupling = torch.tensor([0.5, 0.0, -0.7]).reshape(1, 3, 1, 1)
    loc, log_scale = torch.zeros(1, 3, 1, 1), torch.full((1, 3, 1, 1), -3.0)
    rgb = DiscretizedLogisticMixture(torch.zeros(1, 1, 1, 1), loc, log_scale, coupling, 256)
    red, green, blue = (2 * rgb.sample((20_000,)) - 1)[..., 0, 0].unbind(-1)
    assert abs(correlation(green - 0.5 * red, red)) < 0.035
    assert abs(correlation(blue + 0.7 * green, green)) < 0.035
    assert correlation(red, green) > 0.3
    assert correlation(green, blue) < -0.3


def correlation(x: torch.Tensor, y: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([x, y]))[0, 1].item()


def test_coupled_mean_is_the_mean_of_draws():
    torch.manual_seed(0)
    rgb = MixtureLikelihood((3, 1, 2), components=3)(0.5 * torch.randn(30, 1, 2) - 0.5)
    drawn = rgb.sample((20_000,))
    # Clipping at black and white is taken at the mean of the channels before, hence the slack.
    assert (drawn.mean(0) - rgb.mean).abs().max() < 0.03
