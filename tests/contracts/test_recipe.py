"""Every recipe keeps the contract; a new one is tested by standing in RECIPES."""

import pytest
from tests.contracts.recipe import checks_for

from zscape.recipes import RECIPES

CHECKS = [(n, label, check) for n, r in RECIPES.items() for label, check in checks_for(r)]


@pytest.mark.parametrize("check", [c for _, _, c in CHECKS], ids=[f"{n}-{k}" for n, k, _ in CHECKS])
def test_recipe(check):
    check()
