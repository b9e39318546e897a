"""One runner and one undisturbed study for all of these tests: each takes seconds to begin."""

import pytest
from tests.faults.harness import Runner
from tests.faults.trials import Ward


@pytest.fixture(scope="session")
def runner():
    with Runner() as running:
        yield running


@pytest.fixture(scope="session")
def ward(runner, tmp_path_factory):
    return Ward(tmp_path_factory.mktemp("ward"), runner)


@pytest.fixture(scope="session")
def true(ward):
    """A finished study of a table that nobody touches."""
    return ward.folder / "whole"
