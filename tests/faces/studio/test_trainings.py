"""Trainings as a page asks for them and is told of them."""

import pytest
from tests.faces.studio.conftest import API

from zscape.recipes import RECIPES
from zscape.studio.work import asked


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"options": {"latent": "many"}}, "latent", "must be a whole number, got 'many'"),
        ({"options": {"latent": -3}}, "latent", "must be at least 1, got -3"),
        ({"options": {"latent": 2.5}}, "latent", "must be a whole number, got 2.5"),
        ({"options": {"beta": "much"}}, "beta", "must be a number or 'auto'"),
        ({"options": {"network": "nut"}}, "network", "Unknown network 'nut'"),
        ({"options": {"epochs": 0}}, "epochs", "must be at least 1, got 0"),
        ({"options": {"seed": 2**62}}, "seed", "must be below 2^62"),
        ({"options": {"epochs": 1e300}}, "epochs", "a number within 1e9"),
        ({"options": {"levels": 3}}, "levels", "Unknown option 'levels'"),
        ({"recipe": "nut"}, "recipe", "must be one of those that the form lists"),
        ({"data": "/etc"}, "data", "must be built in or those of a study"),
        ({"data": None}, "data", "must have data"),
        ({"name": "../x"}, "name", "up to 60 letters"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_there_is_a_job(client, ids, body, field, words):
    usual = {"kind": "train", "name": "new", "data": {"study": ids["table"]}, "recipe": "vae"}
    answer = client.post(f"{API}/jobs", json=usual | body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["field"] == field
    assert words in error["sentence"]
    assert client.get(f"{API}/jobs").json()["jobs"] == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_usual_can_be_asked_of_every_recipe(recipe):
    assert b"true" in asked.checked(recipe, {"seed": 1}, {"name": "digits"}).content
