"""Networks that stop at a map, and those that begin at one."""

import pytest
import torch

from zscape.networks import grid_decoder, grid_encoder, keeps_grid


@pytest.mark.parametrize(
    ("word", "shape", "size"),
    [
        ("conv:4", (1, 28, 28), (7, 7)),
        ("conv:4", (3, 64, 64), (8, 8)),
        ("residual:4", (3, 33, 47), (5, 6)),
        ("conv:4,6,8", (1, 28, 28), (4, 4)),
        ("conv:4,6", (2, 9, 5), (3, 2)),
    ],
)
def test_maps_keep_leading_dimensions_and_examples_apart(word, shape, size):
    torch.manual_seed(0)
    front, back = grid_encoder(word, shape), grid_decoder(word, 3, shape)
    x, z = torch.rand(2, 3, *shape), torch.randn(2, 3, 3, *size)
    hidden, made = front(x), back(z)
    assert front.size == size
    assert hidden.shape == (2, 3, front.features, *size)
    assert made.shape == (2, 3, *shape)
    torch.testing.assert_close(front(x[1, 2:]), hidden[1, 2:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(back(z[1, 2:]), made[1, 2:], rtol=1e-4, atol=1e-5)
    assert 1e-3 < hidden.std() < 5 and 1e-3 < made.std() < 5


def test_a_place_of_a_map_is_of_its_place_in_the_picture():
    torch.manual_seed(0)
    front, x = grid_encoder("conv:4,4", (1, 32, 32)), torch.rand(1, 1, 32, 32)
    other = x.clone()
    other[..., 28:, 28:] = 0
    changed = (front(x) - front(other)).abs().amax((0, 1)) > 1e-6
    assert changed[-1, -1]
    assert not changed[0, 0]


def test_words_that_keep_a_grid():
    words = ("conv", "residual:4", "mlp", "coordinate")
    assert [keeps_grid(word) for word in words] == [True, True, False, False]
