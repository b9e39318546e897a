import pytest
from torch import nn

from zscape.errors import SpecError
from zscape.networks import decoder, encoder
from zscape.networks.transposed import Transposed


def _layers(network):
    leaves = [layer for layer in network.modules() if not list(layer.children())]
    return [layer for layer in leaves if not isinstance(layer, nn.Flatten | nn.Unflatten)]


def _convolutions(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | Transposed)]


def test_mlp_of_one_width_is_the_published_network():
    first, activation = _layers(encoder("mlp:400", (1, 28, 28)).body)
    assert (first.in_features, first.out_features) == (784, 400)
    assert isinstance(activation, nn.ReLU)
    first, activation, last = _layers(decoder("mlp:400", 20, (1, 28, 28)))
    assert (first.in_features, first.out_features) == (20, 400)
    assert isinstance(activation, nn.ReLU)
    assert (last.in_features, last.out_features) == (400, 784)


def test_decoder_mirrors_the_widths_of_its_encoder():
    enc, dec = encoder("mlp:512,256", (30,)), decoder("mlp:512,256", 4, (30,))
    linear = [layer for layer in _layers(enc) if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [512, 256]
    assert enc.features == 256
    linear = [layer for layer in _layers(dec) if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [256, 512, 30]


@pytest.mark.parametrize(
    ("word", "shape", "channels"),
    [
        ("conv", (1, 28, 28), [32, 64]),
        ("conv", (1, 64, 64), [32, 32, 64, 64]),
        ("conv:16", (3, 32, 32), [16, 16, 32]),
        ("conv:8,16,16", (3, 64, 64), [8, 16, 16]),
        ("conv", (1, 5, 7), [32]),
    ],
)
def test_conv_halves_to_a_short_side_of_at_most_seven(word, shape, channels):
    convolutions = _convolutions(encoder(word, shape))
    assert [layer.out_channels for layer in convolutions] == channels
    assert all(layer.stride == (2, 2) for layer in convolutions)
    mirrored = _convolutions(decoder(word, 5, shape))
    assert [layer.weight.shape[0] for layer in mirrored] == channels[::-1]


def test_residual_doubles_its_channels_to_a_cap():
    convolutions = _convolutions(encoder("residual:64", (3, 128, 128)))
    halvings = [layer.out_channels for layer in convolutions if layer.stride == (2, 2)]
    assert halvings == [64, 128, 256, 256, 256]
    assert len(convolutions) == 3 * len(halvings)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("convv", "Unknown network 'convv'. Did you mean 'conv'?"),
        ("mlp:0", "got 'mlp:0'. Write them as 'mlp:64' or 'mlp:64,128'."),
        ("mlp:", "whole numbers of at least 1, got 'mlp:'"),
        ("conv:32,,64", "whole numbers"),
        ("conv:-3", "whole numbers"),
        ("conv:3.5", "whole numbers"),
    ],
)
def test_words_that_cannot_be_are_refused_by_name(word, said):
    for build in (lambda: encoder(word, (1, 28, 28)), lambda: decoder(word, 2, (1, 28, 28))):
        with pytest.raises(SpecError) as error:
            build()
        assert said in str(error.value)


@pytest.mark.parametrize("word", ["conv", "residual"])
def test_picture_networks_refuse_rows(word):
    with pytest.raises(SpecError, match="Use 'mlp' for rows"):
        encoder(word, (12,))
    with pytest.raises(SpecError, match="Use 'mlp' for rows"):
        decoder(word, 2, (12,))
