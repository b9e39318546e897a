"""The scikit-learn face: scikit-learn's own checks, and what a person does with it."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from zscape import LatentTransformer
from zscape.errors import SpecError

# The checks ask how it behaves, not how well it fits: a few epochs show that.
CHECKS = list(estimator_checks_generator(LatentTransformer(epochs=5)))


@pytest.fixture(scope="module")
def rows():
    """A line in five dimensions on columns of very different scales."""
    draws = np.random.default_rng(0)
    position = draws.normal(size=(300, 1))
    noise = 0.1 * draws.normal(size=(300, 5))
    return (position * [1, -1, 1, 1, -1] + noise) * [1, 10, 100, 0.1, 1] + [0, 5, 0, 0, -3]


@pytest.fixture(scope="module")
def fitted(rows):
    return LatentTransformer(n_components=2, epochs=60, random_state=0).fit(rows)


@pytest.mark.parametrize("estimator, check", CHECKS, ids=lambda value: _name(value))
def test_scikit_learn_check(estimator, check):
    check(estimator)


def _name(value):
    return "" if isinstance(value, LatentTransformer) else value.func.__name__


def test_score_is_a_lower_bound_near_the_likelihood_of_a_linear_model(fitted, rows):
    reference = PCA(1).fit(rows / rows.std(0)).score(rows / rows.std(0)) - np.log(rows.std(0)).sum()
    assert reference - 1.5 < fitted.score(rows) < reference + 0.5


def test_score_of_a_row_does_not_depend_on_its_co_batch(fitted, rows):
    together = fitted.score_samples(rows)
    alone = np.concatenate([fitted.score_samples(row[None]) for row in rows[:20]])
    np.testing.assert_allclose(alone, together[:20], rtol=1e-9)


def test_score_moves_with_the_scale_of_the_data(rows):
    small = LatentTransformer(epochs=3, random_state=0).fit(rows).score(rows)
    large = LatentTransformer(epochs=3, random_state=0).fit(rows * 10).score(rows * 10)
    assert small - large == pytest.approx(5 * np.log(10), abs=1e-3)


def test_inverse_transform_brings_rows_back(fitted, rows):
    back = fitted.inverse_transform(fitted.transform(rows))
    assert back.shape == rows.shape
    assert np.corrcoef(back[:, 2], rows[:, 2])[0, 1] > 0.98


def test_samples_look_like_the_data_and_repeat(fitted, rows):
    drawn = fitted.sample(2000, random_state=3)
    np.testing.assert_allclose(drawn.std(0) / rows.std(0), 1, atol=0.25)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] - -0.99) < 0.06
    np.testing.assert_array_equal(drawn, fitted.sample(2000, random_state=3))


def test_constant_columns_come_back(rows):
    rows = np.column_stack([rows, np.full(len(rows), 7.5)])
    model = LatentTransformer(epochs=2).fit(rows)
    assert (model.inverse_transform(model.transform(rows))[:, -1] == 7.5).all()
    assert np.isfinite(model.score(rows))


def test_global_randomness_is_left_alone(rows):
    np.random.seed(5)
    torch.manual_seed(5)
    expected = np.random.random(), torch.rand(1).item()
    np.random.seed(5)
    torch.manual_seed(5)
    model = LatentTransformer(epochs=2).fit(rows)
    model.score_samples(rows)
    model.sample(3)
    assert (np.random.random(), torch.rand(1).item()) == expected


@pytest.mark.parametrize("recipe", ["vq_vae", "fsq_vae", "fill_vae"])
def test_recipes_of_other_codes_are_refused(recipe, rows):
    with pytest.raises(SpecError, match="rows of numbers, got"):
        LatentTransformer(recipe=recipe).fit(rows)


@pytest.mark.parametrize("recipe", ["vae", "iwae", "flow_vae", "mixture_vae", "tc_vae"])
def test_recipes_by_name(recipe, rows):
    model = LatentTransformer(recipe, n_components=3, epochs=2, random_state=0).fit(rows)
    assert model.transform(rows).shape == (300, 3)
    together, alone = model.score_samples(rows[:3]), model.score_samples(rows[:1])
    assert together[0] == pytest.approx(alone[0], rel=1e-6)


def test_point_codes_have_no_score(rows):
    model = LatentTransformer("ae", epochs=2).fit(rows)
    assert model.transform(rows).shape == (300, 8)
    with pytest.raises(SpecError, match="undefined"):
        model.score(rows)


def test_a_pipeline_and_a_grid_search():
    x, y = load_iris(return_X_y=True)
    line = make_pipeline(
        StandardScaler(),
        LatentTransformer(epochs=15, random_state=0),
        LogisticRegression(max_iter=500),
    )
    grid = {"latenttransformer__n_components": np.array([1, 3])}
    search = GridSearchCV(line, grid, cv=3, error_score="raise").fit(x, y)
    assert search.best_score_ > 0.85
    assert set(search.cv_results_["param_latenttransformer__n_components"]) == {1, 3}


def test_names_of_columns(rows):
    frame = pd.DataFrame(rows, columns=list("abcde"))
    model = LatentTransformer(n_components=2, epochs=2).set_output(transform="pandas").fit(frame)
    assert list(model.transform(frame)) == ["latenttransformer0", "latenttransformer1"]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"recipe": "tcvae"}, "tc_vae"),
        ({"n_components": 0}, "latent"),
        ({"options": {"latent": 3}}, "n_components"),
        ({"options": {"betta": 3.0}}, "beta"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 2.5}, "batch_size"),
    ],
)
def test_wrong_parameters_are_refused_by_name(wrong, said, rows):
    with pytest.raises(SpecError, match=said):
        LatentTransformer(**wrong).fit(rows)
