import pytest
import torch
from torch import nn

from zscape.networks.transposed import Transposed

CASES = [(5, 1, 4, 0), (5, 3, 4, 0), (4, 1, 3, 1), (4, 1, 3, 0), (4, 6, 3, 1)]


def pair(before, after, kernel, odd):
    torch.manual_seed(0)
    theirs = nn.ConvTranspose2d(before, after, kernel, 2, 1, output_padding=odd)
    ours = Transposed(before, after, kernel, output_padding=(odd, odd))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def gradients(layer, x):
    x = x.clone().requires_grad_()
    torch.manual_seed(1)
    result = layer(x)
    result.backward(torch.randn_like(result))
    return [result.detach(), x.grad, layer.weight.grad, layer.bias.grad]


@pytest.mark.parametrize(("before", "after", "kernel", "odd"), CASES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_values_and_gradients_are_those_of_the_usual_layer(
    before, after, kernel, odd, channels_last
):
    ours, theirs = pair(before, after, kernel, odd)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(3, before, 4, 7).to(memory_format=memory)
    for mine, usual in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        assert mine.shape == usual.shape
        torch.testing.assert_close(mine, usual, rtol=1e-5, atol=1e-5)


def test_one_channel_in_bfloat16_is_summed_in_float32():
    ours, theirs = pair(32, 1, 4, 0)
    x = torch.randn(2, 32, 8, 8)
    exact = theirs(x)
    with torch.autocast("cpu", torch.bfloat16):
        said, usual = ours(x), theirs(x)
    assert said.dtype == torch.float32
    assert (said - exact).abs().mean() <= (usual.float() - exact).abs().mean()


def test_the_gradient_of_the_gradient_is_right():
    ours, _ = pair(2, 1, 3, 1)
    ours = ours.double()
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(ours, (x,))
    assert torch.autograd.gradcheck(ours, (x,))
