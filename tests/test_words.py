"""Every public name has a docstring, and the documents name what exists."""

import ast
import re
from pathlib import Path

import pytest

from zscape.recipes import RECIPES
from zscape.study.spec import options
from zscape.study.training.beginning import begin

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path for path in (ROOT / "src" / "zscape").rglob("*.py") if "node_modules" not in path.parts
)
DOCUMENTS = [
    path
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
    if path.name != "CHANGELOG.md"
]
# Flags of other programs, and of a recipe that the tutorial writes.
FOREIGN_FLAGS = {
    "--nproc-per-node",
    "--nnodes",
    "--rdzv-backend",
    "--rdzv-endpoint",
    "--shyness",
    "--quick",
    "--seed",
    "--only",
    "--figures",
    "--issue",
    "--help",
    "--version",
}


def public(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path.name} says nothing of itself"
    nested = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (isinstance(node, ast.FunctionDef) or node.name.startswith("_"))
        for inner in ast.walk(node)
        if inner is not node
    }
    for node in public(tree):
        if node not in nested:
            assert ast.get_docstring(node), f"{path.name}: {node.name}"


def known_flags() -> set[str]:
    faces = ROOT / "src" / "zscape"
    commands = [*(faces / "cli").glob("*.py"), faces / "studio" / "command.py"]
    cli = "".join(path.read_text() for path in commands)
    own = {f"--{name.replace('_', '-')}" for name in re.findall(r"\b([a-z_]+): ", cli)}
    optional = {option for recipe in RECIPES.values() for option in options(recipe)}
    settings = {f"--{name.replace('_', '-')}" for name in optional | options(begin).keys()}
    return own | settings | {"--json", "--debug", "--out"} | FOREIGN_FLAGS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_real_flags(path):
    named = set(re.findall(r"(?<![-\w|])--[a-z][a-z-]*", path.read_text()))
    assert named <= known_flags(), named - known_flags()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_real_commands(path):
    from zscape.cli import COMMANDS

    named = set(re.findall(r"^(?:    |\$ )?zscape ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert named <= set(COMMANDS), named


def test_the_readme_lists_every_recipe():
    readme = (ROOT / "README.md").read_text()
    assert not [name for name in RECIPES if f"`{name}`" not in readme]


def test_the_makefile_says_every_word():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"\.PHONY: (.*)", makefile).group(1).split()
    for word in phony:
        assert re.search(rf"^## {word} ", makefile, re.MULTILINE), word
