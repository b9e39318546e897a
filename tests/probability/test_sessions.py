from itertools import permutations
from math import factorial, log

import pytest
import torch

from zscape.networks.events import NextEvent
from zscape.probability.sessions import Sessions

EVENTS, LONGEST, TOLD = 3, 5, 2


def sessions(*, stirred: float, longest: int = LONGEST) -> Sessions:
    torch.manual_seed(0)
    network = NextEvent(EVENTS, context=TOLD, width=8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(stirred * torch.randn_like(parameter))
    return Sessions(network, longest=longest, context=TOLD)


def stored(orders: list[tuple[int, ...]], longest: int = LONGEST) -> torch.Tensor:
    rows = []
    for order in orders:
        told = [event + 1 for event in order][:longest]
        rows.append([order.count(k) for k in range(EVENTS)] + told + [0] * (longest - len(told)))
    return torch.tensor(rows, dtype=torch.float32)


def of_order(said: Sessions, x: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(3)
    distribution = said(torch.randn(*said.features))
    return distribution.log_prob_per_unit(x)[:, EVENTS:].sum(-1)


def test_a_network_that_says_nothing_finds_every_order_as_likely():
    order = (0, 1, 1, 2, 1)
    expected = -log(factorial(5) / factorial(3))
    got = of_order(sessions(stirred=0.0), stored([order]))
    assert got.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("events", [(0, 1, 1, 2), (2, 2, 2), (0, 0, 1, 1, 2)])
def test_the_orders_of_the_same_events_sum_to_one(events: tuple[int, ...]):
    orders = sorted(set(permutations(events)))
    got = of_order(sessions(stirred=0.5), stored(orders))
    assert got.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert len(orders) == 1 or got.std() > 0.01  # the network does say something


def test_only_the_first_events_of_a_long_session_are_ordered():
    said = sessions(stirred=0.5, longest=2)
    starts = stored([(0, 0, 2, 1), (0, 2, 0, 1), (0, 1, 0, 2), (2, 0, 0, 1), (1, 0, 0, 2)], 2)
    rest = stored([(1, 2, 0, 0), (2, 1, 0, 0)], 2)
    got = of_order(said, torch.cat([starts, rest]))
    assert got.exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_draws_come_as_often_as_their_probability_says():
    said = sessions(stirred=0.5)
    context = torch.cat([torch.tensor([0.7, 0.7, 0.0, -6.0, -6.0, -6.0]), torch.randn(TOLD)])
    distribution = said(context)
    torch.manual_seed(1)
    drawn = distribution.sample((20_000,))
    counts, order = drawn.split([EVENTS, LONGEST], -1)
    certain = (counts == torch.tensor([1.0, 1.0, 0.0])).all(-1)
    assert certain.float().mean() > 0.999
    order = order[certain]
    share = (order[:, 0] == 1).float().mean().item()
    wanted = of_order_at(distribution, (0, 1)).exp().item()
    assert share == pytest.approx(wanted, abs=0.015)
    assert (order[:, 2:] == 0).all()


def of_order_at(distribution, order: tuple[int, ...]) -> torch.Tensor:
    return distribution.log_prob_per_unit(stored([order]))[0, EVENTS:].sum()


def test_the_central_session_is_a_possible_one():
    said = sessions(stirred=0.5)
    distribution = said(torch.randn(7, *said.features))
    counts, order = distribution.mean.split([EVENTS, LONGEST], -1)
    came = torch.stack([(order == kind + 1).sum(-1) for kind in range(EVENTS)], -1)
    whole = counts.round()
    short = whole.sum(-1) <= LONGEST
    assert torch.equal(came[short].float(), whole[short])
    assert (came <= whole).all()
    assert ((order > 0).sum(-1) == whole.sum(-1).clamp(max=LONGEST)).all()


def test_the_central_session_is_never_empty():
    said = sessions(stirred=0.0)
    context = torch.full((3, said.features[0]), -3.0)  # centres of all counts far below a half
    mean = said(context).mean
    assert (mean[:, : said.events].round().sum(1) == 1).all()
    assert ((mean[:, said.events :] > 0).sum(1) == 1).all()


def test_events_in_their_usual_order_are_learned():
    torch.manual_seed(0)
    said = sessions(stirred=0.1)
    x = stored([(0, 1, 2)] * 8)
    optimizer = torch.optim.Adam(said.parameters(), lr=0.03)
    context = torch.zeros(*said.features)
    for _ in range(60):
        optimizer.zero_grad()
        (-said(context).log_prob(x).mean()).backward()
        optimizer.step()
    usual, turned = (of_order_at(said(context), order) for order in ((0, 1, 2), (0, 2, 1)))
    assert usual > log(0.9)
    assert turned < log(0.1)
