"""What every network promises: `checks_for(word, shape)` yields the checks."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from zscape.networks import decoder, encoder

LATENT = 3
LEADING = ((4,), (2, 3), (1, 2, 2))


def checks_for(word: str, shape: tuple[int, ...]) -> Iterator[Callable[[], None]]:
    yield partial(_keeps_leading_dimensions, word, shape)
    for build in (_encoder, _decoder):
        yield partial(_reaches_every_parameter, build, word, shape)
        yield partial(_treats_an_example_alone, build, word, shape)
        yield partial(_is_the_same_in_training, build, word, shape)
        yield partial(_comes_back_from_its_state, build, word, shape)
        yield partial(_starts_moderate, build, word, shape)


def _encoder(word: str, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    return encoder(word, shape), torch.rand(6, *shape)


def _decoder(word: str, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    return decoder(word, LATENT, shape), torch.randn(6, LATENT)


def _keeps_leading_dimensions(word, shape):
    enc, dec = encoder(word, shape), decoder(word, LATENT, shape)
    for leading in LEADING:
        assert enc(torch.rand(*leading, *shape)).shape == (*leading, enc.features)
        assert dec(torch.randn(*leading, LATENT)).shape == (*leading, *shape)
    x, z = torch.rand(2, 3, *shape), torch.randn(2, 3, LATENT)
    torch.testing.assert_close(enc(x)[1, 2], enc(x[1])[2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dec(z)[1, 2], dec(z[1])[2], rtol=1e-4, atol=1e-5)


def _reaches_every_parameter(build, word, shape):
    network, x = build(word, shape)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-2)
    # A residual branch starts at zero, so its inner weights move from the second step on.
    for _ in range(2):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def _treats_an_example_alone(build, word, shape):
    network, x = build(word, shape)
    together, alone = network(x)[:1], network(x[:1])
    assert (together - alone).norm() <= 1e-5 * together.norm()


def _is_the_same_in_training(build, word, shape):
    network, x = build(word, shape)
    assert torch.equal(network.train()(x), network.eval()(x))


def _comes_back_from_its_state(build, word, shape):
    network, x = build(word, shape)
    again, _ = build(word, shape)
    assert not torch.equal(again(x), network(x))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(x), network(x))


def _starts_moderate(build, word, shape):
    network, x = build(word, shape)
    assert 1e-3 < network(x).std() < 5.0
