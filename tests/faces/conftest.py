"""The command line as tests call it."""

import pytest

from zscape.cli import main


@pytest.fixture
def run(capsys):
    """Runs words and gives back the exit code and both outputs."""

    def call(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return call
