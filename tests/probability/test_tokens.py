"""The prior of tokens: exact probabilities, causal, and as good as the chain it learns from."""

import math

import pytest
import torch

from zscape.networks.causal import Causal
from zscape.probability.fitting import minimise
from zscape.probability.quantisers import Codebook, Layout, Rounding
from zscape.probability.tokens import Tokens


def shaken(network):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network.eval()


def every(size, length):
    return torch.cartesian_prod(*[torch.arange(size)] * length)


@pytest.mark.parametrize(("books", "features"), [(1, 0), (2, 0), (2, 3)])
def test_probabilities_of_all_grids_sum_to_one(books, features):
    quantiser = Codebook(Layout(2, 4 // books), 3, books=books)
    network = Causal(4, 3, books=books, context=features, width=8, depth=2)
    prior = Tokens(shaken(network), quantiser, features=features)
    p = prior(torch.randn(features))
    total = p.log_prob_of(every(3, 4).unflatten(1, (-1, books))).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-5)


def test_a_fresh_prior_is_uniform():
    prior = Tokens(Causal(5, 7, width=8), Codebook(Layout(2, 5), 7))
    p = prior.eval()(torch.zeros(2, 0))
    torch.testing.assert_close(
        p.log_prob_of(torch.randint(7, (2, 5, 1))), torch.full((2,), -5 * math.log(7))
    )


def test_a_token_sees_only_what_came_before():
    network, tokens = shaken(Causal(6, 4, books=2, context=2, width=8)), torch.randint(4, (1, 6))
    context, before = torch.randn(1, 2), None
    for place in range(6):
        changed = tokens.clone()
        changed[0, place] = (changed[0, place] + 1) % 4
        told, other = network(tokens, context), network(changed, context)
        assert torch.equal(told[0, : place + 1], other[0, : place + 1])
        before = told
        if place < 5:
            assert not torch.allclose(told[0, place + 1 :], other[0, place + 1 :])
    assert not torch.allclose(before, network(tokens, context + 1))


def test_step_by_step_it_says_the_same():
    network, context = shaken(Causal(6, 4, books=2, context=2, width=8)), torch.randn(3, 2)
    said = []

    def choose(logits):
        said.append(logits)
        return logits.argmax(-1)

    tokens = network.unroll(context, choose)
    torch.testing.assert_close(torch.stack(said, 1), network(tokens, context))


def test_it_learns_a_chain_to_its_entropy():
    """A Markov chain of 4 states over 16 places: within 0.02 nats of the entropy of all of it."""
    torch.manual_seed(0)
    moves = torch.tensor(
        [[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.4, 0.1, 0.1, 0.4], [0.1, 0.7, 0.1, 0.1]]
    )
    length, count = 8, 30_000
    chain = [torch.randint(4, (count,))]
    for _ in range(length - 1):
        chain.append(torch.multinomial(moves[chain[-1]], 1)[:, 0])
    tokens = torch.stack(chain, 1)
    quantiser = Rounding(Layout(1, length), (4,))
    prior = Tokens(Causal(length, 4, width=32, depth=1, dropped=0.0), quantiser)

    def nats(found, known):
        return -prior(known).log_prob_of(found[..., None])

    none = torch.zeros(count, 0)
    fitted, held = (tokens[:-5000], none[:-5000]), (tokens[-5000:], none[-5000:])
    records = minimise(prior, nats, fitted, held=held, steps=250, batch=256, learning_rate=2e-2)
    for _ in records:
        pass
    # The entropy of the chain, exactly: of its start and of each move from where it then is.
    place, each = torch.full((4,), 0.25), -(moves * moves.log()).sum(1)
    entropy = math.log(4)
    for _ in range(length - 1):
        entropy += (place @ each).item()
        place = place @ moves
    fresh = tokens[-5000:]
    # What the held-out draws themselves cost under the truth, so that their luck does not count.
    truth = math.log(4) - moves.log()[fresh[:, :-1], fresh[:, 1:]].sum(1).mean().item()
    found = nats(fresh, none[-5000:]).mean().item()
    assert truth == pytest.approx(entropy, abs=0.06)
    assert found - truth < 0.02
    drawn = prior.eval()(torch.zeros(4000, 0)).draw(())[..., 0]
    pairs = torch.zeros(4, 4).index_put_(
        (drawn[:, :-1].flatten(), drawn[:, 1:].flatten()), torch.ones(()), accumulate=True
    )
    torch.testing.assert_close(pairs / pairs.sum(1, keepdim=True), moves, atol=0.03, rtol=0)
