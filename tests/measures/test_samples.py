"""Sample figures against closed forms, hand-made sets and slow literal versions."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.contracts.space import array_space, digits_space, table_space
from torch import nn
from torch.distributions import Independent, Normal

from zscape.errors import SpecError
from zscape.measures.features import Features, pixel_features, row_features
from zscape.measures.halves import half_errors
from zscape.measures.linear import components
from zscape.measures.samples import quality
from zscape.measures.samples.distances import frechet, kernel_distance, neighbourhood
from zscape.measures.samples.quality import sample_quality
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import DiagonalGaussian
from zscape.space.space import Space, encode_stored
from zscape.study.data import look

ROWS = ["real against real", "samples", "samples from N(0, I)", "PCA-Gaussian"]


def exact_moments(n, mean, covariance):
    """A set whose mean and covariance are exactly these."""
    x = torch.randn(n, len(mean), dtype=torch.float64)
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(
        torch.linalg.cholesky(x.T @ x / (n - 1)), x.T, upper=False
    )
    return (torch.linalg.cholesky(covariance) @ white).T + mean


def test_frechet_of_two_gaussians_is_known():
    first, last = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([2.0, 0.5, 3.0]).double()
    real = exact_moments(50, torch.zeros(3).double(), first.square().diag())
    made = exact_moments(70, torch.tensor([1.0, 0.0, -2.0]).double(), last.square().diag())
    expected = 1 + 4 + (first - last).square().sum().item()
    assert frechet(real, made).value == pytest.approx(expected, abs=1e-9)
    assert frechet(made, real).value == pytest.approx(expected, abs=1e-9)


def literal_frechet(real, made):
    first, last = np.cov(real.T), np.cov(made.T)
    values, axes = np.linalg.eigh(first)
    root = axes @ np.diag(np.sqrt(values.clip(0))) @ axes.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ last @ root).clip(0)).sum()
    gap = ((real.mean(0) - made.mean(0)) ** 2).sum()
    return gap + np.trace(first) + np.trace(last) - 2 * overlap


@pytest.mark.parametrize(("n", "m", "size"), [(60, 60, 7), (40, 90, 5), (20, 15, 30), (14, 40, 30)])
def test_frechet_against_a_literal_version(n, m, size):
    real = torch.randn(n, size, dtype=torch.float64) @ torch.randn(size, size).double()
    made = torch.randn(m, size, dtype=torch.float64) * 2 + 1
    expected = literal_frechet(real.numpy(), made.numpy())
    # The literal version loses half its digits where covariances are of low rank.
    assert frechet(real, made).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("size", [3, 100])
def test_frechet_of_a_set_with_itself_is_zero(size):
    x = torch.randn(30, size)
    assert frechet(x, x).value == pytest.approx(0, abs=1e-6 * size)


def test_frechet_sees_low_rank():
    x = torch.zeros(40, 6)
    x[:, 0] = torch.linspace(-1, 1, 40)
    assert frechet(x, 3 * x).value == pytest.approx(4 * x[:, 0].double().var().item(), rel=1e-6)


def literal_kernel_distance(real, made):
    def kernel(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    n, m = len(real), len(made)
    first = sum(kernel(real[i], real[j]) for i in range(n) for j in range(n) if i != j)
    last = sum(kernel(made[i], made[j]) for i in range(m) for j in range(m) if i != j)
    between = sum(kernel(a, b) for a in real for b in made)
    return first / (n * (n - 1)) + last / (m * (m - 1)) - 2 * between / (n * m)


def test_kernel_distance_against_a_literal_version():
    real, made = torch.randn(14, 3).double(), torch.randn(17, 3).double() + 0.5
    expected = literal_kernel_distance(real, made)
    assert kernel_distance(real, made).value == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_has_no_bias():
    found = [kernel_distance(torch.randn(16, 3), torch.randn(16, 3)).value for _ in range(200)]
    error = np.std(found) / len(found) ** 0.5
    assert abs(np.mean(found)) < 3 * error
    assert min(found) < 0


def literal_neighbourhood(real, made, near, far):
    def radius(points, i, k):
        return sorted(float((points[i] - p).norm()) for p in points)[k]

    def apart(a, b):
        return float((a - b).norm())

    n, m = len(real), len(made)
    precise = [any(apart(y, real[i]) <= radius(real, i, near) for i in range(n)) for y in made]
    recalled = [any(apart(x, made[j]) <= radius(made, j, near) for j in range(m)) for x in real]
    inside = [[apart(y, real[i]) < radius(real, i, far) for y in made] for i in range(n)]
    return [np.mean(precise), np.mean(recalled), np.sum(inside) / far / m, np.any(inside, 1).mean()]


def test_neighbourhood_against_a_literal_version():
    real, made = torch.randn(30, 3).double(), 0.7 * torch.randn(25, 3).double() + 0.5
    for nearest in ((3, 5), (2, 4), (4, 1)):
        figures = neighbourhood(real, made, nearest=nearest)
        expected = literal_neighbourhood(real, made, *nearest)
        assert [figure.value for figure in figures] == pytest.approx(expected, abs=1e-12)


def test_neighbourhood_of_sets_made_by_hand():
    line = torch.arange(20.0)[:, None]
    same = [figure.value for figure in neighbourhood(line, line)]
    assert same == pytest.approx([1, 1, 1, 1], abs=0.1)
    far = [figure.value for figure in neighbourhood(line, line + 1000)]
    assert far == [0, 0, 0, 0]
    # Half of the kinds are missing: what is there is right, and half is not covered.
    both = torch.cat([line, line + 1000])
    half = [figure.value for figure in neighbourhood(both, torch.cat([line, line + 0.1]))]
    assert half[0] == 1 and half[1] == 0.5
    assert half[2] > 0.9 and half[3] == 0.5
    # One wrong thing in four is found by precision.
    off = torch.cat([line[:15], line[:5] + 1000])
    assert neighbourhood(line, off)[0].value == 0.75


def test_equal_things_do_not_hang_on_rounding():
    x = torch.rand(40, 300) * 100
    # Each made thing is a real one, so it lies in its own ball and in those of its neighbours.
    for made in (x.clone(), x[torch.randperm(40)]):
        assert neighbourhood(x, made)[2].value == pytest.approx(1, abs=1e-12)


def test_few_examples_are_undefined():
    x = torch.randn(11, 3)
    for figure in (frechet(x, x), kernel_distance(x, x), *neighbourhood(x, x)):
        assert figure.value is None and figure.kind == "undefined"


def test_half_errors_of_a_mean():
    values = torch.randn(400).double()
    (error,) = half_errors(lambda some: values[some].mean()[None], 400, seed=0, rounds=400)
    assert error.item() == pytest.approx(values.std().item() / 20, rel=0.15)
    odd = values[:13]
    (error,) = half_errors(lambda some: odd[some].mean()[None], 13, seed=0, rounds=2000)
    assert error.item() == pytest.approx(odd.std().item() / 13**0.5, rel=0.1)


@pytest.mark.parametrize(
    "measure", [frechet, kernel_distance, lambda real, made: neighbourhood(real, made)[3]]
)
def test_errors_are_the_spread_over_fresh_draws(measure):
    made = [measure(torch.randn(120, 3), 1.5 * torch.randn(120, 3) + 1) for _ in range(40)]
    spread = np.std([figure.value for figure in made])
    assert np.mean([figure.error for figure in made]) == pytest.approx(spread, rel=0.4)


class Half(Conditional):
    """x given z, so that x is N(0, 1) where z is."""

    def forward(self, context):
        scale = torch.full_like(context, 0.5).log() / 2
        return DiagonalGaussian(context / 2**0.5, scale)


class At(Conditional):
    """N(place, 1) in two dimensions, whatever it is given."""

    def __init__(self, place):
        super().__init__()
        self.place = nn.Parameter(torch.full((2,), place))

    def forward(self, context):
        return Independent(Normal(self.place.expand(*context.shape[:-1], 2), 1.0), 1)


def gaussian_space(place):
    """A space that is exactly right when codes come from N(0, 1), with its prior elsewhere."""
    data = look(np.random.default_rng(0).normal(size=(900, 2)))
    level = Flat("z", prior=At(place), posterior=At(0.0))
    model = Model(nn.Identity(), [level], Decoder(nn.Identity(), Half())).eval()
    codes = encode_stored(model, data.modality, data.x)
    return Space(model, data.modality, codes, data.x, torch.arange(900))


def test_rows_are_what_they_say():
    right, wrong = sample_quality(gaussian_space(0.0)), sample_quality(gaussian_space(3.0))
    assert [row.name for row in right.rows] == ROWS
    assert right.examples == 450 and not right.held_out
    names = [figure.name for figure in right.rows[0].figures]
    assert names[0] == "Frechet distance (N = 450)" and names[2] == "precision (k = 3, N = 450)"
    for found in (right, wrong):
        for row in found.rows:
            assert [figure.name for figure in row.figures] == names
    for name in ("Frechet distance", "KID"):
        real, samples, standard, floor = (row[name] for row in wrong.rows)
        assert samples.value > real.value + 10 * samples.error
        for good in (standard, floor, right.rows[1][name]):
            assert abs(good.value - real.value) < 4 * (good.error + real.error)
    assert wrong.rows[1]["coverage"].value < 0.5 * wrong.rows[2]["coverage"].value


@pytest.mark.parametrize("trained", [digits_space, table_space, array_space])
def test_quality_repeats_and_leaves_randomness_alone(trained):
    space = trained()
    features = pixel_features() if trained is digits_space else row_features(space)
    before = torch.get_rng_state()
    first = sample_quality(space, seed=3, features=features)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == sample_quality(space, seed=3, features=features)
    assert first != sample_quality(space, seed=4, features=features)
    for row in first.rows:
        for figure in row.figures:
            assert figure.kind == "estimate" and figure.error is not None and figure.source
            assert np.isfinite(figure.value)


def recording():
    seen = []

    def record(x):
        seen.append(x)
        return x.flatten(1).nan_to_num()

    return seen, Features("recorded", record)


def test_real_things_are_held_out_and_apart():
    space = digits_space()
    held_out = torch.arange(len(space.items)) % 4 == 0
    seen, features = recording()
    found = sample_quality(dataclasses.replace(space, held_out=held_out), n=1000, features=features)
    assert found.held_out and found.examples == 25
    allowed = space.modality.prepare(space.items[held_out]).flatten(1)
    real = torch.cat(seen[:2]).flatten(1)
    assert len(real) == 50
    same = (real[:, None] == allowed[None]).all(-1)
    assert same.any(1).all()
    assert same.any(0).sum() == 50, "one real thing stands on both sides"


def test_rows_miss_cells_where_real_ones_do():
    seen, features = recording()
    sample_quality(table_space(), features=features)
    holes = seen[1].isnan()
    assert holes.any()
    assert all(torch.equal(made.isnan(), holes) for made in seen[2:])


def test_the_floor_holds_valid_rows():
    space = table_space()
    seen, features = recording()
    sample_quality(space, features=features)
    floor = seen[-1]
    for column, (word, classes) in enumerate(space.modality.columns):
        cells = floor[:, column]
        if word == "categorical":
            assert set(cells.tolist()) <= set(range(classes))
        if word == "negative_binomial":
            assert (cells == cells.round()).all() and (cells >= 0).all()


def test_few_items_are_undefined_and_no_samples_an_error():
    space = digits_space()
    held_out = torch.zeros(len(space.items), dtype=torch.bool)
    held_out[:1] = True
    found = sample_quality(dataclasses.replace(space, held_out=held_out), features=pixel_features())
    assert found.examples == 0
    assert {figure.kind for row in found.rows for figure in row.figures} == {"undefined"}
    with pytest.raises(SpecError, match="at least 1"):
        sample_quality(space, n=0)


def test_the_floor_never_sees_what_it_is_judged_by(monkeypatch):
    space = digits_space()
    held_out = torch.arange(len(space.items)) % 4 == 0
    seen = []

    def record(x, size):
        seen.append(x)
        return components(x, size)

    monkeypatch.setattr(quality, "components", record)
    part = dataclasses.replace(space, held_out=held_out)
    sample_quality(part, features=pixel_features())
    trained = space.modality.prepare(space.items[~held_out]).flatten(1)
    assert torch.equal(seen[0], trained)
