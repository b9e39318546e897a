"""The tutorial and the README's example run as they are written."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def blocks(name: str) -> str:
    """The Python blocks of a document; a blank line where other text stands keeps line numbers."""
    text = (ROOT / name).read_text()
    code, inside = [], False
    for line in text.splitlines():
        if re.match(r"```", line):
            inside = line == "```python"
            code.append("")
        else:
            code.append(line if inside else "")
    return "\n".join(code)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docs/tutorial.md", "README.md"])
def test_python_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks(name), name, "exec"), {"__name__": "tutorial"})
