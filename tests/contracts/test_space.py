"""Every kind of space keeps the contract; a new kind is one line here."""

import pytest
from tests.contracts.space import (
    array_space,
    checks_for,
    digits_space,
    ladder_space,
    table_space,
)

SPACES = {
    "pictures": digits_space,
    "points": lambda: digits_space("ae"),
    "ladders": ladder_space,
    "grids": lambda: digits_space("vq_vae", latent=3),
    "levels": lambda: digits_space("fsq_vae", latent=3),
    "rows": table_space,
    "vectors": array_space,
}
NAMES = [check.name for check in checks_for(None)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", SPACES)
def test_space(kind, name):
    next(check for check in checks_for(SPACES[kind]()) if check.name == name).run()
