"""Decoders of content and style: what is skipped is not read; style tells no places apart."""

import pytest
import torch

from zscape.networks import encoder, styled_decoder, styled_encoder


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (2, 14, 11), (1, 8, 8), (4, 5, 40)])
def test_pictures_of_any_size_and_codes_of_any_lead(shape):
    network = styled_decoder("conv", (5, 2), shape, skipped=1)
    codes = torch.randn(2, 3, 8)
    codes[..., 0] = torch.nan
    made = network(codes)
    assert made.shape == (2, 3, *shape) and made.isfinite().all()
    torch.testing.assert_close(made[1, 2], network(codes[1, 2:3])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("word", "shape"), [("mlp:16", (5,)), ("mlp", (1, 8, 8)), ("conv", (1, 8, 8))]
)
def test_without_films_the_style_says_nothing_and_with_them_it_does(word, shape):
    network = styled_decoder(word, (3, 2), shape)
    codes, others = torch.randn(4, 5), torch.randn(4, 5)
    others[:, :3] = codes[:, :3]
    assert not torch.allclose(network(codes), network(others))
    for film in network.films:
        torch.nn.init.zeros_(film.weight)
        torch.nn.init.zeros_(film.bias)
    assert torch.equal(network(codes), network(others))


def test_where_the_content_tells_no_places_apart_neither_does_the_style():
    network = styled_decoder("conv", (3, 2), (1, 64, 64))
    place = network.layers[0].body[-1]
    with torch.no_grad():  # one vector at every point of the map
        place.weight.copy_(place.weight[:32].repeat(64, 1))
        place.bias.copy_(place.bias[:32].repeat(64))
    inside = network(torch.randn(2, 5))[..., 16:48, 16:48]  # far from the zeros beyond the edge
    squares = inside.unfold(2, 8, 8).unfold(3, 8, 8)
    torch.testing.assert_close(
        squares, squares[:, :, :1, :1].expand_as(squares), rtol=1e-3, atol=1e-4
    )


def test_a_style_is_read_off_features_that_no_move_across_the_picture_changes():
    encoding, (content, style) = styled_encoder("conv:4", encoder("conv:4", (3, 64, 64)))
    x = torch.zeros(1, 3, 64, 64)
    x[..., 24:32, 16:24] = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        here, there = encoding(x), encoding(x.roll((8, 16), (-2, -1)))
    assert encoding.features == here.shape[-1] == style.stop and content.stop == style.start
    torch.testing.assert_close(here[:, style], there[:, style])
    assert not torch.allclose(here[:, content], there[:, content], atol=1e-3)


def test_of_rows_both_halves_are_read_off_everything():
    rows = encoder("mlp:8", (5,))
    assert styled_encoder("mlp:8", rows) == (rows, (slice(None), slice(None)))
