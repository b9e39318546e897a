"""No file runs code: what could do it is banned from the source, and watched while it would."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.harness import ROOT, SOURCE
from tests.faults.hostile_studies import changes, hostile_studies

pytestmark = pytest.mark.slow

FILES = sorted(
    path for path in (SOURCE / "zscape").rglob("*.py") if "node_modules" not in path.parts
)
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
MODULES |= {"yaml", "jsonpickle", "imp", "runpy", "code", "codeop"}
BUILTINS = {"eval", "exec", "compile", "__import__", "breakpoint"}
CALLS = {"torch.load", "torch.save", "torch.hub.load", "torch.jit.load", "os.system", "os.popen"}
CALLS |= {"pd.read_pickle", "pandas.read_pickle", "np.fromfile", "pd.eval", "numpy.lib.npyio"}

# Each with where its reason stands.
ALLOWED = {
    # A .pth whose bytes are hashed first, read as tensors only: docs/decisions/0007.
    ("measures/pretrained.py", "torch.load"),
    # The one name that is imported is the one that was typed behind --recipe: CONTRIBUTING.md.
    ("study/spec.py", "import_module"),
    # Names and commands of our own by our own tables, so that help costs no torch.
    ("__init__.py", "import_module"),
    ("cli/__init__.py", "import_module"),
    # Optional packages by names that stand in the source.
    ("modalities/extras.py", "import_module"),
}


def offences(path):
    """What a file does that could run code out of a file."""
    own = str(path.relative_to(SOURCE / "zscape"))
    for node in ast.walk(ast.parse(path.read_text())):
        for what in _suspicious(node):
            if (own, what) not in ALLOWED:
                yield f"{own}:{node.lineno}: {what}"


def _suspicious(node):
    if isinstance(node, ast.Import):
        yield from (a.name for a in node.names if a.name.split(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom):
        yield from [node.module] if (node.module or "").split(".")[0] in MODULES else []
    elif isinstance(node, ast.Attribute) and ast.unparse(node) in CALLS:
        yield ast.unparse(node)
    elif isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called in BUILTINS or called.split(".")[-1] == "import_module":
            yield called.split(".")[-1]
        if called.split(".")[-1] == "load" and called.split(".")[0] in ("np", "numpy"):
            yield from [] if _denies_pickle(node) else ["np.load without allow_pickle=False"]
        if any(k.arg in ("shell", "allow_pickle") and _is_true(k.value) for k in node.keywords):
            yield ast.unparse(node)


def _denies_pickle(node):
    mapped = any(k.arg == "mmap_mode" for k in node.keywords)  # numpy refuses objects there
    denied = any(k.arg == "allow_pickle" and not _is_true(k.value) for k in node.keywords)
    return mapped or denied


def _is_true(value):
    return not (isinstance(value, ast.Constant) and value.value is False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_in_the_source_could_run_a_file(path):
    assert list(offences(path)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "import numpy as np\nnp.load('x')",
        "np.load('x', allow_pickle=True)",
        "eval('1')",
        "importlib.import_module(name)",
        "subprocess.run('x', shell=True)",
    ],
)
def test_the_ban_sees_what_it_bans(text, tmp_path, monkeypatch):
    path = SOURCE / "zscape" / "not_there.py"
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert list(offences(path))


# Runs in a process of its own, as an audit hook cannot be taken off.
WATCHER = """
import json, os, sys
from pathlib import Path
import zscape as zs, zscape.cli.lists
from zscape.cli import main
from zscape.errors import ZscapeError
from zscape.study.study import Study

def opened(path):
    study = Study.open(path)
    study.space(), study.log(), study.report(), study.measures()

opened(sys.argv[1])  # what is imported late is imported now
main(["show", sys.argv[1]])
seen, watching = [], False
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
STARTS = ("subprocess.", "socket.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod")
RUNS = ("pickle.", "marshal.load", "exec", "compile", "code.", "import", "ctypes.dlopen")

def hook(event, given):
    if not watching:
        return
    if event == "open" and isinstance(given[2], int) and given[2] & WRITING:
        seen.append(f"{event} {given[0]!r} {given[2]}")
    elif event.startswith(STARTS + CHANGES + RUNS):
        seen.append(f"{event} {given!r:.100}")

sys.addaudithook(hook)
modules = set(sys.modules)
for line in sys.stdin:
    watching = True
    try:
        opened(line.rstrip("\\n"))
    except ZscapeError:
        pass
    watching = False
    new = sorted(set(sys.modules) - modules)
    print(json.dumps({"seen": seen, "new": new}), flush=True)
    seen.clear()
"""


def test_opening_runs_imports_starts_and_writes_nothing(true, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHER, str(true)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{SOURCE}:{ROOT}", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )
    names = [name for name in changes() if "script" not in name][::3]
    names += [name for name in changes() if "recipe" in name or "pickle" in name]
    found, count = {}, 0
    for name, study in hostile_studies(true, tmp_path, names=names):
        process.stdin.write(f"{study}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        while line and not line.startswith("{"):  # the words of `show`
            line = process.stdout.readline()
        told = json.loads(line)
        count += 1
        if told["seen"] or told["new"]:
            found[name] = told
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()
    assert found == {}
    assert count > 150
