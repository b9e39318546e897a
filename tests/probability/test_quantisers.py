"""Codes by hand: levels and gradients in closed form, nearest codes, averages, revival."""

from copy import deepcopy
from math import log

import pytest
import torch
from torch.distributions import kl_divergence

from zscape.probability.quantised import Quantised, Uniform
from zscape.probability.quantisers import Codebook, Layout, Rounding, clustered


def grid_of(levels):
    """A posterior of one position whose context is what is rounded."""
    q = Quantised(len(levels), Rounding(Layout(len(levels), 1), levels))
    with torch.no_grad():
        q.linear.weight.copy_(torch.eye(len(levels)))
        q.linear.bias.zero_()
    return q


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (5, [-1, -0.5, 0, 0.5, 1]),
        (3, [-1, 0, 1]),
        (4, [-1, -0.5, 0, 0.5]),
        (8, [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75]),
        (2, [-1, 0]),
    ],
)
def test_levels_are_even_and_zero_stays_zero(levels, expected):
    q = grid_of((levels,))
    wide = torch.linspace(-9, 9, 2001)[:, None]
    assert q(wide).z.unique().tolist() == pytest.approx(expected)
    assert q(torch.zeros(1, 1)).z.item() == 0
    assert q.quantiser.vectors(torch.arange(levels)[:, None]).flatten().tolist() == expected


def test_the_gradient_goes_straight_through():
    """d z / d h = s (1 - tanh(h + shift)^2) / w, s half the range, w the levels on a side."""
    for levels, half, width, offset in ((5, 2 * 1.001, 2, 0.0), (4, 1.5 * 1.001, 2, 0.5)):
        h = torch.tensor([[-1.3], [0.2], [0.9]], requires_grad=True)
        q = grid_of((levels,))(h)
        (found,) = torch.autograd.grad(q.z.sum(), h)
        shift = torch.atanh(torch.tensor(offset / half))
        expected = half / width * (1 - (h + shift).tanh() ** 2)
        torch.testing.assert_close(found, expected.detach())
        assert torch.equal(q.z.detach(), q.quantiser.vectors(q.indices).flatten(-2))


def test_an_index_names_all_units():
    rounding = Rounding(Layout(3, 1), (5, 4, 3))
    indices = torch.arange(60)[:, None]
    assert torch.equal(rounding.read(rounding.vectors(indices)), indices)
    assert len(rounding.vectors(indices).unique(dim=0)) == 60


def test_the_nearest_code_is_chosen():
    torch.manual_seed(0)
    book, rows = Codebook(Layout(3, 7), 20), torch.randn(5, 7, 3)
    far = (rows[..., None, :] - book.book(0)).square().sum(-1)
    assert torch.equal(book.choose(rows)[..., 0], far.argmin(-1))


def test_each_book_takes_what_is_left():
    torch.manual_seed(0)
    book, rows = Codebook(Layout(3, 1), 12, books=2), torch.randn(50, 3)
    first = (rows[:, None] - book.book(0)).square().sum(-1).argmin(-1)
    left = rows - book.book(0)[first]
    second = (left[:, None] - book.book(1)).square().sum(-1).argmin(-1)
    indices = book.choose(rows)
    assert torch.equal(indices, torch.stack([first, second], -1))
    torch.testing.assert_close(book.vectors(indices), book.book(0)[first] + book.book(1)[second])


def test_codes_are_read_back():
    torch.manual_seed(0)
    for books in (1, 2):
        book = Codebook(Layout(4, 1), 16, books=books)
        every = torch.cartesian_prod(*[torch.arange(16)] * books).reshape(-1, books)
        assert torch.equal(book.read(book.vectors(every)), every)
    rows = torch.randn(3000, 4)
    book = Codebook(Layout(4, 1), 64, books=3)  # more than the search follows
    book.start(rows)
    indices = book.choose(rows)
    same = (book.read(book.vectors(indices)) == indices).all(1)
    assert same.float().mean() > 0.999


@pytest.mark.parametrize("size", [None, (2, 3)])
def test_vectors_lie_where_the_layout_says(size):
    layout = Layout(4, 6, size)
    z = torch.randn(2, *layout.event)
    rows = layout.rows(z)
    assert torch.equal(layout.whole(rows), z)
    place = rows[1, 4]
    assert torch.equal(place, z[1, 16:20] if size is None else z[1, :, 1, 1])


def test_averages_follow_the_formula():
    torch.manual_seed(0)
    book, rows = Codebook(Layout(2, 1), 3, decay=0.9, revive=0.0), torch.randn(40, 2)
    sums, counts, indices = book.sums.clone(), book.counts.clone(), book.choose(rows)
    book.follow(rows, indices)
    for k in range(3):
        own = rows[indices[:, 0] == k]
        count = 0.9 * counts[0, k] + 0.1 * len(own)
        total = 0.9 * sums[0, k] + 0.1 * own.sum(0)
        torch.testing.assert_close(book.counts[0, k], count)
        torch.testing.assert_close(book.book(0)[k], total / count)


def test_dead_codes_are_revived_at_vectors_of_the_batch():
    torch.manual_seed(0)
    rows = torch.randn(400, 2)
    books = {share: Codebook(Layout(2, 1), 32, revive=share) for share in (0.0, 0.03)}
    used = {}
    for share, book in books.items():
        book.sums[0, 4:].add_(100.0)  # 28 codes where nothing is
        for _ in range(800):
            book.follow(rows, book.choose(rows))
        used[share] = len(book.choose(rows).unique())
    assert used[0.0] == 4
    assert used[0.03] == 32
    fresh = Codebook(Layout(2, 1), 4)
    fresh.sums[0, 3].add_(100.0)
    fresh.counts[0, 3] = fresh.sums[0, 3, 0] = 1e-6
    fresh.follow(rows, fresh.choose(rows))
    assert (rows - fresh.book(0)[3]).norm(dim=1).min() < 1e-5


def test_processes_revive_a_code_at_the_vector_of_one_of_them():
    """Their sums and counts are averaged, as training averages what its processes know."""
    torch.manual_seed(0)
    shares, near = [torch.randn(60, 2) for _ in range(2)], 0
    for _ in range(20):
        book = Codebook(Layout(2, 1), 4)
        book.sums[0, 3] = 1e-6 * 100
        book.counts[0, 3] = 1e-6
        copies = [deepcopy(book) for _ in shares]
        for copy, rows in zip(copies, shares, strict=True):
            copy.follow(rows, copy.choose(rows))
        book.sums = torch.stack([copy.sums for copy in copies]).mean(0)
        book.counts = torch.stack([copy.counts for copy in copies]).mean(0)
        far = (torch.cat(shares) - book.book(0)[3]).norm(dim=1).min()
        near += int(far < 0.05)
        book.follow(shares[0], book.choose(shares[0]))
        assert book.counts.max() < 1e3  # what was revived counts as little as it should
    assert near >= 15  # in the others, between two vectors


def test_clusters_are_found():
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    rows = (centres[:, None] + 0.1 * torch.randn(3, 200, 2)).flatten(0, 1)
    found = clustered(rows, 8)
    nearest = (found[:, None] - centres).norm(dim=-1)
    assert nearest.min(0).values.max() < 0.3
    assert clustered(rows[:5], 16).isfinite().all()


@pytest.mark.parametrize(
    "quantiser",
    [Codebook(Layout(2, 3), 7, books=2), Rounding(Layout(2, 6, (2, 3)), (5, 4))],
    ids=["books", "levels"],
)
def test_the_rate_is_the_name_of_every_code(quantiser):
    size = quantiser.layout.size
    q = Quantised(4, quantiser)(torch.randn(9, 4, *(size or ())))
    p = Uniform(quantiser)(torch.zeros(9, 0))
    nats = quantiser.layout.positions * sum(map(log, quantiser.sizes))
    torch.testing.assert_close(kl_divergence(q, p), torch.full((9,), nats))
    torch.testing.assert_close(-p.log_prob(q.sample()), torch.full((9,), nats))
    assert (q.log_prob(q.sample()) == 0).all()
    assert (q.log_prob(q.sample() + 1) == -torch.inf).all()


def test_codes_that_nothing_chooses_stay_where_they_are():
    """Averages that sink to nothing lose the place: 0.99^10000 is below the least float."""
    book = Codebook(Layout(2, 1), 2, revive=0)
    book.start(torch.tensor([[0.0, 0.0], [3.0, -7.0]]))
    kept = int(book.book(0)[:, 0].argmax())
    place = book.book(0)[kept].clone()
    rows, index = torch.zeros(1, 2), torch.tensor([[1 - kept]])
    for _ in range(11_000):
        book.follow(rows, index)
    assert torch.allclose(book.book(0)[kept], place, rtol=1e-3)
    book.follow(torch.ones(1, 2), torch.tensor([[kept]]))  # and follow at once when chosen
    assert torch.allclose(book.book(0)[kept], torch.ones(2), atol=1e-3)
