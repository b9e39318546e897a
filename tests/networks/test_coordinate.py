"""The coordinate network: every pixel is one function of the code and its place."""

import pytest
import torch
from torch import nn

from zscape.errors import SpecError
from zscape.networks import decoder, encoder


def test_every_pixel_is_the_same_function_of_code_and_place():
    torch.manual_seed(0)
    network, z = decoder("coordinate:5,7", 3, (2, 4, 6)), torch.randn(3)
    # Literally: one pixel at a time, through plain matrices.
    linear = [m for m in network.body if isinstance(m, nn.Conv2d)]
    for row, y in enumerate(torch.linspace(-1, 1, 4)):
        for column, x in enumerate(torch.linspace(-1, 1, 6)):
            hidden = network.codes(z) + network.places.weight @ torch.stack([x, y])
            for layer in linear:
                hidden = layer.weight[:, :, 0, 0] @ hidden.relu() + layer.bias
            torch.testing.assert_close(network(z)[:, row, column], hidden)


def test_a_shift_of_the_code_moves_the_picture():
    torch.manual_seed(0)
    network = decoder("coordinate", 2, (1, 9, 9))
    with torch.no_grad():
        network.codes.weight.copy_(-network.places.weight)
    step = 2 / 8  # a pixel
    before, after = network(torch.zeros(2))[0], network(torch.tensor([3 * step, -step]))[0]
    torch.testing.assert_close(after[:-1, 3:], before[1:, :-3], rtol=1e-4, atol=1e-5)


def test_widths_are_those_asked_for():
    network = decoder("coordinate:8,16,4", 3, (3, 5, 5))
    convolutions = [m for m in network.body if isinstance(m, nn.Conv2d)]
    assert network.codes.out_features == 8
    assert [m.out_channels for m in convolutions] == [16, 4, 3]
    assert encoder("coordinate:8,16,4", (3, 5, 5)).features == 256


def test_the_default_is_small():
    parts = encoder("coordinate", (1, 32, 32)), decoder("coordinate", 10, (1, 32, 32))
    count = sum(p.numel() for part in parts for p in part.parameters())
    assert 260_000 < count < 270_000


def test_the_grid_is_no_state():
    assert "grid" not in decoder("coordinate", 2, (1, 4, 4)).state_dict()


def test_rows_have_no_places():
    with pytest.raises(SpecError, match="pictures of channels, height and width"):
        decoder("coordinate", 2, (7,))
