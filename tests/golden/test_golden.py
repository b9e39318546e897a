"""Studies that earlier releases wrote open as they did, wherever they lie, and are not touched."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from tests.golden.make import EXPECTED, HERE

import zscape as zs
from zscape.cli import main
from zscape.space.space import encode_stored
from zscape.study.study import Study

STUDIES = sorted(path.parent for path in HERE.glob(f"*/*/{EXPECTED}"))
MOST_BYTES = 200_000  # of all studies of a release


def named(path):
    return str(path.relative_to(HERE))


def tree(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture(params=STUDIES, ids=named)
def study(request):
    return request.param


def require_same(folder, study):
    expected = json.loads((study / EXPECTED).read_text())
    space = zs.open(folder)
    assert len(space.codes) == expected["examples"]
    wanted = torch.tensor(expected["codes"])
    assert (space.codes.flat[: len(wanted)] - wanted).abs().max() <= 1e-6
    again = encode_stored(space.model, space.modality, space.items[: len(wanted)]).flat
    assert (again - wanted).abs().max() <= 1e-6
    return space


def test_every_modality_has_one():
    kinds = {Study.open(path).asked["modality"]["kind"] for path in STUDIES}
    assert kinds >= {"image", "table", "array"}


def test_they_are_small():
    releases = {path.parent for path in STUDIES}
    for release in releases:
        size = sum(path.stat().st_size for path in release.rglob("*") if path.is_file())
        assert size < MOST_BYTES


def test_it_opens_with_the_codes_of_its_release(study):
    before = tree(study)
    space = require_same(study, study)
    opened = Study.open(study)
    assert opened.log()[-1]["epoch"] == 2
    assert len(space.modality.decode(space.decode_tensor(space.codes[:3]))) == 3
    assert len(space.sample(4, seed=0)) == 4
    assert opened.measures() is None and opened.report() is None
    assert tree(study) == before


def test_it_works_moved_with_spaces_and_read_only(study, tmp_path, monkeypatch):
    folder = tmp_path / "a name with späces" / "and one more"
    shutil.copytree(study, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = tree(folder)
    require_same(folder, study)
    require_same(Path(os.path.relpath(folder)), study)
    assert main(["show", str(folder)]) == 0
    assert tree(folder) == before
    assert list(elsewhere.iterdir()) == []
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)


def test_no_file_holds_a_path_of_where_it_was(study):
    for path in study.iterdir():
        content = path.read_bytes()
        assert b"/home" not in content and b"/tmp" not in content
