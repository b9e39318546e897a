"""FactorVAE and beta-VAE scores: codes built to score 0 and 1, and literal implementations."""

import numpy as np
import pytest
from tests.measures.disentanglement.made import full_grid, noisy

from zscape.measures.disentanglement.factors import labelled
from zscape.measures.disentanglement.votes import beta_vae_score, factor_vae_score, rows_sharing

GRID = full_grid(4, 5, 3).repeat(4, axis=0)
FEW = {"votes": (400, 300), "group": 16}


def rendered(codes_of, sizes=(4, 5, 3)):
    """Groups of a world whose code is a function of its factors."""

    def draw(asked, group, generator):
        factors = generator.integers(0, sizes, (len(asked), group, len(sizes)))
        rows = np.arange(len(asked))
        factors[rows, :, asked] = factors[rows, 0, asked][:, None]
        return codes_of(factors)

    return draw


def rotated(factors):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    return (factors / (4, 5, 3)) @ turn


@pytest.mark.parametrize("draw", [None, rendered(lambda factors: 2.0 - factors)])
def test_perfect_codes_score_one(draw):
    codes = 2.0 - GRID
    assert factor_vae_score(codes, GRID, draw=draw, **FEW).value == 1.0
    assert beta_vae_score(codes, GRID, draw=draw, **FEW).value == 1.0


def test_codes_of_noise_score_by_chance():
    codes = np.random.default_rng(0).normal(size=(len(GRID), 4))
    votes = {"votes": (3000, 3000), "group": 16}
    found = factor_vae_score(codes, GRID, draw=noise(4), **votes)
    assert found.value == pytest.approx(1 / 3, abs=5 * found.error)
    found = beta_vae_score(codes, GRID, draw=noise(4), **votes)
    assert found.value == pytest.approx(1 / 3, abs=5 * found.error)


def noise(size):
    return lambda asked, group, generator: generator.normal(size=(len(asked), group, size))


def test_a_code_of_one_factor_finds_that_one_alone():
    codes = np.concatenate([GRID[:, :1], np.zeros((len(GRID), 2))], 1)
    found = factor_vae_score(codes, GRID, votes=(3000, 3000), group=16)
    assert found.value == pytest.approx(1 / 3, abs=0.05)  # the only unit awake always votes


def test_collapsed_units_have_no_vote():
    # A unit that hardly moves is the stillest in every group, were it heard.
    still = 1e-3 * np.random.default_rng(0).normal(size=(len(GRID), 1)).round(0)
    codes = np.concatenate([GRID, still], 1)
    assert factor_vae_score(codes, GRID, **FEW).value == 1.0
    assert factor_vae_score(0.0 * codes, GRID, **FEW).value == 0.0


def literal_factor_vae(codes, draw, num_factors, votes, group, seed):
    generator = np.random.default_rng(seed)
    variances = [np.var(unit, ddof=1) for unit in codes.T]
    awake = [d for d in range(codes.shape[1]) if variances[d] ** 0.5 >= 0.05]

    def cast(count):
        asked = generator.integers(0, num_factors, count)
        groups = draw(asked, group, generator)
        ballots = []
        for factor, members in zip(asked, groups, strict=True):
            ratios = [np.var(members[:, d], ddof=1) / variances[d] for d in awake]
            ballots.append((int(np.argmin(ratios)), int(factor)))
        return ballots

    learned = cast(votes[0])
    majority = {}
    for unit in range(len(awake)):
        told = [factor for voter, factor in learned if voter == unit]
        majority[unit] = max(range(num_factors), key=told.count)
    measured = cast(votes[1])
    return np.mean([majority[unit] == factor for unit, factor in measured])


@pytest.mark.parametrize("seed", range(3))
def test_factor_vae_score_is_its_definition(seed):
    codes, factors = noisy(seed)
    for draw in (rows_sharing(labelled(codes, factors)), rendered(rotated)):
        width = draw(np.zeros(1, int), 2, np.random.default_rng(0)).shape[-1]
        kept = codes[:, :width]
        found = factor_vae_score(kept, factors, draw=draw, votes=(400, 300), group=8, seed=seed)
        expected = literal_factor_vae(kept, draw, 3, (400, 300), 8, seed)
        assert found.value == pytest.approx(expected, abs=1e-9)
        assert found.error == pytest.approx((expected * (1 - expected) / 300) ** 0.5)


def test_beta_vae_score_is_its_definition():
    from sklearn.linear_model import LogisticRegression

    generator, draw = np.random.default_rng(5), rendered(rotated)

    def points(count):
        asked = generator.integers(0, 3, count)
        pairs = draw(np.repeat(asked, 8), 2, generator).reshape(count, 8, 2, 3)
        return np.array([np.mean([abs(a - b) for a, b in group], 0) for group in pairs]), asked

    (x, told), (y, asked) = points(400), points(300)
    expected = LogisticRegression(max_iter=1000).fit(x / x.std(0), told).score(y / x.std(0), asked)
    codes = rotated(GRID)
    found = beta_vae_score(codes, GRID, draw=draw, votes=(400, 300), group=8, seed=5)
    assert found.value == pytest.approx(expected, abs=1e-9)


def test_groups_of_rows_share_their_factor_and_nothing_else():
    table = labelled(GRID.astype(float), GRID)
    asked = np.arange(300) % 3
    groups = rows_sharing(table)(asked, 20, np.random.default_rng(0))
    spreads = groups.std(1)
    assert (spreads[np.arange(300), asked] == 0).all()
    spreads[np.arange(300), asked] = 1.0
    assert (spreads > 0).all()


def test_a_value_of_one_row_is_never_drawn():
    factors = np.array([[0, 0]] * 9 + [[1, 1]] * 9 + [[2, 0]])
    codes = np.concatenate([factors, np.arange(19)[:, None]], 1).astype(float)
    groups = rows_sharing(labelled(codes, factors))(np.zeros(200, int), 5, np.random.default_rng(0))
    assert set(groups[..., 0].ravel().tolist()) == {0.0, 1.0}


def test_scores_repeat():
    codes, factors = noisy()
    for score in (factor_vae_score, beta_vae_score):
        first = score(codes, factors, seed=1, **FEW)
        assert first == score(codes, factors, seed=1, **FEW)


def test_one_factor_is_always_told():
    assert beta_vae_score(GRID + 0.0, GRID[:, :1], **FEW).value == 1.0
    assert factor_vae_score(GRID + 0.0, GRID[:, :1], **FEW).value == 1.0
