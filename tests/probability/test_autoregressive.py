from itertools import product

import pytest
import torch

from zscape.networks.masked import Masked
from zscape.probability.autoregressive import Autoregressive
from zscape.probability.likelihoods import Bernoulli, DiscretizedLogistic


def bits(*size):
    torch.manual_seed(0)
    net = Masked(1, 1, context=2, depth=2, width=8)
    return Autoregressive(net, (1, *size), pixel=Bernoulli, levels=2, context=2).eval()


def every(*size):
    count = size[0] * size[1]
    return torch.tensor(list(product([0.0, 1.0], repeat=count))).reshape(-1, 1, *size)


def test_all_pictures_together_have_probability_one_and_pixels_depend_on_each_other():
    pictures = every(2, 3)
    p = bits(2, 3)(3 * torch.randn(2, 2, 3))
    mass = p.log_prob(pictures).double().exp()
    assert mass.sum().item() == pytest.approx(1, abs=1e-6)
    # Not a product of its marginals.
    marginals = (pictures * mass[:, None, None, None]).sum(0)
    product_of = (pictures * marginals + (1 - pictures) * (1 - marginals)).flatten(1).prod(1)
    assert (product_of - mass).abs().max() > 1e-3


def test_draws_come_as_often_as_their_probability_says():
    pictures = every(2, 2)
    p = bits(2, 2)(2 * torch.randn(2, 2, 2))
    drawn = p.sample((20_000,)).flatten(1)
    number = (drawn * torch.tensor([8.0, 4.0, 2.0, 1.0])).sum(1).long()
    share = torch.bincount(number, minlength=16) / len(drawn)
    mass = p.log_prob(pictures).exp()
    assert ((share - mass).abs() < 5 * (mass / len(drawn)).sqrt() + 1e-3).all()


def test_the_mean_goes_on_from_its_own_past_which_is_as_bright_as_it_is_likely():
    conditional = bits(3, 3)
    context = 4 * torch.randn(5, 2, 3, 3)
    mean = conditional(context).mean
    assert torch.equal(mean, conditional(context).mean)
    assert torch.allclose(mean[2], conditional(context[2]).mean, atol=1e-6)  # whoever is beside
    noise = torch.rand(1, 3, 3, generator=torch.Generator().manual_seed(0))
    past = (mean + noise).floor()
    assert past.unique().tolist() == [0, 1]
    said = conditional.network(past, context)
    assert torch.allclose(said.sigmoid(), mean, atol=1e-5)


def test_the_past_of_grey_pictures_is_seen_black_and_white():
    conditional = bits(3, 3)
    x, p = torch.rand(4, 1, 3, 3), conditional(torch.randn(4, 2, 3, 3))
    logits = conditional.network(x.round(), p.context)
    expected = Bernoulli((1, 3, 3))(logits).log_prob(x)
    assert torch.allclose(p.log_prob(x), expected)


def test_leading_dimensions_are_the_batch_shape():
    conditional = bits(3, 4)
    p = conditional(torch.randn(5, 6, 2, 3, 4))
    assert p.mean.shape == (5, 6, 1, 3, 4)
    assert p.sample((2,)).shape == (2, 5, 6, 1, 3, 4)
    x = torch.rand(6, 1, 3, 4).round()
    assert p.log_prob(x).shape == (5, 6)
    one = conditional(p.context[2, 3]).log_prob(x[3])
    assert p.log_prob(x)[2, 3].item() == pytest.approx(one.item(), rel=1e-5)


def test_colours_are_levels_given_the_pixels_before():
    torch.manual_seed(0)
    net = Masked(3, 6, context=2, depth=2, width=8)
    conditional = Autoregressive(
        net, (3, 4, 4), pixel=DiscretizedLogistic, levels=256, context=2
    ).eval()
    p = conditional(torch.randn(2, 2, 4, 4))
    drawn = p.sample()
    assert torch.allclose(drawn * 255, (drawn * 255).round(), atol=1e-3)
    assert p.log_prob(drawn).isfinite().all()


def test_channels_of_a_pixel_are_no_reason_to_sum_to_less():
    torch.manual_seed(0)
    net = Masked(2, 2, context=2, depth=2, width=8)
    conditional = Autoregressive(net, (2, 1, 2), pixel=Bernoulli, levels=2, context=2)
    pictures = torch.tensor(list(product([0.0, 1.0], repeat=4))).reshape(-1, 2, 1, 2)
    mass = conditional(3 * torch.randn(2, 1, 2)).log_prob(pictures).double().exp()
    assert mass.sum().item() == pytest.approx(1, abs=1e-6)
