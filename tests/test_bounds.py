"""The lowest versions that CI runs the studio with are those that pyproject.toml allows."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_ci_runs_the_studio_with_the_lowest_versions_that_are_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    studio = project["optional-dependencies"]["studio"]
    lines = (ROOT / ".ci" / "lowest.txt").read_text().splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    bounds = [bound for bound in project["dependencies"] if bound.startswith("pillow")] + studio
    lowest = dict(bound.split(",")[0].replace("[standard]", "").split(">=") for bound in bounds)
    assert {name: whole(version) for name, version in tried.items()} == {
        name: whole(version) for name, version in lowest.items()
    }


def whole(version):
    """Its numbers, without zeros at the end."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers
