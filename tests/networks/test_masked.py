import pytest
import torch

from zscape.networks.masked import Masked


def network(**options):
    torch.manual_seed(0)
    return Masked(2, 3, context=4, depth=3, width=5, **options).eval()


def test_an_output_sees_only_the_pixels_before_it():
    net = network()
    x = torch.rand(1, 2, 6, 7, requires_grad=True)
    said = net(x, torch.randn(1, 4, 6, 7))
    for row, column in ((0, 0), (0, 3), (2, 4), (5, 6)):
        (grad,) = torch.autograd.grad(said[0, :, row, column].sum(), x, retain_graph=True)
        touched = grad[0].abs().sum(0).flatten() > 0
        place = row * 7 + column
        assert not touched[place:].any()
        if column:
            assert touched[place - 1]
        if row:
            assert touched[place - 7]


def test_an_output_sees_the_context_of_its_own_pixel():
    context = torch.randn(1, 4, 5, 5, requires_grad=True)
    said = network()(torch.rand(1, 2, 5, 5), context)
    (grad,) = torch.autograd.grad(said[0, :, 2, 2].sum(), context)
    assert (grad[0, :, 2, 2].abs() > 0).all()
    assert not grad[0, :, 2, 3:].any() and not grad[0, :, 3:].any()


@pytest.mark.parametrize("size", [(1, 1), (6, 7)])
def test_unrolling_says_what_one_pass_says(size):
    net = network()
    context = torch.randn(3, 4, *size)
    heard = []

    def choose(said):
        heard.append(said)
        value = said[:, :2].sigmoid()
        return value + 10, value  # later pixels see the second

    made = net.unroll(context, choose)
    whole = net(made - 10, context)
    assert torch.allclose(torch.stack(heard, -1).reshape(whole.shape), whole, atol=1e-5)


def test_hidden_pixels_are_hidden_in_training_alone():
    net = network(dropout=0.9)
    x, context = torch.rand(2, 2, 6, 6), torch.randn(2, 4, 6, 6)
    assert torch.equal(net(x, context), net(x, context))
    assert torch.equal(net(x, context), network()(x, context))
    net.train()
    assert not torch.equal(net(x, context), net(x, context))
